//! Looking at a store without changing or locking it.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Seek};
use std::path::Path;

use super::error::{Obstacle, StoreError};
use super::folder::{CURRENT, Folder, LOCK, failed, in_the_way, is_file};
use super::format::RECORDS;
use super::scan::head;
use super::{check_owner, damaged, read};

/// What there is in a directory for a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Found {
    /// Nothing: a store can be made there.
    Nothing,
    /// A store that a process uses.
    InUse,
    /// A store that can be opened.
    Store {
        /// How many records it holds.
        records: usize,
        /// The length of its file, in bytes.
        bytes: u64,
    },
}

/// Finds what opening a store in `directory` for `owner` would find, as far as that shows
/// without a change.
pub(super) fn look(directory: &Path, owner: &str) -> Result<Found, StoreError> {
    if !is_directory(directory)? {
        return Ok(Found::Nothing);
    }
    is_writable(directory)?;
    has_room(directory)?;
    let path = directory.join(CURRENT);
    let file = match is_file(&path)? {
        true => Some(File::open(&path).map_err(failed(&path))?),
        false => None,
    };
    if let Some(mut file) = file.as_ref() {
        is_writable(&path)?;
        let head = head(file).map_err(failed(&path))?;
        file.rewind().map_err(failed(&path))?;
        let length = file.metadata().map_err(failed(&path))?.len();
        if length > RECORDS as u64 {
            check_owner(directory, &head, Some(owner))?;
        }
    }
    if is_in_use(directory)? {
        return Ok(Found::InUse);
    }
    let Some(file) = file else {
        let lock = directory.join(LOCK).metadata();
        return match lock.is_ok_and(|lock| Folder::promises_store(&lock)) {
            true => Err(StoreError::Missing(path)),
            false => Ok(Found::Nothing),
        };
    };
    let read = read(&path, &file);
    // A process that has begun meanwhile may have changed what was read.
    if is_in_use(directory)? {
        return Ok(Found::InUse);
    }
    let scanned = read?;
    match scanned.promised {
        Ok(_) => Ok(Found::Store {
            records: scanned.records.len(),
            bytes: scanned.content.len() as u64,
        }),
        Err(problem) => Err(damaged(&path, problem, scanned.records.len())),
    }
}

/// Whether there is this directory; an error if it is not one, or if it could not be made.
fn is_directory(path: &Path) -> Result<bool, StoreError> {
    match path.metadata() {
        Ok(found) if found.is_dir() => return Ok(true),
        Ok(_) => return Err(in_the_way(path, Obstacle::File)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
        Err(error) => return Err(failed(path)(error)),
    }
    if path.is_symlink() {
        return Err(in_the_way(path, Obstacle::DanglingLink));
    }
    let parent = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Err(failed(path)(ErrorKind::NotFound.into())),
    };
    if is_directory(parent)? {
        is_writable(parent)?;
    }
    Ok(false)
}

/// Whether a process has the store for itself. Nobody is kept from it for longer than it takes
/// to ask.
fn is_in_use(directory: &Path) -> Result<bool, StoreError> {
    let path = directory.join(LOCK);
    if !is_file(&path)? {
        return Ok(false);
    }
    is_writable(&path)?;
    let lock = File::open(&path).map_err(failed(&path))?;
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(source)) => Err(failed(&path)(source)),
    }
}

/// Less than this free on its disk, in bytes, and a store soon fails: a record is at most a
/// little longer than a message, of 2 MiB.
#[cfg(unix)]
const LEAST_FREE: u64 = 4 << 20;

/// An error unless there is room for a record.
#[cfg(unix)]
fn has_room(directory: &Path) -> Result<(), StoreError> {
    // Who cannot be told of it has no less room for that.
    let Ok(disk) = rustix::fs::statvfs(directory) else {
        return Ok(());
    };
    match disk.f_blocks > 0 && disk.f_bavail.saturating_mul(disk.f_frsize) < LEAST_FREE {
        true => Err(failed(directory)(ErrorKind::StorageFull.into())),
        false => Ok(()),
    }
}

#[cfg(not(unix))]
fn has_room(_: &Path) -> Result<(), StoreError> {
    Ok(())
}

/// An error unless this process may write there.
fn is_writable(path: &Path) -> Result<(), StoreError> {
    let writable = access(path);
    writable.map_err(failed(path))
}

#[cfg(unix)]
fn access(path: &Path) -> io::Result<()> {
    use rustix::fs::Access;

    let mut wanted = Access::READ_OK | Access::WRITE_OK;
    if path.is_dir() {
        wanted |= Access::EXEC_OK;
    }
    Ok(rustix::fs::access(path, wanted)?)
}

/// Only a try would tell.
#[cfg(not(unix))]
fn access(_: &Path) -> io::Result<()> {
    Ok(())
}
