//! Counts of what happened to a client, for the host to read.

use alloc::collections::BTreeMap;

use crate::error::Dropped;

/// Counts since the machine was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientCounters {
    /// Messages handed out to be sent.
    pub messages_sent: u64,
    /// Messages that came in, dropped ones too.
    pub messages_received: u64,
    /// Bytes handed out to be sent.
    pub bytes_sent: u64,
    /// Bytes that came in.
    pub bytes_received: u64,
    /// Times that something failed and was scheduled again.
    pub retries: u64,
    /// Timers that were due.
    pub timers_fired: u64,
    /// Optional requests that failed: requests for tasks, and results of aborted tasks.
    pub quiet_failures: u64,
    /// Bytes of results that had to be sent again.
    pub bytes_sent_twice: u64,
    /// Results whose transfer went on after it was cut.
    pub resumed_uploads: u64,
    /// Tasks whose transfer went on after it was cut.
    pub resumed_downloads: u64,
    /// Messages that were refused, by reason.
    pub dropped: BTreeMap<Dropped, u64>,
}

impl ClientCounters {
    pub(crate) fn count_drop(&mut self, reason: Dropped) {
        *self.dropped.entry(reason).or_default() += 1;
    }
}
