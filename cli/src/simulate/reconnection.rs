//! The state of a simulated client that has no session, or has lost it.

use bytes::Bytes;
use fedlink::stand_in::StandIn;

use super::plan::{NEVER, Tick};

/// What a client without a session that is known to stand is doing about it.
pub(super) struct Reconnection {
    pub(super) step: Step,
    /// When the next thing is done.
    pub(super) due: Tick,
    /// Handshakes that have failed in a row.
    pub(super) failures: u32,
    /// The least wait before the next one, if this one fails.
    pub(super) put_off: Tick,
    /// Connections that were lost or not made in a row.
    pub(super) unconnected: u32,
    /// A handshake was under way when the connection was lost.
    pub(super) under_way: bool,
    /// Until then a hint that the session is gone needs no other.
    pub(super) hinted_until: Tick,
    /// The handshake.
    pub(super) stand_in: StandIn,
    pub(super) register: Bytes,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Waiting for a connection.
    Connecting,
    /// The server says that it does not know the session; a heartbeat may show better.
    Hinted,
    /// It is true, but not all come at once.
    Spreading,
    /// Waiting for the answer to a challenge.
    Challenged,
    /// Waiting for the answer to a Register, which has been sent this many times.
    Registering(u32),
    /// Waiting before the next try.
    BackingOff,
}

impl Reconnection {
    pub(super) fn new(step: Step) -> Self {
        Self {
            step,
            due: NEVER,
            failures: 0,
            put_off: 0,
            unconnected: 0,
            under_way: false,
            hinted_until: 0,
            stand_in: StandIn::default(),
            register: Bytes::new(),
        }
    }
}
