//! What can go wrong with a store.

use std::io;
use std::path::PathBuf;

/// Why a store cannot be opened or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process uses the directory.
    #[error("{} is in use by another process: stop it, or give this one a directory of its own", .0.display())]
    Locked(PathBuf),
    /// Something that was stored cannot be read.
    #[error(
        "{}: {problem}: restore the file from a copy, or move it away to begin again without what it held",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        problem: Damage,
    },
    /// A write failed before, and nothing is known about the file since.
    #[error("an earlier write to {} failed: open the store again", .0.display())]
    FailedBefore(PathBuf),
    /// The system failed to read or write.
    #[error("{}: {source}: check the disk's space and permissions, then open the store again", .path.display())]
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
    #[error("this is no store of fedlink's")]
    Foreign,
    /// The file was written by a version that this one does not know.
    #[error("this store is of version {0}, which this program does not know")]
    Version(u8),
    /// The beginning of the file is damaged.
    #[error("the header of the store is damaged")]
    Header,
    /// A record that was stored is damaged.
    #[error("the record at byte {0} is damaged, and records behind it are not")]
    Record(u64),
    /// The file has lost its end.
    #[error("the store ends at byte {found}, but {promised} bytes were stored")]
    Short {
        /// How long it must be.
        promised: u64,
        /// How long it is.
        found: u64,
    },
}
