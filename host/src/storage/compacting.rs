//! A storage that replaces its records by a snapshot when that makes it much shorter.

use std::io;

use bytes::Bytes;
use fedlink::message::{Opaque, RecordId};

use super::Storage;

/// Below this many bytes nothing is compacted: reading them back takes no time.
const COMPACT_ABOVE: u64 = 64 << 20;

/// What a machine asks its host to store.
pub(crate) struct Record {
    pub(crate) id: RecordId,
    header: Bytes,
    payload: Bytes,
}

impl Record {
    pub(crate) fn new(id: RecordId, header: Opaque, payload: Opaque) -> Self {
        Self {
            id,
            header: header.into_bytes(),
            payload: payload.into_bytes(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.header.len() + self.payload.len()
    }
}

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

    /// Whether the next records should be written as part of a snapshot.
    pub(crate) fn is_due(&self) -> bool {
        let len = self.storage.len_bytes();
        len > COMPACT_ABOVE && len > self.snapshot_bytes.saturating_mul(2)
    }

    /// Stores `records`; if there is a `snapshot`, it holds them and takes the place of
    /// everything.
    pub(crate) fn store(
        &mut self,
        records: &[Record],
        snapshot: Option<Vec<(Bytes, Bytes)>>,
    ) -> io::Result<()> {
        if let Some(snapshot) = snapshot {
            self.storage.replace(&mut snapshot.into_iter())?;
            self.snapshot_bytes = self.storage.len_bytes();
            return Ok(());
        }
        for record in records {
            self.storage.append(&record.header, &record.payload)?;
        }
        self.storage.sync()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// As long as the test says.
    struct Fake(Arc<AtomicU64>);

    impl Storage for Fake {
        fn append(&mut self, _: &Bytes, _: &Bytes) -> io::Result<()> {
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn replace(&mut self, _: &mut dyn Iterator<Item = (Bytes, Bytes)>) -> io::Result<()> {
            Ok(())
        }

        fn len_bytes(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_storage_is_compacted_when_it_is_large_and_twice_its_last_snapshot() {
        let len = Arc::new(AtomicU64::new(COMPACT_ABOVE));
        let mut storage = Compacting::new(Box::new(Fake(Arc::clone(&len))));
        let is_due_at = |bytes, storage: &Compacting| {
            len.store(bytes, Ordering::Relaxed);
            storage.is_due()
        };
        assert!(!is_due_at(COMPACT_ABOVE, &storage));
        assert!(is_due_at(COMPACT_ABOVE + 1, &storage));
        storage.store(&[], Some(Vec::new())).unwrap();
        assert!(!is_due_at(2 * COMPACT_ABOVE + 2, &storage));
        assert!(is_due_at(2 * COMPACT_ABOVE + 3, &storage));
        storage.store(&[], None).unwrap();
        assert!(storage.is_due());
    }
}
