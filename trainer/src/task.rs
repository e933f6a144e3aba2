//! What goes to a program and what comes back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::arrays::{Arrays, ArraysError};
use crate::process::Death;
use crate::protocol::Kind;

/// The job that a program is started for.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// Its identifier.
    pub id: String,
    /// Which trainer it asks for.
    pub kind: String,
    /// The name of this site.
    pub site: String,
    /// What the job tells its trainers.
    pub config: Map<String, Value>,
}

/// One task.
#[derive(Clone, Debug, Default)]
pub struct Task {
    /// Its identifier, 1 to 200 letters, digits, `-` and `_`.
    pub id: String,
    /// What is to be done: `train`, `validate`, or what the job calls it.
    pub name: String,
    /// Counted from 1.
    pub round: Option<u64>,
    /// How many rounds the job has.
    pub rounds: Option<u64>,
    /// What the arrays are.
    pub kind: Option<Kind>,
    /// The arrays. The program gets a copy of the file, which must not be changed while the
    /// task runs.
    pub arrays: Option<PathBuf>,
    /// What else the coordinator says of the task.
    pub headers: BTreeMap<String, String>,
}

/// What a program has made of a task.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct TaskResult {
    /// The arrays, if there are any.
    pub arrays: Option<Arrays>,
    /// What they are; [`Kind::Full`] if the program does not say.
    pub kind: Kind,
    /// How much the result counts.
    pub weight: Option<f64>,
    /// How good the model is that the task brought.
    pub metrics: BTreeMap<String, f64>,
    /// What else the program says of the result.
    pub headers: BTreeMap<String, String>,
}

/// Why a task has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The program says so. Its words may tell of data that must not leave the site:
    /// [`Errors`](crate::Errors) decides what of them does.
    #[error("failed: {0}")]
    Failed(String),
    /// It died, as often as it was started for this task.
    #[error("{0}")]
    Died(Death),
    /// What it said is not the protocol; it was killed.
    #[error("broke the trainer protocol and was killed: {0}")]
    Protocol(String),
    /// Its result, for this reason. The program knows it and lives on.
    #[error("its result cannot be used: {0}")]
    Result(String),
    /// The arrays of its result.
    #[error("its result cannot be used: {0}")]
    Arrays(#[from] ArraysError),
    /// The operator's filter has not let the result pass.
    #[error("its result did not pass the site's filter: {0}")]
    Filter(String),
    /// It took too long.
    #[error("took longer than the limit of {0:?}, and was stopped")]
    Limit(Duration),
    /// The task is no longer wanted.
    #[error("was stopped: {0}")]
    Stopped(String),
    /// The site's own files.
    #[error("{0}")]
    Site(String),
}

impl Failure {
    /// What happened without a word of the program's own, but for the type of an exception.
    pub(crate) fn type_alone(&self) -> String {
        match self {
            Self::Failed(text) => match exception(text) {
                Some(name) => format!("failed: {name}"),
                None => "failed".to_owned(),
            },
            Self::Protocol(_) => "broke the trainer protocol and was killed".to_owned(),
            Self::Result(_) | Self::Arrays(_) => "its result cannot be used".to_owned(),
            Self::Filter(_) => "its result did not pass the site's filter".to_owned(),
            Self::Site(_) | Self::Died(Death::NotStarted(_)) => {
                "the site could not run its program".to_owned()
            }
            Self::Died(_) | Self::Limit(_) | Self::Stopped(_) => self.to_string(),
        }
    }
}

/// The name at the beginning of `ValueError: what is wrong`.
fn exception(text: &str) -> Option<&str> {
    /// The longest that is taken for one, in bytes.
    const MAX_NAME: usize = 100;
    let (name, _) = text.split_once(':')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._".contains(&byte);
    let is_name = (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(plain);
    is_name.then_some(name)
}

/// What happens while a task runs.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The program runs and has connected; the number of its process as it gives it.
    Started {
        /// In its own view.
        pid: u32,
    },
    /// It has loaded what it needs, and can take tasks.
    Ready,
    /// How much of the task is done, from 0 to 1.
    Progress(f64),
    /// Numbers for a plot.
    Metrics {
        /// By name.
        values: BTreeMap<String, f64>,
        /// Which step of the training they belong to.
        step: Option<i64>,
    },
    /// Numbers that it has said and that cannot be plotted, and why.
    LeftOut(String),
    /// It died, and is started again with the task.
    Again(Death),
    /// It has not answered for so long. That alone is no failure.
    Unanswered(Duration),
}
