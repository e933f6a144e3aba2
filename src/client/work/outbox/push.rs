//! Sending a large result, part by part.

use core::time::Duration;

use crate::client::RetryReason;
use crate::client::Timer;
use crate::client::backoff;
use crate::client::context::WorkContext;
use crate::message::{Push, PushReply, Request, RequestId, ReturnCode, TaskId};

use super::upload::Upload;
use super::{Asked, Outbox};
use crate::client::work::record::Store;

impl Outbox {
    pub(super) fn on_pushed(
        &mut self,
        cx: &mut WorkContext<'_>,
        task: TaskId,
        id: RequestId,
        reply: PushReply,
    ) {
        let Some(entry) = self.entries.get_mut(&task) else {
            return;
        };
        let Some(upload) = entry.upload.as_mut() else {
            return;
        };
        match reply {
            PushReply::Wanted(offset) => {
                entry.failures = 0;
                if upload.arrived(id, offset) {
                    upload.tell(cx, entry.result.job, task);
                }
                self.push_parts(cx, task);
            }
            PushReply::Unknown => {
                upload.cut();
                self.submit_again(cx, task);
            }
        }
    }

    pub(super) fn on_part_lost(
        &mut self,
        cx: &mut WorkContext<'_>,
        store: &mut Store,
        task: TaskId,
        id: RequestId,
        code: ReturnCode,
        retry_after: Option<Duration>,
    ) {
        if self.give_up_optional(cx, store, task) {
            return;
        }
        let Some(entry) = self.entries.get_mut(&task) else {
            return;
        };
        if let Some(upload) = &mut entry.upload {
            upload.lost(id);
        }
        if !cx.timers.is_armed(Timer::Outbox(task)) {
            entry.failures = entry.failures.saturating_add(1);
            let wait = backoff::delay(cx.config, cx.entropy, entry.failures, retry_after);
            let reason = RetryReason::Transfer(code);
            cx.retry(Timer::Outbox(task), wait, entry.failures, reason);
        }
    }

    /// Fills the window, unless a failed part has to wait. When nothing is left to send
    /// the server is asked what it thinks: it commits, or names what is missing.
    // spec: P-116
    pub(super) fn push_parts(&mut self, cx: &mut WorkContext<'_>, task: TaskId) {
        if !cx.ready || cx.timers.is_armed(Timer::Outbox(task)) {
            return;
        }
        let Some(entry) = self.entries.get_mut(&task) else {
            return;
        };
        let Some(upload) = &mut entry.upload else {
            return;
        };
        let job = entry.result.job;
        while let Some((offset, bytes)) = upload.next_part(&entry.payload) {
            let request = Request::Push(Push { job, task, offset });
            let id = cx.asks.send(request, bytes, cx.config.task_timeout);
            cx.counters.bytes_sent_twice += upload.sent(id, offset);
            self.asked.insert(id, Asked::Push(task));
        }
        if upload.is_quiet() {
            self.submit_again(cx, task);
        }
    }

    fn submit_again(&mut self, cx: &mut WorkContext<'_>, task: TaskId) {
        self.drop_requests(cx, task);
        cx.timers.disarm(Timer::Outbox(task));
        self.submit(cx, task);
    }

    pub(super) fn upload_mut(&mut self, task: TaskId) -> Option<&mut Upload> {
        self.entries.get_mut(&task)?.upload.as_mut()
    }
}
