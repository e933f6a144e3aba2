//! Group commit: stores many records with one `sync`.

use std::io;

use bytes::Bytes;
use fedlink::message::RecordId;
use tokio::task::JoinHandle;

use crate::storage::{Compacting, Record, Storage};

/// Bytes that wait to be stored, after which the host reads no more from the network.
const MAX_WAITING: usize = 64 << 20;

/// Stores records on a thread that may block, if there is where to store them. While one
/// batch is written the next one gathers, so a slow disk makes batches longer and not the
/// wait.
pub(super) struct GroupCommit {
    state: StorageState,
    waiting: Vec<Record>,
    waiting_bytes: usize,
}

enum StorageState {
    /// There is no storage.
    Nowhere,
    Idle(Compacting),
    Writing(JoinHandle<(Compacting, io::Result<Vec<RecordId>>)>),
    /// An error was told; nothing can be stored any more.
    Failed,
}

impl GroupCommit {
    pub(super) fn new(storage: Option<Box<dyn Storage>>) -> Self {
        let stored = |storage| StorageState::Idle(Compacting::new(storage));
        Self {
            state: storage.map_or(StorageState::Nowhere, stored),
            waiting: Vec::new(),
            waiting_bytes: 0,
        }
    }

    pub(super) fn push(&mut self, record: Record) {
        self.waiting_bytes += record.len();
        self.waiting.push(record);
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting_bytes >= MAX_WAITING
    }

    /// Whether all that was pushed is stored.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
            && matches!(self.state, StorageState::Idle(_) | StorageState::Nowhere)
    }

    /// Begins to store what waits, unless something is being stored. Every action of the
    /// machine must have been taken before, so that `snapshot` holds what waits.
    pub(super) fn start(&mut self, snapshot: impl FnOnce() -> Vec<(Bytes, Bytes)>) {
        if self.waiting.is_empty() {
            return;
        }
        let mut storage = match std::mem::replace(&mut self.state, StorageState::Failed) {
            StorageState::Idle(storage) => storage,
            other => {
                self.state = other;
                return;
            }
        };
        let records = self.take_waiting();
        let snapshot = storage.is_due().then(snapshot);
        self.state = StorageState::Writing(tokio::task::spawn_blocking(move || {
            let stored = storage.store(&records, snapshot);
            (storage, stored.map(|()| ids(&records)))
        }));
    }

    /// Waits until a batch is stored; for ever if none is being stored. Without a storage
    /// whatever waits counts as stored.
    pub(super) async fn done(&mut self) -> io::Result<Vec<RecordId>> {
        let written = match &mut self.state {
            StorageState::Writing(task) => task.await,
            StorageState::Nowhere if !self.waiting.is_empty() => {
                return Ok(ids(&self.take_waiting()));
            }
            _ => return std::future::pending().await,
        };
        self.state = StorageState::Failed;
        let (storage, ids) = written.map_err(io::Error::other)?;
        let ids = ids?;
        self.state = StorageState::Idle(storage);
        Ok(ids)
    }

    fn take_waiting(&mut self) -> Vec<Record> {
        self.waiting_bytes = 0;
        std::mem::take(&mut self.waiting)
    }

    /// Waits until the storage is free, whatever becomes of what waits.
    pub(super) async fn release(&mut self) {
        if matches!(self.state, StorageState::Writing(_))
            && let Err(error) = self.done().await
        {
            tracing::debug!(%error, "the last records were not stored");
        }
    }
}

fn ids(records: &[Record]) -> Vec<RecordId> {
    records.iter().map(|record| record.id).collect()
}
