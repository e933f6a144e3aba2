//! The limits of a server's host, above all for peers that have not registered.

use std::time::Duration;

use fedlink::frame::{MAX_MESSAGE, MAX_STRANGER};

/// Limits of a server's host. Past one of them the connection is closed, but for
/// `queued_bytes`, and its client connects again when its machine says.
///
/// Whoever has not registered can hold `message_before_registration` bytes for
/// `time_before_registration` on each of his connections. Those who name sessions can hold
/// `vouched_bytes` more, all together. A connection counts as registered for as long as a
/// session was heard on it last; when that has ended or goes on elsewhere, it is a
/// stranger's again, and a long message that it has begun closes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all. A further one takes the place of a stranger's; without strangers it
    /// is closed at once. Default: 10,000. The operating system must allow as many open files,
    /// and as many again for moments in which strangers make room.
    pub connections: usize,
    /// Connections of strangers from one IPv4 address, or one IPv6 network of 64 bits. A further
    /// one takes the place of another of them: of the oldest that has had no answer yet, or, if
    /// fewer than half are such, of the oldest that has. Connections that have registered do
    /// not count. Default: 100.
    pub connections_per_address: usize,
    /// Connections of strangers from one IPv6 network of 56 bits, which is what one customer
    /// of a provider may have all of, likewise. Default: 400.
    pub connections_per_ipv6_network: usize,
    /// How long a connection may take to become ready, that is, for the TLS handshake, and the
    /// request for a WebSocket after it. Default: 10 s.
    pub handshake_time: Duration,
    /// How long a connection may go on without one authentic message of a session, and again
    /// when its session is over. A client that is told to come again in half a minute should
    /// find it standing. Default: 90 s.
    pub time_before_registration: Duration,
    /// Bytes of messages that may come before such a message. Default: 128 KiB, twice what
    /// the largest registration takes.
    pub bytes_before_registration: usize,
    /// The longest such message in bytes; a longer one is for those who name a session
    /// that exists, within the next two limits. Default: 32 KiB, the protocol's limit.
    pub message_before_registration: usize,
    /// Bytes of longer messages that may be on their way, or wait to be judged, from all who
    /// name a session and have not proved that it is theirs: a session's id travels in
    /// clear. One such message may come on a connection; if it is not authentic, the
    /// connection is closed. Default: 64 MiB, 32 messages of 2 MiB.
    pub vouched_bytes: usize,
    /// Connections on which such messages of one session may be on their way. Default: 1,
    /// since a client has one connection at a time.
    pub vouched_connections_per_session: usize,
    /// The longest message in bytes. Default: 2 MiB, the protocol's limit; more counts as
    /// that.
    pub message: usize,
    /// Bytes that may wait to be sent on one connection; what does not fit is dropped, and
    /// the client asks again. Default: 8 MiB.
    pub queued_bytes: usize,
    /// How long the peer may take to receive one message of at most 2 MiB. Default: 60 s.
    pub write_time: Duration,
    /// How long a registered peer may send nothing. Default: 25 h, since a device may say
    /// that it sleeps for a day; TCP finds out earlier about those that are gone.
    pub idle_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 100,
            connections_per_ipv6_network: 400,
            handshake_time: Duration::from_secs(10),
            time_before_registration: Duration::from_secs(90),
            bytes_before_registration: 128 << 10,
            message_before_registration: MAX_STRANGER,
            vouched_bytes: 64 << 20,
            vouched_connections_per_session: 1,
            message: MAX_MESSAGE,
            queued_bytes: 8 << 20,
            write_time: Duration::from_secs(60),
            idle_time: Duration::from_secs(25 * 3600),
        }
    }
}

impl Limits {
    /// The longest message for which nothing is asked.
    pub(crate) fn of_strangers(&self) -> usize {
        self.message_before_registration.min(self.message)
    }
}
