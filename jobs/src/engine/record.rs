//! What a job must not forget.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::mean::{Kind, Weight};

/// What a site is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskKind {
    /// To make the initial model.
    Init,
    /// To train the model that the task brings.
    Train,
    /// To judge the model that the task brings.
    Validate,
}

impl fmt::Display for TaskKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Init => "init",
            Self::Train => "train",
            Self::Validate => "validate",
        })
    }
}

/// Which task: the same one is never another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskId {
    /// The round, from 1; 0 for `init`. The closing `validate` has the last round's number.
    pub round: u32,
    /// What is asked for.
    pub kind: TaskKind,
    /// Who is asked.
    pub site: String,
    /// How often this site was asked in this round, from 1.
    pub attempt: u32,
}

impl TaskId {
    /// The task of this round, kind, site and attempt.
    pub fn new(round: u32, kind: TaskKind, site: impl Into<String>, attempt: u32) -> Self {
        Self {
            round,
            kind,
            site: site.into(),
            attempt,
        }
    }
}

/// A result that counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counted {
    /// Who returned it.
    pub site: String,
    /// How much it counts.
    pub weight: Weight,
    /// Whether it is the model or a difference.
    pub form: Kind,
    /// Which attempt of the site it is: that of its [`TaskId`].
    pub attempt: u32,
    /// What [`TaskResult::sha256`](super::TaskResult::sha256) said: a host that has said it
    /// compares it with the file before it averages.
    pub sha256: Option<String>,
}

/// How a job has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should.
    Done,
    /// It could not go on.
    Failed,
    /// Somebody wanted it.
    Aborted,
}

/// The end of a job, which never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// Why, in words.
    pub reason: String,
    /// When, in milliseconds of Unix time.
    pub at: u64,
}

/// What a job must not forget: a line of `events.jsonl`. Applied one after the other, records
/// restore the job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Record {
    /// The initial model's file is there, or there is to be none.
    ModelReady,
    /// A round begins.
    Planned {
        /// Its number.
        round: u32,
        /// What its tasks ask for.
        kind: TaskKind,
        /// Who is asked.
        sites: Vec<String>,
        /// When it has to be over, in milliseconds of Unix time.
        deadline: u64,
    },
    /// More sites are asked in the open round, or some of them again.
    Asked {
        /// The round's number.
        round: u32,
        /// Who.
        sites: Vec<String>,
    },
    /// A result counts. Its file is there.
    Result {
        /// The task.
        task: TaskId,
        /// How much it counts.
        weight: Weight,
        /// Whether no weight came, where one could: then all count alike in the metrics.
        #[serde(default)]
        unweighted: bool,
        /// Whether it is the model or a difference.
        form: Kind,
        /// The SHA-256 of its file in hexadecimal digits, if the host has said it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
        /// What it says of the model that the task brought.
        metrics: BTreeMap<String, f64>,
        /// When it came, in milliseconds of Unix time.
        at: u64,
    },
    /// A task failed, or its result was refused.
    TaskFailed {
        /// The task.
        task: TaskId,
        /// Why, in words.
        reason: String,
    },
    /// A site whose tasks have failed too often has left and come back: it is asked again.
    Readmitted {
        /// The site.
        site: String,
    },
    /// The round lasts longer.
    Extended {
        /// The round's number.
        round: u32,
        /// When it has to be over now, in milliseconds of Unix time.
        deadline: u64,
        /// Whether enough sites were there, so that they have missed the deadline.
        missed: bool,
    },
    /// No more results count in this round.
    Closed {
        /// The round's number.
        round: u32,
        /// Who counts, by name.
        sites: Vec<String>,
        /// Who was asked and does not, and why not.
        without: BTreeMap<String, String>,
        /// The weighted means of what they say of the model that the round's tasks brought.
        metrics: BTreeMap<String, f64>,
    },
    /// The file of the round's model is there.
    Averaged {
        /// The round's number.
        round: u32,
    },
    /// The job has ended.
    Ended(Ended),
}
