//! The application of the coordinator: runs jobs in rounds, takes results, gives work to
//! others where a site has given up.

mod work;

use core::time::Duration;
use std::collections::BTreeSet;

use fedlink::identity::Name;
use fedlink::message::{JobId, TaskId};
use fedlink::{Instant, Server, TaskState};

use super::disk::Disk;
use super::event::{Event, ServerEvent};
use super::scene::Scene;
use super::tally::Case;

/// More than one block.
pub const HEAVY: usize = 9_000_000;

/// How long the director waits for what a site has given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// How far a job has come, with the mark of the disk at which that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Planned,
    Runs { mark: u64 },
    Ending { mark: u64 },
    Over,
}

/// The mark of what a dead process has not seen stored.
const NEVER: u64 = u64::MAX;

pub struct Director {
    stages: Vec<Stage>,
    /// Results that will be taken.
    reading: BTreeSet<TaskId>,
}

/// What the director works with, while one input is handled.
pub struct DirectorContext<'a, 'b> {
    pub server: &'a mut Server,
    pub disk: &'a Disk,
    pub life: u32,
    pub scene: &'a mut Scene<'b>,
}

impl DirectorContext<'_, '_> {
    fn later(&mut self, low: u64, high: u64, event: ServerEvent) {
        let wait = self.scene.dice().millis(low, high);
        self.scene.after(wait, Event::Server(self.life, event));
    }

    /// What the server's clock says.
    fn now(&self) -> Instant {
        self.scene.clock()
    }

    /// The mark of the disk at which all is stored that the server has decided.
    fn mark(&self) -> u64 {
        self.disk.mark(self.server.unconfirmed_records())
    }
}

impl Director {
    pub fn new(jobs: usize) -> Self {
        Self {
            stages: vec![Stage::Planned; jobs],
            reading: BTreeSet::new(),
        }
    }

    pub fn is_done(&self) -> bool {
        self.stages.iter().all(|stage| *stage == Stage::Over)
    }

    /// The process has started: finds where it was, in what the server was restored to.
    pub fn resume(&mut self, context: &mut DirectorContext<'_, '_>) {
        self.reading.clear();
        let now = context.scene.now;
        for index in 0..self.stages.len() {
            let plan = &context.scene.plan.jobs[index];
            let (id, starts_at, aborts_at) = (plan.id, plan.starts_at, plan.aborts_at);
            let runs = context.server.jobs().any(|job| job == id);
            let start = Event::Server(context.life, ServerEvent::StartJob(index));
            self.stages[index] = match (self.stages[index], runs) {
                (Stage::Planned, false) => {
                    context.scene.at(starts_at, start);
                    Stage::Planned
                }
                (Stage::Runs { mark }, false) => {
                    assert_eq!(mark, NEVER, "a stored job is forgotten");
                    context.scene.at(now, start);
                    Stage::Planned
                }
                (Stage::Ending { .. } | Stage::Over, false) => {
                    context.scene.model.work.ended.entry(id).or_insert(now);
                    Stage::Over
                }
                (Stage::Over, true) => panic!("the end of a job is forgotten"),
                // An end that was lost was never meant.
                (Stage::Planned | Stage::Runs { .. } | Stage::Ending { .. }, true) => {
                    Stage::Runs { mark: 0 }
                }
            };
            for client in context.server.disabled().cloned().collect::<Vec<_>>() {
                let site = site_of(context.scene, &client);
                context.later(0, 30_000, ServerEvent::Enable(site));
            }
            if let Some(at) = aborts_at.filter(|at| *at > now) {
                let abort = Event::Server(context.life, ServerEvent::AbortJob(index));
                context.scene.at(at, abort);
            }
            match self.stages[index] {
                Stage::Over => context.scene.model.work.over(id),
                Stage::Planned | Stage::Runs { .. } | Stage::Ending { .. } => {
                    self.check_memory(context, id);
                }
            }
            if runs {
                self.direct(context, index);
            }
        }
        let review = Event::Server(context.life, ServerEvent::Review);
        context.scene.after(PATIENCE, review);
    }

    /// The process dies: what is not confirmed by now never will be.
    pub fn crash(&mut self, disk: &Disk) {
        for stage in &mut self.stages {
            match stage {
                Stage::Runs { mark } if disk.reached(*mark) => *mark = 0,
                Stage::Runs { mark } => *mark = NEVER,
                Stage::Planned | Stage::Ending { .. } | Stage::Over => {}
            }
        }
    }

    /// All that was stored is gone: jobs that are not over begin anew, as others.
    pub fn wipe(&mut self, scene: &mut Scene<'_>) {
        scene.model.work.server_was_wiped = true;
        for (index, stage) in self.stages.iter_mut().enumerate() {
            if matches!(stage, Stage::Runs { .. } | Stage::Ending { .. }) {
                let id = JobId::from_bytes(scene.dice().id());
                let before = core::mem::replace(&mut scene.plan.jobs[index].id, id);
                scene.model.work.forgotten_by_server(before, scene.now);
                *stage = Stage::Planned;
            }
        }
    }

    /// Something was stored: ends of jobs may be among it.
    pub fn stored(&mut self, disk: &Disk, scene: &mut Scene<'_>) {
        for (index, stage) in self.stages.iter_mut().enumerate() {
            if let Stage::Ending { mark } = *stage
                && disk.reached(mark)
            {
                *stage = Stage::Over;
                let id = scene.plan.jobs[index].id;
                scene.model.work.ended.insert(id, scene.now);
            }
        }
    }

    pub fn start(&mut self, context: &mut DirectorContext<'_, '_>, index: usize) {
        if self.stages[index] != Stage::Planned {
            return;
        }
        let plan = &context.scene.plan;
        let job = &plan.jobs[index];
        let (id, sites) = (job.id, job.meant_for(&plan.sites));
        context.server.start_job(context.now(), id, sites).unwrap();
        context.scene.model.server.job_started(id);
        self.stages[index] = Stage::Runs {
            mark: context.mark(),
        };
        self.direct(context, index);
    }

    pub fn abort(&mut self, context: &mut DirectorContext<'_, '_>, index: usize) {
        if matches!(self.stages[index], Stage::Runs { .. }) {
            context.scene.tally.count(Case::JobAborted);
            self.end(context, index);
        }
    }

    /// Keeps a site out for a while.
    pub fn disable(&mut self, context: &mut DirectorContext<'_, '_>, site: usize) {
        let site = context.scene.plan.person(site);
        let name = context.scene.plan.sites[site].clone();
        if context.server.disable(context.now(), &name) {
            context.scene.model.work.disabled.insert(site);
            context
                .scene
                .happens(Case::SiteDisabled, || format!("{name} is disabled"));
            context.later(1_000, 40_000, ServerEvent::Enable(site));
        }
    }

    pub fn enable(&mut self, context: &mut DirectorContext<'_, '_>, site: usize) {
        let name = context.scene.plan.sites[site].clone();
        context.server.enable(context.now(), &name);
    }

    /// What jobs still wait for.
    pub fn complaint(&self, server: &Server, scene: &Scene<'_>) -> String {
        let jobs = self.stages.iter().zip(&scene.plan.jobs);
        let job = |(stage, plan): (&Stage, &super::plan::JobPlan)| {
            let tasks: Vec<String> = server
                .tasks(plan.id)
                .filter(|task| task.state != TaskState::Taken)
                .map(|task| {
                    let given = &scene.model.work.tasks[&task.id].given;
                    format!(
                        "{} {} {:?} of {:?}, given to {given:?}",
                        task.id, task.name, task.state, task.client
                    )
                })
                .collect();
            format!("job {} {stage:?}: {}", plan.id, tasks.join("; "))
        };
        jobs.map(job).collect::<Vec<_>>().join("\n")
    }

    fn end(&mut self, context: &mut DirectorContext<'_, '_>, index: usize) {
        let job = context.scene.plan.jobs[index].id;
        context
            .scene
            .happens(Case::JobEnded, || format!("job {job} ends"));
        context.server.end_job(context.now(), job).unwrap();
        context.scene.model.work.ending.insert(job);
        context.scene.model.server.job_ended(job);
        self.stages[index] = Stage::Ending {
            mark: context.mark(),
        };
    }

    fn check_memory(&self, context: &mut DirectorContext<'_, '_>, job: JobId) {
        let held = context
            .server
            .tasks(job)
            .map(|task| (task.id, task.state))
            .collect();
        context.scene.model.work.restored(job, &held);
    }
}

pub fn site_of(scene: &Scene<'_>, name: &Name) -> usize {
    let sites = &scene.plan.sites;
    sites.iter().position(|site| site == name).unwrap()
}
