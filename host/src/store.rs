//! The file store: a directory that keeps the records of one machine.
//!
//! Records are opaque bytes. They are appended, become durable together with
//! [`sync`](FileStore::sync), and come back in order from [`open`](FileStore::open). When
//! most of them no longer matter, [`replace`](FileStore::replace) begins a new file with
//! those that do.
//!
//! What was synced is never lost in silence. A record that was synced and cannot be read is
//! [`StoreError::Damaged`]; only what was never synced may be missing after a crash, and
//! what is left of it is kept in a file of its own ([`FileStore::set_aside`]).
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
mod folder;
mod format;
mod log;
mod look;
mod scan;

pub use error::{Damage, Obstacle, StoreError};
pub use folder::SetAside;
pub use look::Found;

use std::fs::File;
use std::path::Path;

use bytes::Bytes;

use folder::{Folder, failed};
use format::{Headers, RECORDS};
use log::Log;
use scan::{Progress, Scanned, Unread, scan};

/// Records in a directory that one process at a time may use.
#[derive(Debug)]
pub struct FileStore {
    folder: Folder,
    log: Log,
    /// Whose records these are, if that is known.
    owner: Option<String>,
    /// Set when a write failed: what the file holds from then on is unknown.
    failed: bool,
    set_aside: Option<SetAside>,
}

impl FileStore {
    /// Opens the store in `directory`, which is made if it does not exist, and returns the
    /// records that are in it, the oldest first.
    ///
    /// A crash may leave the end of the file incomplete. Records that were never synced may
    /// be missing from there; what is left of them is [set aside](Self::set_aside), which is
    /// traced as a warning. A file that takes more than two seconds to read is traced about
    /// as information. The memory of all records is freed when the last of them is dropped.
    ///
    /// # Errors
    ///
    /// - [`StoreError::Locked`] if another process uses the directory,
    /// - [`StoreError::Damaged`] if a record that was synced cannot be read,
    /// - [`StoreError::Missing`] if the file of a store that was made here is gone,
    /// - [`StoreError::Version`] if a program with another form for stores has written it,
    /// - [`StoreError::InTheWay`] if something else has a name that the store needs,
    /// - [`StoreError::Io`] if the system fails to read or write.
    ///
    /// None of them loses a byte. Only an error of the system can come when the incomplete
    /// end has been set aside already.
    pub fn open(directory: &Path) -> Result<(Self, Vec<Bytes>), StoreError> {
        Self::open_as(directory, None)
    }

    /// As [`open`](Self::open), for records of `owner` alone: any text that tells whoever may
    /// use them, such as name, role and project. A store of which nobody has said whose it is
    /// becomes this owner's when it is next [replaced](Self::replace).
    ///
    /// # Errors
    ///
    /// Those of `open`, and [`StoreError::Foreign`] if the records are another owner's.
    pub fn open_for(directory: &Path, owner: &str) -> Result<(Self, Vec<Bytes>), StoreError> {
        Self::open_as(directory, Some(owner))
    }

    /// Finds what [`open_for`](Self::open_for) would find, without a change to anything: a
    /// process that uses the store, or is about to, is not disturbed.
    ///
    /// # Errors
    ///
    /// As `open_for`, except [`StoreError::Locked`], which is [`Found::InUse`].
    pub fn look(directory: &Path, owner: &str) -> Result<Found, StoreError> {
        look::look(directory, owner)
    }

    fn open_as(directory: &Path, owner: Option<&str>) -> Result<(Self, Vec<Bytes>), StoreError> {
        let folder = Folder::open(directory)?;
        let Some(file) = folder.current()? else {
            return Self::begin(folder, owner);
        };
        let path = folder.current_path();
        let scanned = read(&path, &file)?;
        if is_of_another(&scanned.content, owner) && scanned.content.len() <= RECORDS {
            // Nothing was ever stored: it was begun under a name that was corrected since.
            return Self::begin(folder, owner);
        }
        let owner = check_owner(folder.path(), &scanned.content, owner)?;
        match scanned.promised {
            Ok(headers) => Self::resume(folder, file, headers, owner, scanned),
            Err(problem) => Err(damaged(&path, problem, scanned.records.len())),
        }
    }

    /// Opens a store of which [`open`](Self::open) says that it is
    /// [damaged](StoreError::Damaged) or [missing](StoreError::Missing), with the records
    /// before the damage. The whole damaged file is [set aside](Self::set_aside) first.
    ///
    /// Records that were reported as stored are lost by this: what the machine promised by
    /// them, it breaks. A store that is neither damaged nor missing is opened as always.
    ///
    /// # Errors
    ///
    /// Those of `open` except these two.
    pub fn repair(directory: &Path) -> Result<(Self, Vec<Bytes>), StoreError> {
        Self::repair_as(directory, None)
    }

    /// As [`repair`](Self::repair), for records of `owner` alone.
    ///
    /// # Errors
    ///
    /// Those of [`open_for`](Self::open_for) except the two that it mends.
    pub fn repair_for(directory: &Path, owner: &str) -> Result<(Self, Vec<Bytes>), StoreError> {
        Self::repair_as(directory, Some(owner))
    }

    fn repair_as(directory: &Path, owner: Option<&str>) -> Result<(Self, Vec<Bytes>), StoreError> {
        let folder = Folder::open(directory)?;
        let file = match folder.current() {
            Err(StoreError::Missing(path)) => {
                tracing::warn!(file = %path.display(), "the store was gone; it begins again, empty");
                None
            }
            found => found?,
        };
        let Some(file) = file else {
            return Self::begin(folder, owner);
        };
        let scanned = read(&folder.current_path(), &file)?;
        let owner = check_owner(folder.path(), &scanned.content, owner)?;
        let problem = match scanned.promised.clone() {
            Ok(headers) => return Self::resume(folder, file, headers, owner, scanned),
            Err(problem) => problem,
        };
        let (store, records) = Self::rewrite(folder, &file, owner, scanned)?;
        if let Some(set_aside) = &store.set_aside {
            tracing::warn!(
                file = %store.folder.current_path().display(),
                %problem,
                records = records.len(),
                set_aside = %set_aside.path.display(),
                "repaired the store; records behind the damage are in the file set aside"
            );
        }
        Ok((store, records))
    }

    /// What opening this store has cut from its file: the remains of records that were never
    /// reported as stored; or the whole file as it was, after a [repair](Self::repair) and
    /// if it had fewer whole records than remains. Nothing reads or removes it later; remove
    /// it when you no longer want to look at it.
    #[must_use]
    pub fn set_aside(&self) -> Option<&SetAside> {
        self.set_aside.as_ref()
    }

    /// Appends one record that consists of `parts`. It is durable after the next
    /// [`sync`](Self::sync).
    ///
    /// # Errors
    ///
    /// Afterwards the store refuses everything but [`replace`](Self::replace): open it
    /// again.
    pub fn append(&mut self, parts: &[&[u8]]) -> Result<(), StoreError> {
        self.change(|log| log.append(parts))
    }

    /// Makes all that was appended durable. One call for many records costs as much as for
    /// one: two writes that the disk has to confirm, one after the other.
    ///
    /// # Errors
    ///
    /// Afterwards nothing is known about records since the last success. The store refuses
    /// everything but [`replace`](Self::replace): open it again.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.change(Log::sync)?;
        // A file without its name is written to as well as any other.
        let is_there = self.log.is_at(&self.folder.current_path());
        self.failed = !is_there;
        match is_there {
            true => Ok(()),
            false => Err(StoreError::Moved(self.folder.current_path())),
        }
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
        let next = Self::write(&self.folder, self.owner.as_deref(), records)?;
        match self.folder.put_in_place() {
            Ok(()) => {
                self.log = next;
                self.failed = false;
                Ok(())
            }
            // The name is still the old file's.
            Err(error @ StoreError::InTheWay { .. }) => Err(error),
            Err(error) => {
                self.failed = true;
                Err(error)
            }
        }
    }

    /// The length of the file, in bytes, with what was appended and not yet synced.
    pub fn len_bytes(&self) -> u64 {
        self.log.length()
    }

    fn new(folder: Folder, log: Log, owner: Option<String>, set_aside: Option<SetAside>) -> Self {
        Self {
            folder,
            log,
            owner,
            failed: false,
            set_aside,
        }
    }

    /// A store without records.
    fn begin(folder: Folder, owner: Option<&str>) -> Result<(Self, Vec<Bytes>), StoreError> {
        let log = Self::write(&folder, owner, [[b""; 0]; 0])?;
        folder.put_in_place()?;
        let owner = owner.map(str::to_owned);
        Ok((Self::new(folder, log, owner, None), Vec::new()))
    }

    /// A store with what was read, which has no damage.
    fn resume(
        folder: Folder,
        file: File,
        headers: Headers,
        owner: Option<String>,
        scanned: Scanned,
    ) -> Result<(Self, Vec<Bytes>), StoreError> {
        let left = scanned.content.len() - scanned.end;
        let (store, records) = if left > scanned.end {
            Self::rewrite(folder, &file, owner, scanned)?
        } else {
            Self::cut(folder, file, headers, owner, scanned)?
        };
        if let Some(set_aside) = &store.set_aside {
            tracing::warn!(
                file = %store.folder.current_path().display(),
                bytes = left,
                set_aside = %set_aside.path.display(),
                "a crash left the end of the store incomplete; it was never reported as stored, and is kept in a file of its own, which may be removed"
            );
        }
        Ok((store, records))
    }

    /// Sets the incomplete end of the file aside, and goes on with the rest.
    fn cut(
        folder: Folder,
        file: File,
        headers: Headers,
        owner: Option<String>,
        scanned: Scanned,
    ) -> Result<(Self, Vec<Bytes>), StoreError> {
        let left = &scanned.content[scanned.end..];
        let set_aside = if left.is_empty() {
            None
        } else {
            Some(folder.set_aside(left, scanned.end as u64)?)
        };
        let log = Log::resume(file, headers, &scanned).map_err(failed(&folder.current_path()))?;
        folder.promise_current()?;
        Ok((Self::new(folder, log, owner, set_aside), scanned.records))
    }

    /// Sets the whole file aside, and goes on with another one of its whole records. That
    /// takes no more space than they do.
    fn rewrite(
        folder: Folder,
        file: &File,
        owner: Option<String>,
        scanned: Scanned,
    ) -> Result<(Self, Vec<Bytes>), StoreError> {
        let set_aside = folder.set_aside_whole(file, &scanned.content)?;
        let records = scanned.records.iter().map(|record| [record]);
        let log = Self::write(&folder, owner.as_deref(), records)?;
        folder.put_in_place()?;
        let store = Self::new(folder, log, owner, Some(set_aside));
        Ok((store, scanned.records))
    }

    /// The next file with these records, durable under its temporary name.
    fn write<const PARTS: usize>(
        folder: &Folder,
        owner: Option<&str>,
        records: impl IntoIterator<Item = [impl AsRef<[u8]>; PARTS]>,
    ) -> Result<Log, StoreError> {
        Log::write(folder.next()?, owner, records).map_err(failed(&folder.next_path()))
    }

    fn change(
        &mut self,
        change: impl FnOnce(&mut Log) -> std::io::Result<()>,
    ) -> Result<(), StoreError> {
        if self.failed {
            return Err(StoreError::FailedBefore(self.folder.path().to_owned()));
        }
        let result = change(&mut self.log);
        self.failed = result.is_err();
        result.map_err(failed(&self.folder.current_path()))
    }
}

fn read(path: &Path, file: &File) -> Result<Scanned, StoreError> {
    let length = file.metadata().map_err(failed(path))?.len();
    let scanned = scan(file, length, &mut Progress::new(path, length));
    scanned.map_err(|error| match error {
        Unread::Io(source) => failed(path)(source),
        Unread::Version(found) => StoreError::Version {
            path: path.to_owned(),
            found,
            known: format::VERSION,
        },
    })
}

/// Whether a file says that its records are those of another owner than the one that is wanted.
fn is_of_another(file: &[u8], wanted: Option<&str>) -> bool {
    let wanted = wanted.map(format::cut);
    format::owner(file).is_some_and(|found| wanted.is_some_and(|wanted| found != wanted))
}

/// Whose the records in `directory` are from now on, by their file and who wants them.
fn check_owner(
    directory: &Path,
    file: &[u8],
    wanted: Option<&str>,
) -> Result<Option<String>, StoreError> {
    let found = format::owner(file);
    let wanted = wanted.map(|wanted| format::cut(wanted).to_owned());
    match (found, wanted) {
        (Some(found), Some(wanted)) if found != wanted => Err(StoreError::Foreign {
            path: directory.to_owned(),
            found,
            wanted,
        }),
        (found, wanted) => Ok(found.or(wanted)),
    }
}

fn damaged(path: &Path, problem: Damage, readable: usize) -> StoreError {
    StoreError::Damaged {
        path: path.to_owned(),
        problem,
        readable,
    }
}

#[cfg(test)]
mod tests;
