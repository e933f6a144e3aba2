//! Counts what a demo has moved and delivered.

use std::collections::BTreeSet;

use fedlink::message::{JobId, TaskId};
use fedlink::{ClientCounters, ServerAction};
use serde::Serialize;

/// Counts what every site has sent and what the coordinator was given.
#[derive(Debug)]
pub(super) struct Audit {
    job: JobId,
    seen: BTreeSet<TaskId>,
    again: u64,
    sites: Vec<Traffic>,
}

/// What one site has moved, through all its processes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Traffic {
    /// Its name.
    pub(super) name: String,
    /// Messages in both directions.
    pub(super) messages: u64,
    /// Bytes to the coordinator.
    pub(super) bytes_sent: u64,
    /// Bytes from the coordinator.
    pub(super) bytes_received: u64,
    /// Times that something failed and was tried again.
    pub(super) retries: u64,
}

impl Audit {
    pub(super) fn new(job: JobId, names: impl Iterator<Item = String>) -> Self {
        let traffic = |name| Traffic {
            name,
            ..Traffic::default()
        };
        Self {
            job,
            seen: BTreeSet::new(),
            again: 0,
            sites: names.map(traffic).collect(),
        }
    }

    /// Looks at an action of the server.
    pub(super) fn server(&mut self, action: &ServerAction) {
        if let ServerAction::ResultReceived(result) = action
            && result.job == self.job
            && !self.seen.insert(result.task)
        {
            self.again += 1;
        }
    }

    /// A client of this site is gone, with these counters.
    pub(super) fn client_gone(&mut self, site: usize, counters: &ClientCounters) {
        if let Some(traffic) = self.sites.get_mut(site) {
            traffic.messages += counters.messages_sent + counters.messages_received;
            traffic.bytes_sent += counters.bytes_sent;
            traffic.bytes_received += counters.bytes_received;
            traffic.retries += counters.retries;
        }
    }

    /// Different results that were delivered.
    pub(super) fn once(&self) -> u64 {
        self.seen.len() as u64
    }

    /// Deliveries of results that had been delivered before.
    pub(super) fn twice(&self) -> u64 {
        self.again
    }

    pub(super) fn sites(&self) -> &[Traffic] {
        &self.sites
    }
}
