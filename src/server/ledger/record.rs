//! The records from which a server's durable state is made.

use alloc::vec::Vec;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::job::Sites;
use super::task::{Entry, Owner};
use super::task_inputs::PayloadId;
use super::upload::Block;
use crate::identity::Name;
use crate::message::{Digest, JobId, Outcome, PayloadHead, Place, Properties, Ssid, TaskId};
use crate::records;

/// The first byte of each record. Any change of what follows is a new version.
pub(super) const VERSION: u8 = 2;

/// One change of the durable state. A payload follows the record, outside serde.
///
/// Each is stored behind its number: see [`crate::records`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Record {
    /// The service session; the first record of a store.
    Ssid(Ssid),
    /// The first record of a snapshot.
    Snapshot {
        ssid: Ssid,
        /// The number of the last record whose effect the snapshot holds.
        last: u64,
        /// The next place in the order of tasks.
        next_order: u64,
    },
    JobStarted {
        job: JobId,
        sites: Sites,
    },
    JobEnded {
        job: JobId,
    },
    Disabled {
        client: Name,
    },
    Enabled {
        client: Name,
    },
    /// The input of tasks that follow, stored once however many they are.
    Payload {
        id: PayloadId,
        labels: PayloadHead,
    },
    /// A new task, for its owner or for whoever asks.
    Task {
        entry: Entry,
        input: PayloadId,
    },
    /// A task that was for whoever asks is this client's.
    Claimed {
        task: TaskId,
        owner: Owner,
    },
    Withdrawn {
        task: TaskId,
    },
    /// The work of `old` goes on as `new`; `old` is withdrawn.
    Reassigned {
        old: TaskId,
        new: TaskId,
        created: u64,
        owner: Option<Owner>,
    },
    /// A checked block of an unfinished upload.
    Block {
        task: TaskId,
        size: u64,
        digest: Digest,
        index: u64,
        /// The checked list of digests, with the block of index 0.
        list: Vec<u8>,
    },
    /// What has come of an upload is dropped: it was wrong, or another takes its place.
    UploadDropped {
        task: TaskId,
    },
    Result {
        task: TaskId,
        result: ResultHead,
    },
    Taken {
        task: TaskId,
    },
    /// In snapshots only: a task that was taken or withdrawn, of which no more is kept.
    Closed {
        entry: Entry,
        taken: bool,
    },
}

/// A result without its payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub(super) struct ResultHead {
    pub(super) outcome: Outcome,
    pub(super) headers: Properties,
    pub(super) context: Properties,
    /// If it says that the payload is apart, the blocks recorded before are the payload,
    /// and nothing follows.
    pub(super) labels: PayloadHead,
}

impl Record {
    /// The record of a checked block; its bytes follow.
    pub(super) fn block(task: TaskId, block: &Block) -> Self {
        Self::Block {
            task,
            size: block.layout.size,
            digest: block.layout.digest,
            index: block.index,
            list: block.list.to_vec(),
        }
    }

    /// The record behind its number.
    pub(super) fn encode(&self, number: u64) -> Bytes {
        records::encode(VERSION, number, self)
    }

    /// The number, the record, and the payload behind it, which is shared, not copied.
    pub(super) fn decode(stored: &Bytes) -> Option<(u64, Self, Bytes)> {
        let (number, record, payload) = records::decode::<Self>(VERSION, stored)?;
        let fits = payload.is_empty() || record.has_payload();
        fits.then_some((number, record, payload))
    }

    fn has_payload(&self) -> bool {
        match self {
            Self::Payload { .. } | Self::Block { .. } => true,
            Self::Result { result, .. } => result.labels.place == Place::Inline,
            Self::Ssid(_)
            | Self::Snapshot { .. }
            | Self::UploadDropped { .. }
            | Self::JobStarted { .. }
            | Self::JobEnded { .. }
            | Self::Disabled { .. }
            | Self::Enabled { .. }
            | Self::Task { .. }
            | Self::Claimed { .. }
            | Self::Withdrawn { .. }
            | Self::Reassigned { .. }
            | Self::Taken { .. }
            | Self::Closed { .. } => false,
        }
    }
}
