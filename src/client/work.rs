//! The client's durable half: jobs, tasks and results, and the records from which they are
//! restored.
//!
//! Requests go out through [`WorkContext::asks`]; each comes back once, as a reply or as a failure,
//! unless it is cancelled or its session ends.

mod held;
mod job;
#[cfg(any(test, fuzzing))]
mod lives;
mod outbox;
mod pull;
mod record;

#[cfg(test)]
mod tests;

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::error::{ConfigError, Dropped, Misuse};
use crate::message::check::check_given;
use crate::message::{
    BLOCK, JobId, JobReport, Outcome, Parts, Payload, Progress, Properties, RecordId, Reply,
    RequestId, ReturnCode, TaskId,
};
use crate::records::Damaged;
use crate::transfer::MAX_BLOCKS;

use super::Timer;
use super::context::WorkContext;
use super::{Binding, ClientAction, Mode};

#[cfg(any(test, fuzzing))]
pub use lives::client_lives;

use held::Held;
use job::Jobs;
use outbox::Outbox;
use pull::{Pulled, Pulls, Unfinished};
use record::{Gate, Record, Store, StoredResult, StoredTask};

/// What the work needs of the registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The server does not know this registration.
    Reregister,
}

#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Work {
    jobs: Jobs,
    held: Held,
    pulls: Pulls,
    outbox: Outbox,
    store: Store,
}

/// The host's commands.
impl Work {
    pub(crate) fn job_started(
        &mut self,
        cx: &mut WorkContext<'_>,
        job: JobId,
    ) -> Result<(), Misuse> {
        self.jobs.start(job, cx.config.max_jobs)
    }

    /// The job has stopped, or cannot start. Its tasks are dropped; its results stay in
    /// the outbox.
    pub(crate) fn job_ended(&mut self, cx: &mut WorkContext<'_>, job: JobId) -> Result<(), Misuse> {
        let known = self.jobs.is_running(job) || self.jobs.is_starting(job);
        if !known && !self.held.has_job(job) {
            return Err(Misuse::UnknownJob(job));
        }
        self.jobs.end(job, cx.config.max_jobs);
        self.pulls.end(cx, &mut self.store, job);
        self.held.end(job);
        self.store.note(cx, &Record::JobEnded(job));
        Ok(())
    }

    /// The job could not be stopped: the next list says so again.
    pub(crate) fn job_abort_failed(&mut self, job: JobId) -> Result<(), Misuse> {
        self.jobs.stop_failed(job)
    }

    pub(crate) fn report_progress(&mut self, job: JobId, progress: Progress) -> Result<(), Misuse> {
        self.jobs.set_progress(job, progress)
    }

    /// Asks for a task of a running job until one arrives or the run is over. Does nothing
    /// if that is under way, or if the job is to stop.
    pub(crate) fn pull_task(&mut self, cx: &mut WorkContext<'_>, job: JobId) -> Result<(), Misuse> {
        if !self.jobs.is_running(job) {
            return Err(Misuse::UnknownJob(job));
        }
        if self.jobs.is_stopping(job) || self.pulls.is_active(job) {
            return Ok(());
        }
        let limit = cx.config.max_held;
        if self.held.len() + self.outbox.len() + self.pulls.active() >= limit {
            return Err(Misuse::Full {
                what: "tasks asked for or held and results in the outbox",
                limit,
            });
        }
        self.pulls
            .start(cx, &Unfinished::of(&self.held, &self.outbox), job);
        Ok(())
    }

    /// Takes the result of a task that was given to the host.
    pub(crate) fn submit(
        &mut self,
        cx: &mut WorkContext<'_>,
        task: TaskId,
        outcome: Outcome,
        headers: Properties,
        payload: Payload,
    ) -> Result<(), Misuse> {
        let stored = self.held.get(task)?;
        check_given(&headers, &payload, MAX_BLOCKS * BLOCK as u64)?;
        let result = StoredResult {
            job: stored.job,
            task,
            ssid: stored.head.ssid,
            outcome,
            ticket: stored.head.ticket.clone(),
            headers,
            content_type: payload.content_type().to_owned(),
            encoding: payload.encoding().to_owned(),
        };
        let job = result.job;
        self.held.remove(task);
        self.outbox.insert(cx, &mut self.store, result, payload);
        if self.jobs.is_stopping(job) && !cx.config.binding.answers_for_ended_jobs() {
            self.outbox.withdraw(cx, &mut self.store, job);
        }
        Ok(())
    }

    /// A record is stored.
    pub(crate) fn persisted(
        &mut self,
        cx: &mut WorkContext<'_>,
        record: RecordId,
    ) -> Result<(), Misuse> {
        match self.store.persisted(record)? {
            Gate::Task(task) => {
                if let Some(job) = self.held.give(cx, task) {
                    self.pulls.finished(job);
                }
            }
            Gate::Result(task) => self.outbox.stored(cx, &mut self.store, task),
            Gate::Open => {}
        }
        Ok(())
    }
}

/// What the session brings.
impl Work {
    /// The server's lists of an answered heartbeat.
    // spec: P-93
    pub(crate) fn lists(&mut self, cx: &mut WorkContext<'_>, abort: &[JobId], start: &[JobId]) {
        if cx.config.mode == Mode::Work {
            let here = |job: &JobId| self.jobs.is_running(*job) || self.held.has_job(*job);
            let listed: Vec<JobId> = abort.iter().copied().filter(here).collect();
            let stop = self.jobs.stop_listed(listed.into_iter());
            for job in &stop {
                self.pulls.end(cx, &mut self.store, *job);
                self.held.drop_unseen(cx, &mut self.store, *job);
            }
            if !stop.is_empty() {
                cx.act(ClientAction::AbortJobs(stop));
            }
            if !cx.config.binding.answers_for_ended_jobs() {
                for job in abort {
                    self.outbox.withdraw(cx, &mut self.store, *job);
                }
            }
        }
        let start = self.jobs.start_listed(start, cx.config.max_jobs);
        if !start.is_empty() {
            cx.act(ClientAction::StartJobs(start));
        }
    }

    pub(crate) fn on_reply(
        &mut self,
        cx: &mut WorkContext<'_>,
        id: RequestId,
        reply: Reply,
        payload: Parts,
    ) -> Option<Wish> {
        if let Reply::Failed(failure) = reply {
            let retry_after = failure.retry_after.map(Duration::from_millis);
            return self.on_failure(cx, id, failure.code, retry_after);
        }
        if self.outbox.owns(id) {
            let settled = self.outbox.on_reply(cx, &mut self.store, id, &reply);
            if let Some(job) = settled.filter(|job| self.held.last(*job).is_none()) {
                self.pulls
                    .ask_anew(cx, &Unfinished::of(&self.held, &self.outbox), job);
            }
        } else if self.pulls.owns(id) {
            let known = |job, task| self.held.knows(job, task) || self.outbox.contains(task);
            let store = &mut self.store;
            match self.pulls.on_reply(cx, store, known, id, reply, payload) {
                Pulled::Nothing => {}
                Pulled::Task(task, payload, since) => {
                    if let Some(job) = self.held.insert(cx, store, task, payload, since) {
                        self.pulls.finished(job);
                    }
                }
                Pulled::Unfit(task, why) => self.refuse_task(cx, &task, why),
            }
        } else {
            cx.counters.count_drop(Dropped::Unasked);
        }
        None
    }

    /// The answer to a request for a task is one that the host cannot be given.
    #[cfg(feature = "nvflare")]
    pub(crate) fn on_unfit(
        &mut self,
        cx: &mut WorkContext<'_>,
        id: RequestId,
        head: crate::message::TaskHead,
        why: &str,
    ) {
        let known = |job, task| self.held.knows(job, task) || self.outbox.contains(task);
        if let Some(task) = self.pulls.on_unfit(cx, known, id, head) {
            self.refuse_task(cx, &task, why);
        }
    }

    pub(crate) fn on_failure(
        &mut self,
        cx: &mut WorkContext<'_>,
        id: RequestId,
        code: ReturnCode,
        retry_after: Option<Duration>,
    ) -> Option<Wish> {
        self.outbox
            .on_failure(cx, &mut self.store, id, code, retry_after);
        self.pulls.on_failure(cx, id, code, retry_after)
    }

    /// Takes a timer of this part; others are ignored.
    pub(crate) fn on_timer(&mut self, cx: &mut WorkContext<'_>, timer: Timer) {
        match timer {
            Timer::Pull(job) => {
                self.pulls
                    .on_timer(cx, &Unfinished::of(&self.held, &self.outbox), job)
            }
            Timer::Outbox(task) => self.outbox.on_timer(cx, &mut self.store, task),
            Timer::Connect
            | Timer::Handshake
            | Timer::Backoff
            | Timer::Heartbeat
            | Timer::HeartbeatRelease
            | Timer::Renewal
            | Timer::Silence
            | Timer::Hint
            | Timer::Link
            | Timer::Request(_) => {}
        }
    }

    /// Asks for tasks that waited for the results of others.
    pub(crate) fn ask_blocked(&mut self, cx: &mut WorkContext<'_>) {
        let work = Unfinished::of(&self.held, &self.outbox);
        self.pulls.ask_blocked(cx, &work);
    }

    /// A registration stands, new or with a new connection: asks again for everything.
    pub(crate) fn on_session(&mut self, cx: &mut WorkContext<'_>) {
        self.on_disconnected(cx);
        self.pulls
            .resume(cx, &Unfinished::of(&self.held, &self.outbox));
        self.outbox.resume(cx, &mut self.store);
    }

    /// Requests will no longer be answered.
    pub(crate) fn on_disconnected(&mut self, cx: &mut WorkContext<'_>) {
        self.pulls.forget_requests(cx);
        self.outbox.forget_requests(cx, &mut self.store);
    }

    /// Answers for the host where it could never see the task. The answer takes the place
    /// that the task was asked for with.
    // spec: P-101
    fn refuse_task(&mut self, cx: &mut WorkContext<'_>, task: &StoredTask, why: &str) {
        tracing::warn!(task = %task.head.task, "a task was refused: {why}");
        let result = StoredResult {
            job: task.job,
            task: task.head.task,
            ssid: task.head.ssid,
            outcome: Outcome::Failed,
            ticket: task.head.ticket.clone(),
            headers: Properties::new().with("error", why),
            content_type: String::new(),
            encoding: String::new(),
        };
        let payload = Payload::new(Bytes::new());
        self.outbox.insert(cx, &mut self.store, result, payload);
    }
}

/// What there is.
impl Work {
    /// What a heartbeat tells of the running jobs. A server that does not answer for jobs
    /// that have ended is asked about those that only have results here, too.
    pub(crate) fn reports(&self, binding: &Binding) -> Vec<JobReport> {
        let report = |(job, progress)| JobReport { job, progress };
        let mut reports: Vec<JobReport> = self.jobs.running().map(report).collect();
        if !binding.answers_for_ended_jobs() {
            let ended = self.outbox.jobs();
            let ended = ended.into_iter().filter(|job| !self.jobs.is_running(*job));
            reports.extend(ended.map(|job| report((job, None))));
        }
        reports
    }

    /// Results that the server has not accepted.
    pub(crate) fn outbox_len(&self) -> usize {
        self.outbox.len()
    }

    /// Whether the result of this task is still to be sent.
    #[cfg(test)]
    pub(crate) fn owes(&self, task: TaskId) -> bool {
        self.outbox.contains(task)
    }

    /// Tasks without a result that the host holds.
    pub(crate) fn held_len(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing is asked for, held or to be sent.
    pub(crate) fn is_idle(&self) -> bool {
        self.outbox.len() + self.held.len() + self.pulls.active() == 0
    }
}

/// What outlives the process.
impl Work {
    /// The records that restore this state, instead of all that were stored before.
    pub(crate) fn snapshot(&self) -> Vec<(Bytes, Bytes)> {
        let last = self.store.last();
        let mut records = vec![Record::Snapshot { last }.with(Bytes::new())];
        self.held.snapshot(&mut records);
        self.outbox.snapshot(&mut records);
        self.pulls.snapshot(&mut records);
        records
    }

    /// Goes on from stored records, in the order in which they were handed out. Unfinished
    /// tasks are given to the host again.
    // spec: P-126
    pub(crate) fn restore(
        records: impl IntoIterator<Item = Bytes>,
        cx: &mut WorkContext<'_>,
    ) -> Result<Self, ConfigError> {
        let mut work = Self::default();
        for (index, bytes) in records.into_iter().enumerate() {
            ConfigError::of_version(index, &bytes, record::VERSION)?;
            let replayed = work.replay(cx, &bytes);
            replayed.map_err(|_| ConfigError::Record { index })?;
        }
        for job in work.held.jobs() {
            work.jobs.resume(job);
        }
        work.held.give_again(cx);
        Ok(work)
    }

    /// Applies a record, unless a snapshot before it holds its effect. A snapshot takes the
    /// place of all before it.
    fn replay(&mut self, cx: &WorkContext<'_>, stored: &Bytes) -> Result<(), Damaged> {
        let (number, record, payload) = Record::decode(stored).ok_or(Damaged)?;
        if let Record::Snapshot { last } = record {
            *self = Self {
                store: Store::up_to(last),
                ..Self::default()
            };
        } else if self.store.replay(number)? {
            self.apply(cx, record, payload);
        }
        Ok(())
    }

    /// Blocks that were changed in storage are fetched again; all else is as it was.
    fn apply(&mut self, cx: &WorkContext<'_>, record: Record, payload: Bytes) {
        let limit = cx.config.max_jobs;
        match record {
            Record::Task(task) => {
                let payload = if payload.is_empty() && task.is_apart() {
                    self.pulls.restore_blocks(&task)
                } else {
                    Some(task.head.payload.clone().with(payload))
                };
                if let Some(payload) = payload {
                    self.pulls.forget_earlier(task.job);
                    self.held.restore(task, payload, limit);
                }
            }
            Record::Result(result) => {
                self.held.remove(result.task);
                self.outbox.restore(result, payload);
            }
            Record::Settled(task) => self.outbox.restore_settled(task),
            Record::JobEnded(job) => {
                self.pulls.forget_earlier(job);
                self.held.end(job);
            }
            Record::Fetch(task) => self.pulls.restore_fetch(task, payload),
            Record::Block { job, task, index } => {
                self.pulls.restore_block(job, task, index, payload);
            }
            Record::Last { job, task } => self.held.set_last(job, task, limit),
            Record::Dropped { job, task } => {
                self.pulls.forget_task(job, task);
                self.held.forget_task(job, task);
            }
            // It begins a state: see `replay`.
            Record::Snapshot { .. } => {}
        }
    }
}
