//! The queue of results, each from the host's submission until the server has accepted it.

mod push;
mod upload;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::Instant;
use crate::client::Timer;
use crate::client::backoff::{self, at_most_longest};
use crate::client::context::WorkContext;
use crate::client::{ClientAction, RetryReason};
use crate::config::Check;
use crate::error::Dropped;
use crate::message::{
    JobId, Outcome, Payload, Refusal, Reply, Request, RequestId, ReturnCode, SubmitReply,
    SubmitResult, TaskId,
};

use super::record::{Gate, Record, Store, StoredResult};
use upload::Upload;

/// Results that move at once: enough to keep a connection busy, few enough that what is
/// queued for it stays below 16 MiB, a window each.
const AT_ONCE: usize = 8;

/// The shortest wait before the server is asked again, whatever it says.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Outbox {
    entries: BTreeMap<TaskId, Entry>,
    asked: BTreeMap<RequestId, Asked>,
    /// What may go as soon as there is room.
    queue: VecDeque<TaskId>,
    /// What is being submitted or pushed.
    moving: BTreeSet<TaskId>,
}

/// What a request of this part was for.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(test, derive(Hash))]
enum Asked {
    Submit(TaskId),
    Push(TaskId),
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone, Hash))]
struct Entry {
    result: StoredResult,
    payload: Payload,
    state: EntryState,
    first_sent: Option<Instant>,
    /// Failures in a row.
    failures: u32,
    /// Outlives the state in which it moves, so that the server can name another offset
    /// and bytes sent twice are known.
    upload: Option<Upload>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
enum EntryState {
    /// Not stored, so not promised.
    Storing,
    /// In the queue, or until the timer, or a session. A request that failed is repeated
    /// under its number.
    Waiting {
        again: Option<RequestId>,
    },
    Submitting,
    Pushing,
}

impl Outbox {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn contains(&self, task: TaskId) -> bool {
        self.entries.contains_key(&task)
    }

    pub(crate) fn has_job(&self, job: JobId) -> bool {
        self.entries.values().any(|entry| entry.result.job == job)
    }

    /// The jobs that have results here.
    pub(crate) fn jobs(&self) -> BTreeSet<JobId> {
        self.entries
            .values()
            .map(|entry| entry.result.job)
            .collect()
    }

    pub(crate) fn owns(&self, id: RequestId) -> bool {
        self.asked.contains_key(&id)
    }

    /// Takes a result; it is sent when it is stored.
    pub(crate) fn insert(
        &mut self,
        cx: &mut WorkContext<'_>,
        store: &mut Store,
        result: StoredResult,
        payload: Payload,
    ) {
        let task = result.task;
        let record = Record::Result(result.clone());
        store.persist(cx, &record, payload.bytes().clone(), Gate::Result(task));
        let entry = Entry::new(result, payload, EntryState::Storing);
        self.entries.insert(task, entry);
    }

    /// The server no longer runs the job: its results are dropped, and what of them is on
    /// its way stops.
    pub(crate) fn withdraw(&mut self, cx: &mut WorkContext<'_>, store: &mut Store, job: JobId) {
        let of_job = |(task, entry): (&TaskId, &Entry)| (entry.result.job == job).then_some(*task);
        let tasks: Vec<TaskId> = self.entries.iter().filter_map(of_job).collect();
        for task in tasks {
            self.refused(cx, store, task, Refusal::JobGone);
        }
    }

    /// The result is stored.
    pub(crate) fn stored(&mut self, cx: &mut WorkContext<'_>, store: &mut Store, task: TaskId) {
        let Some(entry) = self.entries.get_mut(&task) else {
            return;
        };
        entry.state = EntryState::Waiting { again: None };
        self.enqueue(cx, store, task);
        self.send_queued(cx);
    }

    /// Takes the reply to a request of this part; the job of the result that left with it.
    pub(crate) fn on_reply(
        &mut self,
        cx: &mut WorkContext<'_>,
        store: &mut Store,
        id: RequestId,
        reply: &Reply,
    ) -> Option<JobId> {
        let asked = self.asked.get(&id).copied()?;
        let job = self.entries.get(&asked.task())?.result.job;
        match (asked, reply) {
            (Asked::Submit(task), Reply::SubmitResult(reply)) => {
                self.asked.remove(&id);
                self.on_submitted(cx, store, task, *reply);
            }
            (Asked::Push(task), Reply::Push(reply)) => {
                self.asked.remove(&id);
                self.on_pushed(cx, task, id, *reply);
            }
            _ => {
                cx.counters.count_drop(Dropped::Unexpected);
                self.on_failure(cx, store, id, ReturnCode::ProcessException, None);
            }
        }
        self.send_queued(cx);
        (!self.entries.contains_key(&asked.task())).then_some(job)
    }

    pub(crate) fn on_failure(
        &mut self,
        cx: &mut WorkContext<'_>,
        store: &mut Store,
        id: RequestId,
        code: ReturnCode,
        retry_after: Option<Duration>,
    ) {
        match self.asked.remove(&id) {
            Some(Asked::Submit(task)) => {
                let again = Some(id);
                let reason = RetryReason::SubmitResult(code);
                self.wait(cx, store, task, again, reason, |cx, failures| {
                    backoff::delay(cx.config, cx.entropy, failures, retry_after)
                });
            }
            Some(Asked::Push(task)) => self.on_part_lost(cx, store, task, id, code, retry_after),
            None => {}
        }
        self.send_queued(cx);
    }

    /// The timer of this result is due.
    pub(crate) fn on_timer(&mut self, cx: &mut WorkContext<'_>, store: &mut Store, task: TaskId) {
        match self.entries.get(&task).map(|entry| entry.state) {
            Some(EntryState::Pushing) => self.push_parts(cx, task),
            Some(EntryState::Waiting { .. }) => {
                self.enqueue(cx, store, task);
                self.send_queued(cx);
            }
            Some(EntryState::Storing | EntryState::Submitting) | None => {}
        }
    }

    /// What is outstanding will never be answered.
    pub(crate) fn forget_requests(&mut self, cx: &mut WorkContext<'_>, store: &mut Store) {
        self.asked.clear();
        self.queue.clear();
        cx.timers
            .disarm_where(|timer| matches!(timer, Timer::Outbox(_)));
        for task in core::mem::take(&mut self.moving) {
            if let Some(upload) = self.upload_mut(task) {
                upload.cut();
            }
            self.give_up_optional(cx, store, task);
        }
        for entry in self.entries.values_mut() {
            if entry.state != EntryState::Storing {
                entry.state = EntryState::Waiting { again: None };
            }
        }
    }

    /// Sends everything that waits.
    pub(crate) fn resume(&mut self, cx: &mut WorkContext<'_>, store: &mut Store) {
        let waiting: Vec<TaskId> = self
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry.state, EntryState::Waiting { .. }))
            .map(|(task, _)| *task)
            .collect();
        for task in waiting {
            cx.timers.disarm(Timer::Outbox(task));
            self.enqueue(cx, store, task);
        }
        self.send_queued(cx);
    }

    pub(crate) fn restore(&mut self, result: StoredResult, payload: Bytes) {
        let payload = Payload::labelled(
            payload,
            result.content_type.clone(),
            result.encoding.clone(),
        );
        let task = result.task;
        let entry = Entry::new(result, payload, EntryState::Waiting { again: None });
        self.entries.insert(task, entry);
    }

    pub(crate) fn restore_settled(&mut self, task: TaskId) {
        self.entries.remove(&task);
    }

    /// The results and their payloads.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn stored_results(&self) -> BTreeMap<TaskId, (StoredResult, Payload)> {
        let entries = self.entries.iter();
        entries
            .map(|(task, entry)| (*task, (entry.result.clone(), entry.payload.clone())))
            .collect()
    }

    pub(crate) fn snapshot(&self, records: &mut Vec<(Bytes, Bytes)>) {
        for entry in self.entries.values() {
            records.push(Record::Result(entry.result.clone()).with(entry.payload.bytes().clone()));
        }
    }

    /// Puts a stored result into the queue, or refuses it if the server has lost its job.
    // spec: P-103
    fn enqueue(&mut self, cx: &mut WorkContext<'_>, store: &mut Store, task: TaskId) {
        let Some(entry) = self.entries.get(&task) else {
            return;
        };
        let other = cx.ssid.is_some_and(|ssid| ssid != entry.result.ssid);
        if other && cx.config.enforces(Check::ServiceSession) {
            self.refused(cx, store, task, Refusal::OtherSsid);
        } else if !self.queue.contains(&task) {
            self.queue.push_back(task);
        }
    }

    // spec: P-105
    fn send_queued(&mut self, cx: &mut WorkContext<'_>) {
        while cx.ready && self.moving.len() < AT_ONCE {
            let Some(task) = self.queue.pop_front() else {
                return;
            };
            self.submit(cx, task);
        }
    }

    fn submit(&mut self, cx: &mut WorkContext<'_>, task: TaskId) {
        let Some(entry) = self.entries.get_mut(&task) else {
            return;
        };
        let request = Request::SubmitResult(SubmitResult {
            job: entry.result.job,
            task,
            ssid: entry.result.ssid,
            outcome: entry.result.outcome,
            ticket: entry.result.ticket.clone(),
            headers: entry.result.headers.clone(),
            payload: entry.payload.head(cx.config.most_inline()),
            context: cx.context.clone(),
        });
        let bytes = if entry.is_apart(cx) {
            Bytes::new()
        } else {
            entry.payload.bytes().clone()
        };
        let timeout = cx.config.task_timeout;
        let id = match entry.state {
            EntryState::Waiting { again: Some(id) } => {
                cx.asks.repeat(id, request, bytes, timeout);
                id
            }
            EntryState::Waiting { again: None }
            | EntryState::Storing
            | EntryState::Submitting
            | EntryState::Pushing => cx.asks.send(request, bytes, timeout),
        };
        entry.state = EntryState::Submitting;
        entry.first_sent.get_or_insert(cx.now);
        self.asked.insert(id, Asked::Submit(task));
        self.moving.insert(task);
    }

    fn on_submitted(
        &mut self,
        cx: &mut WorkContext<'_>,
        store: &mut Store,
        task: TaskId,
        reply: SubmitReply,
    ) {
        let Some(entry) = self.entries.get_mut(&task) else {
            return;
        };
        match reply {
            SubmitReply::Accepted => {
                let action = ClientAction::ResultAccepted {
                    job: entry.result.job,
                    task,
                    bytes: entry.payload.len() as u64,
                    elapsed: cx.now.since(entry.first_sent.unwrap_or(cx.now)),
                };
                cx.act(action);
                self.settle(cx, store, task);
            }
            SubmitReply::Refused(refusal) => self.refused(cx, store, task, refusal),
            // spec: P-106
            SubmitReply::Later(after) => {
                let reason = RetryReason::SubmitResult(ReturnCode::ServiceUnavailable);
                let after = at_most_longest(Duration::from_millis(after)).max(SHORTEST_WAIT);
                self.wait(cx, store, task, None, reason, |_, _| after);
            }
            SubmitReply::SendFrom(offset) if entry.can_send_from(cx, offset) => {
                entry.failures = 0;
                entry.state = EntryState::Pushing;
                let (upload, resumed) = match &mut entry.upload {
                    Some(upload) => {
                        let resumed = upload.send_from(offset);
                        (upload, resumed)
                    }
                    none => (none.insert(Upload::new(&entry.payload, offset)), offset > 0),
                };
                if resumed {
                    cx.counters.resumed_uploads += 1;
                    upload.tell(cx, entry.result.job, task);
                }
                self.push_parts(cx, task);
            }
            SubmitReply::SendFrom(_) => {
                cx.counters.count_drop(Dropped::Unexpected);
                let reason = RetryReason::SubmitResult(ReturnCode::ProcessException);
                self.wait(cx, store, task, None, reason, |cx, failures| {
                    backoff::delay(cx.config, cx.entropy, failures, None)
                });
            }
        }
    }

    /// Tells the host that the result goes again, and when; what is optional goes once.
    fn wait(
        &mut self,
        cx: &mut WorkContext<'_>,
        store: &mut Store,
        task: TaskId,
        again: Option<RequestId>,
        reason: RetryReason,
        delay: impl FnOnce(&mut WorkContext<'_>, u32) -> Duration,
    ) {
        self.moving.remove(&task);
        if self.give_up_optional(cx, store, task) {
            return;
        }
        if let Some(entry) = self.entries.get_mut(&task) {
            entry.state = EntryState::Waiting { again };
            entry.failures = entry.failures.saturating_add(1);
            let wait = delay(cx, entry.failures);
            cx.retry(Timer::Outbox(task), wait, entry.failures, reason);
        }
    }

    /// Drops the result if the server need not have it. False if it must stay.
    // spec: P-105
    fn give_up_optional(
        &mut self,
        cx: &mut WorkContext<'_>,
        store: &mut Store,
        task: TaskId,
    ) -> bool {
        let optional = self
            .entries
            .get(&task)
            .is_some_and(|entry| entry.result.outcome == Outcome::Aborted)
            || !cx.config.enforces(Check::Receipt);
        if optional {
            cx.counters.quiet_failures += 1;
            tracing::debug!(%task, "the server may not know that this task was given up");
            self.settle(cx, store, task);
        }
        optional
    }

    fn refused(
        &mut self,
        cx: &mut WorkContext<'_>,
        store: &mut Store,
        task: TaskId,
        refusal: Refusal,
    ) {
        if let Some(entry) = self.entries.get(&task) {
            cx.act(ClientAction::ResultRefused {
                job: entry.result.job,
                task,
                refusal,
            });
            self.settle(cx, store, task);
        }
    }

    /// The result leaves for good.
    // spec: P-105
    fn settle(&mut self, cx: &mut WorkContext<'_>, store: &mut Store, task: TaskId) {
        self.drop_requests(cx, task);
        cx.timers.disarm(Timer::Outbox(task));
        self.moving.remove(&task);
        self.queue.retain(|queued| *queued != task);
        self.entries.remove(&task);
        store.note(cx, &Record::Settled(task));
    }

    fn drop_requests(&mut self, cx: &mut WorkContext<'_>, task: TaskId) {
        self.asked.retain(|id, asked| {
            let keep = asked.task() != task;
            if !keep {
                cx.asks.cancel(*id);
            }
            keep
        });
    }
}

impl Asked {
    fn task(self) -> TaskId {
        match self {
            Self::Submit(task) | Self::Push(task) => task,
        }
    }
}

impl Entry {
    fn new(result: StoredResult, payload: Payload, state: EntryState) -> Self {
        Self {
            result,
            payload,
            state,
            first_sent: None,
            failures: 0,
            upload: None,
        }
    }

    fn is_apart(&self, cx: &WorkContext<'_>) -> bool {
        self.payload.len() > cx.config.most_inline()
    }

    /// Whether the server can want the bytes from `offset` on. If nothing is missing it
    /// has to accept, or the two would ask each other for ever.
    // spec: P-116
    fn can_send_from(&self, cx: &WorkContext<'_>, offset: u64) -> bool {
        self.is_apart(cx) && offset < Upload::total(&self.payload)
    }
}
