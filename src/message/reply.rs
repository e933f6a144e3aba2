//! The replies of a server to the requests of a session.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{JobId, PayloadHead, Properties, Refusal, ReturnCode, Ssid, TaskId};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeartbeatReply {
    /// The server's count of changes to its job table.
    pub(crate) generation: u64,
    pub(crate) abort: Vec<JobId>,
    pub(crate) start: Vec<JobId>,
    /// Milliseconds until the next heartbeat.
    pub(crate) interval: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct TaskHead {
    pub(crate) task: TaskId,
    pub(crate) name: String,
    pub(crate) ssid: Ssid,
    pub(crate) headers: Properties,
    pub(crate) payload: PayloadHead,
    /// What the binding wants back with the result. The native one wants nothing.
    #[serde(skip)]
    pub(crate) ticket: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PullReply {
    Task(TaskHead),
    /// Nothing now. Milliseconds until the next try, and the least time to wait for an
    /// answer from then on (0: the client's own).
    TryAgain {
        after: u64,
        timeout: u64,
    },
    RunEnded,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SubmitReply {
    Accepted,
    /// Bytes from this offset of the transfer on are missing.
    SendFrom(u64),
    Refused(Refusal),
    /// Not now; try again after this many milliseconds.
    Later(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FetchReply {
    /// The bytes behind the body start at this offset.
    Bytes { offset: u64 },
    /// The task is no longer this client's.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PushReply {
    /// Everything before this offset has arrived. At the transfer's end the client sends
    /// SubmitResult again, which alone commits.
    Wanted(u64),
    /// No such transfer: SubmitResult comes first.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Goodbye {
    pub(crate) message: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) code: ReturnCode,
    pub(crate) message: String,
    /// Milliseconds.
    pub(crate) retry_after: Option<u64>,
}

/// Every reply of a session. The order is the number on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    Heartbeat(HeartbeatReply),
    PullTask(PullReply),
    SubmitResult(SubmitReply),
    Fetch(FetchReply),
    Push(PushReply),
    Quit(Goodbye),
    Failed(Failure),
}
