//! The timers of a server, by name.

/// Why [`poll_timeout`](crate::Server::poll_timeout) names a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ServerTimer {
    /// A session may have died, expired, or never begun.
    Session,
    /// Secrets of handshakes are to be erased.
    Window,
    /// Clients that held tasks before a restart should have come back.
    Restored,
    /// The time is looked at once in a heartbeat interval, while somebody could be found
    /// dead: a sleep of this machine must not pass for their silence.
    Watch,
}
