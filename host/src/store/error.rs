//! Errors of the file store.

use std::io;
use std::path::PathBuf;

use crate::disk::disk_remedy;

/// Why a store cannot be opened or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process uses the directory.
    #[error("{} is in use by another process: stop it, or give this one a directory of its own", .0.display())]
    Locked(PathBuf),
    /// The file is gone, and the directory says that it was there.
    #[error(
        "{} is gone, although a store was made there: restore it from a copy, or repair the store, which begins again without what it held",
        .0.display()
    )]
    Missing(PathBuf),
    /// Something that was stored cannot be read. Nothing was changed.
    ///
    /// Not an error of this kind is a record that was never reported as stored: it is what
    /// a crash leaves, and is set aside.
    #[error(
        "{}: {problem}: restore the file from a copy, or repair the store, which sets the file aside and goes on with the {readable} records before the damage",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        problem: Damage,
        /// How many records are whole before that.
        readable: usize,
    },
    /// The file was written by a program that has another form for its bytes. Nothing was
    /// changed.
    #[error(
        "{} is a store of version {found}, and this program reads version {known} alone: go on with the program that wrote it, or move the file and `lock` beside it to another directory to begin again without what it holds",
        .path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that it is of.
        found: u8,
        /// The version that this program reads and writes.
        known: u8,
    },
    /// The records are somebody else's. Nothing was changed.
    #[error(
        "{} holds the records of {found}, and this is {wanted}: give each a directory of its own (`files.state` in fedlink.toml, --state for NVFlare), or move this one away if nobody needs what it holds",
        .path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Whose they are.
        found: String,
        /// Who wants to use them.
        wanted: String,
    },
    /// Something else has a name that the store needs. Nothing was changed.
    #[error("{} {obstacle}", .path.display())]
    InTheWay {
        /// The name.
        path: PathBuf,
        /// What has it.
        obstacle: Obstacle,
    },
    /// What is written goes to a file that has the name no more.
    #[error(
        "{} was moved, removed or replaced while this process writes to it, so that nothing is stored there any more: put the file back if there is one, then open the store again",
        .0.display()
    )]
    Moved(PathBuf),
    /// A write failed before, and nothing is known about the file since.
    #[error("an earlier write to {} failed: open the store again", .0.display())]
    FailedBefore(PathBuf),
    /// The system failed to read or write.
    #[error("{}: {source}: {}, then open the store again", .path.display(), disk_remedy(source))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// What is wrong with the content of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The file does not begin as a store does.
    #[error("this does not begin as a store of fedlink's")]
    Foreign,
    /// Neither of the two headers is whole.
    #[error("both headers of the store are damaged")]
    Headers,
    /// A record that was stored is damaged.
    #[error("the record at byte {0} was stored and is damaged")]
    Record(u64),
    /// One of the two headers is damaged, and a record of which it would tell whether it
    /// was stored.
    #[error("a header of the store is damaged, and so is the record at byte {0}")]
    HeaderAndRecord(u64),
    /// The file has lost its end.
    #[error("the store ends at byte {found}, but {promised} bytes were stored")]
    Short {
        /// How long it must be.
        promised: u64,
        /// How long it is.
        found: u64,
    },
}

/// What stands where a file or a directory of the store has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// A link in the place of a file. The store replaces its files by renaming, which would
    /// replace the link and not what it points to.
    #[error(
        "is a link, and the store needs a file there: move what it points to into its place, or let the whole directory be a link"
    )]
    Link,
    /// A link in the place of the directory that points to nothing.
    #[error("is a link to what does not exist: mount or make what it points to")]
    DanglingLink,
    /// A file that is mounted, as containers do. Nothing can be renamed to its name.
    #[error(
        "is mounted or otherwise in use, so that it cannot be replaced: mount the whole directory instead"
    )]
    Busy,
    /// A file in the place of the directory.
    #[error(
        "is a file, and the store needs a directory there: move it away, or name another directory"
    )]
    File,
    /// Anything else in the place of a file.
    #[error("is not a file, and the store needs one there: move it away")]
    NotAFile,
}
