//! What a message is, for whoever watches messages go by.

use super::{Reply, Request};

/// What a message is. Only the two ends know it: from outside, the messages of a sealed session
/// look alike.
///
/// [`code`](Self::code) and [`name`](Self::name) stand for it in every release. The numbers of
/// the handshake are those on fedlink's own wire; requests have theirs from 32 on and replies from
/// 48 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MessageKind {
    /// A client begins a handshake.
    Challenge,
    /// The server proves itself.
    ChallengeReply,
    /// A client proves itself and asks for a session.
    Register,
    /// The server grants a session.
    RegisterReply,
    /// The server refuses a handshake.
    Refusal,
    /// The server does not know the session of a message.
    InvalidSession,
    /// The versions of the protocol that the peer speaks.
    Versions,
    /// A client lives, and tells which jobs it runs.
    Heartbeat,
    /// A client asks for a task.
    PullTask,
    /// A client offers a result, or brings it.
    SubmitResult,
    /// A client asks for a part of a task's payload.
    Fetch,
    /// A client brings a part of a result's payload.
    Push,
    /// A client says goodbye.
    Quit,
    /// The answer to a heartbeat.
    HeartbeatReply,
    /// The answer to a request for a task.
    PullReply,
    /// The answer to a result.
    SubmitReply,
    /// A part of a task's payload.
    FetchReply,
    /// The answer to a part of a result's payload.
    PushReply,
    /// The answer to a goodbye.
    QuitReply,
    /// A request of any kind has failed.
    Failed,
    /// NVFlare: the greeting of a connection.
    Hello,
    /// NVFlare: the answer to a greeting.
    Ready,
    /// NVFlare: asks for a sign of life of the connection.
    Ping,
    /// NVFlare: the answer to a ping.
    Pong,
    /// NVFlare: another request between cells, of a job or of the server's operator.
    Control,
    /// NVFlare: the answer to such a request.
    ControlReply,
    /// NVFlare: tells how far a stream has come, or that it is given up.
    StreamControl,
    /// NVFlare: something that has no meaning here.
    Other,
}

impl Request {
    pub(crate) fn kind(&self) -> MessageKind {
        match self {
            Self::Heartbeat(_) => MessageKind::Heartbeat,
            Self::PullTask(_) => MessageKind::PullTask,
            Self::SubmitResult(_) => MessageKind::SubmitResult,
            Self::Fetch(_) => MessageKind::Fetch,
            Self::Push(_) => MessageKind::Push,
            Self::Quit(_) => MessageKind::Quit,
        }
    }
}

impl Reply {
    pub(crate) fn kind(&self) -> MessageKind {
        match self {
            Self::Heartbeat(_) => MessageKind::HeartbeatReply,
            Self::PullTask(_) => MessageKind::PullReply,
            Self::SubmitResult(_) => MessageKind::SubmitReply,
            Self::Fetch(_) => MessageKind::FetchReply,
            Self::Push(_) => MessageKind::PushReply,
            Self::Quit(_) => MessageKind::QuitReply,
            Self::Failed(_) => MessageKind::Failed,
        }
    }
}
