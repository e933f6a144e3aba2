//! A storage in memory, for tests and demonstrations.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::Storage;

/// Records in memory, for tests and demonstrations.
///
/// It shares its bytes with the machine that writes them. Clones share the records, so that
/// whoever keeps one can restore a machine whose host was dropped, with
/// [`reopen`](Self::reopen).
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    shared: Arc<Mutex<Shared>>,
    generation: u64,
}

#[derive(Debug, Default)]
struct Shared {
    synced: Vec<Record>,
    unsynced: Vec<Record>,
    generation: u64,
}

/// Header and payload.
type Record = (Bytes, Bytes);

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
        let records = shared.synced.iter();
        let whole = records.map(|(header, payload)| [&header[..], payload].concat().into());
        (reopened, whole.collect())
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
    fn append(&mut self, header: &Bytes, payload: &Bytes) -> io::Result<()> {
        self.write(|shared| shared.unsynced.push((header.clone(), payload.clone())))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.write(|shared| shared.synced.append(&mut shared.unsynced))
    }

    fn replace(&mut self, records: &mut dyn Iterator<Item = (Bytes, Bytes)>) -> io::Result<()> {
        self.write(|shared| {
            shared.unsynced.clear();
            shared.synced = records.collect();
        })
    }

    fn len_bytes(&self) -> u64 {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let records = shared.synced.iter().chain(&shared.unsynced);
        records
            .map(|(header, payload)| (header.len() + payload.len()) as u64)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_synced_is_lost_and_the_process_before_is_shut_out() {
        let mut before = MemoryStorage::new();
        let bytes = Bytes::from_static;
        before.append(&bytes(b"a"), &bytes(b"b")).unwrap();
        before.sync().unwrap();
        before.append(&bytes(b"c"), &bytes(b"")).unwrap();
        let (mut after, records) = before.reopen();
        assert_eq!(records, ["ab"]);
        assert!(before.append(&bytes(b"d"), &bytes(b"")).is_err());
        let snapshot = (bytes(b"x"), bytes(b"y"));
        after.replace(&mut [snapshot].into_iter()).unwrap();
        assert_eq!(after.reopen().1, ["xy"]);
        assert_eq!(after.len_bytes(), 2);
    }
}
