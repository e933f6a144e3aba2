//! Tasks in rounds, and their results.

use core::time::Duration;
use std::collections::BTreeMap;

use fedlink::identity::Name;
use fedlink::message::{Payload, Properties, TaskId};
use fedlink::{Assignee, NewTask, ResultReceived, TaskState};

use super::{Director, DirectorContext, HEAVY, PATIENCE, site_of};
use crate::world::dice::content;
use crate::world::event::{Event, ServerEvent};
use crate::world::scene::Scene;
use crate::world::tally::{Case, Claim};

/// Sizes of inputs; those of one round share one.
const SIZES: [usize; 6] = [0, 100, 1024, 5_000, 100_000, 600_000];

impl Director {
    pub fn received(&mut self, context: &mut DirectorContext<'_, '_>, result: &ResultReceived) {
        if result.again {
            context.scene.tally.count(Case::ResultGivenAgain);
        }
        let site = site_of(context.scene, &result.client);
        let max_payload = context.scene.plan.client.max_payload;
        let work = &mut context.scene.model.work;
        if work.a_result_is_received_once(site, result, max_payload) {
            context.scene.tally.count(Case::TaskUnfit);
        }
        if context.scene.model.work.tasks[&result.task].survives {
            context.scene.tally.held(Claim::ResultsArriveOnce);
        }
        self.reading.insert(result.task);
        let wait = match context.scene.dice().below(3) {
            0 => Duration::ZERO,
            _ => context.scene.dice().millis(0, 5_000),
        };
        let take = Event::Server(context.life, ServerEvent::Take(result.task));
        context.scene.after(wait, take);
    }

    pub fn take(&mut self, context: &mut DirectorContext<'_, '_>, task: TaskId) {
        let job = context.scene.model.work.tasks[&task].job;
        if !self.reading.remove(&task) || context.server.jobs().all(|runs| runs != job) {
            return;
        }
        context.server.taken(context.now(), task).unwrap();
        context.scene.model.work.taken(task);
        context.scene.tally.count(Case::ResultTaken);
        let jobs = &context.scene.plan.jobs;
        let index = jobs.iter().position(|plan| plan.id == job).unwrap();
        self.direct(context, index);
    }

    /// A client is dead: half of its work goes to others.
    pub fn mourn(&mut self, context: &mut DirectorContext<'_, '_>, client: &Name) {
        let theirs: Vec<(usize, TaskId)> = self
            .open_tasks(context)
            .into_iter()
            .filter(|(_, _, owner)| owner.as_ref() == Some(client))
            .map(|(index, task, _)| (index, task))
            .collect();
        for (index, task) in theirs {
            if context.scene.dice().chance(500) {
                self.reassign(context, index, task);
            }
        }
    }

    /// Gives to others what a site has given up for good, so that the job can go on.
    pub fn review(&mut self, context: &mut DirectorContext<'_, '_>) {
        for (index, task, _) in self.open_tasks(context) {
            let given_up = context.scene.model.work.tasks[&task].given_up;
            if given_up.is_some_and(|at| at + PATIENCE < context.scene.now) {
                self.reassign(context, index, task);
            }
        }
        let review = Event::Server(context.life, ServerEvent::Review);
        context.scene.after(PATIENCE, review);
    }

    /// Gives one open task to another site, for no reason.
    pub fn reassign_one(&mut self, context: &mut DirectorContext<'_, '_>) {
        if let Some((index, task)) = self.any_open(context) {
            self.reassign(context, index, task);
        }
    }

    /// Takes one open task back, and makes it anew.
    pub fn withdraw_one(&mut self, context: &mut DirectorContext<'_, '_>) {
        if let Some((index, task)) = self.any_open(context) {
            context.server.withdraw(context.now(), task).unwrap();
            context.scene.model.work.withdrawn(task);
            context.scene.tally.count(Case::TaskWithdrawn);
            self.direct(context, index);
        }
    }

    pub(super) fn any_open(
        &self,
        context: &mut DirectorContext<'_, '_>,
    ) -> Option<(usize, TaskId)> {
        let open = self.open_tasks(context);
        let chosen = context.scene.dice().below(open.len());
        open.get(chosen).map(|(index, task, _)| (*index, *task))
    }

    pub(super) fn open_tasks(
        &self,
        context: &DirectorContext<'_, '_>,
    ) -> Vec<(usize, TaskId, Option<Name>)> {
        let mut open = Vec::new();
        for (index, plan) in context.scene.plan.jobs.iter().enumerate() {
            let tasks = context.server.tasks(plan.id);
            let tasks =
                tasks.filter(|it| matches!(it.state, TaskState::Queued | TaskState::Assigned));
            open.extend(tasks.map(|it| (index, it.id, it.client.cloned())));
        }
        open
    }

    pub(super) fn reassign(
        &mut self,
        context: &mut DirectorContext<'_, '_>,
        index: usize,
        task: TaskId,
    ) {
        let sites: Vec<usize> = context.scene.plan.jobs[index]
            .sites
            .iter()
            .copied()
            .collect();
        let dice = context.scene.dice();
        let site = dice.chance(700).then(|| sites[dice.below(sites.len())]);
        let to = assignee(context.scene, site);
        let new = context.server.reassign(context.now(), task, to).unwrap();
        context.scene.model.work.reassigned(task, new, site);
        context
            .scene
            .happens(Case::TaskReassigned, || format!("{task} becomes {new}"));
    }

    /// Makes the tasks of the round that are missing; when all are done, goes on to the
    /// next round, or ends the job.
    pub(super) fn direct(&mut self, context: &mut DirectorContext<'_, '_>, index: usize) {
        let plan = context.scene.plan.jobs[index].clone();
        let mut there: BTreeMap<String, TaskState> = BTreeMap::new();
        for task in context.server.tasks(plan.id) {
            there.insert(task.name.to_owned(), task.state);
        }
        for round in 0..plan.rounds {
            let sites = plan.sites.iter().copied().map(Some);
            let anyone = (0..plan.for_anyone).map(|_| None);
            let mut through = true;
            for (number, site) in sites.chain(anyone).enumerate() {
                let name = format!("round {round} task {number}");
                match there.get(&name) {
                    Some(state) => through &= *state == TaskState::Taken,
                    None => {
                        through = false;
                        self.assign(context, index, round, name, site);
                    }
                }
            }
            if !through {
                return;
            }
        }
        self.end(context, index);
    }

    pub(super) fn assign(
        &mut self,
        context: &mut DirectorContext<'_, '_>,
        index: usize,
        round: usize,
        name: String,
        site: Option<usize>,
    ) {
        let seed = context
            .scene
            .plan
            .luck
            .wrapping_add((index * 100 + round) as u64);
        let size = match context.scene.plan.habits.heavy {
            true => HEAVY,
            false => SIZES[(seed % SIZES.len() as u64) as usize],
        };
        let payload = Payload::labelled(content(seed, size), "model", "");
        let job = context.scene.plan.jobs[index].id;
        let to = assignee(context.scene, site);
        let task = NewTask::new(name.clone(), payload.clone())
            .with_headers(Properties::new().with("round", round.to_string()));
        let id = context.server.assign(context.now(), job, to, task).unwrap();
        context
            .scene
            .model
            .work
            .assigned(id, job, &name, payload, site);
    }
}

fn assignee(scene: &Scene<'_>, site: Option<usize>) -> Assignee {
    site.map_or(Assignee::Anyone, |site| {
        Assignee::Site(scene.plan.sites[site].clone())
    })
}
