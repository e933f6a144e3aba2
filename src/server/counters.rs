//! Counts of what happened at a server, for the host to read.

use alloc::collections::BTreeMap;

use crate::error::Dropped;

/// Counts since the machine was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerCounters {
    /// Messages handed out to be sent.
    pub messages_sent: u64,
    /// Messages that came in, dropped ones too.
    pub messages_received: u64,
    /// Bytes handed out to be sent.
    pub bytes_sent: u64,
    /// Bytes that came in.
    pub bytes_received: u64,
    /// Sessions that were granted.
    pub registrations: u64,
    /// Timers that were due.
    pub timers_fired: u64,
    /// How often clients that speak another version of the protocol have asked to register. They
    /// were told which version this server speaks: update the older side.
    pub other_versions: u64,
    /// Challenges and registrations that were refused until a person changes something, each
    /// time that they came.
    pub refused: u64,
    /// Messages that were refused, by reason.
    pub dropped: BTreeMap<Dropped, u64>,
}

impl ServerCounters {
    pub(crate) fn count_drop(&mut self, reason: Dropped) {
        *self.dropped.entry(reason).or_default() += 1;
    }
}
