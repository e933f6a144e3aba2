//! Where a machine's records are kept, so that they outlive its process.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::store::FileStore;

/// A list of records that only grows, until it is replaced by a shorter one.
///
/// The hosts write each record that a machine asks to [`Persist`] with
/// [`append`](Self::append), call [`sync`](Self::sync) once for all that came together,
/// and only then tell the machine. They call from a thread that may block.
///
/// [`Persist`]: fedlink::ClientAction::Persist
pub trait Storage: Send {
    /// Adds one record, made of `parts` one after another.
    ///
    /// # Errors
    /// When it cannot be written. The host stops.
    fn append(&mut self, parts: &[&[u8]]) -> io::Result<()>;

    /// Returns when all that was appended will survive the death of the machine.
    ///
    /// # Errors
    /// When that cannot be promised. The host stops.
    fn sync(&mut self) -> io::Result<()>;

    /// Puts these records, each in two parts, in the place of all before: all of them,
    /// durably, or none.
    ///
    /// # Errors
    /// When it cannot be done; the records before are still there. The host stops.
    fn replace(&mut self, records: &mut dyn Iterator<Item = (Bytes, Bytes)>) -> io::Result<()>;

    /// Bytes that all records take.
    fn len_bytes(&self) -> u64;
}

impl Storage for FileStore {
    fn append(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        self.append(parts).map_err(io::Error::other)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync().map_err(io::Error::other)
    }

    fn replace(&mut self, records: &mut dyn Iterator<Item = (Bytes, Bytes)>) -> io::Result<()> {
        let records = records.map(|(header, payload)| [header, payload].concat());
        self.replace(records).map_err(io::Error::other)
    }

    fn len_bytes(&self) -> u64 {
        self.len_bytes()
    }
}

/// Below this many bytes nothing is compacted: reading them back takes no time.
const COMPACT_ABOVE: u64 = 64 << 20;

/// A storage that is replaced by a snapshot whenever it has become twice as long as the
/// last one, so that each byte is written twice on average.
pub(crate) struct Compacting {
    storage: Box<dyn Storage>,
    snapshot_bytes: u64,
}

impl Compacting {
    pub(crate) fn new(storage: Box<dyn Storage>) -> Self {
        Self {
            storage,
            snapshot_bytes: 0,
        }
    }

    /// Whether a snapshot should be written instead of the next records.
    pub(crate) fn is_due(&self) -> bool {
        let len = self.storage.len_bytes();
        len > COMPACT_ABOVE && len > self.snapshot_bytes.saturating_mul(2)
    }

    pub(crate) fn append<'a>(
        &mut self,
        records: impl IntoIterator<Item = (&'a Bytes, &'a Bytes)>,
    ) -> io::Result<()> {
        for (header, payload) in records {
            self.storage.append(&[header, payload])?;
        }
        self.storage.sync()
    }

    pub(crate) fn replace(&mut self, snapshot: Vec<(Bytes, Bytes)>) -> io::Result<()> {
        self.storage.replace(&mut snapshot.into_iter())?;
        self.snapshot_bytes = self.storage.len_bytes();
        Ok(())
    }
}

/// Records in memory, for tests, demonstrations, and clients that may forget.
///
/// Clones share the records, so that whoever keeps one can restore a machine whose
/// process was dropped, with [`reopen`](Self::reopen).
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    shared: Arc<Mutex<Shared>>,
    generation: u64,
}

#[derive(Debug, Default)]
struct Shared {
    synced: Vec<Bytes>,
    unsynced: Vec<Bytes>,
    generation: u64,
}

impl MemoryStorage {
    /// Without records.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What a process finds that starts after the one before has died: every record that
    /// was synced, and nothing else. Writes of older clones fail from now on.
    #[must_use]
    pub fn reopen(&self) -> (Self, Vec<Bytes>) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.unsynced.clear();
        shared.generation += 1;
        let reopened = Self {
            shared: Arc::clone(&self.shared),
            generation: shared.generation,
        };
        (reopened, shared.synced.clone())
    }

    fn write<T>(&self, run: impl FnOnce(&mut Shared) -> T) -> io::Result<T> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.generation != self.generation {
            return Err(io::Error::other(
                "the storage was opened again by another process: stop this one",
            ));
        }
        Ok(run(&mut shared))
    }
}

impl Storage for MemoryStorage {
    fn append(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        self.write(|shared| shared.unsynced.push(parts.concat().into()))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.write(|shared| shared.synced.append(&mut shared.unsynced))
    }

    fn replace(&mut self, records: &mut dyn Iterator<Item = (Bytes, Bytes)>) -> io::Result<()> {
        self.write(|shared| {
            shared.unsynced.clear();
            shared.synced = records
                .map(|(header, payload)| [header, payload].concat().into())
                .collect();
        })
    }

    fn len_bytes(&self) -> u64 {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let records = shared.synced.iter().chain(&shared.unsynced);
        records.map(|record| record.len() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_synced_is_lost_and_the_process_before_is_shut_out() {
        let mut before = MemoryStorage::new();
        before.append(&[b"a", b"b"]).unwrap();
        before.sync().unwrap();
        before.append(&[b"c"]).unwrap();
        let (mut after, records) = before.reopen();
        assert_eq!(records, ["ab"]);
        assert!(before.append(&[b"d"]).is_err());
        let snapshot = (Bytes::from("x"), Bytes::from("y"));
        after.replace(&mut [snapshot].into_iter()).unwrap();
        assert_eq!(after.reopen().1, ["xy"]);
        assert_eq!(after.len_bytes(), 2);
    }

    #[test]
    fn a_storage_is_compacted_when_it_is_large_and_twice_its_last_snapshot() {
        let memory = MemoryStorage::new();
        let mut storage = Compacting::new(Box::new(memory));
        let big = Bytes::from(vec![0; usize::try_from(COMPACT_ABOVE).unwrap()]);
        storage.append([(&big, &Bytes::new())]).unwrap();
        assert!(!storage.is_due());
        storage
            .append([(&Bytes::from("1"), &Bytes::new())])
            .unwrap();
        assert!(storage.is_due());
        storage
            .replace(vec![(big.clone(), Bytes::from("1"))])
            .unwrap();
        assert!(!storage.is_due());
        storage.append([(&big, &Bytes::new())]).unwrap();
        assert!(!storage.is_due());
        storage
            .append([(&Bytes::from("22"), &Bytes::new())])
            .unwrap();
        assert!(storage.is_due());
    }
}
