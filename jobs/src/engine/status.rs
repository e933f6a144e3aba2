//! What people are shown of a job.

use std::collections::BTreeMap;

use serde::Serialize;

use super::TaskKind;

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Something has to come first: the reason says what, or who.
    Waiting,
    /// A round is open, or its model is being made.
    Running,
    /// It has ended as it should.
    Done,
    /// It could not go on.
    Failed,
    /// Somebody wanted it to end.
    Aborted,
}

/// Where a job is, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// Where it is.
    pub phase: Phase,
    /// Why, in words.
    pub reason: String,
    /// The round that is open, or the last one.
    pub round: u32,
    /// How many rounds there are to be.
    pub rounds: u32,
    /// What the open round's tasks ask for.
    pub kind: Option<TaskKind>,
    /// Whose results count in the open round.
    pub results: Vec<String>,
    /// Who is asked in the open round and has not answered.
    pub pending: Vec<String>,
    /// Who has failed in the open round, and why.
    pub failed: BTreeMap<String, String>,
    /// Who is asked no more because too many of its tasks have failed, and why the last one.
    pub given_up: BTreeMap<String, String>,
    /// When the open round has to be over, in milliseconds of Unix time.
    pub deadline: Option<u64>,
    /// The number of the last model; 0 is the initial one.
    pub last: u32,
    /// Who is in the last model.
    pub sites: Vec<String>,
    /// The number of the best model.
    pub best: Option<u32>,
    /// Its metric.
    pub best_score: Option<f64>,
}
