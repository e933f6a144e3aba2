//! How results reach the server.

use bytes::Bytes;

use super::record::{Record, ResultHead};
use super::task::{Phase, Task};
use super::upload::Announced;
use super::{Awaited, Ledger, Out, ReplyTo};
use crate::guard::Guard;
use crate::identity::Name;
use crate::message::limits::MAX_PROPERTIES;
use crate::message::{Place, Push, PushReply, Refusal, Reply, SubmitReply, SubmitResult, TaskId};
use crate::time::millis;
use crate::transfer::{CHUNK, Layout};

impl Ledger {
    /// A client submits a result, or asks how much of it has arrived. What waits for
    /// storage is answered when it is stored.
    pub(crate) fn submit(
        &mut self,
        client: &Name,
        request: SubmitResult,
        payload: Bytes,
        to: ReplyTo,
        out: &mut Out<'_>,
    ) {
        let task = request.task;
        let judged = match self.judge(client, &request) {
            Verdict::Answer(reply) => Some(reply),
            Verdict::NotYet => None,
            Verdict::BeingStored => {
                if let Some(waiting) = self.unconfirmed.get_mut(&task) {
                    waiting.to = Some(to);
                }
                None
            }
            Verdict::Take => match self.arrived(&request, payload) {
                Ok(bytes) => {
                    let result = ResultHead {
                        outcome: request.outcome,
                        headers: request.headers,
                        context: request.context,
                        labels: request.payload,
                    };
                    let record = Record::Result { task, result };
                    self.commit_for(task, record, bytes, Some(to), out);
                    None
                }
                Err(reply) => Some(reply),
            },
        };
        if let Some(reply) = judged {
            out.answer(to, Reply::SubmitResult(reply));
        }
    }

    /// A client brings a part of a result.
    pub(crate) fn push(
        &mut self,
        client: &Name,
        request: Push,
        bytes: Bytes,
        to: ReplyTo,
        out: &mut Out<'_>,
    ) {
        let task = request.task;
        let owned = |it: &Task| it.is_open() && it.belongs_to(client, request.job);
        let layout = if self.state.tasks.get(&task).is_some_and(owned) {
            self.state.uploads.layout(task)
        } else {
            None
        };
        let Some(layout) = layout else {
            out.answer(to, Reply::Push(PushReply::Unknown));
            return;
        };
        let end = request.offset.saturating_add(bytes.len() as u64);
        if bytes.len() > CHUNK || end > layout.total() {
            out.invalid(to, "the chunk is too long or outside of the transfer");
            return;
        }
        let reply = match self.state.uploads.put(task, request.offset, bytes) {
            Some(wanted) => PushReply::Wanted(wanted),
            None => PushReply::Unknown,
        };
        self.record_blocks(task, out);
        out.answer(to, Reply::Push(reply));
    }

    /// Whether a result of this task is to be taken, whatever it holds.
    fn judge(&self, client: &Name, request: &SubmitResult) -> Verdict {
        let refused = |refusal| Verdict::Answer(SubmitReply::Refused(refusal));
        if request.ssid != self.state.ssid && self.config.keeps(Guard::ServiceSession) {
            return refused(Refusal::OtherSsid);
        }
        if self.ending.contains(&request.job) {
            return Verdict::NotYet;
        }
        if !self.state.jobs.contains_key(&request.job) {
            return refused(Refusal::JobGone);
        }
        let task = self.state.tasks.get(&request.task);
        let Some(task) = task.filter(|task| task.belongs_to(client, request.job)) else {
            return refused(Refusal::Withdrawn);
        };
        let stored = !self.unconfirmed.contains_key(&request.task);
        match (&task.phase, stored) {
            (Phase::Open(_), true) => Verdict::Take,
            (Phase::Done(..), false) => Verdict::BeingStored,
            (Phase::Done(..), true) | (Phase::Taken, _) => Verdict::Answer(SubmitReply::Accepted),
            (Phase::Withdrawn, true) => refused(Refusal::Withdrawn),
            (Phase::Open(_) | Phase::Withdrawn, false) => Verdict::NotYet,
        }
    }

    /// What of a result's payload is to be recorded with it, once it is here: nothing if it
    /// came in chunks, of which each block is recorded already. Or what to answer instead.
    fn arrived(&mut self, request: &SubmitResult, inline: Bytes) -> Result<Bytes, SubmitReply> {
        let refused = |refusal| Err(SubmitReply::Refused(refusal));
        let fits = request.headers.size() <= MAX_PROPERTIES
            && request.context.size() <= MAX_PROPERTIES
            && request.payload.labels_fit();
        let (size, layout) = match request.payload.place {
            Place::Inline => (inline.len() as u64, None),
            Place::Apart { size, digest } => (size, Some(Layout { size, digest })),
        };
        if !fits || size > self.config.max_payload {
            return refused(Refusal::TooBig);
        }
        let Some(layout) = layout else {
            return Ok(inline);
        };
        // It would never find room.
        let limit = self.config.max_upload_bytes;
        if size > limit {
            return refused(Refusal::TooBig);
        }
        match self.state.uploads.announce(request.task, layout, limit) {
            Announced::Complete => Ok(Bytes::new()),
            Announced::Wanted(offset) => Err(SubmitReply::SendFrom(offset)),
            Announced::NoRoom => Err(SubmitReply::Later(millis(self.config.poll_interval))),
            Announced::Bad => refused(Refusal::BadDigest),
            Announced::TooBig => refused(Refusal::TooBig),
        }
    }

    /// Records checked blocks, so that the upload goes on after a restart.
    fn record_blocks(&mut self, task: TaskId, out: &mut Out<'_>) {
        while let Some(block) = self.state.uploads.next_block(task) {
            let bytes = block.bytes.clone();
            let record = Record::block(task, &block);
            self.commit(record, bytes, Awaited::Nothing, out);
        }
    }
}

enum Verdict {
    Answer(SubmitReply),
    /// The answer would rest on something that is not stored: the client asks again.
    NotYet,
    BeingStored,
    Take,
}
