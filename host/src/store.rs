//! A file that keeps records: what a machine gives out as `Persist`.
//!
//! Records are opaque bytes. They are appended, become durable together with
//! [`sync`](FileStore::sync), and come back in order from [`open`](FileStore::open). When
//! most of them no longer matter, [`replace`](FileStore::replace) begins a new file with
//! those that do.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! use fedlink_host::store::FileStore;
//!
//! let (mut store, records) = FileStore::open(folder.path())?;
//! assert!(records.is_empty());
//! store.append(&[b"a header", b"a payload"])?;
//! store.append(&[b"another"])?;
//! store.sync()?; // from here on, both outlive a crash
//! drop(store);
//!
//! let (_, records) = FileStore::open(folder.path())?;
//! assert_eq!(records, ["a headera payload", "another"]);
//! # Ok(()) }
//! ```

mod error;
mod format;

pub use error::StoreError;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use format::{FileHeader, RecordHeader};

/// Records in a directory that one process at a time may use.
#[derive(Debug)]
pub struct FileStore {
    directory: PathBuf,
    log: Log,
    /// Set when a write failed: what the file holds from then on is unknown.
    failed: bool,
    /// Holds the lock for as long as it is open.
    _lock: File,
}

impl FileStore {
    /// Opens the store in `directory`, which is made if it does not exist, and gives the
    /// records that are in it, the oldest first.
    ///
    /// A crash may leave the end of the file incomplete. Records that were never synced may
    /// be missing from there; that is traced as a warning. The memory of all records is
    /// freed when the last of them is dropped.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] if another process uses the directory,
    /// [`StoreError::Damaged`] if a record that was synced cannot be read.
    pub fn open(directory: &Path) -> Result<(Self, Vec<Bytes>), StoreError> {
        make_directory(directory).map_err(failed(directory))?;
        let lock = lock(directory)?;
        let path = directory.join(CURRENT);
        if !path.exists() {
            Log::create(directory)?;
        }
        let content = Bytes::from(fs::read(&path).map_err(failed(&path))?);
        let length = content.len() as u64;
        let scanned = format::scan(&content).map_err(|problem| StoreError::Damaged {
            path: path.clone(),
            problem,
        })?;
        let log = Log::open(&path, scanned.header, scanned.end)?;
        if scanned.end < length {
            tracing::warn!(
                file = %path.display(),
                bytes = length - scanned.end,
                "dropped the incomplete end of the store; it was never reported as stored"
            );
        }
        let store = Self {
            directory: directory.to_owned(),
            log,
            failed: false,
            _lock: lock,
        };
        Ok((store, scanned.records))
    }

    /// Appends one record that consists of `parts`. It is durable after the next
    /// [`sync`](Self::sync).
    ///
    /// # Errors
    ///
    /// Afterwards the store refuses everything but [`replace`](Self::replace): open it
    /// again.
    pub fn append(&mut self, parts: &[&[u8]]) -> Result<(), StoreError> {
        self.check()?;
        let result = self.log.append(parts);
        self.failed = result.is_err();
        result
    }

    /// Makes all that was appended durable. One call for many records costs as much as for
    /// one.
    ///
    /// # Errors
    ///
    /// Afterwards nothing is known about records since the last success. The store refuses
    /// everything but [`replace`](Self::replace): open it again.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.check()?;
        let result = self.log.sync();
        self.failed = result.is_err();
        result
    }

    /// Puts `records`, each in parts, in the place of all that the store holds, durably and
    /// all at once: after a crash there are either the old records or the new ones.
    ///
    /// # Errors
    ///
    /// The store goes on with the old records, except if it cannot be told which of the two
    /// a crash would leave; then it refuses everything else.
    pub fn replace<const PARTS: usize>(
        &mut self,
        records: impl IntoIterator<Item = [impl AsRef<[u8]>; PARTS]>,
    ) -> Result<(), StoreError> {
        let mut next = Log::write(&self.directory, records)?;
        self.failed = true;
        next.put_in_place(&self.directory)?;
        self.log = next;
        self.failed = false;
        Ok(())
    }

    /// The length of the file, in bytes, with what was appended and not yet synced.
    pub fn len_bytes(&self) -> u64 {
        self.log.length
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.failed {
            Err(StoreError::FailedBefore(self.directory.clone()))
        } else {
            Ok(())
        }
    }
}

/// The file that records are read from.
const CURRENT: &str = "records";
/// The file that is to take its place.
const NEXT: &str = "records.next";
/// The file that stands for the directory when it is locked.
const LOCK: &str = "lock";

/// A file of records that is open for appending.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: BufWriter<File>,
    header: FileHeader,
    length: u64,
    durable: u64,
}

impl Log {
    /// A new file without records, in place and durable.
    fn create(directory: &Path) -> Result<Self, StoreError> {
        let mut log = Self::write(directory, [[b""; 0]; 0])?;
        log.put_in_place(directory)?;
        Ok(log)
    }

    /// A new file with these records, durable under its temporary name.
    fn write<const PARTS: usize>(
        directory: &Path,
        records: impl IntoIterator<Item = [impl AsRef<[u8]>; PARTS]>,
    ) -> Result<Self, StoreError> {
        let path = directory.join(NEXT);
        let file = options()
            .create(true)
            .truncate(true)
            .open(&path)
            .map_err(failed(&path))?;
        let header = FileHeader::new();
        let mut log = Self {
            path,
            file: BufWriter::new(file),
            header,
            length: 0,
            durable: 0,
        };
        log.write_header()?;
        for record in records {
            log.append(&record.each_ref().map(AsRef::as_ref))?;
        }
        // Nobody sees the file before all of it is durable, so all of it is promised.
        log.header.durable = log.length;
        log.file
            .seek(SeekFrom::Start(0))
            .map_err(failed(&log.path))?;
        let length = log.length;
        log.write_header()?;
        log.file
            .seek(SeekFrom::Start(length))
            .map_err(failed(&log.path))?;
        log.length = length;
        log.sync()?;
        Ok(log)
    }

    /// Opens a file to go on at `end`, and cuts off what is behind it.
    fn open(path: &Path, header: FileHeader, end: u64) -> Result<Self, StoreError> {
        let mut file = options().open(path).map_err(failed(path))?;
        file.set_len(end)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .map_err(failed(path))?;
        let mut log = Self {
            path: path.to_owned(),
            file: BufWriter::new(file),
            header,
            length: end,
            durable: 0,
        };
        // What was read counts as stored from now on, so it must not vanish again.
        log.sync()?;
        Ok(log)
    }

    fn put_in_place(&mut self, directory: &Path) -> Result<(), StoreError> {
        let path = directory.join(CURRENT);
        fs::rename(&self.path, &path)
            .and_then(|()| sync_directory(directory))
            .map_err(failed(&path))?;
        self.path = path;
        Ok(())
    }

    fn write_header(&mut self) -> Result<(), StoreError> {
        let encoded = self.header.encode();
        self.file.write_all(&encoded).map_err(failed(&self.path))?;
        self.length = encoded.len() as u64;
        Ok(())
    }

    fn append(&mut self, parts: &[&[u8]]) -> Result<(), StoreError> {
        let header = RecordHeader::of(parts, self.durable);
        let encoded = header.encode(&self.header);
        for part in [&encoded[..]].iter().chain(parts) {
            self.file.write_all(part).map_err(failed(&self.path))?;
            self.length += part.len() as u64;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.file
            .flush()
            .and_then(|()| self.file.get_ref().sync_data())
            .map_err(failed(&self.path))?;
        self.durable = self.length;
        Ok(())
    }
}

fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join(LOCK);
    let file = options()
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(&path)(source)),
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> StoreError + '_ {
    |source| StoreError::Io {
        path: path.to_owned(),
        source,
    }
}

/// For files that only their owner can read: records hold tokens and results.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes a directory that only its owner can look into, and its name durable.
fn make_directory(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    let parent = match directory.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(io::ErrorKind::NotADirectory.into()),
    };
    make_directory(parent)?;
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)?;
    sync_directory(parent)
}

/// Makes the names in a directory durable.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Elsewhere directories cannot be opened, and renaming is as durable as it gets.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
