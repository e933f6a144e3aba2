//! The file of a result: what a program has left in the folder, judged before anybody reads it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tempfile::TempDir;

/// The longest name of a file, in bytes: what file systems have room for.
const MAX_NAME: usize = 255;

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArraysError {
    /// The name leads elsewhere.
    #[error("`{0}` is not the name of a file in the folder: give its name alone, without a path")]
    Name(String),
    /// Nobody wrote it.
    #[error("there is no file `{0}` in the folder: write it before the message that names it")]
    Missing(String),
    /// A link, a folder, a pipe or a device.
    #[error("`{0}` is no regular file: write the arrays into a file of that name")]
    NoFile(String),
    /// It has more bytes than may be sent.
    #[error("`{name}` has {size} bytes, more than the {limit} that may be sent: return less")]
    TooLarge {
        /// As the program gave it.
        name: String,
        /// In bytes.
        size: u64,
        /// In bytes.
        limit: u64,
    },
    /// What the system says.
    #[error("`{name}` cannot be read ({source})")]
    Io {
        /// As the program gave it.
        name: String,
        /// What the system says.
        source: io::Error,
    },
}

/// The arrays of a result, in a file that is open and has been judged. The file is removed when
/// this is dropped.
#[derive(Debug)]
pub struct Arrays {
    file: File,
    path: PathBuf,
    size: u64,
    kept: bool,
    /// Removed after the file.
    folder: Option<TempDir>,
}

impl Arrays {
    /// # Errors
    /// When the name leads out of the folder, or to something else than a file of a size that
    /// may be sent.
    pub(crate) fn open(folder: &Path, name: &str, limit: u64) -> Result<Self, ArraysError> {
        let told = || name.chars().take(MAX_NAME).collect::<String>();
        let is_name = !name.is_empty()
            && name.len() <= MAX_NAME
            && !name.starts_with('.')
            && !name.contains(['/', '\0']);
        if !is_name {
            return Err(ArraysError::Name(told()));
        }
        let path = folder.join(name);
        // Neither follows a link, nor waits for somebody who writes into a pipe.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ArraysError::Missing(told()));
            }
            // A link, or a socket.
            Err(_) if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) => {
                return Err(ArraysError::NoFile(told()));
            }
            Err(source) => {
                return Err(ArraysError::Io {
                    name: told(),
                    source,
                });
            }
        };
        let found = file.metadata();
        let found = found.map_err(|source| ArraysError::Io {
            name: told(),
            source,
        })?;
        if !found.is_file() {
            return Err(ArraysError::NoFile(told()));
        }
        let arrays = Self {
            file,
            path,
            size: found.len(),
            kept: false,
            folder: None,
        };
        match arrays.size > limit {
            true => Err(ArraysError::TooLarge {
                name: told(),
                size: arrays.size,
                limit,
            }),
            false => Ok(arrays),
        }
    }

    /// In a folder that goes with it.
    pub(crate) fn within(mut self, folder: TempDir) -> Self {
        self.folder = Some(folder);
        self
    }

    /// To be read or mapped. The program can still write into it: check what was copied, not
    /// what is to be copied.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// In bytes, when it was judged.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves the file there, in place of removing it. What was judged is what is there then, whatever
    /// the program has put in its place; it is copied if it cannot be moved.
    ///
    /// # Errors
    /// When the system cannot; then the file is removed.
    pub fn keep(mut self, to: &Path) -> io::Result<File> {
        if fs::rename(&self.path, to).is_ok() {
            self.kept = true;
            if is_at(&self.file, to)? {
                return self.file.try_clone();
            }
            fs::remove_file(to)?;
        }
        (&self.file).seek(SeekFrom::Start(0))?;
        // Whatever is there is replaced, not written through.
        let _ = fs::remove_file(to);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        let mut copy = options.open(to)?;
        io::copy(&mut (&self.file).take(self.size), &mut copy)?;
        copy.seek(SeekFrom::Start(0))?;
        Ok(copy)
    }
}

/// Whether this file is there, and no other or a link.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let [file, found] = [file.metadata()?, fs::symlink_metadata(path)?];
    Ok((file.dev(), file.ino()) == (found.dev(), found.ino()))
}

impl Drop for Arrays {
    fn drop(&mut self) {
        if !self.kept {
            // It is in a folder that is removed with the program anyway.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_file_is_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("1.out"), "arrays").unwrap();
        let arrays = Arrays::open(folder.path(), "1.out", 6).unwrap();
        assert_eq!(arrays.size(), 6);
        assert_eq!(io::read_to_string(arrays.file()).unwrap(), "arrays");
        drop(arrays);
        assert!(!folder.path().join("1.out").exists());
    }

    #[test]
    fn a_file_can_be_kept() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("1.out"), "arrays").unwrap();
        let kept = folder.path().join("kept");
        let arrays = Arrays::open(folder.path(), "1.out", 6).unwrap();
        arrays.keep(&kept).unwrap();
        assert_eq!(fs::read_to_string(kept).unwrap(), "arrays");
    }

    #[test]
    fn what_is_kept_is_what_was_judged() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        let kept = folder.path().join("kept");
        let out = folder.path().join("1.out");
        let to_link = |path: &Path| symlink(&secret, path).unwrap();
        let to_file = |path: &Path| fs::write(path, "other").unwrap();
        for replace in [&to_link as &dyn Fn(&Path), &to_file, &|_: &Path| {}] {
            fs::write(&secret, "secret").unwrap();
            fs::write(&out, "arrays").unwrap();
            let arrays = Arrays::open(folder.path(), "1.out", 6).unwrap();
            fs::remove_file(&out).unwrap();
            replace(&out);
            let file = arrays.keep(&kept).unwrap();
            assert_eq!(io::read_to_string(file).unwrap(), "arrays");
            assert!(fs::symlink_metadata(&kept).unwrap().is_file());
            assert_eq!(fs::read_to_string(&kept).unwrap(), "arrays");
            assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
        }
    }

    #[test]
    fn what_is_no_file_of_the_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        symlink("/etc/passwd", at("link")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        let made = Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        assert!(made.success());
        File::create(at("huge")).unwrap().set_len(1 << 40).unwrap();
        let long = "x".repeat(MAX_NAME + 1);
        for (name, problem) in [
            ("link", "is no regular file"),
            ("dangling", "is no regular file"),
            ("folder", "is no regular file"),
            ("socket", "is no regular file"),
            ("pipe", "is no regular file"),
            ("huge", "has 1099511627776 bytes, more than the 1000"),
            ("missing", "there is no file `missing`"),
            ("../huge", "is not the name of a file"),
            ("/etc/passwd", "is not the name of a file"),
            ("..", "is not the name of a file"),
            ("", "is not the name of a file"),
            (&long, "is not the name of a file"),
            ("a\0b", "is not the name of a file"),
        ] {
            let refused = Arrays::open(folder.path(), name, 1_000)
                .unwrap_err()
                .to_string();
            assert!(refused.contains(problem), "{name}: {refused}");
        }
    }
}
