//! Files of kits, read whole.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// The largest file of a kit, in bytes. Four certificates in PEM have less than a tenth.
pub const MAX_FILE_BYTES: u64 = 256 * 1024;

/// Why a file of a kit cannot be had.
pub(crate) enum ReadError {
    Unreadable(io::Error),
    /// It has more than [`MAX_FILE_BYTES`].
    TooLarge,
}

/// What is in a file, which may be a key.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    // Opening a pipe or a device may never end.
    let is_file = path.metadata().map_err(ReadError::Unreadable)?.is_file();
    if !is_file {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file");
        return Err(ReadError::Unreadable(error));
    }
    let file = File::open(path).map_err(ReadError::Unreadable)?;
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
