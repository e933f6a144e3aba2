//! Storage of a machine's records, so that they outlive its process.

mod compacting;
mod memory;

use std::io;

use bytes::Bytes;

use crate::store::FileStore;

pub(crate) use compacting::{Compacting, Record};
pub use memory::MemoryStorage;

/// A list of records that only grows, until it is replaced by a shorter one.
///
/// The hosts write each record that a machine asks to [`Persist`] with
/// [`append`](Self::append), call [`sync`](Self::sync) once for all that came together,
/// and only then tell the machine. They call from a thread that may block.
///
/// [`Persist`]: fedlink::ClientAction::Persist
pub trait Storage: Send {
    /// Adds one record: the bytes of `header`, then those of `payload`.
    ///
    /// # Errors
    /// When it cannot be written. The host stops.
    fn append(&mut self, header: &Bytes, payload: &Bytes) -> io::Result<()>;

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
    fn append(&mut self, header: &Bytes, payload: &Bytes) -> io::Result<()> {
        self.append(&[header, payload]).map_err(io::Error::other)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync().map_err(io::Error::other)
    }

    fn replace(&mut self, records: &mut dyn Iterator<Item = (Bytes, Bytes)>) -> io::Result<()> {
        let records = records.map(|(header, payload)| [header, payload]);
        self.replace(records).map_err(io::Error::other)
    }

    fn len_bytes(&self) -> u64 {
        self.len_bytes()
    }
}
