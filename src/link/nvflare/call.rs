//! Requests to cells of NVFlare that wait for their answers.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use uuid::Uuid;

use super::cell::Origin;
use super::send::Target;
use crate::Instant;
use crate::message::{JobId, MessageKind, RequestId, ReturnCode};
use crate::wire::nvflare::cell::Headers;
use crate::wire::nvflare::fobs::Decoded;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Challenge,
    Register,
    Heartbeat(RequestId),
    Quit(RequestId),
    /// The outcome of a job.
    Report(JobId),
    /// Whether the server's half of a job is there.
    Sync(JobId),
    Pull(RequestId),
    /// A part of a task's arrays.
    Download(RequestId),
    /// Whether a task's result is still wanted.
    Check(RequestId),
    Submit(RequestId),
}

impl Purpose {
    /// The client's request that this serves.
    pub(super) fn request(self) -> Option<RequestId> {
        match self {
            Self::Heartbeat(id)
            | Self::Quit(id)
            | Self::Pull(id)
            | Self::Download(id)
            | Self::Check(id)
            | Self::Submit(id) => Some(id),
            Self::Challenge | Self::Register | Self::Report(_) | Self::Sync(_) => None,
        }
    }

    /// What a request of this purpose is, and what its answer is.
    pub(super) fn kinds(self) -> (MessageKind, MessageKind) {
        match self {
            Self::Challenge => (MessageKind::Challenge, MessageKind::ChallengeReply),
            Self::Register => (MessageKind::Register, MessageKind::RegisterReply),
            Self::Heartbeat(_) => (MessageKind::Heartbeat, MessageKind::HeartbeatReply),
            Self::Quit(_) => (MessageKind::Quit, MessageKind::QuitReply),
            Self::Pull(_) => (MessageKind::PullTask, MessageKind::PullReply),
            Self::Download(_) => (MessageKind::Fetch, MessageKind::FetchReply),
            Self::Submit(_) => (MessageKind::SubmitResult, MessageKind::SubmitReply),
            Self::Report(_) | Self::Sync(_) | Self::Check(_) => {
                (MessageKind::Control, MessageKind::ControlReply)
            }
        }
    }

    pub(super) fn is_handshake(self) -> bool {
        matches!(self, Self::Challenge | Self::Register)
    }
}

/// One request.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) purpose: Purpose,
    /// The cell that asks.
    pub(super) origin: Origin,
    /// The cell that is asked.
    pub(super) to: String,
    pub(super) sent_at: Instant,
    /// The message, if it is one.
    pub(super) transmit: Option<u64>,
    /// The stream, if it is one.
    pub(super) stream: Option<u64>,
}

impl Call {
    /// A request that has not gone out yet.
    pub(super) fn new(purpose: Purpose, target: Target<'_>, now: Instant) -> Self {
        Self {
            purpose,
            origin: target.origin,
            to: target.to,
            sent_at: now,
            transmit: None,
            stream: None,
        }
    }
}

/// What came back.
pub(super) struct Answer {
    pub(super) code: ReturnCode,
    /// The server's words about a failure.
    pub(super) error: String,
    pub(super) headers: Headers,
    /// Nothing where there was no value, or none that can be read.
    pub(super) body: Option<Decoded>,
}

#[derive(Default)]
pub(super) struct Calls {
    open: BTreeMap<Uuid, Call>,
}

impl Calls {
    pub(super) fn insert(&mut self, id: Uuid, call: Call) {
        self.open.insert(id, call);
    }

    /// Takes the request that is answered under this id, to this cell. `from` is the cell
    /// that answers; a forwarder returns a request in its own name.
    pub(super) fn take(&mut self, id: Uuid, origin: Origin, from: Option<&str>) -> Option<Call> {
        if self.awaits(id, origin, from) {
            self.open.remove(&id)
        } else {
            None
        }
    }

    /// Whether [`Self::take`] would take one.
    pub(super) fn awaits(&self, id: Uuid, origin: Origin, from: Option<&str>) -> bool {
        self.open
            .get(&id)
            .is_some_and(|call| call.origin == origin && from.is_none_or(|from| call.to == from))
    }

    /// Takes every request that `matches`.
    pub(super) fn take_where(&mut self, matches: impl Fn(&Call) -> bool) -> Vec<Call> {
        let ids: Vec<Uuid> = self
            .open
            .iter()
            .filter(|(_, call)| matches(call))
            .map(|(id, _)| *id)
            .collect();
        ids.iter().filter_map(|id| self.open.remove(id)).collect()
    }

    /// The request whose answer or stream `matches`.
    pub(super) fn find(&self, matches: impl Fn(&Call) -> bool) -> Option<&Call> {
        self.open.values().find(|call| matches(call))
    }

    pub(super) fn get(&self, id: Uuid) -> Option<&Call> {
        self.open.get(&id)
    }
}
