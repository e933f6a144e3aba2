//! The application of a site: starts and stops jobs, works on tasks, hands results in.

use std::collections::BTreeMap;

use fedlink::error::Misuse;
use fedlink::message::{JobId, Outcome, Payload, Properties, TaskId};
use fedlink::{Client, Instant, Task};

use super::dice::content;
use super::director::HEAVY;
use super::event::{Event, SiteEvent};
use super::model::Said;
use super::scene::Scene;
use super::tally::{Case, Claim};

/// Sizes of results: most travel inside their message, some in several chunks.
const SIZES: [usize; 8] = [0, 1, 200, 1024, 1025, 20_000, 300_000, 600_000];

/// What the process of a site has in its memory.
#[derive(Default)]
pub struct Worker {
    runs: BTreeMap<JobId, Run>,
    work: BTreeMap<TaskId, JobId>,
}

/// A job that runs here.
struct Run {
    since: Instant,
    /// The client has said that it is to stop.
    told: bool,
    /// It did not stop when it was to.
    stubborn: bool,
}

/// Whom the worker works for, while one input is handled.
pub struct Shift<'a, 'b> {
    pub site: usize,
    pub life: u32,
    pub client: &'a mut Client,
    pub scene: &'a mut Scene<'b>,
}

impl Shift<'_, '_> {
    fn says(&mut self, said: Said) {
        self.scene.model.site_says(self.site, said);
    }

    fn later(&mut self, low: u64, high: u64, event: SiteEvent) {
        let wait = self.scene.dice().millis(low, high);
        self.scene
            .after(wait, Event::Site(self.site, self.life, event));
    }
}

impl Worker {
    pub fn is_idle(&self) -> bool {
        self.runs.is_empty() && self.work.is_empty()
    }

    /// Each job that runs, since when, and whether it is known that it is to stop.
    pub fn runs(&self) -> impl Iterator<Item = (JobId, Instant, bool)> {
        self.runs
            .iter()
            .map(|(job, run)| (*job, run.since, run.told))
    }

    pub fn told_to_start(&mut self, shift: &mut Shift<'_, '_>, jobs: &[JobId]) {
        for job in jobs {
            assert!(!self.runs.contains_key(job), "job {job} runs already");
            if shift.scene.dice().chance(500) {
                self.start(shift, *job);
            } else {
                shift.later(0, 5_000, SiteEvent::Start(*job));
            }
        }
    }

    pub fn start(&mut self, shift: &mut Shift<'_, '_>, job: JobId) {
        if self.runs.contains_key(&job) {
            return;
        }
        shift.client.job_started(shift.scene.clock(), job).unwrap();
        shift.says(Said::Started(job));
        self.run(shift, job);
    }

    /// A job of the process before goes on, whether this one says so or not.
    fn resume(&mut self, shift: &mut Shift<'_, '_>, job: JobId) {
        if self.runs.contains_key(&job) {
            return;
        }
        if shift.scene.dice().chance(500) {
            shift.client.job_started(shift.scene.clock(), job).unwrap();
        }
        self.run(shift, job);
    }

    fn run(&mut self, shift: &mut Shift<'_, '_>, job: JobId) {
        let run = Run {
            since: shift.scene.now,
            told: false,
            stubborn: false,
        };
        self.runs.insert(job, run);
        self.pull(shift, job);
    }

    /// Asks for tasks, or does so later when too many are held.
    pub fn pull(&mut self, shift: &mut Shift<'_, '_>, job: JobId) {
        if !self.runs.contains_key(&job) {
            return;
        }
        match shift.client.pull_task(shift.scene.clock(), job) {
            Ok(()) => {}
            Err(Misuse::Full { .. }) => {
                shift.scene.tally.count(Case::PullFull);
                shift.later(1_000, 5_000, SiteEvent::Pull(job));
            }
            Err(misuse) => panic!("a job that runs cannot ask for tasks: {misuse}"),
        }
    }

    /// Ends one job without having been told to, and starts it again.
    pub fn hiccup(&mut self, shift: &mut Shift<'_, '_>) {
        let jobs: Vec<JobId> = self.runs.keys().copied().collect();
        let Some(job) = jobs.get(shift.scene.dice().below(jobs.len())).copied() else {
            return;
        };
        shift.scene.tally.count(Case::Hiccup);
        let (site, work) = (shift.site, &mut shift.scene.model.work);
        let given_up = work.given_up(job);
        work.dropped(site, given_up.into_iter());
        let tasks = self.work.iter().filter(|(_, of)| **of == job);
        work.dropped(site, tasks.map(|(task, _)| *task));
        self.end(shift, job);
        shift.later(0, 30_000, SiteEvent::Start(job));
    }

    pub fn told_to_stop(&mut self, shift: &mut Shift<'_, '_>, jobs: &[JobId]) {
        let now = shift.scene.now;
        for job in jobs {
            shift.scene.tally.count(Case::AbortDelivered);
            shift.scene.tally.held(Claim::AbortsArrive);
            shift
                .scene
                .model
                .work
                .an_end_is_stored_before_it_is_told(*job);
            if let Some(run) = self.runs.get_mut(job) {
                if run.stubborn {
                    shift.scene.tally.count(Case::AbortRepeated);
                } else if shift.scene.dice().chance(200) {
                    let clock = shift.scene.clock();
                    shift.client.job_abort_failed(clock, *job).unwrap();
                    shift.says(Said::StillRuns(*job));
                    run.stubborn = true;
                    run.since = now;
                    continue;
                }
            }
            self.end(shift, *job);
        }
    }

    pub fn told_that_it_is_over(&mut self, shift: &mut Shift<'_, '_>, job: JobId) {
        shift
            .scene
            .model
            .work
            .an_end_is_stored_before_it_is_told(job);
        self.end(shift, job);
    }

    pub fn given(&mut self, shift: &mut Shift<'_, '_>, task: &Task) {
        let known = task.again || self.runs.contains_key(&task.job);
        if !known && !shift.scene.plan.habits.is_prompt() {
            // The host ended the job while this was on its way to it.
            return;
        }
        let Scene { model, plan, .. } = &mut *shift.scene;
        model.work.a_task_is_given_once(shift.site, plan, task);
        shift.scene.tally.count(if task.again {
            Case::TaskGivenAgain
        } else {
            Case::TaskGiven
        });
        if shift.life > 0 || shift.scene.plan.weather.is_bad() {
            shift.scene.tally.held(Claim::TasksComeOnce);
        }
        if task.payload.len() > shift.scene.plan.server.inline_limit {
            shift.scene.tally.count(Case::LargeTask);
        }
        if task.again {
            self.resume(shift, task.job);
        }
        assert!(
            self.runs.contains_key(&task.job),
            "task {} belongs to a job that does not run here",
            task.id
        );
        self.work.insert(task.id, task.job);
        let longest = shift.scene.plan.habits.work;
        shift.later(0, longest, SiteEvent::Worked(task.id));
        if shift.scene.dice().chance(300) {
            self.pull(shift, task.job);
        }
    }

    pub fn worked(&mut self, shift: &mut Shift<'_, '_>, task: TaskId) {
        let Some(job) = self.work.remove(&task) else {
            return;
        };
        let Shift {
            site,
            client,
            scene,
            ..
        } = shift;
        let habits = scene.plan.habits;
        let outcome = if scene.dice().chance(habits.failed) {
            scene.tally.count(Case::ResultFailed);
            Outcome::Failed
        } else if scene.dice().chance(habits.aborted) {
            scene.tally.count(Case::ResultAborted);
            Outcome::Aborted
        } else {
            Outcome::Ok
        };
        let size = match habits.heavy && scene.dice().chance(300) {
            true => HEAVY,
            false => scene.dice().pick(&SIZES),
        };
        if size > scene.plan.client.inline_limit {
            scene.tally.count(Case::LargeResult);
        }
        let payload = Payload::labelled(content(scene.dice().next(), size), "test", "");
        let (now, person) = (scene.now, scene.plan.person(*site));
        scene
            .model
            .work
            .submitted(person, task, outcome, payload.clone(), now);
        scene.line(|| format!("site-{site} hands in {outcome:?} of task {task}, {size} B"));
        client
            .submit(scene.clock(), task, outcome, Properties::new(), payload)
            .unwrap();
        shift.says(Said::Submitted(task, outcome));
        self.pull(shift, job);
    }

    fn end(&mut self, shift: &mut Shift<'_, '_>, job: JobId) {
        let ended = shift.client.job_ended(shift.scene.clock(), job);
        shift.says(Said::Ended(job));
        // A slow host may be told twice.
        assert!(ended.is_ok() || !shift.scene.plan.habits.is_prompt());
        self.runs.remove(&job);
        self.work.retain(|_, of| *of != job);
    }
}
