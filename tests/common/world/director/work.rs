//! Tasks in rounds, and their results.

use core::time::Duration;
use std::collections::BTreeMap;

use fedlink::identity::Name;
use fedlink::message::{Payload, Properties, TaskId};
use fedlink::{Assignee, NewTask, ResultReceived, TaskState};

use super::{Desk, Director, HEAVY, PATIENCE, site_of};
use crate::world::dice::content;
use crate::world::event::{Event, ServerEvent};
use crate::world::scene::Scene;
use crate::world::tally::{Case, Claim};

/// Sizes of inputs; those of one round share one.
const SIZES: [usize; 6] = [0, 100, 1024, 5_000, 100_000, 600_000];

impl Director {
    pub fn received(&mut self, desk: &mut Desk<'_, '_>, result: &ResultReceived) {
        if result.again {
            desk.scene.tally.count(Case::ResultGivenAgain);
        }
        let site = site_of(desk.scene, &result.client);
        let max_payload = desk.scene.plan.client.max_payload;
        let work = &mut desk.scene.model.work;
        if work.a_result_is_received_once(site, result, max_payload) {
            desk.scene.tally.count(Case::TaskUnfit);
        }
        if desk.scene.model.work.tasks[&result.task].survives {
            desk.scene.tally.held(Claim::ResultsArriveOnce);
        }
        self.reading.insert(result.task);
        let wait = match desk.scene.dice().below(3) {
            0 => Duration::ZERO,
            _ => desk.scene.dice().millis(0, 5_000),
        };
        let take = Event::Server(desk.life, ServerEvent::Take(result.task));
        desk.scene.after(wait, take);
    }

    pub fn take(&mut self, desk: &mut Desk<'_, '_>, task: TaskId) {
        let job = desk.scene.model.work.tasks[&task].job;
        if !self.reading.remove(&task) || desk.server.jobs().all(|runs| runs != job) {
            return;
        }
        desk.server.taken(desk.now(), task).unwrap();
        desk.scene.model.work.taken(task);
        desk.scene.tally.count(Case::ResultTaken);
        let jobs = &desk.scene.plan.jobs;
        let index = jobs.iter().position(|plan| plan.id == job).unwrap();
        self.direct(desk, index);
    }

    /// A client is dead: half of its work goes to others.
    pub fn mourn(&mut self, desk: &mut Desk<'_, '_>, client: &Name) {
        let theirs: Vec<(usize, TaskId)> = self
            .open_tasks(desk)
            .into_iter()
            .filter(|(_, _, owner)| owner.as_ref() == Some(client))
            .map(|(index, task, _)| (index, task))
            .collect();
        for (index, task) in theirs {
            if desk.scene.dice().chance(500) {
                self.reassign(desk, index, task);
            }
        }
    }

    /// Gives to others what a site has given up for good, so that the job can go on.
    pub fn review(&mut self, desk: &mut Desk<'_, '_>) {
        for (index, task, _) in self.open_tasks(desk) {
            let given_up = desk.scene.model.work.tasks[&task].given_up;
            if given_up.is_some_and(|at| at + PATIENCE < desk.scene.now) {
                self.reassign(desk, index, task);
            }
        }
        let review = Event::Server(desk.life, ServerEvent::Review);
        desk.scene.after(PATIENCE, review);
    }

    /// Gives one open task to another site, for no reason.
    pub fn reassign_one(&mut self, desk: &mut Desk<'_, '_>) {
        if let Some((index, task)) = self.any_open(desk) {
            self.reassign(desk, index, task);
        }
    }

    /// Takes one open task back, and makes it anew.
    pub fn withdraw_one(&mut self, desk: &mut Desk<'_, '_>) {
        if let Some((index, task)) = self.any_open(desk) {
            desk.server.withdraw(desk.now(), task).unwrap();
            desk.scene.model.work.withdrawn(task);
            desk.scene.tally.count(Case::TaskWithdrawn);
            self.direct(desk, index);
        }
    }

    pub(super) fn any_open(&self, desk: &mut Desk<'_, '_>) -> Option<(usize, TaskId)> {
        let open = self.open_tasks(desk);
        let chosen = desk.scene.dice().below(open.len());
        open.get(chosen).map(|(index, task, _)| (*index, *task))
    }

    pub(super) fn open_tasks(&self, desk: &Desk<'_, '_>) -> Vec<(usize, TaskId, Option<Name>)> {
        let mut open = Vec::new();
        for (index, plan) in desk.scene.plan.jobs.iter().enumerate() {
            let tasks = desk.server.tasks(plan.id);
            let tasks =
                tasks.filter(|it| matches!(it.state, TaskState::Queued | TaskState::Assigned));
            open.extend(tasks.map(|it| (index, it.id, it.client.cloned())));
        }
        open
    }

    pub(super) fn reassign(&mut self, desk: &mut Desk<'_, '_>, index: usize, task: TaskId) {
        let sites: Vec<usize> = desk.scene.plan.jobs[index].sites.iter().copied().collect();
        let dice = desk.scene.dice();
        let site = dice.chance(700).then(|| sites[dice.below(sites.len())]);
        let to = assignee(desk.scene, site);
        let new = desk.server.reassign(desk.now(), task, to).unwrap();
        desk.scene.model.work.reassigned(task, new, site);
        desk.scene
            .happens(Case::TaskReassigned, || format!("{task} becomes {new}"));
    }

    /// Makes the tasks of the round that are missing; when all are done, goes on to the
    /// next round, or ends the job.
    pub(super) fn direct(&mut self, desk: &mut Desk<'_, '_>, index: usize) {
        let plan = desk.scene.plan.jobs[index].clone();
        let mut there: BTreeMap<String, TaskState> = BTreeMap::new();
        for task in desk.server.tasks(plan.id) {
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
                        self.assign(desk, index, round, name, site);
                    }
                }
            }
            if !through {
                return;
            }
        }
        self.end(desk, index);
    }

    pub(super) fn assign(
        &mut self,
        desk: &mut Desk<'_, '_>,
        index: usize,
        round: usize,
        name: String,
        site: Option<usize>,
    ) {
        let seed = desk
            .scene
            .plan
            .luck
            .wrapping_add((index * 100 + round) as u64);
        let size = match desk.scene.plan.habits.heavy {
            true => HEAVY,
            false => SIZES[(seed % SIZES.len() as u64) as usize],
        };
        let payload = Payload::labelled(content(seed, size), "model", "");
        let job = desk.scene.plan.jobs[index].id;
        let to = assignee(desk.scene, site);
        let task = NewTask::new(name.clone(), payload.clone())
            .with_headers(Properties::new().with("round", round.to_string()));
        let id = desk.server.assign(desk.now(), job, to, task).unwrap();
        desk.scene
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
