//! The storage of a host: an ordered log. What was not confirmed may be lost in a crash.

use core::time::Duration;
use std::collections::VecDeque;

use bytes::Bytes;
use fedlink::Instant;
use fedlink::message::RecordId;

use super::dice::Dice;

/// A log, and the writes that are on their way to it.
#[derive(Default)]
pub struct Disk {
    stored: Vec<Bytes>,
    pending: VecDeque<Write>,
    /// Records confirmed.
    done: u64,
}

struct Write {
    due: Instant,
    what: What,
}

enum What {
    Append(RecordId, Bytes),
    /// Takes the place of everything, also of the records that were still on their way.
    Replace(Vec<Bytes>, Vec<RecordId>),
}

impl Disk {
    /// Starts to append a record. Says when it will be stored.
    pub fn append(
        &mut self,
        record: RecordId,
        bytes: Bytes,
        now: Instant,
        delay: Duration,
    ) -> Instant {
        self.push(What::Append(record, bytes), now, delay)
    }

    /// Starts to replace the log by a snapshot. Says when it will be stored.
    pub fn replace(&mut self, records: Vec<Bytes>, now: Instant, delay: Duration) -> Instant {
        let mut covered = Vec::new();
        for write in self.pending.drain(..) {
            match write.what {
                What::Append(record, _) => covered.push(record),
                What::Replace(_, records) => covered.extend(records),
            }
        }
        self.push(What::Replace(records, covered), now, delay)
    }

    /// Finishes what is due; returns the records to confirm.
    pub fn settle(&mut self, now: Instant) -> Vec<RecordId> {
        let mut confirmed = Vec::new();
        while self.pending.front().is_some_and(|write| write.due <= now) {
            let write = self.pending.pop_front().unwrap();
            confirmed.extend(self.store(write.what));
        }
        self.done += confirmed.len() as u64;
        confirmed
    }

    /// The process has died: writes in flight reached the log up to some point. Returns how
    /// many did not.
    pub fn crash(&mut self, dice: &mut Dice) -> usize {
        let reached = dice.below(self.pending.len() + 1);
        let lost = self.pending.len() - reached;
        for write in self.pending.drain(..).take(reached).collect::<Vec<_>>() {
            self.store(write.what);
        }
        lost
    }

    /// Whether nothing is on its way.
    pub fn is_quiet(&self) -> bool {
        self.pending.is_empty()
    }

    /// Records that were not confirmed yet.
    pub fn on_their_way(&self) -> usize {
        let records = self.pending.iter().map(|write| match &write.what {
            What::Append(..) => 1,
            What::Replace(_, covered) => covered.len(),
        });
        records.sum()
    }

    /// All is gone.
    pub fn wipe(&mut self) {
        self.stored.clear();
    }

    /// What a restored process reads.
    pub fn records(&self) -> Vec<Bytes> {
        self.stored.clone()
    }

    /// A mark that is reached when `more` records are confirmed.
    pub fn mark(&self, more: usize) -> u64 {
        self.done + more as u64
    }

    pub fn reached(&self, mark: u64) -> bool {
        self.done >= mark
    }

    fn push(&mut self, what: What, now: Instant, delay: Duration) -> Instant {
        let after = self.pending.back().map_or(now, |write| write.due);
        let due = (now + delay).max(after);
        self.pending.push_back(Write { due, what });
        due
    }

    fn store(&mut self, what: What) -> Vec<RecordId> {
        match what {
            What::Append(record, bytes) => {
                self.stored.push(bytes);
                vec![record]
            }
            What::Replace(records, covered) => {
                self.stored = records;
                covered
            }
        }
    }
}
