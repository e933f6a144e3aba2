//! Small files with certificates, keys and settings: read whole, and told apart.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// The largest file of a kit, in bytes. Four certificates in PEM have less than a tenth.
pub const MAX_FILE_BYTES: u64 = 256 * 1024;

/// The largest list of revoked certificates, in bytes: 100,000 of those that `fedlink provision`
/// makes, of 522 bytes and a remark each, and some more. It takes about as much memory while it
/// is read, and 32 bytes for each certificate afterwards.
pub const MAX_REVOKED_BYTES: u64 = 64 * 1024 * 1024;

/// Why a file of a kit cannot be had.
pub(crate) enum ReadError {
    Unreadable(io::Error),
    /// It has more than it may.
    TooLarge,
}

/// What is in a file, which may be a key.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let file = open(path)?;
    // Reserved at once: a buffer that grows leaves copies of a key behind.
    let mut content = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES as usize + 1));
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(ReadError::Unreadable)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(ReadError::TooLarge);
    }
    Ok(content)
}

/// A list of revoked certificates, in which nothing is secret.
pub(crate) fn read_revoked(path: &Path) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let file = open(path)?;
    let mut content = Zeroizing::new(Vec::new());
    file.take(MAX_REVOKED_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(ReadError::Unreadable)?;
    match content.len() as u64 > MAX_REVOKED_BYTES {
        true => Err(ReadError::TooLarge),
        false => Ok(content),
    }
}

/// By what a file is told apart from another one of its name: its content, or what the system
/// says of it where it is so large that reading it every few seconds takes long.
pub(crate) fn mark(path: &Path) -> Option<Zeroizing<Vec<u8>>> {
    match read(path) {
        Ok(content) => Some(content),
        Err(ReadError::TooLarge) => Some(version(&path.metadata().ok()?).into()),
        Err(ReadError::Unreadable(_)) => None,
    }
}

/// What changes with the content of a file.
#[cfg(unix)]
fn version(found: &Metadata) -> Vec<u8> {
    use std::os::unix::fs::MetadataExt;

    let times = [
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ];
    let times = times.map(i64::to_le_bytes);
    let names = [found.dev(), found.ino(), found.len()].map(u64::to_le_bytes);
    names.iter().chain(&times).flatten().copied().collect()
}

#[cfg(not(unix))]
fn version(found: &Metadata) -> Vec<u8> {
    format!("{} {:?}", found.len(), found.modified().ok()).into_bytes()
}

fn open(path: &Path) -> Result<File, ReadError> {
    // Opening a pipe or a device may never end.
    let found = path.metadata().map_err(ReadError::Unreadable)?;
    if !found.is_file() {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file");
        return Err(ReadError::Unreadable(error));
    }
    File::open(path).map_err(ReadError::Unreadable)
}

/// Whether there is something of this name. A link that leads nowhere is there, and so is
/// whatever reading it will say.
pub(crate) fn is_there(path: &Path) -> io::Result<bool> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(false),
            _ => Err(error),
        },
    }
}

/// The permissions of a key that others than its owner can use.
#[cfg(unix)]
pub(crate) fn exposed(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;

    let mode = path.metadata().ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Nothing: permissions are other things here.
#[cfg(not(unix))]
pub(crate) fn exposed(_: &Path) -> Option<u32> {
    None
}
