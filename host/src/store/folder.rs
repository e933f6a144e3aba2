//! The directory of a store: its file names, and its lock.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::error::{Obstacle, StoreError};

/// The file that records are read from.
pub(super) const CURRENT: &str = "records";
/// The file that is to take its place.
pub(super) const NEXT: &str = "records.next";
/// What is cut from the file is kept under this name with a number behind it.
pub(super) const ASIDE: &str = "records.set-aside-";
/// The file that stands for the directory when it is locked. It is empty until there is a
/// store.
pub(super) const LOCK: &str = "lock";

const STORE_WAS_MADE: &[u8] =
    b"A store was made in this directory. If `records` is gone, it has been lost.\n";

/// Bytes that a store has cut from its file and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetAside {
    /// Where they are. The store never looks at them again.
    pub path: PathBuf,
    /// Where in the store's file they began.
    pub from: u64,
    /// How many they are.
    pub bytes: u64,
}

impl SetAside {
    fn new(path: PathBuf, from: u64, bytes: &[u8]) -> Self {
        Self {
            path,
            from,
            bytes: bytes.len() as u64,
        }
    }
}

/// A directory that this process has for itself.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Holds the lock for as long as it is open.
    lock: File,
}

impl Folder {
    /// Makes it if it does not exist, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        make_directory(path)?;
        let lock_path = path.join(LOCK);
        is_file(&lock_path)?;
        let lock = options()
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(failed(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                lock,
            }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(&lock_path)(source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn current_path(&self) -> PathBuf {
        self.path.join(CURRENT)
    }

    /// The file that records are read from; `None` if there was never a store here.
    pub(super) fn current(&self) -> Result<Option<File>, StoreError> {
        let path = self.current_path();
        if is_file(&path)? {
            let file = options().read(true).open(&path).map_err(failed(&path))?;
            Ok(Some(file))
        } else if self.store_was_made()? {
            Err(StoreError::Missing(path))
        } else {
            Ok(None)
        }
    }

    pub(super) fn next_path(&self) -> PathBuf {
        self.path.join(NEXT)
    }

    /// An empty file that may take the place of the current one.
    pub(super) fn next(&self) -> Result<File, StoreError> {
        let path = self.next_path();
        if is_file(&path)? {
            // What a crash left of the next one, which has never been the current one.
            fs::remove_file(&path).map_err(in_place(&path))?;
        }
        options()
            .create_new(true)
            .open(&path)
            .map_err(failed(&path))
    }

    /// Puts the next file in the place of the current one, durably.
    pub(super) fn put_in_place(&self) -> Result<(), StoreError> {
        let path = self.current_path();
        is_file(&path)?;
        fs::rename(self.next_path(), &path).map_err(in_place(&path))?;
        self.sync()?;
        self.promise_store()
    }

    /// Makes the names in the directory durable, and that there is a store.
    pub(super) fn promise_current(&self) -> Result<(), StoreError> {
        self.sync()?;
        self.promise_store()
    }

    /// Keeps a copy of bytes that are at `from` of the current file, durably, under a name
    /// that nothing has; or leaves it at the latest copy, if that is one of the same bytes:
    /// what follows may fail again and again, and must not fill the disk with copies.
    pub(super) fn set_aside(&self, bytes: &[u8], from: u64) -> Result<SetAside, StoreError> {
        if let Some(path) = self.latest_aside_with(bytes)? {
            return Ok(SetAside::new(path, from, bytes));
        }
        let (path, mut file) = self.free_name(|path| options().create_new(true).open(path))?;
        if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_all()) {
            // Part of a copy is of no use, and would take space each time that this fails.
            let _ = fs::remove_file(&path);
            return Err(failed(&path)(error));
        }
        self.sync()?;
        Ok(SetAside::new(path, from, bytes))
    }

    /// Keeps the whole current file, which has this content, like that. It must be replaced
    /// and not be written to from now on.
    pub(super) fn set_aside_whole(
        &self,
        file: &File,
        content: &[u8],
    ) -> Result<SetAside, StoreError> {
        if let Some(path) = self.latest_aside_with(content)? {
            return Ok(SetAside::new(path, 0, content));
        }
        let current = self.current_path();
        let Ok((path, ())) = self.free_name(|path| fs::hard_link(&current, path)) else {
            // Not every file system can give a file two names.
            return self.set_aside(content, 0);
        };
        file.sync_all().map_err(failed(&path))?;
        self.sync()?;
        Ok(SetAside::new(path, 0, content))
    }

    /// The file that was set aside last, if it holds these bytes.
    fn latest_aside_with(&self, bytes: &[u8]) -> Result<Option<PathBuf>, StoreError> {
        let names = (1_u64..).map(|number| self.aside_path(number));
        let Some(latest) = names
            .take_while(|path| path.symlink_metadata().is_ok())
            .last()
        else {
            return Ok(None);
        };
        if !is_file(&latest).unwrap_or(false) {
            return Ok(None);
        }
        let read = || {
            let mut file = options().read(true).open(&latest)?;
            if file.metadata()?.len() != bytes.len() as u64 || !same(&mut file, bytes)? {
                return Ok(None);
            }
            file.sync_all()?;
            Ok(Some(latest.clone()))
        };
        read().map_err(failed(&latest))
    }

    fn aside_path(&self, number: u64) -> PathBuf {
        self.path.join(format!("{ASIDE}{number}"))
    }

    /// Makes something under the first name for what is set aside that nothing has.
    fn free_name<T>(
        &self,
        make: impl Fn(&Path) -> io::Result<T>,
    ) -> Result<(PathBuf, T), StoreError> {
        let mut number = 1_u64;
        loop {
            let path = self.aside_path(number);
            match make(&path) {
                Ok(made) => return Ok((path, made)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(failed(&path)(error)),
            }
        }
    }

    /// Makes the names in the directory durable.
    fn sync(&self) -> Result<(), StoreError> {
        sync_directory(&self.path).map_err(failed(&self.path))
    }

    fn store_was_made(&self) -> Result<bool, StoreError> {
        let lock = self.lock.metadata();
        let lock = lock.map_err(failed(&self.path.join(LOCK)))?;
        Ok(Self::promises_store(&lock))
    }

    /// Whether the lock's file says that there must be a current file.
    pub(super) fn promises_store(lock: &Metadata) -> bool {
        lock.len() > 0
    }

    /// Lets the lock's file say, from now on, that there must be a current file.
    fn promise_store(&self) -> Result<(), StoreError> {
        if self.store_was_made()? {
            return Ok(());
        }
        let path = self.path.join(LOCK);
        (&self.lock)
            .write_all(STORE_WAS_MADE)
            .and_then(|()| self.lock.sync_all())
            .map_err(failed(&path))
    }
}

/// Whether a file goes on with these bytes.
fn same(file: &mut File, bytes: &[u8]) -> io::Result<bool> {
    let mut piece = [0; 1 << 14];
    for expected in bytes.chunks(piece.len()) {
        let piece = &mut piece[..expected.len()];
        file.read_exact(piece)?;
        if piece != expected {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn failed(path: &Path) -> impl Fn(io::Error) -> StoreError + '_ {
    |source| StoreError::Io {
        path: path.to_owned(),
        source,
    }
}

/// For an error about the place that a name has.
pub(super) fn in_place(path: &Path) -> impl Fn(io::Error) -> StoreError + '_ {
    |source| match source.kind() {
        ErrorKind::ResourceBusy => in_the_way(path, Obstacle::Busy),
        _ => failed(path)(source),
    }
}

pub(super) fn in_the_way(path: &Path, obstacle: Obstacle) -> StoreError {
    StoreError::InTheWay {
        path: path.to_owned(),
        obstacle,
    }
}

/// Whether there is a file of this name itself; an error if there is something else, or if
/// that cannot be told.
pub(super) fn is_file(path: &Path) -> Result<bool, StoreError> {
    match path.symlink_metadata() {
        Ok(found) if found.is_file() => Ok(true),
        Ok(found) if found.is_symlink() => Err(in_the_way(path, Obstacle::Link)),
        Ok(_) => Err(in_the_way(path, Obstacle::NotAFile)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(path)(error)),
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
fn make_directory(path: &Path) -> Result<(), StoreError> {
    match path.metadata() {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => return Err(in_the_way(path, Obstacle::File)),
        // The second is told of the parent that is not a directory.
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
    make_directory(parent)?;
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        // Another process was faster; the lock decides whose it is.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made.map_err(failed(path))?,
    }
    sync_directory(parent).map_err(failed(parent))
}

/// Makes the names in a directory durable.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere directories cannot be opened, and renaming is as durable as it gets.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
