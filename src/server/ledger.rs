//! The server's durable half: jobs, tasks, results and unfinished uploads, which a restart
//! must not lose.
//!
//! The ledger knows names of clients, but neither links nor sessions. Everything durable
//! is in [`State`] and changes only by applying a [`Record`], so that what is restored
//! from the records is what was there. Around it stands what a restart may forget: what
//! waits for a record to be stored, which jobs each site has reported, and what has come
//! of an upload behind its last block. A change is a record first: one that would not fit
//! those before it is refused, and changes nothing.
//!
//! Records must be stored in the order in which they are given: one is confirmed only
//! when all before it are stored.

mod assign;
mod heartbeat;
mod job;
#[cfg(any(test, fuzzing))]
mod lives;
mod pull;
mod record;
mod restore;
mod state;
mod submit;
mod task;
mod task_inputs;
#[cfg(test)]
mod tests;
mod upload;

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use self::heartbeat::Seen;
use self::record::Record;
use self::state::State;
use self::task::Task;
use crate::error::Misuse;
use crate::identity::Name;
use crate::message::{
    Failure, JobId, PullReply, RecordId, Reply, ReturnCode, Ssid, SubmitReply, TaskId,
};
use crate::output_queue::OutputQueue;
use crate::records::Damaged;
use crate::server::reply_to::ReplyTo;
use crate::server::{ServerAction, ServerConfig};

pub use self::job::Sites;
#[cfg(any(test, fuzzing))]
pub use self::lives::server_lives;
pub use self::task::{Assignee, NewTask, TaskState, TaskView};

/// A reply, with the bytes that follow its body.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) to: ReplyTo,
    pub(crate) reply: Reply,
    pub(crate) payload: Bytes,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { to, reply, payload } = self;
        write!(f, "{reply:?} and {} bytes to {to:?}", payload.len())
    }
}

/// Where the ledger puts what it has to say.
pub(crate) struct LedgerOutput<'a> {
    pub(crate) actions: &'a mut OutputQueue<ServerAction>,
    pub(crate) answers: &'a mut Vec<Answer>,
}

impl LedgerOutput<'_> {
    fn answer(&mut self, to: ReplyTo, reply: Reply) {
        self.answer_with(to, reply, Bytes::new());
    }

    fn answer_with(&mut self, to: ReplyTo, reply: Reply, payload: Bytes) {
        self.answers.push(Answer { to, reply, payload });
    }

    fn invalid(&mut self, to: ReplyTo, message: &str) {
        let failure = Failure {
            code: ReturnCode::InvalidRequest,
            message: message.to_owned(),
            retry_after: None,
        };
        self.answer(to, Reply::Failed(failure));
    }
}

/// The server's durable half.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Ledger {
    config: Arc<ServerConfig>,
    state: State,
    /// Changes of the job table in this process that sites may know of.
    generation: u64,
    /// What each record that is not confirmed yet holds up.
    awaited: BTreeMap<RecordId, Awaited>,
    /// Tasks whose latest record is not confirmed yet.
    unconfirmed: BTreeMap<TaskId, Unconfirmed>,
    /// The latest task of a site whose withdrawal is not confirmed yet. Until it is, the
    /// site gets no other: naming that one would pass over the first, and if the
    /// withdrawal were lost, the first would never be given.
    leaving: BTreeMap<(JobId, Name), TaskId>,
    /// Jobs whose start is not confirmed yet: until it is, no site is told of it. One that
    /// heard of a job which is then lost would abort it, and never start it again.
    starting: BTreeSet<JobId>,
    /// Jobs whose end is not confirmed yet: until it is, nobody is told of it.
    ending: BTreeSet<JobId>,
    seen: Seen,
}

/// What the confirmation of a record releases.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, Hash))]
enum Awaited {
    Nothing,
    Task(TaskId),
    Reassignment { old: TaskId, new: TaskId },
    JobStart { job: JobId },
    JobEnd { job: JobId, pulls: Vec<ReplyTo> },
}

/// A task that waits for a record.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, Hash))]
struct Unconfirmed {
    record: RecordId,
    /// The newest request that waits with it: a pull while the task is open, a
    /// submission when its result is being stored.
    to: Option<ReplyTo>,
}

impl Ledger {
    /// An empty ledger under a fresh service session.
    pub(crate) fn new(config: Arc<ServerConfig>, ssid: Ssid, out: &mut LedgerOutput<'_>) -> Self {
        let mut ledger = Self::with(config, State::new(ssid));
        // There is nothing that it could contradict.
        let _ = ledger.commit(Record::Ssid(ssid), Bytes::new(), Awaited::Nothing, out);
        ledger
    }

    fn with(config: Arc<ServerConfig>, state: State) -> Self {
        Self {
            config,
            state,
            generation: 0,
            awaited: BTreeMap::new(),
            unconfirmed: BTreeMap::new(),
            leaving: BTreeMap::new(),
            starting: BTreeSet::new(),
            ending: BTreeSet::new(),
            seen: Seen::default(),
        }
    }

    pub(crate) fn ssid(&self) -> Ssid {
        self.state.ssid
    }

    /// Records that the host has not confirmed yet.
    pub(crate) fn unconfirmed_records(&self) -> usize {
        self.awaited.len()
    }

    pub(crate) fn sites(&self, job: JobId) -> Option<&Sites> {
        self.state.jobs.get(&job).map(|it| &it.sites)
    }

    /// All jobs that run, in the order of their ids.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = JobId> {
        self.state.jobs.keys().copied()
    }

    /// Starts a job. Once that is stored, sites learn of it with their next heartbeat.
    ///
    /// # Errors
    /// When it exists already, or there are too many.
    pub(crate) fn start_job(
        &mut self,
        job: JobId,
        sites: Sites,
        out: &mut LedgerOutput<'_>,
    ) -> Result<(), Misuse> {
        if self.state.jobs.contains_key(&job) || self.ending.contains(&job) {
            return Err(Misuse::JobExists(job));
        }
        if self.state.jobs.len() >= self.config.max_jobs {
            return Err(Misuse::Full {
                what: "jobs",
                limit: self.config.max_jobs,
            });
        }
        let record = Record::JobStarted { job, sites };
        self.commit(record, Bytes::new(), Awaited::JobStart { job }, out)?;
        self.starting.insert(job);
        Ok(())
    }

    /// Ends a job and forgets its tasks, results and uploads. Once the end is stored, sites
    /// abort it with their next heartbeat, and who pulls or submits is told.
    ///
    /// # Errors
    /// When there is no such job.
    pub(crate) fn end_job(&mut self, job: JobId, out: &mut LedgerOutput<'_>) -> Result<(), Misuse> {
        let ended = self.state.jobs.get(&job).ok_or(Misuse::UnknownJob(job))?;
        let tasks: Vec<TaskId> = ended.tasks().collect();
        let waits = |task: &TaskId| {
            let open = self.state.tasks.get(task).is_some_and(Task::is_open);
            self.unconfirmed.get(task)?.to.filter(|_| open)
        };
        let pulls = tasks.iter().filter_map(waits).collect();
        let end = Awaited::JobEnd { job, pulls };
        self.commit(Record::JobEnded { job }, Bytes::new(), end, out)?;
        for task in tasks {
            self.unconfirmed.remove(&task);
        }
        self.leaving.retain(|(of, _), _| *of != job);
        self.starting.remove(&job);
        self.ending.insert(job);
        Ok(())
    }

    /// Keeps a name from registering; false if it was kept from it already.
    pub(crate) fn disable(&mut self, client: &Name, out: &mut LedgerOutput<'_>) -> bool {
        if self.is_disabled(client) {
            return false;
        }
        let client = client.clone();
        let record = Record::Disabled { client };
        self.commit(record, Bytes::new(), Awaited::Nothing, out)
            .is_ok()
    }

    /// Lets a name register again; false if it could anyway.
    pub(crate) fn enable(&mut self, client: &Name, out: &mut LedgerOutput<'_>) -> bool {
        if !self.is_disabled(client) {
            return false;
        }
        let client = client.clone();
        let record = Record::Enabled { client };
        self.commit(record, Bytes::new(), Awaited::Nothing, out)
            .is_ok()
    }

    pub(crate) fn is_disabled(&self, client: &Name) -> bool {
        self.state.disabled.contains(client)
    }

    /// The clients that hold tasks without a result.
    pub(crate) fn holders(&self) -> BTreeSet<Name> {
        self.state
            .tasks
            .values()
            .filter(|task| task.is_open())
            .filter_map(|task| task.view()?.client.cloned())
            .collect()
    }

    /// The disabled names in order.
    pub(crate) fn disabled(&self) -> impl Iterator<Item = &Name> {
        self.state.disabled.iter()
    }

    /// The host has stored `record`: releases what waited for it.
    ///
    /// # Errors
    /// When the record is not awaited.
    pub(crate) fn persisted(
        &mut self,
        record: RecordId,
        out: &mut LedgerOutput<'_>,
    ) -> Result<(), Misuse> {
        let awaited = self
            .awaited
            .remove(&record)
            .ok_or(Misuse::UnknownRecord(record))?;
        match awaited {
            Awaited::Nothing => {}
            Awaited::Task(task) => self.confirm(task, record, out),
            Awaited::Reassignment { old, new } => {
                self.confirm(old, record, out);
                self.confirm(new, record, out);
            }
            Awaited::JobStart { job } => {
                self.starting.remove(&job);
                self.generation = self.generation.saturating_add(1);
            }
            Awaited::JobEnd { job, pulls } => {
                self.ending.remove(&job);
                self.generation = self.generation.saturating_add(1);
                for to in pulls {
                    out.answer(to, Reply::PullTask(PullReply::RunEnded));
                }
            }
        }
        Ok(())
    }

    /// The latest record of a task is stored, unless a newer one has taken its place.
    // spec: P-104
    fn confirm(&mut self, id: TaskId, record: RecordId, out: &mut LedgerOutput<'_>) {
        if self.unconfirmed.get(&id).map(|entry| entry.record) != Some(record) {
            return;
        }
        let to = self.unconfirmed.remove(&id).and_then(|entry| entry.to);
        let Some(task) = self.state.tasks.get(&id) else {
            return;
        };
        if let Some(result) = task.result_received(id, false) {
            out.actions.push_back(ServerAction::ResultReceived(result));
            if let Some(to) = to {
                out.answer(to, Reply::SubmitResult(SubmitReply::Accepted));
            }
        } else if task.is_open() {
            if let Some(to) = to {
                self.give(id, to, out);
            }
        } else if let Some(client) = task.client() {
            let key = (task.entry.job, client.clone());
            if self.leaving.get(&key) == Some(&id) {
                self.leaving.remove(&key);
            }
        }
    }

    /// Applies a record and hands it to the host.
    ///
    /// # Errors
    /// When it does not fit those before it, and could not be replayed: it is not handed
    /// out, and nothing has changed.
    fn commit(
        &mut self,
        record: Record,
        payload: Bytes,
        awaited: Awaited,
        out: &mut LedgerOutput<'_>,
    ) -> Result<RecordId, Damaged> {
        let (_, id) = self.state.records.next()?;
        let header = record.encode(id.0);
        if let Err(error) = self.state.append(record, payload.clone()) {
            tracing::error!(record = %id, "a record does not fit those before it: please report this");
            return Err(error);
        }
        out.actions.push_back(ServerAction::Persist {
            record: id,
            header: header.into(),
            payload: payload.into(),
        });
        self.awaited.insert(id, awaited);
        Ok(id)
    }

    /// Commits a record that must be stored before its task goes on; `to` waits for it.
    ///
    /// # Errors
    /// As [`Ledger::commit`].
    // spec: P-127
    fn commit_for(
        &mut self,
        task: TaskId,
        record: Record,
        payload: Bytes,
        to: Option<ReplyTo>,
        out: &mut LedgerOutput<'_>,
    ) -> Result<(), Damaged> {
        let record = self.commit(record, payload, Awaited::Task(task), out)?;
        self.unconfirmed.insert(task, Unconfirmed { record, to });
        Ok(())
    }
}

#[cfg(test)]
impl Ledger {
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }
}

#[cfg(test)]
impl core::hash::Hash for Ledger {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        (&self.state, self.generation).hash(state);
        (&self.awaited, &self.unconfirmed, &self.leaving).hash(state);
        (&self.starting, &self.ending, &self.seen).hash(state);
    }
}
