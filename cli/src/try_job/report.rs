//! What people see of a trial while it runs, and what it came to.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::PathBuf;

use fedlink_jobs::engine::{Phase, Record, TaskKind};
use serde::Serialize;

use super::federation::{LOG, SITES};
use crate::jobs::{Coordinator, Entry, JobFolder};
use crate::output::{self, Escaped};

/// Metrics that are shown on a line; all are in `events.jsonl`.
const MAX_SHOWN: usize = 4;

/// What became of a job. Serialized it is the result of `--json`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    state: Phase,
    reason: String,
    /// How many models were made.
    rounds: usize,
    /// How good the last model is, if anybody has judged it.
    metrics: BTreeMap<String, f64>,
    folder: PathBuf,
    /// The file of the last model.
    model: Option<PathBuf>,
    best: Option<PathBuf>,
    history: Vec<Round>,
    #[serde(skip)]
    quiet: bool,
    #[serde(skip)]
    wanted: u32,
    /// The round that is open.
    #[serde(skip)]
    open: Open,
}

/// A round whose model was made.
#[derive(Clone, Debug, Default, Serialize)]
struct Round {
    round: u32,
    /// Who is in its model.
    sites: Vec<String>,
    /// Who is not, and why.
    without: BTreeMap<String, String>,
    /// How good the model was that the round began with.
    metrics: BTreeMap<String, f64>,
    seconds: f64,
}

#[derive(Debug, Default)]
struct Open {
    begun: u64,
    kind: Option<TaskKind>,
    closed: Round,
}

impl Report {
    pub(super) fn new(quiet: bool, folder: &JobFolder, rounds: u32) -> Self {
        Self {
            state: Phase::Waiting,
            reason: String::new(),
            rounds: 0,
            metrics: BTreeMap::new(),
            folder: folder.path().to_owned(),
            model: None,
            best: None,
            history: Vec::new(),
            quiet,
            wanted: rounds,
            open: Open::default(),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == Phase::Done
    }

    /// Tells what has happened.
    pub(super) fn take(&mut self, entry: &Entry) {
        match &entry.record {
            Record::Planned { kind, .. } => {
                self.open.begun = entry.at;
                self.open.kind = Some(*kind);
            }
            Record::TaskFailed { task, reason } => {
                let log = self.folder.join(SITES).join(&task.site).join(LOG);
                self.say(format!(
                    "{} failed in round {}, {}: {reason} (its log is {})",
                    task.site,
                    task.round,
                    task.kind,
                    log.display()
                ));
            }
            Record::Closed {
                round,
                sites,
                without,
                metrics,
            } => {
                self.open.closed = Round {
                    round: *round,
                    sites: sites.clone(),
                    without: without.clone(),
                    metrics: metrics.clone(),
                    seconds: 0.0,
                };
                if self.open.kind == Some(TaskKind::Validate) {
                    self.metrics.clone_from(metrics);
                    self.say(format!("the last model: {}", shown(metrics)));
                }
            }
            Record::Averaged { .. } => {
                let mut round = std::mem::take(&mut self.open.closed);
                let millis = entry.at.saturating_sub(self.open.begun);
                round.seconds = std::time::Duration::from_millis(millis).as_secs_f64();
                self.say(self.line(&round));
                self.rounds += 1;
                self.history.push(round);
            }
            _ => {}
        }
    }

    /// The job has ended.
    pub(super) fn end(&mut self, job: &Coordinator) {
        let status = job.status();
        self.state = status.phase;
        self.reason = status.reason;
        self.model = job.folder().last();
        self.best = job.folder().best();
    }

    fn line(&self, round: &Round) -> String {
        let mut line = format!(
            "round {} of {}: {} in {:.1} s",
            round.round,
            self.wanted,
            round.sites.join(", "),
            round.seconds
        );
        if !round.metrics.is_empty() {
            let before = shown(&round.metrics);
            // Writing to a string does not fail.
            let _ = write!(line, "; it began with {before}");
        }
        for (site, reason) in &round.without {
            let _ = write!(line, "; without {site}: {reason}");
        }
        line
    }

    fn say(&self, line: String) {
        output::tell(self.quiet, line);
    }
}

fn shown(metrics: &BTreeMap<String, f64>) -> String {
    let each = metrics.iter().take(MAX_SHOWN);
    let mut shown: Vec<String> = each
        .map(|(name, value)| format!("{name} {value:.4}"))
        .collect();
    if metrics.len() > MAX_SHOWN {
        shown.push(format!("and {} more", metrics.len() - MAX_SHOWN));
    }
    if shown.is_empty() {
        shown.push("nobody has judged it".to_owned());
    }
    shown.join(", ")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            Phase::Waiting => "waiting",
            Phase::Running => "running",
            Phase::Done => "done",
            Phase::Failed => "failed",
            Phase::Aborted => "aborted",
        };
        write!(f, "{state}: {}", Escaped(&self.reason))?;
        let folder = Escaped(self.folder.display());
        write!(f, "\nall of it is in {folder}")?;
        if let Some(model) = &self.model {
            write!(f, "\nthe last model is {}", Escaped(model.display()))?;
        }
        if let Some(best) = &self.best {
            write!(f, "\nthe best model is {}", Escaped(best.display()))?;
        }
        Ok(())
    }
}
