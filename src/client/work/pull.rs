//! Asking for tasks, one request for each job, and fetching their payloads.

mod fetch;
mod part;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::Instant;
use crate::client::Timer;
use crate::client::backoff::at_most_longest;
use crate::client::context::WorkContext;
use crate::client::{ClientAction, RetryReason};
use crate::error::Dropped;
use crate::message::limits::MAX_PROPERTIES;
use crate::message::{
    FetchReply, JobId, Parts, Payload, Place, Properties, PullReply, PullTask, Reply, Request,
    RequestId, ReturnCode, TaskHead, TaskId,
};

use super::Wish;
use super::held::Held;
use super::outbox::Outbox;
use super::record::{Store, StoredTask};
use fetch::Fetch;

/// The shortest wait between two requests for a task, whatever the server says: 0 would
/// keep both sides busy with nothing.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

/// How many refusals of this client's identity in a row mean that the registration is void.
const REFUSALS: u32 = 3;

#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Pulls {
    jobs: BTreeMap<JobId, Pull>,
    asked: BTreeMap<RequestId, Asked>,
    /// Jobs whose next task waits for results to be settled: that of the last one, since
    /// the server would only give that one again; or any, since there are too many.
    blocked: BTreeSet<JobId>,
    /// Fetches of an earlier process, until the server gives their task again.
    earlier: BTreeMap<JobId, Fetch>,
}

/// The tasks that the server does not have the results of.
pub(crate) struct Unfinished<'a> {
    held: &'a Held,
    outbox: &'a Outbox,
}

impl<'a> Unfinished<'a> {
    pub(crate) fn of(held: &'a Held, outbox: &'a Outbox) -> Self {
        Self { held, outbox }
    }

    fn len(&self) -> usize {
        self.held.len() + self.outbox.len()
    }

    fn has_job(&self, job: JobId) -> bool {
        self.held.jobs().any(|held| held == job) || self.outbox.has_job(job)
    }
}

/// What a request of this part was for.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(test, derive(Hash))]
struct Asked {
    job: JobId,
    /// Offset and length, if it was for a part of a payload.
    part: Option<(u64, usize)>,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone, Hash))]
struct Pull {
    state: PullState,
    /// When the host began to ask.
    since: Instant,
    /// Failures in a row.
    failures: u32,
    /// Refusals of this client's identity in a row.
    refusals: u32,
    /// The server's idea of how long to wait for an answer.
    least_timeout: Duration,
    /// The server's last idea of how long to wait before the next request.
    poll_wait: Duration,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone, Hash))]
enum PullState {
    /// The host has not asked for a task.
    Idle,
    /// Until the timer, or a session. A failed request is repeated under its number.
    Waiting { again: Option<RequestId> },
    /// A request is outstanding.
    Asking,
    /// The task is known, its payload is on its way.
    Fetching(Box<Fetch>),
    /// The task is here and not yet stored.
    Storing,
}

/// What came of a reply.
#[derive(Debug)]
pub(crate) enum Pulled {
    Nothing,
    /// A whole task, asked for since that moment.
    Task(StoredTask, Payload, Instant),
    /// A task that cannot be taken, and why.
    Unfit(StoredTask, &'static str),
}

impl Pulls {
    /// Pulls under way; each may bring one task.
    pub(crate) fn active(&self) -> usize {
        self.jobs
            .values()
            .filter(|pull| !matches!(pull.state, PullState::Idle))
            .count()
    }

    pub(crate) fn is_active(&self, job: JobId) -> bool {
        self.jobs
            .get(&job)
            .is_some_and(|pull| !matches!(pull.state, PullState::Idle))
    }

    pub(crate) fn owns(&self, id: RequestId) -> bool {
        self.asked.contains_key(&id)
    }

    /// Asks for a task until there is one.
    pub(crate) fn start(&mut self, cx: &mut WorkContext<'_>, work: &Unfinished<'_>, job: JobId) {
        let pull = self.jobs.entry(job).or_insert_with(|| Pull {
            state: PullState::Idle,
            since: cx.now,
            failures: 0,
            refusals: 0,
            least_timeout: Duration::ZERO,
            poll_wait: cx.config.retry_min,
        });
        if matches!(pull.state, PullState::Idle) {
            pull.since = cx.now;
            pull.state = PullState::Waiting { again: None };
            self.ask(cx, work, job);
        }
    }

    /// The job's task has reached the host, or is dropped.
    pub(crate) fn finished(&mut self, job: JobId) {
        if let Some(pull) = self.jobs.get_mut(&job) {
            pull.state = PullState::Idle;
        }
    }

    /// Asks under a new number if a request is under way. Its answer may name a task whose
    /// result has been settled since, and which neither side would know again: no last
    /// task tells, since the host has ended the job and started it anew.
    pub(crate) fn ask_anew(&mut self, cx: &mut WorkContext<'_>, work: &Unfinished<'_>, job: JobId) {
        let Some(pull) = self.jobs.get_mut(&job) else {
            return;
        };
        if matches!(pull.state, PullState::Asking | PullState::Waiting { .. }) {
            pull.state = PullState::Waiting { again: None };
            self.drop_requests(cx, job);
            cx.timers.disarm(Timer::Pull(job));
            self.ask(cx, work, job);
        }
    }

    /// Asks for tasks that waited for the results of others.
    pub(crate) fn ask_blocked(&mut self, cx: &mut WorkContext<'_>, work: &Unfinished<'_>) {
        for job in core::mem::take(&mut self.blocked) {
            self.ask(cx, work, job);
        }
    }

    /// Gives up whatever is under way for the job.
    pub(crate) fn end(&mut self, cx: &mut WorkContext<'_>, store: &mut Store, job: JobId) {
        self.blocked.remove(&job);
        self.drop_requests(cx, job);
        cx.timers.disarm(Timer::Pull(job));
        if let Some(fetch) = self.fetch_mut(job) {
            fetch.forget(cx, store);
        }
        self.jobs.remove(&job);
        if let Some(fetch) = self.earlier.remove(&job) {
            fetch.forget(cx, store);
        }
    }

    /// Takes the reply to a request of this part. `known` tells whether a task came before.
    pub(crate) fn on_reply(
        &mut self,
        cx: &mut WorkContext<'_>,
        store: &mut Store,
        known: impl Fn(JobId, TaskId) -> bool,
        id: RequestId,
        reply: Reply,
        payload: Parts,
    ) -> Pulled {
        let Some(Asked { job, part }) = self.asked.get(&id).copied() else {
            return Pulled::Nothing;
        };
        match (reply, part) {
            (Reply::PullTask(PullReply::Task(head)), None) if is_sound(&head, &payload) => {
                self.asked.remove(&id);
                self.on_task(cx, store, known, StoredTask { job, head }, payload)
            }
            (Reply::PullTask(PullReply::TryAgain { after, timeout }), None) => {
                self.asked.remove(&id);
                self.on_try_again(cx, job, millis(after), millis(timeout));
                Pulled::Nothing
            }
            (Reply::PullTask(PullReply::RunEnded), None) => {
                self.asked.remove(&id);
                self.finished(job);
                cx.act(ClientAction::RunEnded { job });
                Pulled::Nothing
            }
            (Reply::Fetch(FetchReply::Bytes { offset }), Some(part))
                if part == (offset, payload.len()) =>
            {
                self.asked.remove(&id);
                let bytes = payload.into_bytes();
                self.on_part(cx, store, known, (job, id), offset, bytes)
            }
            (Reply::Fetch(FetchReply::Gone), Some(_)) => {
                self.drop_fetch(cx, store, job);
                Pulled::Nothing
            }
            _ => {
                cx.counters.count_drop(Dropped::Unexpected);
                self.on_failure(cx, id, ReturnCode::ProcessException, None);
                Pulled::Nothing
            }
        }
    }

    /// The answer to a request is a task that the host cannot be given; the task, unless
    /// it came before.
    #[cfg(feature = "nvflare")]
    pub(crate) fn on_unfit(
        &mut self,
        cx: &mut WorkContext<'_>,
        known: impl Fn(JobId, TaskId) -> bool,
        id: RequestId,
        head: TaskHead,
    ) -> Option<StoredTask> {
        let Asked { job, .. } = self.asked.remove(&id)?;
        self.poll_again(cx, job);
        (!known(job, head.task)).then_some(StoredTask { job, head })
    }

    pub(crate) fn on_failure(
        &mut self,
        cx: &mut WorkContext<'_>,
        id: RequestId,
        code: ReturnCode,
        retry_after: Option<Duration>,
    ) -> Option<Wish> {
        let Asked { job, part } = self.asked.remove(&id)?;
        if part.is_some() {
            self.on_part_lost(cx, job, id, code, retry_after);
            return None;
        }
        let pull = self.jobs.get_mut(&job)?;
        pull.state = PullState::Waiting { again: Some(id) };
        pull.failures = pull.failures.saturating_add(1);
        let wait = at_most_longest(retry_after.unwrap_or_default()).max(cx.config.failed_wait);
        let reason = RetryReason::PullTask(code);
        cx.retry(Timer::Pull(job), wait, pull.failures, reason);
        // spec: P-88
        if code == ReturnCode::AuthenticationError {
            pull.refusals += 1;
            if pull.refusals == REFUSALS {
                pull.refusals = 0;
                return Some(Wish::Reregister);
            }
        } else {
            pull.refusals = 0;
            cx.counters.quiet_failures += 1;
            tracing::debug!(%job, %code, "no task");
        }
        None
    }

    /// The job's timer is due.
    pub(crate) fn on_timer(&mut self, cx: &mut WorkContext<'_>, work: &Unfinished<'_>, job: JobId) {
        self.ask(cx, work, job);
        self.fetch_parts(cx, job);
    }

    /// What is outstanding will never be answered.
    pub(crate) fn forget_requests(&mut self, cx: &mut WorkContext<'_>) {
        self.asked.clear();
        cx.timers
            .disarm_where(|timer| matches!(timer, Timer::Pull(_)));
        for pull in self.jobs.values_mut() {
            match &mut pull.state {
                PullState::Asking | PullState::Waiting { .. } => {
                    pull.state = PullState::Waiting { again: None };
                }
                PullState::Fetching(fetch) => fetch.cut(),
                PullState::Idle | PullState::Storing => {}
            }
        }
    }

    /// Asks for everything that is wanted.
    pub(crate) fn resume(&mut self, cx: &mut WorkContext<'_>, work: &Unfinished<'_>) {
        let jobs: Vec<JobId> = self.jobs.keys().copied().collect();
        for job in jobs {
            self.ask(cx, work, job);
            if let Some(fetch) = self.fetch_mut(job) {
                fetch.resume(cx);
                self.fetch_parts(cx, job);
            }
        }
    }

    pub(crate) fn restore_fetch(&mut self, task: StoredTask, list: Bytes) {
        let job = task.job;
        let same = |fetch: &Fetch| fetch.task == task;
        if self.earlier.get(&job).is_some_and(same) {
            return;
        }
        if let Some(fetch) = Fetch::restore(task, list) {
            self.earlier.insert(job, fetch);
        }
    }

    pub(crate) fn restore_block(&mut self, job: JobId, task: TaskId, index: u64, block: Bytes) {
        if let Some(fetch) = self.earlier.get_mut(&job) {
            fetch.restore_block(task, index, block);
        }
    }

    /// The blocks that were stored are the whole payload of this task: returns it. Nothing
    /// if some are missing or were changed; then it is fetched again.
    pub(crate) fn restore_blocks(&mut self, task: &StoredTask) -> Option<Payload> {
        let earlier = self.earlier.get(&task.job)?;
        if earlier.task != *task || !earlier.is_complete() {
            return None;
        }
        let (_, payload) = self.earlier.remove(&task.job)?.finish()?;
        Some(payload)
    }

    /// The job has a whole task, or has ended, so an earlier fetch is over.
    pub(crate) fn forget_earlier(&mut self, job: JobId) {
        self.earlier.remove(&job);
    }

    /// What is dropped of a task of which nothing is held.
    pub(crate) fn forget_task(&mut self, job: JobId, task: TaskId) {
        if self
            .earlier
            .get(&job)
            .is_some_and(|fetch| fetch.task.head.task == task)
        {
            self.earlier.remove(&job);
        }
    }

    /// Where the payload of a task is that is being fetched.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn place_of(&self, task: TaskId) -> Option<Place> {
        self.jobs.values().find_map(|pull| match &pull.state {
            PullState::Fetching(fetch) if fetch.task.head.task == task => {
                Some(fetch.task.head.payload.place)
            }
            _ => None,
        })
    }

    /// The fetches of which blocks are stored.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn stored(&self) -> BTreeMap<JobId, (StoredTask, Vec<Bytes>)> {
        let under_way = self.jobs.values().filter_map(|pull| match &pull.state {
            PullState::Fetching(fetch) => Some(&**fetch),
            PullState::Idle
            | PullState::Waiting { .. }
            | PullState::Asking
            | PullState::Storing => None,
        });
        let stored = self.earlier.values().chain(under_way);
        let stored = stored.map(|fetch| (fetch.task.job, (fetch.task.clone(), fetch.stored())));
        stored
            .filter(|(_, (_, blocks))| !blocks.is_empty())
            .collect()
    }

    pub(crate) fn snapshot(&self, records: &mut Vec<(Bytes, Bytes)>) {
        for fetch in self.earlier.values() {
            fetch.snapshot(records);
        }
        for pull in self.jobs.values() {
            if let PullState::Fetching(fetch) = &pull.state {
                fetch.snapshot(records);
            }
        }
    }

    // spec: P-95
    fn ask(&mut self, cx: &mut WorkContext<'_>, work: &Unfinished<'_>, job: JobId) {
        // A task that cannot be taken leaves a result, and the host goes on asking.
        let full = work.len() + self.active() > cx.config.max_held;
        let Some(pull) = self.jobs.get_mut(&job).filter(|_| cx.ready) else {
            return;
        };
        let PullState::Waiting { again } = pull.state else {
            return;
        };
        if full || cx.config.binding.gives_tasks_again() && work.has_job(job) {
            self.blocked.insert(job);
            return;
        }
        let request = Request::PullTask(PullTask {
            job,
            last_task: work.held.last(job),
            context: cx.context.clone(),
        });
        let timeout = cx.config.task_timeout.max(pull.least_timeout);
        let id = match again {
            Some(id) => {
                cx.asks.repeat(id, request, Bytes::new(), timeout);
                id
            }
            None => cx.asks.send(request, Bytes::new(), timeout),
        };
        self.asked.insert(id, Asked { job, part: None });
        pull.state = PullState::Asking;
    }

    fn on_task(
        &mut self,
        cx: &mut WorkContext<'_>,
        store: &mut Store,
        known: impl Fn(JobId, TaskId) -> bool,
        task: StoredTask,
        payload: Parts,
    ) -> Pulled {
        let job = task.job;
        let Some(pull) = self.jobs.get_mut(&job) else {
            return Pulled::Nothing;
        };
        (pull.failures, pull.refusals) = (0, 0);
        // spec: P-100
        if known(job, task.head.task) {
            self.poll_again(cx, job);
            return Pulled::Nothing;
        }
        let size = match task.head.payload.place {
            Place::Inline => payload.len() as u64,
            Place::Apart { size, .. } => size,
        };
        let too_large = size > cx.config.max_payload;
        let mut earlier = self.earlier.remove(&job);
        if let Some(fetch) = earlier.take_if(|fetch| too_large || fetch.task != task) {
            fetch.forget(cx, store);
        }
        if too_large {
            self.poll_again(cx, job);
            return Pulled::Unfit(task, "the payload is larger than this site accepts");
        }
        if task.head.payload.place == Place::Inline {
            pull.state = PullState::Storing;
            let payload = task.head.payload.clone().with(payload);
            return Pulled::Task(task, payload, pull.since);
        }
        let fetch = earlier.map_or_else(|| Fetch::new(task.clone()), Ok);
        let mut fetch = match fetch {
            Ok(fetch) => fetch,
            Err(why) => {
                self.poll_again(cx, job);
                return Pulled::Unfit(task, why);
            }
        };
        fetch.resume(cx);
        pull.state = PullState::Fetching(Box::new(fetch));
        self.fetch_parts(cx, job);
        self.take_complete(job)
    }

    // spec: P-99
    fn on_try_again(
        &mut self,
        cx: &mut WorkContext<'_>,
        job: JobId,
        after: Duration,
        timeout: Duration,
    ) {
        if let Some(pull) = self.jobs.get_mut(&job) {
            (pull.failures, pull.refusals) = (0, 0);
            pull.least_timeout = at_most_longest(timeout);
            pull.poll_wait = at_most_longest(after).max(SHORTEST_WAIT);
            let at = cx.now + pull.poll_wait;
            cx.tell(ClientAction::TryAgain { job, at });
        }
        self.poll_again(cx, job);
    }

    /// Asks for a task again when the server's wait is over.
    fn poll_again(&mut self, cx: &mut WorkContext<'_>, job: JobId) {
        if let Some(pull) = self.jobs.get_mut(&job) {
            pull.state = PullState::Waiting { again: None };
            cx.timers.arm(Timer::Pull(job), cx.now + pull.poll_wait);
        }
    }

    fn drop_requests(&mut self, cx: &mut WorkContext<'_>, job: JobId) {
        self.asked.retain(|id, asked| {
            let keep = asked.job != job;
            if !keep {
                cx.asks.cancel(*id);
            }
            keep
        });
    }
}

/// Whether what the server says of a task is within its limits.
// spec: P-101
fn is_sound(head: &TaskHead, payload: &Parts) -> bool {
    head.payload.labels_fit()
        && Properties::size(&head.headers) <= MAX_PROPERTIES
        && (head.payload.place == Place::Inline || payload.is_empty())
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
