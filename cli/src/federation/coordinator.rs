//! The coordinator's application: federated averaging, round by round.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use fedlink::error::Misuse;
use fedlink::identity::Name;
use fedlink::message::{JobId, Outcome, Payload, TaskId};
use fedlink::{Assignee, Instant, NewTask, ResultReceived, Server, ServerAction, Sites, TaskState};

use super::Order;
use super::order::TRAIN;
use crate::training::{Checkpoint, Dataset, Evaluation, Example, Model, average};

/// What is to be trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The job.
    pub job: JobId,
    /// Rounds, at least 1.
    pub rounds: u32,
    /// The seed by which wines are held out.
    pub seed: u64,
    /// Bytes that pad each model on its way.
    pub padding: usize,
}

/// What people may want to know of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// A round is over.
    Round {
        /// Which, from 1.
        round: u32,
        /// What its model is worth on the wines that no site has.
        evaluation: Evaluation,
        /// Sites whose results are in it.
        results: usize,
    },
    /// A site could not do its part of a round.
    Failed {
        /// The site.
        site: Name,
        /// In its own words, or what is wrong with its result.
        error: String,
    },
    /// A round waits: too few sites that could still give it a result are there, or its
    /// deadline has passed.
    Waiting {
        /// The round.
        round: u32,
        /// Results so far.
        results: usize,
        /// The results that it needs.
        minimum: usize,
        /// The sites without a result.
        missing: Vec<Name>,
    },
    /// A round goes on without a site that is not there, or is too late.
    Skipped {
        /// The site.
        site: Name,
        /// The round.
        round: u32,
    },
    /// All rounds are over and the job has ended.
    Finished(Model),
}

/// The application of a server. Give it every action of its server.
///
/// It holds nothing that it could not find again in the server: the tasks of a round carry
/// the round's model, and the results of a round are taken only when the tasks of the next
/// one are assigned.
#[derive(Debug)]
pub struct Coordinator {
    plan: Plan,
    holdout: Vec<Example>,
    /// Results without which a round does not end.
    minimum: usize,
    members: BTreeSet<Name>,
    /// Members that are not there.
    absent: BTreeSet<Name>,
    /// Members that were there before this process, and may come back to it.
    unheard: BTreeSet<Name>,
    /// The current round; more than there are when all are over.
    round: u32,
    /// What this round started from.
    model: Model,
    /// Tasks of this round without a result.
    open: BTreeMap<Name, TaskId>,
    /// Results of this round; none where it is of no use.
    results: BTreeMap<Name, (TaskId, Option<Checkpoint>)>,
    /// Whether the deadline of this round has passed.
    late: bool,
    /// The sites that this round was last said to wait for.
    waits_for: Vec<Name>,
    news: VecDeque<News>,
}

impl Coordinator {
    /// Starts the job on these sites. A round ends when all sites that are there have given
    /// a result, and at least `minimum` of them one that counts: at least 1, and no more than
    /// there are members.
    ///
    /// # Errors
    /// When the job exists, or the server has no room for it.
    pub fn start(
        server: &mut Server,
        now: Instant,
        plan: Plan,
        members: BTreeSet<Name>,
        minimum: usize,
    ) -> Result<Self, Misuse> {
        server.start_job(now, plan.job, Sites::Named(members.clone()))?;
        let mut coordinator = Self::with(plan, members, 1, Model::default());
        coordinator.set_minimum(minimum);
        coordinator.assign_round(server, now)?;
        Ok(coordinator)
    }

    /// Goes on with the job of this id where another process stopped. `None` when the
    /// server does not run it, or when no [`Coordinator`] gave its tasks. A job without
    /// any task is ended: nobody can have worked on it. `minimum` is as for
    /// [`start`](Self::start).
    ///
    /// # Errors
    /// When the server has no room for the tasks that are still to be given.
    pub fn resume(
        server: &mut Server,
        now: Instant,
        job: JobId,
        minimum: usize,
    ) -> Result<Option<Self>, Misuse> {
        if server.sites(job).is_some() && server.tasks(job).next().is_none() {
            server.end_job(now, job)?;
        }
        let Some(mut coordinator) = Self::find(server, job) else {
            return Ok(None);
        };
        coordinator.set_minimum(minimum);
        // The other process may have stopped while it gave out the tasks of this round.
        coordinator.assign_round(server, now)?;
        Ok(Some(coordinator))
    }

    /// Takes an action of the server.
    ///
    /// # Errors
    /// When the server refuses a command: it is out of room.
    pub fn handle(
        &mut self,
        server: &mut Server,
        now: Instant,
        action: &ServerAction,
    ) -> Result<(), Misuse> {
        match action {
            ServerAction::ResultReceived(result) if result.job == self.plan.job => {
                self.received(server, now, result)
            }
            ServerAction::ClientJoined(joined) | ServerAction::ClientReplaced(joined) => {
                self.back(server, now, &joined.client)
            }
            ServerAction::ClientLeft { client, .. } | ServerAction::ClientDead { client } => {
                self.gone(server, now, client)
            }
            _ => Ok(()),
        }
    }

    /// The deadline of the current round has passed: the round ends as soon as it has the
    /// minimum of results, without the other ones.
    ///
    /// # Errors
    /// When the server refuses a command: it is out of room.
    pub fn deadline_passed(&mut self, server: &mut Server, now: Instant) -> Result<(), Misuse> {
        self.late = true;
        self.end_round_if_complete(server, now)
    }

    /// Whoever has not come back to this process by now is not there.
    ///
    /// # Errors
    /// When the server refuses a command: it is out of room.
    pub fn return_time_passed(&mut self, server: &mut Server, now: Instant) -> Result<(), Misuse> {
        self.absent.append(&mut self.unheard);
        self.settle(server, now)
    }

    /// What has happened, the oldest first.
    pub fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// The sites that take part.
    #[must_use]
    pub fn members(&self) -> &BTreeSet<Name> {
        &self.members
    }

    /// The current round, from 1; after the last one, one more.
    #[must_use]
    pub fn round(&self) -> u32 {
        self.round
    }

    /// Results of the current round so far.
    #[must_use]
    pub fn results(&self) -> usize {
        self.results.len()
    }

    /// What is trained.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether all rounds are over.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.round > self.plan.rounds
    }

    fn with(plan: Plan, members: BTreeSet<Name>, round: u32, model: Model) -> Self {
        Self {
            plan,
            holdout: Dataset::load(plan.seed).holdout,
            minimum: members.len(),
            members,
            absent: BTreeSet::new(),
            unheard: BTreeSet::new(),
            round,
            model,
            open: BTreeMap::new(),
            results: BTreeMap::new(),
            late: false,
            waits_for: Vec::new(),
            news: VecDeque::new(),
        }
    }

    fn set_minimum(&mut self, minimum: usize) {
        self.minimum = minimum.min(self.members.len()).max(1);
    }

    /// Reads the state of the job from its tasks.
    fn find(server: &Server, job: JobId) -> Option<Self> {
        let tasks = || {
            server.tasks(job).filter_map(|task| {
                let order = Order::parse(task.headers)?;
                Some((order, task))
            })
        };
        let (latest, _) = tasks().max_by_key(|(order, _)| order.round)?;
        let mut open = BTreeMap::new();
        let mut start = None;
        for (order, task) in tasks() {
            if order.round == latest.round && task.state != TaskState::Taken {
                // One that is done is given again, and found among these.
                open.insert(task.client?.clone(), task.id);
                start = start.or(task.payload);
            }
        }
        let (start, padding) = Checkpoint::decode(start?.bytes()).ok()?;
        let plan = Plan {
            job,
            rounds: latest.rounds,
            seed: latest.seed,
            padding,
        };
        let Sites::Named(members) = server.sites(job)?.clone() else {
            return None;
        };
        let mut found = Self::with(plan, members, latest.round, start.model);
        found.open = open;
        found.unheard = found.members.clone();
        Some(found)
    }

    /// Gives every member that is there a task of this round, unless it has one; if nobody
    /// is there, everybody, so that the round can be found again.
    fn assign_round(&mut self, server: &mut Server, now: Instant) -> Result<(), Misuse> {
        let nobody = self.members.is_subset(&self.absent);
        let start = Checkpoint {
            round: self.round,
            examples: 0,
            model: self.model,
        };
        let order = Order {
            round: self.round,
            rounds: self.plan.rounds,
            seed: self.plan.seed,
        };
        let mut payload = None;
        for site in &self.members {
            let left_out = self.absent.contains(site) && !nobody;
            if left_out || self.open.contains_key(site) || self.results.contains_key(site) {
                continue;
            }
            let payload =
                payload.get_or_insert_with(|| Payload::new(start.encode(self.plan.padding)));
            let task = NewTask::new(TRAIN, payload.clone()).with_headers(order.headers());
            let to = Assignee::Site(site.clone());
            let id = server.assign(now, self.plan.job, to, task)?;
            self.open.insert(site.clone(), id);
        }
        Ok(())
    }

    fn received(
        &mut self,
        server: &mut Server,
        now: Instant,
        result: &ResultReceived,
    ) -> Result<(), Misuse> {
        let site = &result.client;
        if self.open.get(site) != Some(&result.task) {
            let held = self.results.values().any(|(task, _)| *task == result.task);
            // A result of a round that is over, given again because its end was not stored.
            return if held {
                Ok(())
            } else {
                server.taken(now, result.task)
            };
        }
        self.open.remove(site);
        let update = match self.read(result) {
            Ok(update) => Some(update),
            Err(error) => {
                let site = site.clone();
                self.news.push_back(News::Failed { site, error });
                None
            }
        };
        self.results.insert(site.clone(), (result.task, update));
        self.end_round_if_complete(server, now)
    }

    fn read(&self, result: &ResultReceived) -> Result<Checkpoint, String> {
        if result.outcome != Outcome::Ok {
            let error = result.headers.get("error");
            return Err(error.unwrap_or("it did not say why").to_owned());
        }
        match Checkpoint::decode(result.payload.bytes()) {
            Ok((update, _)) if update.round == self.round => Ok(update),
            Ok((update, _)) => Err(format!("its result is of round {}", update.round)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn gone(&mut self, server: &mut Server, now: Instant, site: &Name) -> Result<(), Misuse> {
        if !self.members.contains(site) {
            return Ok(());
        }
        self.unheard.remove(site);
        self.absent.insert(site.clone());
        self.settle(server, now)
    }

    /// A site is there again: it takes part from the next round on, or at once if this one
    /// could not reach its minimum without it.
    fn back(&mut self, server: &mut Server, now: Instant, site: &Name) -> Result<(), Misuse> {
        let was_unheard = self.unheard.remove(site);
        let was_absent = self.absent.remove(site) || was_unheard;
        let failed = match self.results.get(site) {
            Some((task, None)) if self.is_short() => Some(*task),
            Some(_) | None => None,
        };
        if failed.is_some() {
            self.results.remove(site);
        }
        if was_absent || failed.is_some() {
            self.settle(server, now)?;
        }
        match failed {
            Some(task) => server.taken(now, task),
            None => Ok(()),
        }
    }

    /// Whether the sites that are there cannot give this round its minimum.
    fn is_short(&self) -> bool {
        let there = |site: &&Name| !self.absent.contains(*site);
        let awaited = self.open.keys().filter(there).count();
        self.counting() + awaited < self.minimum
    }

    /// Results of this round that count.
    fn counting(&self) -> usize {
        let counts = |(_, update): &&(TaskId, Option<Checkpoint>)| update.is_some();
        self.results.values().filter(counts).count()
    }

    /// Some site has come or gone: where the others cannot reach the minimum, all that are
    /// there take part; where they can, the round goes on without those that are not.
    fn settle(&mut self, server: &mut Server, now: Instant) -> Result<(), Misuse> {
        if self.is_finished() {
            return Ok(());
        }
        let is_heard = |site: &&Name| !self.absent.contains(*site) && !self.unheard.contains(*site);
        let is_idle = !self.open.keys().any(|site| is_heard(&site));
        if (self.is_short() || is_idle) && self.members.iter().any(|site| is_heard(&site)) {
            self.assign_round(server, now)?;
        }
        if !self.is_short() {
            let gone = self.open.keys().filter(|site| self.absent.contains(*site));
            for site in gone.cloned().collect::<Vec<_>>() {
                self.skip(server, now, &site)?;
            }
        }
        self.end_round_if_complete(server, now)
    }

    /// Takes back the task of this site, if it has one without a result.
    fn skip(&mut self, server: &mut Server, now: Instant, site: &Name) -> Result<(), Misuse> {
        let Some(task) = self.open.get(site) else {
            return Ok(());
        };
        match server.withdraw(now, *task) {
            Ok(()) => {}
            // Its result is on its way here.
            Err(Misuse::TaskDone(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
        self.open.remove(site);
        self.news.push_back(News::Skipped {
            site: site.clone(),
            round: self.round,
        });
        Ok(())
    }

    /// Says whom this round waits for, once for the same sites.
    fn tell_of_waiting(&mut self) {
        if !self.late && !self.is_short() {
            return;
        }
        let has_none = |site: &&Name| !matches!(self.results.get(*site), Some((_, Some(_))));
        let missing: Vec<Name> = self.members.iter().filter(has_none).cloned().collect();
        if self.waits_for == missing {
            return;
        }
        self.waits_for.clone_from(&missing);
        self.news.push_back(News::Waiting {
            round: self.round,
            results: self.counting(),
            minimum: self.minimum,
            missing,
        });
    }

    fn end_round_if_complete(&mut self, server: &mut Server, now: Instant) -> Result<(), Misuse> {
        if self.counting() < self.minimum {
            self.tell_of_waiting();
            return Ok(());
        }
        if self.late {
            for site in self.open.keys().cloned().collect::<Vec<_>>() {
                self.skip(server, now, &site)?;
            }
        }
        if !self.open.is_empty() {
            return Ok(());
        }
        self.late = false;
        self.waits_for.clear();
        let results = core::mem::take(&mut self.results);
        // In the order of names: sums of floating-point numbers depend on it.
        let updates = || results.values().filter_map(|(_, update)| update.as_ref());
        self.model = average(updates()).unwrap_or(self.model);
        self.news.push_back(News::Round {
            round: self.round,
            evaluation: self.model.evaluate(&self.holdout),
            results: updates().count(),
        });
        self.round += 1;
        if self.is_finished() {
            self.news.push_back(News::Finished(self.model));
            return server.end_job(now, self.plan.job);
        }
        self.assign_round(server, now)?;
        for (task, _) in results.values() {
            server.taken(now, *task)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
