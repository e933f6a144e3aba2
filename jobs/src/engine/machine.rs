//! The machine.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::job_file::{JobFile, ModelSource, Weighting};
use crate::mean::{Kind, Weight, WeightError};

use super::state::{Answer, Round, State};
use super::{
    Command, Ended, Outcome, Phase, Record, Status, Task, TaskId, TaskKind, Verdict, sample,
};

/// Most metrics of a result: they are written down for each.
pub const MAX_METRICS: usize = 1000;

/// The longest name of a metric, in bytes.
pub const MAX_METRIC_NAME: usize = 1024;

/// The longest reason of a failure that is kept, in bytes: it comes from a site, whose host sends
/// no more either.
pub const MAX_REASON: usize = 1024;

/// How often sites may miss the deadline of a round: then the job has failed.
const MAX_MISSED: u32 = 2;

/// The kind that a site offers if it takes any.
const ANY_KIND: &str = "*";

/// A result whose file has been stored and checked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TaskResult {
    /// The weight that came with it, if any did.
    pub weight: Option<Weight>,
    /// Whether it is the model or a difference.
    pub form: Kind,
    /// The SHA-256 of its file in hexadecimal digits, if the host wants to know at
    /// [`Command::Average`] whether the file is still the one that counted.
    pub sha256: Option<String>,
    /// What it says of the model that the task brought. Numbers that are not finite are left
    /// out.
    pub metrics: BTreeMap<String, f64>,
}

impl TaskResult {
    /// A result without metrics.
    pub fn new(weight: Option<Weight>, form: Kind) -> Self {
        Self {
            weight,
            form,
            sha256: None,
            metrics: BTreeMap::new(),
        }
    }
}

/// Records that are none of one job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "record {number} cannot follow on those before it ({fault}): restore the folder of the job from a copy"
)]
#[non_exhaustive]
pub struct RestoreError {
    /// The number of the record.
    pub number: u64,
    /// What is wrong with it.
    pub fault: &'static str,
}

/// A job.
///
/// What it is told of time counts from the latest that it was told.
#[derive(Debug)]
pub struct Job {
    state: State,
    now: u64,
    /// Who is there and offers the kind.
    present: BTreeSet<String>,
    /// Who has left since the start, and who was given up before it.
    left: BTreeSet<String>,
    /// Who was there before a restart and has not been heard of since.
    presumed: BTreeSet<String>,
    /// How long a round waits for them, after a restart between rounds.
    resumes: Option<u64>,
    /// The round that was open at a restart, and before when it is not closed while results are
    /// lacking: sites need time to come back.
    reopened: Option<(u32, TaskKind, u64)>,
    /// Since when an open round has too few results for [`JobFile::min_results`] and nobody left
    /// to ask.
    exhausted: Option<u64>,
    /// Tasks that were assigned since the start.
    assigned: BTreeSet<TaskId>,
    /// What the host is at: the initial model, or a round's.
    making: Option<u32>,
    /// Why the host cannot store anything, if so.
    blocked: Option<String>,
    commands: VecDeque<Command>,
    shown: Option<Status>,
}

impl Job {
    /// A new job.
    pub fn new(now: u64, file: JobFile) -> Self {
        let mut job = Self::with(now, State::new(file));
        job.advance();
        job
    }

    /// A job that goes on from what is on the disk. Sites with open tasks count as there until
    /// the host says that they have gone, and they have at least [`JobFile::wait`] from now, even
    /// if the deadline was long ago; between two rounds, those of the last one are waited for as
    /// long. So a restart leaves nobody out. A site that was given up is asked again when it is
    /// there: somebody may have mended it meanwhile.
    ///
    /// # Errors
    ///
    /// If the records are not those of one job.
    pub fn restore(
        now: u64,
        file: JobFile,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, RestoreError> {
        let mut state = State::new(file);
        for record in records {
            let number = state.records + 1;
            state
                .apply(&record)
                .map_err(|fault| RestoreError { number, fault })?;
        }
        let mut job = Self::with(now, state);
        job.presumed = match &job.state.round {
            Some(round) => round.pending().map(str::to_owned).collect(),
            None => job.state.names.iter().cloned().collect(),
        };
        let resumes = job.now.saturating_add(job.state.file.wait);
        job.resumes = Some(resumes);
        let lacking = job
            .state
            .round
            .as_ref()
            .filter(|_| !job.presumed.is_empty());
        job.reopened = lacking.map(|it| (it.number, it.kind, resumes));
        let failed = job.state.failures.keys();
        job.left = failed
            .filter(|it| job.state.given_up(it))
            .cloned()
            .collect();
        // A clock that was wrong when the round began must not keep it open for ever.
        let latest = job.next_deadline();
        if let Some(round) = job.state.round.clone()
            && !round.closed
            && round.deadline > latest
        {
            job.record(Record::Extended {
                round: round.number,
                deadline: latest,
                missed: false,
            });
        }
        job.publish();
        match &job.state.ended {
            Some(ended) => job.commands.push_back(Command::End {
                reason: ended.reason.clone(),
            }),
            None => job.discard(),
        }
        job.advance();
        Ok(job)
    }

    fn with(now: u64, state: State) -> Self {
        Self {
            state,
            now,
            present: BTreeSet::new(),
            left: BTreeSet::new(),
            presumed: BTreeSet::new(),
            resumes: None,
            reopened: None,
            exhausted: None,
            assigned: BTreeSet::new(),
            making: None,
            blocked: None,
            commands: VecDeque::new(),
            shown: None,
        }
    }

    /// A site is there and offers these kinds; `*` is any. Call it again when they change.
    pub fn handle_site(&mut self, now: u64, site: &str, kinds: &[&str]) {
        self.tick(now);
        let offers = |kind: &&str| *kind == self.state.file.kind || *kind == ANY_KIND;
        if kinds.iter().any(offers) && self.state.file.admits(site) {
            self.present.insert(site.to_owned());
            // Somebody may have mended it.
            if self.left.remove(site) && self.state.given_up(site) && self.state.ended.is_none() {
                self.record(Record::Readmitted {
                    site: site.to_owned(),
                });
            }
        } else {
            self.present.remove(site);
        }
        self.presumed.remove(site);
        self.advance();
    }

    /// A site has left, or is dead: nobody waits for its result, but if it comes it counts.
    pub fn handle_site_gone(&mut self, now: u64, site: &str) {
        self.tick(now);
        self.present.remove(site);
        self.presumed.remove(site);
        self.left.insert(site.to_owned());
        self.advance();
    }

    /// The initial model's file is where models are, or there is to be none.
    pub fn handle_model_ready(&mut self, now: u64) {
        self.tick(now);
        if self.making == Some(0) && self.state.ended.is_none() {
            self.making = None;
            self.record(Record::ModelReady);
            self.advance();
        }
    }

    /// There will be no initial model, for this reason: the job has failed.
    pub fn handle_model_failed(&mut self, now: u64, reason: &str) {
        self.tick(now);
        if self.making == Some(0) && self.state.ended.is_none() {
            self.end(Outcome::Failed, format!("the initial model: {reason}"));
            self.advance();
        }
    }

    /// A result came; its file is stored and checked. It counts once.
    pub fn handle_result(&mut self, now: u64, task: &TaskId, result: TaskResult) -> Verdict {
        self.tick(now);
        if let Some(verdict) = self.verdict(task) {
            return verdict;
        }
        let can_say =
            task.kind == TaskKind::Validate && self.state.file.weight == Weighting::Examples;
        let unweighted = can_say && result.weight.is_none();
        let weight = match (result.weight, task.kind, self.state.file.weight) {
            (Some(weight), _, Weighting::Examples) => weight,
            (_, _, Weighting::Equal) | (_, TaskKind::Init | TaskKind::Validate, _) => Weight::ONE,
            (None, TaskKind::Train, Weighting::Examples) => {
                return self.refuse(task, WeightError::Missing.to_string());
            }
        };
        if result.metrics.len() > MAX_METRICS {
            return self.refuse(task, format!("more than {MAX_METRICS} metrics"));
        }
        if result
            .metrics
            .keys()
            .any(|name| name.len() > MAX_METRIC_NAME)
        {
            let reason = format!("a metric's name is longer than {MAX_METRIC_NAME} bytes");
            return self.refuse(task, reason);
        }
        let mut metrics = result.metrics;
        metrics.retain(|_, value| value.is_finite());
        self.record(Record::Result {
            task: task.clone(),
            weight,
            unweighted,
            form: result.form,
            sha256: result.sha256,
            metrics,
            at: self.now,
        });
        self.advance();
        Verdict::Counted
    }

    /// A task failed, or its result cannot be used: the reason in words, of which the first
    /// [`MAX_REASON`] bytes are kept. Of a task that is not open nothing changes.
    pub fn handle_failure(&mut self, now: u64, task: &TaskId, reason: &str) {
        self.tick(now);
        if self.verdict(task).is_none() {
            let longest = reason.len().min(MAX_REASON);
            let end = (0..=longest)
                .rev()
                .find(|end| reason.is_char_boundary(*end));
            self.refuse(
                task,
                reason
                    .get(..end.unwrap_or_default())
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
    }

    /// The file of the round's model is there.
    pub fn handle_averaged(&mut self, now: u64, round: u32) {
        self.tick(now);
        if self.making == Some(round) && round > 0 && self.state.ended.is_none() {
            self.making = None;
            self.record(Record::Averaged { round });
            self.publish();
            self.discard();
            self.advance();
        }
    }

    /// There is no model of this round, for this reason: the job has failed.
    pub fn handle_average_failed(&mut self, now: u64, round: u32, reason: &str) {
        self.tick(now);
        if self.making == Some(round) && round > 0 && self.state.ended.is_none() {
            self.end(Outcome::Failed, format!("round {round}: {reason}"));
            self.advance();
        }
    }

    /// The host cannot store anything, for this reason, or can again. Meanwhile no round begins
    /// and none is closed.
    pub fn handle_storage(&mut self, now: u64, blocked: Option<&str>) {
        self.tick(now);
        self.blocked = blocked.map(str::to_owned);
        self.advance();
    }

    /// It is time for what [`Job::poll_timeout`] was about. Afterwards that is later than `now`.
    pub fn handle_timeout(&mut self, now: u64) {
        self.tick(now);
        self.advance();
    }

    /// Ends the job, because somebody wants it.
    ///
    /// # Errors
    ///
    /// If it has ended already: how, why and when.
    pub fn abort(&mut self, now: u64, by: &str) -> Result<(), Ended> {
        self.tick(now);
        if let Some(ended) = &self.state.ended {
            return Err(ended.clone());
        }
        self.end(Outcome::Aborted, format!("aborted by {by}"));
        self.advance();
        Ok(())
    }

    /// What the host has to do next. It polls again when this is done.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When [`Job::handle_timeout`] is due, in milliseconds of Unix time. Any input may change it.
    pub fn poll_timeout(&self) -> Option<u64> {
        if self.blocked.is_some() || self.state.ended.is_some() {
            return None;
        }
        let Some(round) = &self.state.round else {
            return self.resumes.filter(|_| self.resuming());
        };
        if round.closed {
            return None;
        }
        let times = [
            Some(self.deadline(round)),
            self.enough_at(round),
            self.exhausted_at(),
        ];
        times.into_iter().flatten().min()
    }

    /// What the job was told before it started.
    pub fn file(&self) -> &JobFile {
        &self.state.file
    }

    /// How, why and when the job has ended, if it has.
    pub fn ended(&self) -> Option<&Ended> {
        self.state.ended.as_ref()
    }

    /// The metric of each model that was judged, by the model's number; 0 is the initial one.
    pub fn scores(&self) -> &BTreeMap<u32, f64> {
        &self.state.scores
    }

    /// Whether the job waits for sites that are there, but whose tasks have failed too often:
    /// without somebody who mends them, or other sites, it waits for ever.
    pub fn is_stalled(&self) -> bool {
        let given_up = |site: &String| self.state.given_up(site);
        self.status().phase == Phase::Waiting && self.present.iter().any(given_up)
    }

    /// Where the job is, and why.
    pub fn status(&self) -> Status {
        let state = &self.state;
        let (phase, reason) = self.phase();
        let open = state.round.as_deref();
        let names = |round: &Round| round.results().map(|it| it.site).collect();
        let given_up = state
            .failures
            .iter()
            .filter(|(site, _)| state.given_up(site));
        Status {
            phase,
            reason,
            round: open.map_or(state.last, |it| it.number),
            rounds: state.file.rounds,
            kind: open.map(|it| it.kind),
            results: open.map(names).unwrap_or_default(),
            pending: open
                .iter()
                .flat_map(|it| it.pending())
                .map(str::to_owned)
                .collect(),
            failed: open
                .iter()
                .flat_map(|it| it.failed())
                .map(|(site, reason)| (site.to_owned(), reason.to_owned()))
                .collect(),
            given_up: given_up
                .map(|(site, (_, why))| (site.clone(), why.clone()))
                .collect(),
            deadline: open.filter(|it| !it.closed).map(|it| self.deadline(it)),
            last: state.last,
            sites: state.names.clone(),
            best: state.best,
            best_score: state.best.and_then(|best| state.scores.get(&best)).copied(),
        }
    }

    fn tick(&mut self, now: u64) {
        self.now = self.now.max(now);
    }

    /// Whether sites may come back after a restart before the next round: those of the last
    /// one, or any if sites are drawn.
    fn resuming(&self) -> bool {
        let waits = !self.presumed.is_empty() || self.state.file.sample > 0 && self.state.last > 0;
        waits && self.resumes.is_some_and(|until| self.now < until)
    }

    /// What would become of a result of this task, whatever is in it; `None` if it would count.
    /// **Ask before the file is stored**: a task that failed and was given again may be answered
    /// late, and its file must not take the place of the one that counts.
    pub fn verdict(&self, task: &TaskId) -> Option<Verdict> {
        let refused = |reason: &str| Some(Verdict::Refused(reason.to_owned()));
        if self.state.has_counted(task) {
            return Some(Verdict::Again);
        }
        if self.state.ended.is_some() {
            return refused("the job has ended");
        }
        let late = format!("round {} is over", task.round);
        let Some(round) = &self.state.round else {
            return refused(&late);
        };
        if (round.number, round.kind) != (task.round, task.kind) {
            return refused(&late);
        }
        match round.sites.get(&task.site) {
            None => refused("this site was not asked"),
            Some((_, Answer::Result { .. })) => refused("another attempt of this task counts"),
            Some(_) if round.closed => refused(&late),
            Some((_, Answer::Failed(_))) => refused("the task has failed"),
            Some((attempt, Answer::Pending)) if *attempt != task.attempt => {
                refused("the task has failed and was given again")
            }
            Some((_, Answer::Pending)) => None,
        }
    }

    fn refuse(&mut self, task: &TaskId, reason: String) -> Verdict {
        self.record(Record::TaskFailed {
            task: task.clone(),
            reason: reason.clone(),
        });
        self.advance();
        Verdict::Refused(reason)
    }

    /// Does what a record says, and has it written down.
    fn record(&mut self, record: Record) {
        let applied = self.state.apply(&record);
        debug_assert_eq!(applied, Ok(()), "{record:?}");
        if applied.is_ok() {
            let number = self.state.records;
            self.commands.push_back(Command::Record { number, record });
        }
    }

    fn end(&mut self, outcome: Outcome, reason: String) {
        self.record(Record::Ended(Ended::new(outcome, reason.clone(), self.now)));
        self.commands.push_back(Command::End { reason });
    }

    fn publish(&mut self) {
        if self.state.last > 0
            || self.state.model_ready && self.state.file.model != ModelSource::None
        {
            self.commands.push_back(Command::Publish {
                best: self.state.best,
                last: self.state.last,
            });
        }
    }

    /// Has deleted what the last model has made needless.
    fn discard(&mut self) {
        let (last, file) = (self.state.last, &self.state.file);
        if last == 0 {
            return;
        }
        if !file.results {
            self.commands
                .push_back(Command::DiscardResults { round: last });
        }
        let model = last - 1;
        if model > 0 && !model.is_multiple_of(file.keep) {
            self.commands.push_back(Command::DiscardModel { model });
        }
    }

    /// Goes on as far as it can.
    fn advance(&mut self) {
        loop {
            while self.blocked.is_none() && self.step() {}
            let before = self.exhausted;
            let open = self.state.round.as_deref();
            let exhausted = self.blocked.is_none() && open.is_some_and(|it| self.is_exhausted(it));
            self.exhausted = exhausted.then(|| before.unwrap_or(self.now));
            if self.exhausted == before {
                break;
            }
        }
        let status = self.status();
        if self.shown.as_ref() != Some(&status) {
            self.shown = Some(status.clone());
            self.commands.push_back(Command::Status(status));
        }
    }

    /// Does the next thing that can be done; whether there was any.
    fn step(&mut self) -> bool {
        if self.state.ended.is_some() {
            return false;
        }
        match self.state.round.clone() {
            Some(round) if round.closed => self.make_model(&round),
            Some(round) => self.assign(&round) || self.close(&round) || self.ask_more(&round),
            None if !self.state.model_ready => self.begin_model(),
            None => self.begin_round(),
        }
    }

    fn begin_model(&mut self) -> bool {
        match self.state.file.model.clone() {
            ModelSource::Ask(site) => {
                let there = self.present.contains(&site) && !self.state.given_up(&site);
                if there {
                    self.plan(0, TaskKind::Init, vec![site]);
                }
                there
            }
            ModelSource::None => {
                self.record(Record::ModelReady);
                true
            }
            ModelSource::File(_) | ModelSource::Job { .. } => {
                if self.making.is_none() {
                    self.making = Some(0);
                    self.commands.push_back(Command::PrepareModel);
                }
                false
            }
        }
    }

    fn make_model(&mut self, round: &Round) -> bool {
        if self.making.is_some() {
            return false;
        }
        self.making = Some(round.number);
        let command = match round.results().next() {
            Some(result) if round.kind == TaskKind::Init => {
                round.task(&result.site).map(Command::AdoptModel)
            }
            _ => Some(Command::Average {
                round: round.number,
                model: self.brought(round),
                results: round.results().collect(),
            }),
        };
        self.commands.extend(command);
        false
    }

    /// The number of the model that the round's tasks bring.
    fn brought(&self, round: &Round) -> Option<u32> {
        let none = round.kind == TaskKind::Init
            || self.state.last == 0 && self.state.file.model == ModelSource::None;
        (!none).then_some(self.state.last)
    }

    fn begin_round(&mut self) -> bool {
        if self.resuming() {
            return false;
        }
        let candidates = self.candidates(&BTreeSet::new());
        let Some(reason) = self.state.finished() else {
            let enough = candidates.len() >= self.state.file.min_sites;
            if enough {
                let number = self.state.last + 1;
                let sites = self.draw(candidates, number);
                self.plan(number, TaskKind::Train, sites);
            }
            return enough;
        };
        let last = self.state.last;
        let judge = !self.state.scores.is_empty() && !self.state.validated;
        if judge && !candidates.is_empty() {
            let sites = self.draw(candidates, last);
            self.plan(last, TaskKind::Validate, sites);
        } else {
            let names = self.state.names.join(", ");
            let reason = format!("{reason}; in the last model: {names}");
            self.end(Outcome::Done, reason);
        }
        true
    }

    fn draw(&self, candidates: Vec<String>, round: u32) -> Vec<String> {
        match self.state.file.sample {
            0 => candidates,
            count => sample::draw(candidates, count, self.state.file.seed, round),
        }
    }

    /// Who can be asked and is none of these.
    fn candidates(&self, asked: &BTreeSet<&str>) -> Vec<String> {
        let can = |site: &&String| !asked.contains(site.as_str()) && !self.state.given_up(site);
        self.present.iter().filter(can).cloned().collect()
    }

    fn plan(&mut self, round: u32, kind: TaskKind, sites: Vec<String>) {
        self.record(Record::Planned {
            round,
            kind,
            sites,
            deadline: self.next_deadline(),
        });
    }

    fn next_deadline(&self) -> u64 {
        self.now.saturating_add(self.state.file.deadline)
    }

    /// Gives those their tasks that have none since the start.
    fn assign(&mut self, round: &Round) -> bool {
        let open: Vec<TaskId> = round
            .pending()
            .filter(|site| self.present.contains(*site))
            .filter_map(|site| round.task(site))
            .filter(|id| !self.assigned.contains(id))
            .collect();
        for id in &open {
            self.commands.push_back(Command::Assign(Task {
                rounds: self.state.file.rounds,
                model: self.brought(round),
                config: self.state.file.config_of(&id.site),
                id: id.clone(),
            }));
        }
        let any = !open.is_empty();
        self.assigned.extend(open);
        any
    }

    /// Whom the round waits for.
    fn awaited(&self, round: &Round) -> usize {
        let there = |site: &&str| self.present.contains(*site) || self.presumed.contains(*site);
        round.pending().filter(there).count()
    }

    /// When a round has to be over.
    fn deadline(&self, round: &Round) -> u64 {
        round.deadline.max(self.not_before(round))
    }

    /// Before when a round that was open at a restart is not closed while results are lacking.
    fn not_before(&self, round: &Round) -> u64 {
        match self.reopened {
            Some((number, kind, at)) if (number, kind) == (round.number, round.kind) => at,
            _ => 0,
        }
    }

    /// Whether fewer results than are wanted are all that can come: nobody is left to ask once
    /// [`Job::ask_more`] has asked all whom it can.
    fn is_exhausted(&self, round: &Round) -> bool {
        let file = &self.state.file;
        let results = round.results().count();
        round.kind == TaskKind::Train
            && !round.closed
            && (file.min_sites..file.min_results).contains(&results)
            && self.awaited(round) == 0
    }

    /// When a round that is exhausted is closed: sites that have left may come back until then.
    fn exhausted_at(&self) -> Option<u64> {
        Some(self.exhausted?.saturating_add(self.state.file.wait))
    }

    /// When a round that has enough results is closed, if it has.
    fn enough_at(&self, round: &Round) -> Option<u64> {
        let file = &self.state.file;
        if file.min_results == 0 || round.kind != TaskKind::Train {
            return None;
        }
        let at = round.since(file.min_results)?.saturating_add(file.wait);
        Some(at.max(self.not_before(round)))
    }

    /// Closes a round that is over, or lets it last longer.
    fn close(&mut self, round: &Round) -> bool {
        let file = &self.state.file;
        let results = round.results().count();
        let over = self.now >= self.deadline(round);
        let all = self.awaited(round) == 0;
        let (least, wanted) = match round.kind {
            TaskKind::Init => (1, 1),
            TaskKind::Train => (file.min_sites, file.min_sites.max(file.min_results)),
            TaskKind::Validate => (0, 0),
        };
        let waited = self.enough_at(round).is_some_and(|at| self.now >= at);
        let exhausted = self.exhausted_at().is_some_and(|at| self.now >= at);
        if waited
            || all && results >= wanted
            || over && results >= least
            || exhausted && self.is_exhausted(round)
        {
            self.close_with(round);
            return true;
        }
        if !over {
            return false;
        }
        // Sites that are not there have not missed it.
        let there = round
            .pending()
            .filter(|site| self.present.contains(*site))
            .count();
        let missed = results + there >= least;
        if missed && round.missed + 1 >= MAX_MISSED {
            let of = format!("{results} of {least} results");
            let reason = format!(
                "round {}: {of} by the deadline, {MAX_MISSED} times",
                round.number
            );
            self.end(Outcome::Failed, reason);
        } else {
            let deadline = self.next_deadline();
            self.record(Record::Extended {
                round: round.number,
                deadline,
                missed,
            });
        }
        true
    }

    fn close_with(&mut self, round: &Round) {
        let why = |site: &str| {
            let late = self.present.contains(site) || self.presumed.contains(site);
            if late { "late" } else { "left" }.to_owned()
        };
        let pending: Vec<String> = round.pending().map(str::to_owned).collect();
        let failed = round
            .failed()
            .map(|(site, reason)| (site.to_owned(), reason.to_owned()));
        let without = pending
            .iter()
            .map(|site| (site.clone(), why(site)))
            .chain(failed)
            .collect();
        self.record(Record::Closed {
            round: round.number,
            sites: round.results().map(|it| it.site).collect(),
            without,
            metrics: round.metrics(),
        });
        for task in pending.iter().filter_map(|site| round.task(site)) {
            self.commands.push_back(Command::Withdraw {
                task,
                reason: format!("round {} was closed without it", round.number),
            });
        }
        if round.kind != TaskKind::Init {
            self.publish();
        }
    }

    /// Asks those who came later, unless sites are drawn or enough results are there; those who
    /// were not drawn, if the ones who were cannot be enough; and those who failed, if there
    /// are no others.
    fn ask_more(&mut self, round: &Round) -> bool {
        let file = &self.state.file;
        let wanted = match round.kind {
            TaskKind::Init => 1,
            TaskKind::Train => file.min_sites.max(file.min_results),
            TaskKind::Validate => return false,
        };
        let came = round.results().count();
        let lacking = wanted.saturating_sub(came + self.awaited(round));
        let asked: BTreeSet<&str> = round.sites.keys().map(String::as_str).collect();
        let mut others = match round.kind {
            TaskKind::Init => Vec::new(),
            TaskKind::Train | TaskKind::Validate => self.candidates(&asked),
        };
        if file.sample > 0 {
            others = sample::draw(others, lacking, file.seed, round.number);
        } else if file.min_results > 0 && came >= file.min_results {
            others.clear();
        }
        if others.is_empty() && lacking > 0 {
            let again = |site: &&str| self.present.contains(*site) && !self.state.given_up(site);
            let failed = round.failed().map(|(site, _)| site).filter(again);
            others = failed.map(str::to_owned).collect();
        }
        if others.is_empty() {
            return false;
        }
        self.record(Record::Asked {
            round: round.number,
            sites: others,
        });
        true
    }

    fn phase(&self) -> (Phase, String) {
        let state = &self.state;
        if let Some(ended) = &state.ended {
            let phase = match ended.outcome {
                Outcome::Done => Phase::Done,
                Outcome::Failed => Phase::Failed,
                Outcome::Aborted => Phase::Aborted,
            };
            return (phase, ended.reason.clone());
        }
        if let Some(blocked) = &self.blocked {
            return (Phase::Waiting, blocked.clone());
        }
        let Some(round) = &state.round else {
            return (Phase::Waiting, self.waits_for());
        };
        let (number, kind) = (round.number, round.kind);
        if round.closed {
            return (
                Phase::Running,
                format!("round {number}: the model is being made"),
            );
        }
        let least = if kind == TaskKind::Train {
            state.file.min_sites
        } else {
            1
        };
        let possible = round.results().count() + self.awaited(round);
        if possible < least && kind != TaskKind::Validate {
            let lacking = self.lacking(least - possible);
            return (Phase::Waiting, format!("round {number}: {lacking}"));
        }
        let came = round.results().count();
        if self.exhausted.is_some() && self.is_exhausted(round) {
            let wanted = state.file.min_results;
            let reason = format!(
                "round {number}: {came} results, where min_results is {wanted}, and nobody is left to ask: it is closed after `wait` unless sites come{}",
                self.given_up()
            );
            return (Phase::Running, reason);
        }
        (
            Phase::Running,
            format!(
                "round {number}: {kind}, {came} of {} results",
                round.sites.len()
            ),
        )
    }

    fn waits_for(&self) -> String {
        match &self.state.file.model {
            ModelSource::Ask(site) if !self.state.model_ready => {
                format!("for {site}, to make the initial model")
            }
            _ if !self.state.model_ready => "for the initial model".to_owned(),
            _ if self.resuming() => {
                let names: Vec<_> = self.presumed.iter().map(String::as_str).collect();
                format!(
                    "for sites to come back after a restart: {}",
                    names.join(", ")
                )
            }
            _ => {
                let there = self.candidates(&BTreeSet::new()).len();
                self.lacking(self.state.file.min_sites.saturating_sub(there))
            }
        }
    }

    /// How many sites are lacking, and why those that are there are no good.
    fn lacking(&self, count: usize) -> String {
        let sites = if count == 1 {
            "site that offers"
        } else {
            "sites that offer"
        };
        let kind = &self.state.file.kind;
        format!("for {count} more {sites} {kind:?}{}", self.given_up())
    }

    /// Who is asked no more, why, and what can be done.
    fn given_up(&self) -> String {
        let mut reason = String::new();
        for (site, (failures, why)) in &self.state.failures {
            if self.state.given_up(site) {
                reason += &format!(
                    "; {site} has failed {failures} times in a row: {why}: restart its site once that is mended"
                );
            }
        }
        reason
    }
}
