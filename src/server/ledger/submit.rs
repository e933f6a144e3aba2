//! The answers to clients that submit a result, whole or in parts.

use bytes::Bytes;

use super::record::{Record, ResultHead};
use super::task::{Phase, Task};
use super::upload::Announced;
use super::{Awaited, Ledger, LedgerOutput, ReplyTo};
use crate::config::Check;
use crate::identity::Name;
use crate::message::limits::MAX_PROPERTIES;
use crate::message::{
    PayloadHead, Place, Push, PushReply, Refusal, Reply, SubmitReply, SubmitResult, TaskId,
};
use crate::records::Damaged;
use crate::time::millis;
use crate::transfer::{BadDigest, CHUNK, Layout};

/// What a client is told whose request would make a record that does not fit the others.
/// None does: this keeps a fault here from doing worse.
pub(super) const UNFIT: &str = "the request does not fit what is recorded";

impl Ledger {
    /// A client submits a result, or asks how much of it has arrived. What waits for
    /// storage is answered when it is stored.
    pub(crate) fn submit(
        &mut self,
        client: &Name,
        request: SubmitResult,
        payload: Bytes,
        to: ReplyTo,
        out: &mut LedgerOutput<'_>,
    ) {
        let task = request.task;
        match self.judge(client, &request) {
            Verdict::Answer(reply) => out.answer(to, Reply::SubmitResult(reply)),
            Verdict::NotYet => {}
            Verdict::BeingStored => {
                if let Some(waiting) = self.unconfirmed.get_mut(&task) {
                    waiting.to = Some(to);
                }
            }
            Verdict::Take => match self.arrived(&request, payload, out) {
                Ok(Arrived::Whole(place, bytes)) => {
                    let result = ResultHead {
                        outcome: request.outcome,
                        headers: request.headers,
                        context: request.context,
                        labels: PayloadHead {
                            place,
                            ..request.payload
                        },
                    };
                    let record = Record::Result { task, result };
                    if self.commit_for(task, record, bytes, Some(to), out).is_err() {
                        out.invalid(to, UNFIT);
                    }
                }
                Ok(Arrived::Not(reply)) => out.answer(to, Reply::SubmitResult(reply)),
                Err(why) => out.invalid(to, why),
            },
        }
    }

    /// A client brings a part of a result.
    // spec: P-115
    pub(crate) fn push(
        &mut self,
        client: &Name,
        request: Push,
        bytes: Bytes,
        to: ReplyTo,
        out: &mut LedgerOutput<'_>,
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
        // spec: P-111
        if bytes.len() > CHUNK || end > layout.total() {
            out.invalid(to, "the chunk is too long or outside of the transfer");
            return;
        }
        let reply = match self.state.uploads.put(task, request.offset, bytes) {
            Some(Ok(wanted)) => {
                if self.record_blocks(task, out).is_err() {
                    self.state.uploads.refuse(task, layout);
                    out.invalid(to, UNFIT);
                    return;
                }
                PushReply::Wanted(wanted)
            }
            Some(Err(BadDigest)) => {
                if self.drop_upload(task, out).is_err() {
                    out.invalid(to, UNFIT);
                    return;
                }
                self.state.uploads.refuse(task, layout);
                PushReply::Unknown
            }
            None => PushReply::Unknown,
        };
        out.answer(to, Reply::Push(reply));
    }

    /// Whether a result of this task is to be taken, whatever it holds.
    // spec: P-102
    fn judge(&self, client: &Name, request: &SubmitResult) -> Verdict {
        let refused = |refusal| Verdict::Answer(SubmitReply::Refused(refusal));
        if request.ssid != self.state.ssid && self.config.enforces(Check::ServiceSession) {
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

    /// How much of a result's payload is here. An upload is started if there is to be one.
    ///
    /// # Errors
    /// When the request makes no sense, and why.
    // spec: P-102, P-114
    fn arrived(
        &mut self,
        request: &SubmitResult,
        inline: Bytes,
        out: &mut LedgerOutput<'_>,
    ) -> Result<Arrived, &'static str> {
        let refused = |refusal| Ok(Arrived::Not(SubmitReply::Refused(refusal)));
        let fits = request.headers.size() <= MAX_PROPERTIES
            && request.context.size() <= MAX_PROPERTIES
            && request.payload.labels_fit();
        let (size, layout) = match request.payload.place {
            Place::Inline => (inline.len() as u64, None),
            Place::Apart { .. } if !inline.is_empty() => {
                return Err("a payload that is announced as apart follows");
            }
            Place::Apart { size, digest } => (size, Some(Layout { size, digest })),
        };
        if !fits || size > self.config.max_payload {
            return refused(Refusal::TooBig);
        }
        let Some(layout) = layout else {
            return Ok(Arrived::Whole(Place::Inline, inline));
        };
        // It would never find room.
        let limit = self.config.max_upload_bytes;
        if size > limit {
            return refused(Refusal::TooBig);
        }
        let task = request.task;
        match self.state.uploads.announced(task, layout, limit) {
            Announced::Complete => Ok(Arrived::Whole(request.payload.place, Bytes::new())),
            Announced::Wanted(offset) => Ok(Arrived::Not(SubmitReply::SendFrom(offset))),
            // It has no blocks that could be recorded before it.
            Announced::New(_) if size == 0 => Ok(Arrived::Whole(Place::Inline, Bytes::new())),
            Announced::New(reassembler) => {
                self.drop_upload(task, out).map_err(|_| UNFIT)?;
                self.state.uploads.start(task, *reassembler);
                Ok(Arrived::Not(SubmitReply::SendFrom(0)))
            }
            Announced::NoRoom => Ok(Arrived::Not(SubmitReply::Later(millis(
                self.config.poll_interval,
            )))),
            Announced::Bad => refused(Refusal::BadDigest),
            Announced::TooBig => refused(Refusal::TooBig),
        }
    }

    /// Records checked blocks, so that the upload goes on after a restart.
    // spec: P-117
    fn record_blocks(&mut self, task: TaskId, out: &mut LedgerOutput<'_>) -> Result<(), Damaged> {
        while let Some(block) = self.state.uploads.next_block(task) {
            let bytes = block.bytes.clone();
            let record = Record::block(task, &block);
            self.commit(record, bytes, Awaited::Nothing, out)?;
        }
        Ok(())
    }

    /// Drops what has come of an upload, here and in the records.
    fn drop_upload(&mut self, task: TaskId, out: &mut LedgerOutput<'_>) -> Result<(), Damaged> {
        if self.state.uploads.is_recorded(task) {
            let record = Record::UploadDropped { task };
            self.commit(record, Bytes::new(), Awaited::Nothing, out)?;
        }
        self.state.uploads.forget(task);
        Ok(())
    }
}

enum Verdict {
    Answer(SubmitReply),
    /// The answer would rest on something that is not stored: the client asks again.
    NotYet,
    BeingStored,
    Take,
}

/// What has come of a result's payload.
enum Arrived {
    /// All of it: where it is once the result is recorded, and the bytes to record with it.
    Whole(Place, Bytes),
    /// Something else is to be answered.
    Not(SubmitReply),
}
