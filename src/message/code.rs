//! Return codes, and the reasons for which a result or a client is refused.

use core::fmt;

use serde::{Deserialize, Serialize};

/// How a request ended. The codes are those that NVIDIA FLARE's cells use, so that both
/// bindings report the same ones. Their order is their number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ReturnCode {
    /// Done.
    Ok,
    /// Nothing came back in time.
    Timeout,
    /// There is no such addressee.
    InvalidTarget,
    /// The addressee cannot be reached now.
    TargetUnreachable,
    /// The carrier failed.
    CommError,
    /// The message exceeds a limit.
    MsgTooBig,
    /// A filter of the peer refused the message.
    FilterError,
    /// The request makes no sense to the peer.
    InvalidRequest,
    /// The peer failed while it worked on the request.
    ProcessException,
    /// The peer does not believe who sent this.
    AuthenticationError,
    /// The peer is not ready or is overloaded; try later.
    ServiceUnavailable,
    /// The session is not known (any more).
    InvalidSession,
    /// The run is over.
    AbortRun,
    /// The sender must register first.
    Unauthenticated,
}

impl fmt::Display for ReturnCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a result was refused for good. It has left the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Refusal {
    /// The task was withdrawn, perhaps given to another site.
    Withdrawn,
    /// The job has ended.
    JobGone,
    /// The task belongs to another service session of the server.
    OtherSsid,
    /// The bytes did not match their digest, twice.
    BadDigest,
    /// The payload exceeds the server's limit.
    TooBig,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Withdrawn => "the task was withdrawn",
            Self::JobGone => "the job has ended",
            Self::OtherSsid => "the server has lost the jobs that this task belonged to",
            Self::BadDigest => "the bytes do not match their digest",
            Self::TooBig => "the payload exceeds the server's limit",
        })
    }
}

/// The rules by which a server refuses a client for good. Their order is their number on
/// the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RejectReason {
    /// The certificates, the name or the proof were not accepted.
    Unauthenticated,
    /// The server's operator has disabled this name.
    Disabled,
    /// The server serves another project.
    WrongProject,
    /// Another process with this identity has taken its place.
    Replaced,
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Disabled => "disabled",
            Self::WrongProject => "wrong project",
            Self::Replaced => "replaced by another process of this name",
        })
    }
}
