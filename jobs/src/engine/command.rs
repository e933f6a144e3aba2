//! What the host has to do.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Counted, Record, Status, TaskId};

/// A task for a site.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Task {
    /// Which.
    pub id: TaskId,
    /// How many rounds the job has.
    pub rounds: u32,
    /// The number of the model that it brings: 0 is the initial one; `None` if it brings none.
    pub model: Option<u32>,
    /// For the trainer.
    pub config: Map<String, Value>,
}

/// What the host has to do, one after the other: it does not poll the next command before this
/// one is done. A host that died does some of them a second time, with the same outcome.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// Append this to `events.jsonl`, and flush it to the disk.
    Record {
        /// Its number, from 1, without gaps.
        number: u64,
        /// What to append.
        record: Record,
    },
    /// Bring the initial model to where models are, from where the job file says. Answer with
    /// [`Job::handle_model_ready`](super::Job::handle_model_ready) or
    /// [`Job::handle_model_failed`](super::Job::handle_model_failed), later.
    PrepareModel,
    /// The file of this task's result is the initial model. Answer as to
    /// [`Command::PrepareModel`].
    AdoptModel(TaskId),
    /// Give a site this task, unless it has it or has answered it.
    Assign(Task),
    /// Take a task back. Its result will be refused.
    Withdraw {
        /// The task.
        task: TaskId,
        /// Why, in words for the site.
        reason: String,
    },
    /// Make the round's model out of results. Answer with
    /// [`Job::handle_averaged`](super::Job::handle_averaged) or
    /// [`Job::handle_average_failed`](super::Job::handle_average_failed), later.
    Average {
        /// The round: the number of the model to be made.
        round: u32,
        /// The number of the model that the tasks brought, if they brought any.
        model: Option<u32>,
        /// Whose results, by name, with the attempt that each file is of. If the bytes of one are
        /// not those of its SHA-256 any more, there is no model.
        results: Vec<Counted>,
    },
    /// Have these models under the names of the best and the last one. If a model's own file is
    /// gone, it has that name already.
    Publish {
        /// The number of the best model, if models are compared.
        best: Option<u32>,
        /// The number of the last model.
        last: u32,
    },
    /// Delete the results of a round.
    DiscardResults {
        /// The round.
        round: u32,
    },
    /// Delete a model, but for the names of best and last.
    DiscardModel {
        /// Its number.
        model: u32,
    },
    /// Show this.
    Status(Status),
    /// The job has ended: take all its tasks back, and tell the sites.
    End {
        /// Why, in words.
        reason: String,
    },
}

/// Whether a result counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Verdict {
    /// It counts: the site is told that it was taken once all commands are done.
    Counted,
    /// It has counted before: the site is told again that it was taken.
    Again,
    /// It does not count: the file of this very attempt, if one was stored, is deleted, and the
    /// site is told why.
    Refused(String),
}
