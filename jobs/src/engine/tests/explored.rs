//! Any inputs in any order, beside a reference that says from what happened alone whether a
//! round has to be open or closed.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const SITES: [&str; 4] = ["a", "b", "c", "d"];

/// Something that happens to the job.
#[derive(Clone, Debug)]
enum Input {
    Comes(usize),
    Leaves(usize),
    /// A site answers one of the tasks that it was ever given.
    Answers(usize, usize),
    Fails(usize, usize),
    /// So many milliseconds go by.
    Passes(u64),
    /// Time goes by until the next timer.
    Timer,
    Made,
    Blocked(bool),
    Dies,
    Abort,
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let site = 0..SITES.len();
    let input = prop_oneof![
        4 => site.clone().prop_map(Input::Comes),
        2 => site.clone().prop_map(Input::Leaves),
        12 => (site.clone(), 0..3usize).prop_map(|(site, task)| Input::Answers(site, task)),
        2 => (site, 0..2usize).prop_map(|(site, task)| Input::Fails(site, task)),
        2 => (0..8000u64).prop_map(Input::Passes),
        2 => Just(Input::Timer),
        6 => Just(Input::Made),
        1 => any::<bool>().prop_map(Input::Blocked),
        2 => Just(Input::Dies),
    ];
    let abort = prop_oneof![30 => Just(None), 1 => (0..80usize).prop_map(Some)];
    (prop::collection::vec(input, 1..120), abort).prop_map(|(mut inputs, abort)| {
        if let Some(at) = abort {
            inputs.insert(at.min(inputs.len()), Input::Abort);
        }
        inputs
    })
}

fn files() -> impl Strategy<Value = String> {
    let lines = [
        "",
        "min_results = 3",
        "min_results = 2",
        "sample = 3",
        "min_sites = 1",
        "patience = 1",
    ];
    prop::sample::select(lines.to_vec())
        .prop_map(|it| format!("rounds = 3\nwait = \"4s\"\ndeadline = \"20s\"\n{it}"))
}

/// What happened, told from the inputs and the records.
#[derive(Debug, Default)]
struct Reference {
    there: BTreeSet<&'static str>,
    /// Who was asked before the coordinator died and was not heard of since.
    unheard: BTreeSet<String>,
    round: Option<(u32, TaskKind)>,
    /// When each result of the open round came; `None` for who has not answered.
    asked: BTreeMap<String, Option<u64>>,
    failed: BTreeSet<String>,
    deadline: u64,
    /// Before when a round that was open at a restart is not closed while results are lacking.
    not_before: u64,
    /// Since when nobody is left who could bring as many results as are wanted.
    exhausted: Option<u64>,
    counted: BTreeSet<(u32, TaskKind, String)>,
    ended: bool,
}

impl Reference {
    fn read(&mut self, record: &Record, file: &JobFile, now: u64) {
        assert!(!self.ended, "{record:?} after the end");
        match record {
            Record::Planned {
                round,
                kind,
                sites,
                deadline,
            } => {
                self.round = Some((*round, *kind));
                self.asked = sites.iter().map(|site| (site.clone(), None)).collect();
                self.failed.clear();
                self.deadline = *deadline;
                self.not_before = 0;
            }
            Record::Asked { sites, .. } => {
                for site in sites {
                    self.failed.remove(site);
                    self.asked.insert(site.clone(), None);
                }
            }
            Record::Result { task, at, .. } => {
                let new = self
                    .counted
                    .insert((task.round, task.kind, task.site.clone()));
                assert!(new, "{task:?} counts twice");
                assert_eq!(self.asked.insert(task.site.clone(), Some(*at)), Some(None));
            }
            Record::TaskFailed { task, .. } => {
                self.failed.insert(task.site.clone());
            }
            Record::Extended { deadline, .. } => self.deadline = *deadline,
            Record::Closed {
                round,
                sites,
                without,
                ..
            } => {
                assert!(self.is_over(file, now), "closed too early: {self:?}");
                let (number, kind) = self.round.unwrap();
                assert_eq!(*round, number);
                let results = self.asked.iter().filter(|(_, at)| at.is_some());
                assert!(results.map(|(site, _)| site).eq(sites), "{sites:?}");
                assert_eq!(sites.len() + without.len(), self.asked.len());
                assert!(kind == TaskKind::Validate || sites.len() >= file.min_sites);
                self.round = None;
            }
            Record::Ended(_) => self.ended = true,
            _ => {}
        }
    }

    fn waits_for_somebody(&self) -> bool {
        self.asked.iter().any(|(site, at)| {
            let there = self.there.contains(site.as_str()) || self.unheard.contains(site);
            at.is_none() && !self.failed.contains(site) && there
        })
    }

    /// What is so when nothing more can be done now.
    fn rest(&mut self, file: &JobFile, now: u64) {
        let results = self.asked.values().flatten().count();
        let exhausted = matches!(self.round, Some((_, TaskKind::Train)))
            && !self.waits_for_somebody()
            && (file.min_sites..file.min_results).contains(&results);
        self.exhausted = exhausted.then(|| self.exhausted.unwrap_or(now));
    }

    /// Whether the open round has to be closed.
    fn is_over(&self, file: &JobFile, now: u64) -> bool {
        let mut times: Vec<u64> = self.asked.values().flatten().copied().collect();
        times.sort_unstable();
        let waited_for = self.waits_for_somebody();
        let deadline = self.deadline.max(self.not_before);
        let (_, kind) = self.round.unwrap();
        if kind == TaskKind::Validate {
            return !waited_for || now >= deadline;
        }
        let least = file.min_sites;
        let enough = file.min_results.max(least);
        let waited = file.min_results > 0
            && times
                .get(file.min_results - 1)
                .is_some_and(|at| now >= (at + file.wait).max(self.not_before));
        let exhausted = self.exhausted.is_some_and(|at| now >= at + file.wait);
        waited
            || exhausted && !waited_for && (least..file.min_results).contains(&times.len())
            || !waited_for && times.len() >= enough
            || now >= deadline && times.len() >= least
    }
}

struct Explorer {
    job: Job,
    now: u64,
    journal: Vec<Record>,
    tasks: BTreeMap<&'static str, Vec<TaskId>>,
    making: Option<u32>,
    blocked: bool,
    reference: Reference,
    said: Vec<String>,
}

impl Explorer {
    fn new(lines: &str) -> Self {
        let mut explorer = Self {
            job: Job::new(0, job_file(lines)),
            now: 0,
            journal: Vec::new(),
            tasks: BTreeMap::new(),
            making: None,
            blocked: false,
            reference: Reference::default(),
            said: Vec::new(),
        };
        explorer.drain();
        explorer
    }

    fn drain(&mut self) {
        let file = self.job.file().clone();
        while let Some(command) = self.job.poll_command() {
            self.said.push(format!("{command:?}"));
            match command {
                Command::Record { number, record } => {
                    self.reference.read(&record, &file, self.now);
                    self.journal.push(record);
                    assert_eq!(self.journal.len() as u64, number);
                }
                Command::PrepareModel => self.making = Some(0),
                Command::Average { round, results, .. } => {
                    let closed = self.journal.iter().rev().find_map(|it| match it {
                        Record::Closed {
                            round: of, sites, ..
                        } if *of == round => Some(sites),
                        _ => None,
                    });
                    assert!(results.iter().map(|it| &it.site).eq(closed.unwrap()));
                    self.making = Some(round);
                }
                Command::Assign(task) => {
                    let site = SITES.into_iter().find(|it| *it == task.id.site).unwrap();
                    assert!(self.reference.there.contains(site));
                    self.tasks.entry(site).or_default().push(task.id);
                }
                _ => {}
            }
        }
        if self.reference.round.is_some() && !self.blocked && !self.reference.ended {
            assert!(
                !self.reference.is_over(&file, self.now),
                "{:?}",
                self.reference
            );
        }
        if self.blocked {
            self.reference.exhausted = None;
        } else {
            self.reference.rest(&file, self.now);
        }
    }

    fn input(&mut self, input: &Input) {
        let now = self.now;
        let task_of = |site: &usize, back: &usize, tasks: &BTreeMap<&str, Vec<TaskId>>| {
            let given = tasks.get(SITES[*site])?;
            given.iter().rev().nth(*back).cloned()
        };
        match input {
            Input::Comes(site) => {
                self.reference.there.insert(SITES[*site]);
                self.reference.unheard.remove(SITES[*site]);
                self.job.handle_site(now, SITES[*site], &["plus"]);
            }
            Input::Leaves(site) => {
                self.reference.there.remove(SITES[*site]);
                self.reference.unheard.remove(SITES[*site]);
                self.job.handle_site_gone(now, SITES[*site]);
            }
            Input::Answers(site, back) => {
                if let Some(task) = task_of(site, back, &self.tasks) {
                    let mut result = TaskResult::new(Some(Weight::ONE), Kind::Full);
                    result
                        .metrics
                        .insert("accuracy".to_owned(), f64::from(task.round % 2));
                    self.job.handle_result(now, &task, result);
                }
            }
            Input::Fails(site, back) => {
                if let Some(task) = task_of(site, back, &self.tasks) {
                    self.job.handle_failure(now, &task, "died");
                }
            }
            Input::Passes(time) => {
                self.now += time;
                self.job.handle_timeout(self.now);
            }
            Input::Timer => {
                if let Some(due) = self.job.poll_timeout() {
                    self.now = due;
                    self.job.handle_timeout(due);
                }
            }
            Input::Made => match self.making.take() {
                Some(0) => self.job.handle_model_ready(now),
                Some(round) => self.job.handle_averaged(now, round),
                None => {}
            },
            Input::Blocked(blocked) => {
                self.blocked = *blocked;
                self.job.handle_storage(now, blocked.then_some("disk"));
            }
            Input::Dies => self.restart(),
            Input::Abort => _ = self.job.abort(now, "alice"),
        }
        self.drain();
        if matches!(input, Input::Passes(_) | Input::Timer) {
            assert!(self.job.poll_timeout().is_none_or(|due| due > self.now));
        }
    }

    /// All records are on the disk: commands were done one after the other.
    fn restart(&mut self) {
        let file = self.job.file().clone();
        let before = format!("{:?}", self.job.ended());
        self.reference.there.clear();
        let pending = self
            .reference
            .asked
            .iter()
            .filter(|(site, at)| at.is_none() && !self.reference.failed.contains(*site));
        self.reference.unheard = pending.map(|(site, _)| site.clone()).collect();
        if self.reference.round.is_some() && !self.reference.unheard.is_empty() {
            self.reference.not_before = self.now + file.wait;
        } else {
            self.reference.not_before = 0;
        }
        self.reference.exhausted = None;
        (self.making, self.blocked) = (None, false);
        self.job = Job::restore(self.now, file, self.journal.clone()).unwrap();
        assert_eq!(format!("{:?}", self.job.ended()), before);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn rounds_are_open_and_closed_as_the_reference_says(lines in files(), inputs in inputs()) {
        let mut explorer = Explorer::new(&lines);
        let mut twin = Explorer::new(&lines);
        for input in &inputs {
            explorer.input(input);
            twin.input(input);
        }
        // The same inputs, the same commands.
        prop_assert_eq!(explorer.said, twin.said);
    }
}
