//! The context that a link is lent while it handles an input, and the events that it returns.

use alloc::string::String;
#[cfg(feature = "nvflare")]
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::{Auth, ChannelBinding, Suspicion};
use crate::Instant;
use crate::config::ClientConfig;
use crate::entropy::Entropy;
use crate::identity::{Identity, Name};
#[cfg(feature = "nvflare")]
use crate::message::{ControlId, JobId, Payload, TaskHead};
use crate::message::{InstanceId, Parts, Properties, Reply, RequestId};
use crate::wire::native::Denied;

/// What the client lends its link while an input is handled.
pub(crate) struct LinkContext<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a ClientConfig,
    pub(crate) identity: &'a Identity,
    pub(crate) entropy: &'a mut Entropy,
    /// The name that the server must prove.
    pub(crate) server: &'a Name,
    pub(crate) instance: InstanceId,
    pub(crate) address: &'a str,
    pub(crate) site_info: &'a Properties,
    pub(crate) context: &'a Properties,
    /// Unix seconds.
    pub(crate) wall: Option<u64>,
    pub(crate) binding: &'a ChannelBinding,
}

/// What a message that could not be sent was for.
pub(crate) enum Unsent {
    Handshake,
    Request(RequestId),
}

/// What a message meant.
pub(crate) enum Event {
    Handshake(HandshakeEvent),
    /// A session stands. The one before is gone, and its requests with it.
    Registered(Auth),
    /// The answer to a request.
    Reply {
        id: RequestId,
        reply: Reply,
        payload: Parts,
        elapsed: Duration,
    },
    /// The server may have forgotten the session.
    SessionDoubted,
    #[cfg(feature = "nvflare")]
    Nvflare(NvflareEvent),
}

/// What a message meant for the handshake.
pub(crate) enum HandshakeEvent {
    /// The server proved itself. The Register is on its way, or waits for a signature.
    Proven {
        to_sign: Option<Bytes>,
        dates_checked: bool,
        /// When the first of the server's certificates ends, in Unix seconds.
        not_after: Option<u64>,
    },
    /// Something that claims to come from the server cannot be trusted.
    Suspect(Suspicion),
    /// The server refuses; `protected` if nobody else can have said so.
    Denied { denied: Denied, protected: bool },
    /// The server speaks no version of ours, but a newer one, or only older ones.
    OtherVersion { newer: bool },
}

/// How a job ended here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JobEnd {
    /// It is over, or was stopped because the server said so.
    Over,
    /// It failed, for this reason.
    Failed(String),
}

/// What happened that only this binding knows.
#[cfg(feature = "nvflare")]
pub(crate) enum NvflareEvent {
    /// The answer to the request is on its way, or the request itself: wait longer.
    Moving(RequestId),
    /// The server says which jobs not to run, and which it wants to run.
    Jobs {
        abort: Vec<JobId>,
        start: Vec<JobId>,
    },
    /// The answer to the request is a task that the host cannot be given, now or later.
    Unfit {
        id: RequestId,
        head: TaskHead,
        why: String,
    },
    /// A job needs this.
    ResourcesWanted {
        request: ControlId,
        job: JobId,
        spec: String,
    },
    /// The app of a job that is about to start.
    Deploy {
        request: ControlId,
        job: JobId,
        name: String,
        app: Payload,
    },
    /// The current task of this job is to be given up.
    AbortTask { job: JobId },
    /// Another process has registered under this name.
    Replaced(String),
    /// The server hears this site and does not answer: it has dropped its credentials.
    AuthDropped,
}
