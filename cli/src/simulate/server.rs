//! The server of a simulation and its host: they take messages, store records and assign
//! tasks.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant as RealTime};

use bytes::Bytes;
use fedlink::error::{Dropped, Misuse};
use fedlink::identity::{Identity, Name};
use fedlink::message::{JobId, Payload, PeerId, TaskId};
use fedlink::{
    Assignee, Instant, NewTask, Server, ServerAction, ServerConfig, ServerTransmit, Sites,
};

use super::figures::{Figures, ServerFigures};
use super::network::{Kind, ToServer};
use super::plan::{Plan, Storm, Tick};
use super::{SimulateError, name_of};

/// The job that the workers work on.
pub(super) const JOB: JobId = JobId::from_bytes(*b"a simulated job.");

/// Bytes of a task, and of a result.
pub(super) const PAYLOAD: usize = 1024;

/// The server, its host, and what waits in front of them.
pub(super) struct SimulatedServer {
    server: Option<Server>,
    config: Arc<ServerConfig>,
    identity: Identity,
    seed: u64,
    /// What its core is like, if that is simulated too.
    storm: Option<Storm>,
    queue: VecDeque<Waiting>,
    /// When the core has done all that it began, in microseconds.
    free_at: u64,
    /// What the server has asked to store, if it will be lost.
    records: Vec<Bytes>,
    /// Tasks whose results have not arrived.
    awaited: HashSet<TaskId>,
    assigned: u64,
    /// What servers before this one have counted.
    before: ServerFigures,
    most_waiting: usize,
    /// Real time that the server has taken.
    pub(super) took: Duration,
}

/// An answer, and when it leaves.
pub(super) struct Answer {
    pub(super) at: Tick,
    pub(super) transmit: ServerTransmit,
}

/// A message in front of the server.
struct Waiting {
    /// In microseconds.
    since: u64,
    message: ToServer,
}

impl SimulatedServer {
    pub(super) fn new(plan: &Plan, figures: &mut Figures) -> Result<Self, SimulateError> {
        let identity = Identity::unproven(Name::new("server")?);
        let config = Arc::clone(&plan.server);
        let start = Instant::default();
        let server = Server::new(
            Arc::clone(&config),
            identity.clone(),
            seed(plan.seed),
            start,
        )?;
        let mut server_host = Self {
            server: Some(server),
            config,
            identity,
            seed: plan.seed,
            storm: plan.storm,
            queue: VecDeque::new(),
            free_at: 0,
            records: Vec::new(),
            awaited: HashSet::new(),
            assigned: 0,
            before: ServerFigures::default(),
            most_waiting: 0,
            took: Duration::ZERO,
        };
        if plan.workers > 0 {
            let workers: Result<BTreeSet<Name>, _> = plan.workers().map(name_of).collect();
            let sites = Sites::Named(workers?);
            server_host.command(0, figures, |server, now| server.start_job(now, JOB, sites))?;
        }
        Ok(server_host)
    }

    /// Whether there is a server.
    pub(super) fn is_up(&self) -> bool {
        self.server.is_some()
    }

    /// Gives every worker a task.
    pub(super) fn assign(
        &mut self,
        now: Tick,
        plan: &Plan,
        figures: &mut Figures,
    ) -> Result<(), SimulateError> {
        let payload = Payload::new(Bytes::from(vec![7; PAYLOAD]));
        for worker in plan.workers() {
            let to = Assignee::Site(name_of(worker)?);
            let work = NewTask::new("train", payload.clone());
            let task = self.command(now, figures, |server, now| {
                server.assign(now, JOB, to, work)
            })?;
            self.awaited.extend(task);
            self.assigned += u64::from(task.is_some());
        }
        Ok(())
    }

    /// Has the server handle what has arrived and what is due.
    pub(super) fn turn(
        &mut self,
        now: Tick,
        arrived: &mut Vec<ToServer>,
        answers: &mut Vec<Answer>,
        figures: &mut Figures,
    ) -> Result<(), SimulateError> {
        let Some(mut server) = self.server.take() else {
            arrived.clear();
            return Ok(());
        };
        let begun = RealTime::now();
        let done = self.work(&mut server, now, arrived, answers, figures);
        self.took += begun.elapsed();
        self.server = Some(server);
        done
    }

    fn work(
        &mut self,
        server: &mut Server,
        now: Tick,
        arrived: &mut Vec<ToServer>,
        answers: &mut Vec<Answer>,
        figures: &mut Figures,
    ) -> Result<(), SimulateError> {
        if server
            .poll_timeout()
            .is_some_and(|(at, _)| at <= instant(now))
        {
            server.handle_timeout(instant(now));
        }
        match self.storm {
            None => {
                figures.second(now).messages += arrived.len() as u32;
                let messages = arrived
                    .drain(..)
                    .map(|it| (PeerId(it.client.into()), it.message));
                server.handle_batch(instant(now), messages);
                self.settle(server, (instant(now), now), answers, figures)?;
            }
            Some(storm) => {
                let since = u64::from(now) * 1000;
                let waiting = arrived.drain(..).map(|message| Waiting { since, message });
                self.queue.extend(waiting);
                let queue = self.queue.len();
                let second = figures.second(now);
                second.queue = second.queue.max(queue);
                self.serve(server, storm, since + 1000, answers, figures)?;
            }
        }
        Ok(())
    }

    /// The core handles one message after another, each in its time, until `end`.
    fn serve(
        &mut self,
        server: &mut Server,
        storm: Storm,
        end: u64,
        answers: &mut Vec<Answer>,
        figures: &mut Figures,
    ) -> Result<(), SimulateError> {
        while let Some(next) = self.queue.front() {
            let begins = self.free_at.max(next.since);
            if begins >= end {
                break;
            }
            let Some(Waiting { since, message }) = self.queue.pop_front() else {
                break;
            };
            let ToServer {
                client,
                kind,
                message,
            } = message;
            let now = Instant::from_micros(begins);
            let taken = server.handle_message(now, PeerId(client.into()), message);
            let cost = match (kind, taken) {
                (Kind::Register, Ok(_) | Err(Dropped::Cookie)) => storm.register_cost,
                (Kind::Challenge | Kind::Register | Kind::Request, _) => storm.message_cost,
            };
            let cost = cost.as_micros() as u64;
            self.free_at = begins + cost;
            let second = figures.second((begins / 1000) as Tick);
            second.messages += 1;
            second.busy += cost;
            if let Some(storm) = &mut figures.storm {
                storm.longest_wait = storm.longest_wait.max(begins - since);
            }
            let leaves = self.free_at.div_ceil(1000) as Tick;
            self.settle(server, (now, leaves), answers, figures)?;
        }
        Ok(())
    }

    /// Does what the server asks of its host. Its answers leave at a time of their own.
    fn settle(
        &mut self,
        server: &mut Server,
        (now, at): (Instant, Tick),
        answers: &mut Vec<Answer>,
        figures: &mut Figures,
    ) -> Result<(), SimulateError> {
        let mut waiting = self.store(server, now, figures)?;
        while let Some(transmit) = server.poll_transmit() {
            waiting += 1;
            answers.push(Answer { at, transmit });
        }
        self.most_waiting = self.most_waiting.max(waiting);
        Ok(())
    }

    /// Stores what the server asks to store, and takes results. Returns how many actions
    /// there were.
    fn store(
        &mut self,
        server: &mut Server,
        now: Instant,
        figures: &mut Figures,
    ) -> Result<usize, SimulateError> {
        let mut actions = 0;
        while let Some(action) = server.poll_action() {
            actions += 1;
            match action {
                ServerAction::Persist {
                    record,
                    header,
                    payload,
                } => {
                    if self.storm.is_some() {
                        self.records
                            .push([&header[..], &payload[..]].concat().into());
                    }
                    server.persisted(now, record)?;
                }
                ServerAction::ResultReceived(result) => {
                    if self.awaited.remove(&result.task) {
                        figures.results += 1;
                    } else if !result.again {
                        figures.results_twice += 1;
                    }
                    server.taken(now, result.task)?;
                }
                ServerAction::ClientDead { .. } | ServerAction::ClientLeft { .. } => {
                    figures.gone += 1;
                }
                _ => {}
            }
        }
        Ok(actions)
    }

    /// A command of the operator, if there is a server.
    fn command<T>(
        &mut self,
        now: Tick,
        figures: &mut Figures,
        run: impl FnOnce(&mut Server, Instant) -> Result<T, Misuse>,
    ) -> Result<Option<T>, SimulateError> {
        let Some(mut server) = self.server.take() else {
            return Ok(None);
        };
        let out = run(&mut server, instant(now))?;
        self.store(&mut server, instant(now), figures)?;
        self.server = Some(server);
        Ok(Some(out))
    }

    /// The server is lost, and what waited in front of it. Returns how much that was.
    pub(super) fn lose(&mut self) -> u64 {
        self.before = self.figures();
        self.server = None;
        let waited = self.queue.len();
        self.queue.clear();
        waited as u64
    }

    /// Another process goes on from the records.
    pub(super) fn restore(
        &mut self,
        now: Tick,
        figures: &mut Figures,
    ) -> Result<(), SimulateError> {
        let mut server = Server::restore(
            Arc::clone(&self.config),
            self.identity.clone(),
            seed(!self.seed),
            instant(now),
            self.records.iter().cloned(),
        )?;
        self.store(&mut server, instant(now), figures)?;
        self.server = Some(server);
        self.free_at = u64::from(now) * 1000;
        Ok(())
    }

    /// What all servers have counted.
    pub(super) fn figures(&self) -> ServerFigures {
        let mut all = self.before.clone();
        if let Some(server) = &self.server {
            let counters = server.counters();
            let dropped = |why| counters.dropped.get(&why).copied().unwrap_or_default();
            all.received += counters.messages_received;
            all.sent += counters.messages_sent;
            all.registrations += counters.registrations;
            all.dropped += counters.dropped.values().sum::<u64>();
            all.over_budget += dropped(Dropped::OverBudget);
            all.no_session += dropped(Dropped::NoSession);
            all.clients = server.clients().count();
        }
        all.most_waiting = self.most_waiting;
        all
    }

    /// How many messages are in front of the server.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// How many tasks there were, and how many results have not arrived.
    pub(super) fn tasks(&self) -> (u64, u64) {
        (self.assigned, self.awaited.len() as u64)
    }
}

fn instant(now: Tick) -> Instant {
    Instant::from_micros(u64::from(now) * 1000)
}

fn seed(number: u64) -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_be_bytes());
    seed
}
