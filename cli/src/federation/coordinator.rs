//! The coordinator's part: federated averaging, round by round.

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
    /// A round goes on without a site that is not there.
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
    members: BTreeSet<Name>,
    /// Members that are not there.
    absent: BTreeSet<Name>,
    /// The current round; more than there are when all are over.
    round: u32,
    /// What this round started from.
    model: Model,
    /// Tasks of this round without a result.
    open: BTreeMap<Name, TaskId>,
    /// Results of this round; none where it is of no use.
    results: BTreeMap<Name, (TaskId, Option<Checkpoint>)>,
    news: VecDeque<News>,
}

impl Coordinator {
    /// Starts the job on these sites.
    ///
    /// # Errors
    /// When the job exists, or the server has no room for it.
    pub fn start(
        server: &mut Server,
        now: Instant,
        plan: Plan,
        members: BTreeSet<Name>,
    ) -> Result<Self, Misuse> {
        server.start_job(now, plan.job, Sites::Named(members.clone()))?;
        let mut coordinator = Self::with(plan, members, 1, Model::default());
        coordinator.assign_round(server, now)?;
        Ok(coordinator)
    }

    /// Goes on with the job of this id where another process stopped. `None` when the
    /// server does not run it, or when no [`Coordinator`] gave its tasks. A job without
    /// any task is ended: nobody can have worked on it.
    ///
    /// # Errors
    /// When the server has no room for the tasks that are still to be given.
    pub fn resume(server: &mut Server, now: Instant, job: JobId) -> Result<Option<Self>, Misuse> {
        if server.sites(job).is_some() && server.tasks(job).next().is_none() {
            server.end_job(now, job)?;
        }
        let Some(mut coordinator) = Self::find(server, job) else {
            return Ok(None);
        };
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

    /// What has happened, the oldest first.
    pub fn poll_news(&mut self) -> Option<News> {
        self.news.pop_front()
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
            members,
            absent: BTreeSet::new(),
            round,
            model,
            open: BTreeMap::new(),
            results: BTreeMap::new(),
            news: VecDeque::new(),
        }
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
            let task = NewTask {
                name: TRAIN.to_owned(),
                headers: order.headers(),
                payload: payload.clone(),
            };
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

    /// A site is not there: the round goes on without it, unless nothing else is left of
    /// the round.
    fn gone(&mut self, server: &mut Server, now: Instant, site: &Name) -> Result<(), Misuse> {
        if !self.members.contains(site) {
            return Ok(());
        }
        self.absent.insert(site.clone());
        if self.open.len() + self.results.len() > 1 {
            self.skip(server, now, site)?;
        }
        self.end_round_if_complete(server, now)
    }

    /// A site is there again: it takes part from the next round on, or at once if this one
    /// waits for sites that are not there.
    fn back(&mut self, server: &mut Server, now: Instant, site: &Name) -> Result<(), Misuse> {
        if !self.absent.remove(site) {
            return Ok(());
        }
        let open = self.open.keys();
        let stranded = open.filter(|site| self.absent.contains(*site));
        let stranded: Vec<Name> = stranded.cloned().collect();
        if !stranded.is_empty() {
            self.assign_round(server, now)?;
        }
        for site in &stranded {
            self.skip(server, now, site)?;
        }
        Ok(())
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

    fn end_round_if_complete(&mut self, server: &mut Server, now: Instant) -> Result<(), Misuse> {
        if !self.open.is_empty() || self.results.is_empty() {
            return Ok(());
        }
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
