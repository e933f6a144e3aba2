//! The job file: what is to be trained, by whom, and when a round is over.
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `name` | required | the job's name, and of its folder |
//! | `kind` | the name | which trainer of a site |
//! | `rounds` | 10 | how many rounds, counted from 1; at most 1,000,000 |
//! | `model` | the name with `.safetensors` | the initial model: a file, `job:ID/best`, `job:ID/last`, `ask:SITE` (the site makes it), or `none` |
//! | `config` | `{}` | for trainers: at most 32 KiB as JSON; `[site.NAME.config]` adds to it for one site |
//! | `sites` | `"all"` | all that offer the kind, later ones too; or a list of names |
//! | `sample` | 0 | so many sites are drawn for each round; 0: all |
//! | `seed` | 0 | what they are drawn by |
//! | `min_sites` | 2 | with fewer the job waits |
//! | `min_results` | 0 | so many, then `wait`, close a round; 0: all of those that are still there; if they cannot come any more, `min_sites` are enough after `wait` |
//! | `wait` | `"60s"` | how long a round stays open once it has `min_results` |
//! | `deadline` | `"1h"` | of a round: then `min_sites` results are enough; missed twice, the job has failed; at least `"1s"` |
//! | `weight` | `"examples"` | what a result counts: the number in it; or `"equal"` |
//! | `aggregate` | `"mean"` | how results become a model |
//! | `partial` | false | whether arrays may be missing in a result: each is the mean over those that have it; not with `model = "none"` |
//! | `metric` | `"accuracy"` | by which models are compared; `"none"`: there is no best one |
//! | `better` | `"higher"` | or `"lower"` |
//! | `stop` | `""` | when to stop early: `"accuracy >= 0.97"` |
//! | `patience` | 0 | stop after so many models in a row that are no better; 0: never |
//! | `keep` | 1 | every so manieth model is kept, beside initial, best and last |
//! | `results` | false | whether what sites returned is kept |
//!
//! Durations are whole numbers with `ms`, `s`, `m`, `h` or `d`, at most 365 days.

mod condition;
mod duration;
mod name;
mod read;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use condition::{Comparison, Condition};
pub use name::{MAX_JOB_NAME, MAX_SITE_NAME};

#[cfg(test)]
mod tests;

/// The longest job file, in bytes.
pub const MAX_JOB_FILE: usize = 1 << 20;
/// Most rounds of a job.
pub const MAX_ROUNDS: u32 = 1_000_000;
/// The shortest deadline of a round, in milliseconds: each one that goes by while sites are away
/// is written down.
pub const MIN_DEADLINE: u64 = 1000;
/// The longest configuration of a site, in bytes as JSON: it travels with each task.
pub const MAX_CONFIG: usize = 32 << 10;

/// What a job file says, with the defaults for what it does not say.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct JobFile {
    /// The job's name.
    pub name: String,
    /// Which trainer of a site.
    pub kind: String,
    /// How many rounds.
    pub rounds: u32,
    /// The initial model.
    pub model: ModelSource,
    /// For trainers.
    pub config: Map<String, Value>,
    /// What is added to it for some sites.
    pub site_config: BTreeMap<String, Map<String, Value>>,
    /// Who takes part.
    pub sites: SiteChoice,
    /// How many sites are drawn for each round; 0 for all.
    pub sample: usize,
    /// What they are drawn by.
    pub seed: u64,
    /// With fewer sites, or results, there is no round.
    pub min_sites: usize,
    /// How many results close a round after [`JobFile::wait`]; 0 for all that are still there.
    pub min_results: usize,
    /// How long a round stays open once it has [`JobFile::min_results`], in milliseconds.
    pub wait: u64,
    /// How long a round lasts, in milliseconds.
    pub deadline: u64,
    /// What a result counts.
    pub weight: Weighting,
    /// Whether arrays may be missing in a result.
    pub partial: bool,
    /// By which models are compared, if they are.
    pub metric: Option<String>,
    /// Which of two models is better.
    pub better: Better,
    /// When to stop early.
    pub stop: Option<Condition>,
    /// Stop after so many models in a row that are no better; 0 for never.
    pub patience: u32,
    /// Every so manieth model is kept.
    pub keep: u32,
    /// Whether results are kept.
    pub results: bool,
}

/// Where the initial model comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSource {
    /// A file, relative to the job file.
    File(String),
    /// The model of another job: its id, and whether the best or the last.
    Job {
        /// The other job.
        id: String,
        /// The best of its models, or the last.
        best: bool,
    },
    /// This site makes it, by a task `init`.
    Ask(String),
    /// There is none: the first round's tasks bring nothing.
    None,
}

/// Who takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteChoice {
    /// All that offer the kind, later ones too.
    All,
    /// These.
    Named(Vec<String>),
}

/// What a result counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weighting {
    /// The number in it.
    Examples,
    /// As much as any other.
    Equal,
}

/// Which of two models is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The one with the higher value.
    Higher,
    /// The one with the lower value.
    Lower,
}

/// Why a text is no job file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobFileError {
    /// The file is too long.
    #[error(
        "a job file of {0} bytes is over the limit of {MAX_JOB_FILE}: keep data in files of their own"
    )]
    TooLong(usize),
    /// Not TOML.
    #[error("{0}")]
    Toml(String),
    /// A key that means nothing.
    #[error("`{key}` is no key of a job file{}", nearest.as_ref().map(|it| format!(": is it `{it}`?")).unwrap_or_default())]
    Unknown {
        /// The key.
        key: String,
        /// The key that is written most like it.
        nearest: Option<String>,
    },
    /// A key that has to be there is not.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A value that cannot be.
    #[error("`{key}`: {reason}")]
    Value {
        /// The key.
        key: String,
        /// Why.
        reason: String,
    },
}

impl JobFile {
    /// Reads a job file. `settings` are texts like `rounds=3` that replace what it says: a value
    /// of TOML, or else a text.
    ///
    /// # Errors
    ///
    /// With the key and the reason.
    pub fn parse(text: &str, settings: &[&str]) -> Result<Self, JobFileError> {
        read::parse(text, settings)
    }

    /// The configuration for the trainer of a site.
    pub fn config_of(&self, site: &str) -> Map<String, Value> {
        let mut config = self.config.clone();
        config.extend(self.site_config.get(site).cloned().unwrap_or_default());
        config
    }

    /// The file with all defaults filled in, as [`JobFile::parse`] reads it.
    pub fn to_toml(&self) -> String {
        read::write(self)
    }

    /// Whether this site may take part.
    pub fn admits(&self, site: &str) -> bool {
        match &self.sites {
            SiteChoice::All => true,
            SiteChoice::Named(names) => names.iter().any(|name| name == site),
        }
    }
}
