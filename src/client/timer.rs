//! The timers of a client, by name.

use crate::message::{JobId, TaskId};

/// Why [`poll_timeout`](crate::Client::poll_timeout) names a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// It is time to connect, or there should be a connection by now.
    Connect,
    /// The server should have answered a challenge or a registration.
    Handshake,
    /// A failed handshake is tried again.
    Backoff,
    /// The next heartbeat is due.
    Heartbeat,
    /// A heartbeat goes out even if the host has not released it.
    HeartbeatRelease,
    /// The session is renewed before it expires.
    Renewal,
    /// The session has had no valid answer for too long.
    Silence,
    /// A hint that the session is gone was not refuted in time.
    Hint,
    /// The link has something to do by itself.
    Link,
    /// A request, by its number, should have been answered.
    Request(u64),
    /// A task of this job is asked for, or its payload fetched, again.
    Pull(JobId),
    /// The result of this task is sent again.
    Outbox(TaskId),
}
