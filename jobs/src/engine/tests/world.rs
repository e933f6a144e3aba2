//! A host with a disk, sites that add to a number, and a coordinator that may die after each
//! thing it does.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// What outlives the coordinator.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Disk {
    /// `events.jsonl`.
    pub(super) journal: Vec<String>,
    /// By number.
    pub(super) models: BTreeMap<u32, f64>,
    /// By round, site and attempt: what came, before it is known whether it counts.
    results: BTreeMap<(u32, String, u32), f64>,
    /// By name.
    pub(super) published: BTreeMap<&'static str, f64>,
    /// What the core knows: tasks that are open, and results that were not taken.
    tasks: BTreeMap<TaskId, Option<f64>>,
    returned: BTreeMap<TaskId, f64>,
}

/// How a site behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// It trains.
    Trains,
    /// Its program dies in these rounds.
    DiesIn(&'static [u32]),
}

/// How many steps until the coordinator dies; `None` if it does not.
#[derive(Debug)]
struct Dead;

pub(super) struct World {
    file: JobFile,
    sites: BTreeMap<&'static str, (f64, Behaviour)>,
    pub(super) disk: Disk,
    job: Option<Job>,
    now: u64,
    /// Steps so far, and those after which the coordinator dies.
    pub(super) steps: usize,
    deaths: BTreeSet<usize>,
    /// What sites were told of their results.
    pub(super) taken: Vec<TaskId>,
    pub(super) refused: Vec<(TaskId, String)>,
}

impl World {
    /// Each site adds its number and has a weight of as much.
    pub(super) fn new(
        lines: &str,
        sites: &[(&'static str, f64, Behaviour)],
        deaths: &[usize],
    ) -> Self {
        let sites = sites
            .iter()
            .map(|(site, plus, behaviour)| (*site, (*plus, *behaviour)));
        Self {
            file: job_file(lines),
            sites: sites.collect(),
            disk: Disk::default(),
            job: None,
            now: 1_000_000,
            steps: 0,
            deaths: deaths.iter().copied().collect(),
            taken: Vec::new(),
            refused: Vec::new(),
        }
    }

    pub(super) fn records(&self) -> Vec<Record> {
        let read = |line: &String| serde_json::from_str::<Record>(line).unwrap();
        self.disk.journal.iter().map(read).collect()
    }

    /// Runs until the job has ended and nothing is left to do.
    pub(super) fn run(&mut self) -> Ended {
        for _ in 0..1000 {
            self.start();
            if self.live().is_ok() {
                return self.job.as_ref().unwrap().ended().unwrap().clone();
            }
        }
        panic!(
            "the job does not end: {:?}",
            self.job.as_ref().unwrap().status()
        );
    }

    fn start(&mut self) {
        self.now += 1000;
        let job = Job::restore(self.now, self.file.clone(), self.records()).unwrap();
        self.job = Some(job);
    }

    /// One thing is done; the coordinator may die now.
    fn step(&mut self) -> Result<(), Dead> {
        self.steps += 1;
        if self.deaths.remove(&self.steps) {
            Err(Dead)
        } else {
            Ok(())
        }
    }

    fn job(&mut self) -> &mut Job {
        self.job.as_mut().unwrap()
    }

    fn live(&mut self) -> Result<(), Dead> {
        self.commands()?;
        let names: Vec<_> = self.sites.keys().copied().collect();
        for site in names {
            let now = self.now;
            self.job().handle_site(now, site, &["plus"]);
            self.commands()?;
        }
        for _ in 0..10_000 {
            self.now += 1000;
            let now = self.now;
            if let Some((task, model)) = self.open_task() {
                self.work(&task, model)?;
            } else if let Some((task, result)) = self.disk.returned.clone().pop_first() {
                self.returned(&task, result)?;
            } else if self.job().ended().is_some() {
                return Ok(());
            } else {
                let due = self
                    .job()
                    .poll_timeout()
                    .expect("a job that waits for nothing");
                self.now = now.max(due);
                let now = self.now;
                self.job().handle_timeout(now);
                assert!(self.job().poll_timeout().is_none_or(|next| next > now));
            }
            self.commands()?;
        }
        panic!("the coordinator never rests: {:?}", self.job().status());
    }

    fn open_task(&self) -> Option<(TaskId, Option<f64>)> {
        let (task, model) = self.disk.tasks.first_key_value()?;
        Some((task.clone(), *model))
    }

    /// A site does what it was asked.
    fn work(&mut self, task: &TaskId, model: Option<f64>) -> Result<(), Dead> {
        let (plus, behaviour) = self.sites[task.site.as_str()];
        self.disk.tasks.remove(task);
        if matches!(behaviour, Behaviour::DiesIn(rounds) if rounds.contains(&task.round)) {
            let now = self.now;
            self.job().handle_failure(now, task, "died (signal 9)");
            self.commands()?;
            return self.step();
        }
        self.disk
            .returned
            .insert(task.clone(), model.unwrap_or_default() + plus);
        self.step()
    }

    fn returned(&mut self, task: &TaskId, result: f64) -> Result<(), Dead> {
        self.disk
            .results
            .insert((task.round, task.site.clone(), task.attempt), result);
        self.step()?;
        let (weight, _) = self.sites[task.site.as_str()];
        let mut report = TaskResult::new(Some(Weight::new(weight).unwrap()), Kind::Full);
        // Model 2 is the best.
        let accuracy = 1.0 - (f64::from(task.round) - 3.0).abs() / 10.0;
        let accuracy = if task.kind == TaskKind::Validate {
            0.1
        } else {
            accuracy
        };
        report.metrics.insert("accuracy".to_owned(), accuracy);
        let now = self.now;
        let verdict = self.job().handle_result(now, task, report);
        self.commands()?;
        self.disk.returned.remove(task);
        match verdict {
            Verdict::Counted | Verdict::Again => self.taken.push(task.clone()),
            Verdict::Refused(reason) => self.refused.push((task.clone(), reason)),
        }
        self.step()
    }

    /// Does what the job wants, one after the other.
    fn commands(&mut self) -> Result<(), Dead> {
        while let Some(command) = self.job().poll_command() {
            let now = self.now;
            match command {
                Command::Record { number, record } => {
                    self.disk
                        .journal
                        .push(serde_json::to_string(&record).unwrap());
                    assert_eq!(self.disk.journal.len() as u64, number, "a gap");
                }
                Command::PrepareModel => {
                    self.disk.models.insert(0, 1.0);
                    self.step()?;
                    self.job().handle_model_ready(now);
                }
                Command::AdoptModel(task) => {
                    let model = self.disk.results[&(task.round, task.site, task.attempt)];
                    self.disk.models.insert(0, model);
                    self.step()?;
                    self.job().handle_model_ready(now);
                }
                Command::Assign(task) => {
                    let answered = self.disk.returned.contains_key(&task.id);
                    if !answered {
                        let model = task.model.map(|model| self.disk.models[&model]);
                        self.disk.tasks.insert(task.id, model);
                    }
                }
                Command::Withdraw { task, .. } => {
                    self.disk.tasks.remove(&task);
                }
                Command::Average { round, results, .. } => {
                    let value =
                        |it: &Counted| self.disk.results[&(round, it.site.clone(), it.attempt)];
                    let sum: f64 = results.iter().map(|it| it.weight.get() * value(it)).sum();
                    let weights: f64 = results.iter().map(|it| it.weight.get()).sum();
                    self.disk.models.insert(round, sum / weights);
                    self.step()?;
                    self.job().handle_averaged(now, round);
                }
                Command::Publish { best, last } => {
                    for (name, model) in [("best", best), ("last", Some(last))] {
                        let file = model.and_then(|model| self.disk.models.get(&model));
                        match file {
                            Some(file) => _ = self.disk.published.insert(name, *file),
                            None => {
                                assert!(model.is_none() || self.disk.published.contains_key(name))
                            }
                        }
                    }
                }
                Command::DiscardResults { round } => {
                    self.disk.results.retain(|(of, ..), _| *of != round);
                }
                Command::DiscardModel { model } => {
                    self.disk.models.remove(&model);
                }
                Command::End { .. } => self.disk.tasks.clear(),
                Command::Status(_) => continue,
            }
            self.step()?;
        }
        Ok(())
    }
}
