//! One task: what a host gives and sees of it, and what the ledger keeps.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::record::ResultHead;
use super::task_inputs::PayloadId;
use super::upload::Block;
use crate::identity::Name;
use crate::message::{JobId, Payload, Place, Properties, TaskId};
use crate::server::ResultReceived;
use crate::transfer::Layout;

/// Who is to do a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assignee {
    /// This site.
    Site(Name),
    /// The first site of the job that asks and has nothing else to do.
    Anyone,
}

/// Work to give to a site.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewTask {
    /// What to do, in the words of the job; at most 255 bytes.
    pub name: String,
    /// Details; at most 64 KiB.
    pub headers: Properties,
    /// The input. A clone given to several tasks is held and stored once.
    pub payload: Payload,
}

impl NewTask {
    /// Work without details.
    #[must_use]
    pub fn new(name: impl Into<String>, payload: Payload) -> Self {
        Self {
            name: name.into(),
            headers: Properties::new(),
            payload,
        }
    }

    /// With these details.
    #[must_use]
    pub fn with_headers(mut self, headers: Properties) -> Self {
        self.headers = headers;
        self
    }
}

/// How far a task has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskState {
    /// It waits for whoever asks.
    Queued,
    /// It is a site's, which may not have asked for it yet.
    Assigned,
    /// Its result is stored, or is being stored.
    Done,
    /// The host has taken the result.
    Taken,
}

/// A task as the server holds it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TaskView<'a> {
    /// The assignment.
    pub id: TaskId,
    /// The job it belongs to.
    pub job: JobId,
    /// What to do.
    pub name: &'a str,
    /// Details.
    pub headers: &'a Properties,
    /// The input; none once the result was taken.
    pub payload: Option<&'a Payload>,
    /// Whose it is; none while it waits for whoever asks.
    pub client: Option<&'a Name>,
    /// How far it has come.
    pub state: TaskState,
}

/// Whose a task is, and its place among the tasks given to sites. A task for whoever
/// asks gets its place when it is claimed, so that it is not before one that the site
/// has had already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub(super) struct Owner {
    pub(super) client: Name,
    pub(super) order: u64,
}

/// A task as it is recorded, without its input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub(super) struct Entry {
    pub(super) task: TaskId,
    pub(super) job: JobId,
    /// Its place among all tasks.
    pub(super) created: u64,
    pub(super) owner: Option<Owner>,
    pub(super) name: String,
    pub(super) headers: Properties,
}

/// A task in the table.
#[derive(Debug)]
#[cfg_attr(any(test, fuzzing), derive(Clone, PartialEq))]
#[cfg_attr(test, derive(Hash))]
pub(super) struct Task {
    pub(super) entry: Entry,
    pub(super) phase: Phase,
}

#[derive(Debug)]
#[cfg_attr(any(test, fuzzing), derive(Clone, PartialEq))]
#[cfg_attr(test, derive(Hash))]
pub(super) enum Phase {
    Open(Input),
    Done(Input, Box<TaskResult>),
    /// Kept until the job ends, so that a late repetition of the result is known.
    Taken,
    /// Kept until the job ends, so that the site may name it as its last task.
    Withdrawn,
}

#[derive(Clone, Debug)]
#[cfg_attr(any(test, fuzzing), derive(PartialEq))]
#[cfg_attr(test, derive(Hash))]
pub(super) struct Input {
    pub(super) id: PayloadId,
    pub(super) payload: Payload,
}

#[derive(Debug)]
#[cfg_attr(any(test, fuzzing), derive(Clone, PartialEq))]
#[cfg_attr(test, derive(Hash))]
pub(super) struct TaskResult {
    pub(super) head: ResultHead,
    pub(super) payload: Payload,
}

impl TaskResult {
    /// The blocks that the payload came in, if it did.
    pub(super) fn blocks(&self) -> Option<Vec<Block>> {
        let Place::Apart { size, digest } = self.head.labels.place else {
            return None;
        };
        let (layout, parts) = (Layout { size, digest }, self.payload.parts());
        let list = &self.payload.blocks().list;
        let block = |(index, bytes): (u64, &Bytes)| Block {
            layout,
            index,
            list: if index == 0 {
                list.clone()
            } else {
                Bytes::new()
            },
            bytes: bytes.clone(),
        };
        Some((0..).zip(parts).map(block).collect())
    }
}

impl Task {
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    pub(super) fn client(&self) -> Option<&Name> {
        self.entry.owner.as_ref().map(|owner| &owner.client)
    }

    pub(super) fn belongs_to(&self, client: &Name, job: JobId) -> bool {
        self.entry.job == job && self.client() == Some(client)
    }

    pub(super) fn input(&self) -> Option<&Input> {
        match &self.phase {
            Phase::Open(input) | Phase::Done(input, _) => Some(input),
            Phase::Taken | Phase::Withdrawn => None,
        }
    }

    /// What the host is told of the result; none unless there is one to take.
    pub(super) fn result_received(&self, task: TaskId, again: bool) -> Option<ResultReceived> {
        let Phase::Done(_, result) = &self.phase else {
            return None;
        };
        Some(ResultReceived {
            client: self.client()?.clone(),
            job: self.entry.job,
            task,
            name: self.entry.name.clone(),
            outcome: result.head.outcome,
            headers: result.head.headers.clone(),
            payload: result.payload.clone(),
            context: result.head.context.clone(),
            again,
        })
    }

    /// None once it was withdrawn.
    pub(super) fn view(&self) -> Option<TaskView<'_>> {
        let state = match (&self.phase, &self.entry.owner) {
            (Phase::Open(_), None) => TaskState::Queued,
            (Phase::Open(_), Some(_)) => TaskState::Assigned,
            (Phase::Done(..), _) => TaskState::Done,
            (Phase::Taken, _) => TaskState::Taken,
            (Phase::Withdrawn, _) => return None,
        };
        Some(TaskView {
            id: self.entry.task,
            job: self.entry.job,
            name: &self.entry.name,
            headers: &self.entry.headers,
            payload: self.input().map(|input| &input.payload),
            client: self.client(),
            state,
        })
    }
}
