//! Fetching a large payload, part by part.

use core::time::Duration;

use bytes::Bytes;

use crate::client::RetryReason;
use crate::client::Timer;
use crate::client::backoff;
use crate::client::context::WorkContext;
use crate::client::work::record::Store;
use crate::message::{Fetch as FetchPart, JobId, Request, RequestId, ReturnCode, TaskId};

use super::fetch::{BAD_DIGEST, Fetch};
use super::{Asked, PullState, Pulled, Pulls};

impl Pulls {
    pub(super) fn on_part(
        &mut self,
        cx: &mut WorkContext<'_>,
        store: &mut Store,
        known: impl Fn(JobId, TaskId) -> bool,
        (job, id): (JobId, RequestId),
        offset: u64,
        bytes: Bytes,
    ) -> Pulled {
        let Some(fetch) = self.fetch_mut(job) else {
            return Pulled::Nothing;
        };
        let put = fetch.put(cx, store, id, offset, bytes);
        // Another job may have had it meanwhile.
        let came_before = known(job, fetch.task.head.task);
        if put.is_err() || came_before {
            let task = fetch.task.clone();
            self.drop_fetch(cx, store, job);
            return match came_before {
                true => Pulled::Nothing,
                false => Pulled::Unfit(task, BAD_DIGEST),
            };
        }
        self.fetch_parts(cx, job);
        self.take_complete(job)
    }

    /// Ends a fetch that will never be whole, and asks for a task again.
    pub(super) fn drop_fetch(&mut self, cx: &mut WorkContext<'_>, store: &mut Store, job: JobId) {
        if let Some(fetch) = self.fetch_mut(job) {
            fetch.forget(cx, store);
        }
        self.drop_requests(cx, job);
        self.poll_again(cx, job);
    }

    pub(super) fn on_part_lost(
        &mut self,
        cx: &mut WorkContext<'_>,
        job: JobId,
        id: RequestId,
        code: ReturnCode,
        retry_after: Option<Duration>,
    ) {
        let Some(fetch) = self.fetch_mut(job) else {
            return;
        };
        fetch.lost(id);
        if !cx.timers.is_armed(Timer::Pull(job)) {
            fetch.failures = fetch.failures.saturating_add(1);
            let wait = backoff::delay(cx.config, cx.entropy, fetch.failures, retry_after);
            let reason = RetryReason::Transfer(code);
            cx.retry(Timer::Pull(job), wait, fetch.failures, reason);
        }
    }

    /// Fills the window, unless a failed part has to wait.
    pub(super) fn fetch_parts(&mut self, cx: &mut WorkContext<'_>, job: JobId) {
        if !cx.ready || cx.timers.is_armed(Timer::Pull(job)) {
            return;
        }
        let Some(pull) = self.jobs.get_mut(&job) else {
            return;
        };
        let PullState::Fetching(fetch) = &mut pull.state else {
            return;
        };
        fetch.close_gap();
        let timeout = cx.config.task_timeout.max(pull.least_timeout);
        while let Some((offset, len)) = fetch.next_part() {
            let request = Request::Fetch(FetchPart {
                job,
                task: fetch.task.head.task,
                offset,
                len: u32::try_from(len).unwrap_or(u32::MAX),
            });
            let id = cx.asks.send(request, Bytes::new(), timeout);
            fetch.asked(id, offset);
            let part = Some((offset, len));
            self.asked.insert(id, Asked { job, part });
        }
    }

    pub(super) fn take_complete(&mut self, job: JobId) -> Pulled {
        let Some(pull) = self.jobs.get_mut(&job) else {
            return Pulled::Nothing;
        };
        match core::mem::replace(&mut pull.state, PullState::Storing) {
            PullState::Fetching(fetch) if fetch.is_complete() => match fetch.finish() {
                Some((task, payload)) => Pulled::Task(task, payload, pull.since),
                None => Pulled::Nothing,
            },
            other => {
                pull.state = other;
                Pulled::Nothing
            }
        }
    }

    pub(super) fn fetch_mut(&mut self, job: JobId) -> Option<&mut Fetch> {
        match &mut self.jobs.get_mut(&job)?.state {
            PullState::Fetching(fetch) => Some(fetch),
            PullState::Idle
            | PullState::Waiting { .. }
            | PullState::Asking
            | PullState::Storing => None,
        }
    }
}
