//! The vocabulary: requests, replies, ids and payloads that clients and servers exchange,
//! whatever the protocol that carries them.

pub(crate) mod check;
mod code;
mod id;
mod kind;
pub(crate) mod limits;
mod once;
mod opaque;
mod payload;
mod properties;
mod reply;
mod request;

pub use code::{Refusal, RejectReason, ReturnCode};
#[cfg(feature = "nvflare")]
pub use id::ControlId;
pub use id::{InstanceId, JobId, PeerId, RecordId, SessionId, SignatureId, Ssid, TaskId, Token};
pub use kind::MessageKind;
pub use opaque::Opaque;
pub use payload::{BLOCK, Digest, Payload};
pub use properties::Properties;
pub use request::{JobReport, Outcome, Progress};

pub(crate) use id::RequestId;
pub(crate) use payload::{Parts, PayloadHead, Place};
pub(crate) use reply::{
    Failure, FetchReply, Goodbye, HeartbeatReply, PullReply, PushReply, Reply, SubmitReply,
    TaskHead,
};
pub(crate) use request::{Fetch, Heartbeat, PullTask, Push, Quit, Request, SubmitResult};
