//! What records come to. It changes by [`State::apply`] alone, so that a restart is a replay.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::job_file::{Better, JobFile, ModelSource};
use crate::mean::{Kind, Weight};

use super::{Counted, Ended, Outcome, Record, TaskId, TaskKind};

/// How often a task of a site may fail in a row before it is asked no more.
pub(super) const MAX_FAILURES: u32 = 3;

/// How many of the last tasks of each site that have counted are remembered: a site sends a
/// result again until it hears that it was taken, be that some rounds later.
const REMEMBERED: usize = 16;

/// What became of a site's task in a round.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// Nothing yet.
    Pending,
    /// A result that counts.
    Result {
        weight: Weight,
        unweighted: bool,
        form: Kind,
        sha256: Option<String>,
        metrics: BTreeMap<String, f64>,
        at: u64,
    },
    /// It failed.
    Failed(String),
}

/// A round that has begun and whose model is not there yet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Round {
    pub(super) number: u32,
    pub(super) kind: TaskKind,
    /// Who was asked: how often, and what came of it.
    pub(super) sites: BTreeMap<String, (u32, Answer)>,
    pub(super) deadline: u64,
    /// How often the deadline was missed.
    pub(super) missed: u32,
    /// Whether no more results count.
    pub(super) closed: bool,
}

impl Round {
    pub(super) fn task(&self, site: &str) -> Option<TaskId> {
        let (attempt, _) = self.sites.get(site)?;
        Some(TaskId::new(self.number, self.kind, site, *attempt))
    }

    pub(super) fn pending(&self) -> impl Iterator<Item = &str> {
        let pending = |(_, (_, answer)): &(&String, &(u32, Answer))| *answer == Answer::Pending;
        self.sites
            .iter()
            .filter(pending)
            .map(|(site, _)| site.as_str())
    }

    pub(super) fn failed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sites
            .iter()
            .filter_map(|(site, (_, answer))| match answer {
                Answer::Failed(reason) => Some((site.as_str(), reason.as_str())),
                Answer::Pending | Answer::Result { .. } => None,
            })
    }

    pub(super) fn results(&self) -> impl Iterator<Item = Counted> {
        self.sites
            .iter()
            .filter_map(|(site, (attempt, answer))| match answer {
                Answer::Result {
                    weight,
                    form,
                    sha256,
                    ..
                } => Some(Counted {
                    site: site.clone(),
                    weight: *weight,
                    form: *form,
                    attempt: *attempt,
                    sha256: sha256.clone(),
                }),
                Answer::Pending | Answer::Failed(_) => None,
            })
    }

    /// When there were so many results.
    pub(super) fn since(&self, results: usize) -> Option<u64> {
        let mut times: Vec<u64> = self.times().collect();
        times.sort_unstable();
        times.get(results.checked_sub(1)?).copied()
    }

    fn times(&self) -> impl Iterator<Item = u64> {
        self.sites.values().filter_map(|(_, answer)| match answer {
            Answer::Result { at, .. } => Some(*at),
            Answer::Pending | Answer::Failed(_) => None,
        })
    }

    /// The weighted means of what results say, each over those that say it, by name. If one of
    /// them came without a weight, all count alike: a count of examples has no measure in common
    /// with none.
    pub(super) fn metrics(&self) -> BTreeMap<String, f64> {
        let alike = self.sites.values().any(|(_, answer)| {
            matches!(
                answer,
                Answer::Result {
                    unweighted: true,
                    ..
                }
            )
        });
        let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for (_, answer) in self.sites.values() {
            let Answer::Result {
                weight, metrics, ..
            } = answer
            else {
                continue;
            };
            let weight = if alike { Weight::ONE } else { *weight }.get();
            for (name, value) in metrics {
                let (sum, weights) = sums.entry(name).or_default();
                *sum += weight * value;
                *weights += weight;
            }
        }
        let means = sums
            .into_iter()
            .map(|(name, (sum, weights))| (name.to_owned(), sum / weights));
        means.filter(|(_, mean)| mean.is_finite()).collect()
    }
}

/// What a job must not forget.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    pub(super) file: JobFile,
    /// How many records there are.
    pub(super) records: u64,
    /// Whether the initial model is there.
    pub(super) model_ready: bool,
    /// The number of the last model.
    pub(super) last: u32,
    /// Who is in the last model.
    pub(super) names: Vec<String>,
    /// The last tasks of each site whose results have counted.
    counted: BTreeMap<String, VecDeque<TaskId>>,
    /// The round that is open or being averaged.
    pub(super) round: Option<Arc<Round>>,
    /// The metric of each model that was judged.
    pub(super) scores: BTreeMap<u32, f64>,
    /// The number of the best model: the first of those that are alike.
    pub(super) best: Option<u32>,
    /// How many models were judged since and were no better.
    pub(super) since_best: u32,
    /// The condition to stop early, once it held: in words.
    pub(super) stopped: Option<String>,
    /// Whether the last model was judged as far as it can be.
    pub(super) validated: bool,
    /// How many tasks of each site have failed since its last result, and why the last one.
    pub(super) failures: BTreeMap<String, (u32, String)>,
    pub(super) ended: Option<Ended>,
}

impl State {
    pub(super) fn new(file: JobFile) -> Self {
        Self {
            file,
            records: 0,
            model_ready: false,
            last: 0,
            names: Vec::new(),
            counted: BTreeMap::new(),
            round: None,
            scores: BTreeMap::new(),
            best: None,
            since_best: 0,
            stopped: None,
            validated: false,
            failures: BTreeMap::new(),
            ended: None,
        }
    }

    /// Does what a record says. What cannot follow on what came before is refused, and nothing
    /// has changed then but for the round that it is about.
    pub(super) fn apply(&mut self, record: &Record) -> Result<(), &'static str> {
        if self.ended.is_some() {
            return Err("the job has ended");
        }
        match record {
            Record::ModelReady => {
                if self.model_ready {
                    return Err("the initial model is there already");
                }
                self.model_ready = true;
                self.round = None;
            }
            Record::Planned {
                round,
                kind,
                sites,
                deadline,
            } => self.plan(*round, *kind, sites, *deadline)?,
            Record::Asked { round, sites } => {
                let open = open(&mut self.round, *round)?;
                for site in sites {
                    let (attempt, answer) = open
                        .sites
                        .entry(site.clone())
                        .or_insert((0, Answer::Pending));
                    *attempt = attempt.saturating_add(1);
                    *answer = Answer::Pending;
                }
            }
            Record::Result {
                task,
                weight,
                unweighted,
                form,
                sha256,
                metrics,
                at,
            } => {
                *pending(&mut self.round, task)? = Answer::Result {
                    weight: *weight,
                    unweighted: *unweighted,
                    form: *form,
                    sha256: sha256.clone(),
                    metrics: metrics.clone(),
                    at: *at,
                };
                self.failures.remove(&task.site);
                let counted = self.counted.entry(task.site.clone()).or_default();
                counted.push_back(task.clone());
                if counted.len() > REMEMBERED {
                    counted.pop_front();
                }
            }
            Record::TaskFailed { task, reason } => {
                *pending(&mut self.round, task)? = Answer::Failed(reason.clone());
                let (count, last) = self.failures.entry(task.site.clone()).or_default();
                *count = count.saturating_add(1);
                reason.clone_into(last);
            }
            Record::Extended {
                round,
                deadline,
                missed,
            } => {
                let open = open(&mut self.round, *round)?;
                open.deadline = *deadline;
                open.missed = open.missed.saturating_add(u32::from(*missed));
            }
            Record::Readmitted { site } => {
                if self.failures.remove(site).is_none() {
                    return Err("a site that has not failed");
                }
            }
            Record::Closed {
                round,
                metrics,
                sites,
                ..
            } => self.close(*round, sites, metrics)?,
            Record::Averaged { round } => {
                let closed = self.round.as_ref().is_some_and(|it| {
                    it.closed && it.number == *round && it.kind == TaskKind::Train
                });
                if !closed {
                    return Err("a model of a round that is not closed");
                }
                self.last = *round;
                self.round = None;
            }
            Record::Ended(ended) => self.ended = Some(ended.clone()),
        }
        self.records += 1;
        Ok(())
    }

    fn plan(
        &mut self,
        number: u32,
        kind: TaskKind,
        sites: &[String],
        deadline: u64,
    ) -> Result<(), &'static str> {
        let expected = match kind {
            TaskKind::Init => !self.model_ready && number == 0,
            TaskKind::Train => self.model_ready && self.last.checked_add(1) == Some(number),
            TaskKind::Validate => self.last == number && !self.validated,
        };
        if self.round.is_some() || !expected || sites.is_empty() {
            return Err("a round out of turn");
        }
        let pending = |site: &String| (site.clone(), (1, Answer::Pending));
        self.round = Some(Arc::new(Round {
            number,
            kind,
            sites: sites.iter().map(pending).collect(),
            deadline,
            missed: 0,
            closed: false,
        }));
        Ok(())
    }

    fn close(
        &mut self,
        number: u32,
        sites: &[String],
        metrics: &BTreeMap<String, f64>,
    ) -> Result<(), &'static str> {
        let open = open(&mut self.round, number)?;
        if !open.results().map(|it| it.site).eq(sites.iter().cloned()) {
            return Err("a round closed with other results than it has");
        }
        open.closed = true;
        // The metrics of a training round judge the model that it began with.
        let (judged, kind) = (number, open.kind);
        let judged = if kind == TaskKind::Train {
            judged.saturating_sub(1)
        } else {
            judged
        };
        let exists = judged > 0 || self.file.model != ModelSource::None;
        let metric = self.file.metric.as_ref().and_then(|it| metrics.get(it));
        if let Some(value) = metric.filter(|_| exists) {
            self.judge(judged, *value);
        }
        let stop = self
            .file
            .stop
            .as_ref()
            .filter(|_| exists && kind == TaskKind::Train);
        if let Some(stop) = stop
            && let Some(value) = metrics.get(&stop.metric)
            && stop.holds(*value)
        {
            self.stopped = Some(format!("{stop}: model {judged} has {value}"));
        }
        match kind {
            TaskKind::Train => self.names = sites.to_vec(),
            TaskKind::Validate => {
                self.validated = true;
                self.round = None;
            }
            TaskKind::Init => {}
        }
        Ok(())
    }

    fn judge(&mut self, model: u32, value: f64) {
        let best = self.best.and_then(|best| self.scores.get(&best));
        let better = match (best, self.file.better) {
            (None, _) => true,
            (Some(best), Better::Higher) => value > *best,
            (Some(best), Better::Lower) => value < *best,
        };
        self.scores.insert(model, value);
        if better {
            self.best = Some(model);
            self.since_best = 0;
        } else {
            self.since_best = self.since_best.saturating_add(1);
        }
    }

    /// Why there is no further round, if there is none.
    pub(super) fn finished(&self) -> Option<String> {
        if self.last == 0 {
            return None;
        }
        if let Some(stopped) = &self.stopped {
            return Some(format!("stopped by {stopped}"));
        }
        let patience = self.file.patience;
        if patience > 0 && self.since_best >= patience {
            let count = self.since_best;
            return Some(format!("stopped: {count} models in a row were no better"));
        }
        (self.last >= self.file.rounds).then(|| format!("{} rounds", self.last))
    }

    /// Whether the result of this very task has counted, as far back as is remembered.
    pub(super) fn has_counted(&self, task: &TaskId) -> bool {
        let counted = self.counted.get(&task.site);
        counted.is_some_and(|tasks| tasks.contains(task))
    }

    /// Whether a site has failed so often that it is asked no more.
    pub(super) fn given_up(&self, site: &str) -> bool {
        self.failures
            .get(site)
            .is_some_and(|(count, _)| *count >= MAX_FAILURES)
    }
}

/// The round that is open, if it is this one.
fn open(round: &mut Option<Arc<Round>>, number: u32) -> Result<&mut Round, &'static str> {
    let open = round
        .as_mut()
        .filter(|it| !it.closed && it.number == number);
    open.map(Arc::make_mut).ok_or("a round that is not open")
}

/// The answer to a task, if there is none yet.
fn pending<'a>(
    round: &'a mut Option<Arc<Round>>,
    task: &TaskId,
) -> Result<&'a mut Answer, &'static str> {
    let open = open(round, task.round)?;
    let kind = open.kind;
    match open.sites.get_mut(&task.site) {
        Some((attempt, answer))
            if *attempt == task.attempt && kind == task.kind && *answer == Answer::Pending =>
        {
            Ok(answer)
        }
        _ => Err("a task that is not open"),
    }
}

impl Ended {
    pub(super) fn new(outcome: Outcome, reason: String, at: u64) -> Self {
        Self {
            outcome,
            reason,
            at,
        }
    }
}
