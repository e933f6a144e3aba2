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
    /// Sites by their place. After a restart one is missing whose tasks were all taken
    /// back.
    members: BTreeMap<usize, Name>,
    /// Members that are not there.
    absent: BTreeSet<Name>,
    /// The current round; more than there are when all are over.
    round: u32,
    /// What this round started from.
    model: Model,
    /// Tasks of this round without a result, by place.
    open: BTreeMap<usize, TaskId>,
    /// Results of this round by place; none where it is of no use.
    results: BTreeMap<usize, (TaskId, Option<Checkpoint>)>,
    news: VecDeque<News>,
}

impl Coordinator {
    /// Starts the job on these sites, whose results are averaged in this order.
    ///
    /// # Errors
    /// When the job exists, or the server has no room for it.
    pub fn start(
        server: &mut Server,
        now: Instant,
        plan: Plan,
        members: Vec<Name>,
    ) -> Result<Self, Misuse> {
        let sites = Sites::Named(members.iter().cloned().collect());
        server.start_job(now, plan.job, sites)?;
        let members: BTreeMap<usize, Name> = members.into_iter().enumerate().collect();
        let mut coordinator = Self::with(plan, members, 1, Model::default());
        coordinator.assign_round(server, now)?;
        Ok(coordinator)
    }

    /// Goes on with the job of this id where another process stopped. `None` when the
    /// server does not run it, or when it has tasks that no [`Coordinator`] gave.
    ///
    /// # Errors
    /// When the server has no room for the tasks that are still to be given.
    pub fn resume(server: &mut Server, now: Instant, job: JobId) -> Result<Option<Self>, Misuse> {
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
                let back = self.absent.remove(&joined.client);
                if back && self.open.is_empty() && !self.is_finished() {
                    self.assign_round(server, now)?;
                }
                Ok(())
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

    /// The sites in the order of their places.
    pub fn members(&self) -> impl Iterator<Item = &Name> {
        self.members.values()
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

    fn with(plan: Plan, members: BTreeMap<usize, Name>, round: u32, model: Model) -> Self {
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
        let mut members = BTreeMap::new();
        let mut open = BTreeMap::new();
        let mut start = None;
        for (order, task) in tasks() {
            members.insert(order.place, task.client?.clone());
            if order.round == latest.round && task.state != TaskState::Taken {
                // One that is done is given again, and found among these.
                open.insert(order.place, task.id);
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
        let mut found = Self::with(plan, members, latest.round, start.model);
        found.open = open;
        Some(found)
    }

    /// Gives every member that is there a task of this round, unless it has one.
    fn assign_round(&mut self, server: &mut Server, now: Instant) -> Result<(), Misuse> {
        let start = Checkpoint {
            round: self.round,
            examples: 0,
            model: self.model,
        };
        let mut payload = None;
        for (&place, site) in &self.members {
            if self.absent.contains(site)
                || self.open.contains_key(&place)
                || self.results.contains_key(&place)
            {
                continue;
            }
            let order = Order {
                round: self.round,
                rounds: self.plan.rounds,
                seed: self.plan.seed,
                place,
            };
            let payload =
                payload.get_or_insert_with(|| Payload::new(start.encode(self.plan.padding)));
            let task = NewTask {
                name: TRAIN.to_owned(),
                headers: order.headers(),
                payload: payload.clone(),
            };
            let to = Assignee::Site(site.clone());
            let id = server.assign(now, self.plan.job, to, task)?;
            self.open.insert(place, id);
        }
        Ok(())
    }

    fn received(
        &mut self,
        server: &mut Server,
        now: Instant,
        result: &ResultReceived,
    ) -> Result<(), Misuse> {
        let of_round = |(place, task): (&usize, &TaskId)| (*task == result.task).then_some(*place);
        let Some(place) = self.open.iter().find_map(of_round) else {
            let held = self.results.values().any(|(task, _)| *task == result.task);
            // A result of a round that is over, given again because its end was not stored.
            return if held {
                Ok(())
            } else {
                server.taken(now, result.task)
            };
        };
        self.open.remove(&place);
        let update = match self.read(result) {
            Ok(update) => Some(update),
            Err(error) => {
                let site = result.client.clone();
                self.news.push_back(News::Failed { site, error });
                None
            }
        };
        self.results.insert(place, (result.task, update));
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

    /// A site is not there: the round goes on without it.
    fn gone(&mut self, server: &mut Server, now: Instant, site: &Name) -> Result<(), Misuse> {
        let mut members = self.members.iter();
        let Some(place) = members.find_map(|(place, member)| (member == site).then_some(*place))
        else {
            return Ok(());
        };
        self.absent.insert(site.clone());
        if let Some(task) = self.open.get(&place).copied() {
            match server.withdraw(now, task) {
                Ok(()) => {}
                // Its result has come before it went.
                Err(Misuse::TaskDone(_)) => return Ok(()),
                Err(error) => return Err(error),
            }
            self.open.remove(&place);
            self.news.push_back(News::Skipped {
                site: site.clone(),
                round: self.round,
            });
        }
        self.end_round_if_complete(server, now)
    }

    fn end_round_if_complete(&mut self, server: &mut Server, now: Instant) -> Result<(), Misuse> {
        if !self.open.is_empty() || self.results.is_empty() {
            return Ok(());
        }
        let results = core::mem::take(&mut self.results);
        // In one order always: sums of floating-point numbers depend on it.
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
