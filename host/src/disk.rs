//! Remedies for errors of the file system.

use std::io;

/// What to do about an error of the system at a file or folder.
#[must_use]
pub fn disk_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "free space there"
        }
        io::ErrorKind::NotFound => "correct the path",
        io::ErrorKind::ReadOnlyFilesystem => "mount it for writing",
        io::ErrorKind::PermissionDenied => "let the user of this process read and write there",
        io::ErrorKind::OutOfMemory => "give this process more memory",
        _ => "check the disk",
    }
}
