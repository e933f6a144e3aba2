//! The records of a client, which its host stores, and what waits until one is stored.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::client::ClientAction;
use crate::client::context::WorkContext;
use crate::error::Misuse;
use crate::message::{JobId, Outcome, Place, Properties, RecordId, Ssid, TaskHead, TaskId};
use crate::records::{self, Damaged, IN_SNAPSHOT, Records};

/// The first byte of every record; another one belongs to another version.
pub(crate) const VERSION: u8 = 3;

/// One line of the client's log. Each is stored behind its number: see [`crate::records`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Record {
    /// A whole task. Its payload follows, or is the blocks that were stored before.
    Task(StoredTask),
    /// A result; its payload follows.
    Result(StoredResult),
    /// The result has left the outbox.
    Settled(TaskId),
    /// The job's tasks are no longer wanted.
    JobEnded(JobId),
    /// A payload of several blocks is being fetched; the list of their digests follows.
    Fetch(StoredTask),
    /// A checked block of such a payload follows.
    Block {
        job: JobId,
        task: TaskId,
        index: u64,
    },
    /// The last task that was held for the job.
    Last { job: JobId, task: TaskId },
    /// What is stored of this task is no longer wanted, and the host has not seen it.
    Dropped { job: JobId, task: TaskId },
    /// The first record of a snapshot: the number of the last record whose effect it holds.
    Snapshot { last: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct StoredTask {
    pub(crate) job: JobId,
    pub(crate) head: TaskHead,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct StoredResult {
    pub(crate) job: JobId,
    pub(crate) task: TaskId,
    pub(crate) ssid: Ssid,
    pub(crate) outcome: Outcome,
    /// As in [`TaskHead`].
    pub(crate) ticket: Vec<u8>,
    pub(crate) headers: Properties,
    pub(crate) content_type: String,
    pub(crate) encoding: String,
}

impl StoredTask {
    /// Whether there are bytes of a payload outside of the task.
    pub(crate) fn is_apart(&self) -> bool {
        matches!(self.head.payload.place, Place::Apart { size, .. } if size > 0)
    }

    /// Adds the records of the first blocks of its payload, of which `list` has the digests.
    pub(crate) fn snapshot_blocks(
        &self,
        list: Bytes,
        blocks: impl Iterator<Item = Bytes>,
        records: &mut Vec<(Bytes, Bytes)>,
    ) {
        records.push(Record::Fetch(self.clone()).with(list));
        let blocks = (0..).zip(blocks);
        records.extend(blocks.map(|(index, block)| self.block(index).with(block)));
    }

    /// What announces a block of its payload.
    pub(crate) fn block(&self, index: u64) -> Record {
        Record::Block {
            job: self.job,
            task: self.head.task,
            index,
        }
    }
}

impl Record {
    /// Both parts of the record, in a snapshot.
    pub(crate) fn with(&self, payload: Bytes) -> (Bytes, Bytes) {
        (self.header(IN_SNAPSHOT), payload)
    }

    /// The number, the record and its payload, which shares the memory of `bytes`.
    pub(crate) fn decode(bytes: &Bytes) -> Option<(u64, Self, Bytes)> {
        records::decode(VERSION, bytes)
    }

    /// What stands before the payload.
    fn header(&self, number: u64) -> Bytes {
        records::encode(VERSION, number, self)
    }
}

/// What waits for a record to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) enum Gate {
    /// The task goes to the host.
    Task(TaskId),
    /// The result goes to the server.
    Result(TaskId),
    /// Nothing.
    Open,
}

/// The records that were handed out, and those that the host has not confirmed yet.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Store {
    records: Records,
    waiting: BTreeMap<RecordId, Gate>,
}

impl Store {
    /// One whose records are in a snapshot.
    pub(crate) fn up_to(last: u64) -> Self {
        Self {
            records: Records::up_to(last),
            waiting: BTreeMap::new(),
        }
    }

    /// The number of the last record.
    pub(crate) fn last(&self) -> u64 {
        self.records.last()
    }

    /// Whether a replay has to apply the record of this number.
    pub(crate) fn replay(&mut self, number: u64) -> Result<bool, Damaged> {
        self.records.replay(number)
    }

    // spec: P-128
    pub(crate) fn persist(
        &mut self,
        cx: &mut WorkContext<'_>,
        record: &Record,
        payload: Bytes,
        gate: Gate,
    ) {
        let Ok((records, id)) = self.records.next() else {
            // After 2^64 records: what waits for this one waits for ever.
            tracing::error!("there are no more numbers for records");
            return;
        };
        self.records = records;
        self.waiting.insert(id, gate);
        cx.act(ClientAction::Persist {
            record: id,
            header: record.header(id.0).into(),
            payload: payload.into(),
        });
    }

    /// A record that nothing waits for.
    pub(crate) fn note(&mut self, cx: &mut WorkContext<'_>, record: &Record) {
        self.persist(cx, record, Bytes::new(), Gate::Open);
    }

    pub(crate) fn persisted(&mut self, record: RecordId) -> Result<Gate, Misuse> {
        self.waiting
            .remove(&record)
            .ok_or(Misuse::UnknownRecord(record))
    }
}
