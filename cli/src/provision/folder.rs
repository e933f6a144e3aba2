//! The folders and files of a project.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ProvisionError;

/// A folder that is being made under another name. It goes unless it is finished.
pub(super) struct Staged {
    folder: PathBuf,
    /// Whether it is inside of the folder that it is to be: one that stands already may be
    /// a link or a mount point, and cannot be replaced.
    inside: bool,
    finished: bool,
}

/// The name of a folder that is being made inside of an empty one.
const INSIDE: &str = ".fedlink.partial";

/// What stands behind the name of what is being made.
const PARTIAL: &str = ".partial";

impl Staged {
    /// Begins to make `target`, which must be empty or not exist.
    pub(super) fn begin(target: &Path) -> Result<Self, ProvisionError> {
        let inside = is_there(target)?;
        let folder = match inside {
            true => empty(target)?.join(INSIDE),
            false => beside(target)?,
        };
        match builder().create(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(ProvisionError::LeftOver(folder))
            }
            Err(error) => Err(failed(&folder)(error)),
            Ok(()) => Ok(Self {
                folder,
                inside,
                finished: false,
            }),
        }
    }

    /// The folder while it is being made.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn subfolder(&self, name: &str) -> Result<PathBuf, ProvisionError> {
        create(self.folder.join(name))
    }

    /// Gives the folder its name.
    pub(super) fn finish(mut self, target: &Path) -> Result<(), ProvisionError> {
        if self.inside {
            self.move_into(target)?;
        } else {
            fs::rename(&self.folder, target).map_err(failed(target))?;
        }
        self.finished = true;
        Ok(())
    }

    /// Moves all that was made into `target`, or nothing.
    fn move_into(&self, target: &Path) -> Result<(), ProvisionError> {
        let mut moved = Vec::new();
        let entries = fs::read_dir(&self.folder).and_then(|it| it.collect::<io::Result<Vec<_>>>());
        for entry in entries.map_err(failed(&self.folder))? {
            let from = entry.path();
            let to = target.join(from.file_name().unwrap_or_default());
            if let Err(error) = fs::rename(&from, &to) {
                for (from, to) in moved {
                    // The first error is the one to tell.
                    let _ = fs::rename(to, from);
                }
                return Err(failed(&to)(error));
            }
            moved.push((from, to));
        }
        // An empty folder that stays does no harm.
        let _ = fs::remove_dir(&self.folder);
        Ok(())
    }
}

/// Whether there is something of this name, if only a link that leads nowhere.
pub(super) fn is_there(path: &Path) -> Result<bool, ProvisionError> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(false),
            _ => Err(failed(path)(error)),
        },
    }
}

/// The folder `target`, if it is one and empty.
fn empty(target: &Path) -> Result<&Path, ProvisionError> {
    let in_use = || ProvisionError::InUse(target.to_owned());
    let mut entries = fs::read_dir(target).map_err(|error| match error.kind() {
        ErrorKind::NotFound => ProvisionError::LeadsNowhere(target.to_owned()),
        ErrorKind::NotADirectory => in_use(),
        _ => failed(target)(error),
    })?;
    match entries.next().transpose().map_err(failed(target))? {
        Some(entry) if entry.file_name() == INSIDE => Err(ProvisionError::LeftOver(entry.path())),
        Some(_) => Err(in_use()),
        None => Ok(target),
    }
}

/// The folder beside `target` in which it is made, under another name.
fn beside(target: &Path) -> Result<PathBuf, ProvisionError> {
    let name = target
        .file_name()
        .ok_or_else(|| ProvisionError::NoFolder(target.to_owned()))?;
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(failed(parent))?;
    }
    Ok(target.with_file_name(format!(".{}{PARTIAL}", name.to_string_lossy())))
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.finished {
            // The error that led here is the one to tell; what stays is told next time.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Makes a folder that only its owner can look into.
pub(super) fn create(folder: PathBuf) -> Result<PathBuf, ProvisionError> {
    builder().create(&folder).map_err(failed(&folder))?;
    Ok(folder)
}

pub(super) fn write(path: &Path, content: &str) -> Result<(), ProvisionError> {
    write_with(path, content, 0o644)
}

/// Writes a file that only its owner can read.
pub(super) fn write_private(path: &Path, content: &str) -> Result<(), ProvisionError> {
    write_with(path, content, 0o600)
}

/// Writes a file, or another in its place. Whoever reads it sees the one or the other, whole.
pub(super) fn replace(path: &Path, content: &str) -> Result<(), ProvisionError> {
    replace_with(path, content, 0o644)
}

/// The same for a file that only its owner can read.
pub(super) fn replace_private(path: &Path, content: &str) -> Result<(), ProvisionError> {
    replace_with(path, content, 0o600)
}

fn replace_with(path: &Path, content: &str, mode: u32) -> Result<(), ProvisionError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let partial = path.with_file_name(format!(".{name}{PARTIAL}"));
    // An earlier run may have been interrupted.
    if partial.exists() {
        fs::remove_file(&partial).map_err(failed(&partial))?;
    }
    write_with(&partial, content, mode)?;
    fs::rename(&partial, path).map_err(failed(path))
}

/// Adds to the end of a file, which may not exist yet.
pub(super) fn append(path: &Path, content: &str) -> Result<(), ProvisionError> {
    let mut options = OpenOptions::new();
    let mut file = options
        .append(true)
        .create(true)
        .open(path)
        .map_err(failed(path))?;
    let written = file.write_all(content.as_bytes());
    written.and_then(|()| file.sync_all()).map_err(failed(path))
}

pub(super) fn write_toml(
    path: &Path,
    header: &str,
    value: &impl Serialize,
) -> Result<(), ProvisionError> {
    let body = toml::to_string(value).map_err(|error| failed(path)(io::Error::other(error)))?;
    write(path, &format!("{header}{body}"))
}

pub(super) fn read(path: &Path) -> Result<String, ProvisionError> {
    fs::read_to_string(path).map_err(failed(path))
}

pub(super) fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T, ProvisionError> {
    toml::from_str(&read(path)?).map_err(|error| ProvisionError::Plan {
        path: path.to_owned(),
        problem: error.to_string(),
    })
}

fn write_with(path: &Path, content: &str, mode: u32) -> Result<(), ProvisionError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    set_mode(&mut options, mode);
    let mut file = options.open(path).map_err(failed(path))?;
    let written = file.write_all(content.as_bytes());
    written.and_then(|()| file.sync_all()).map_err(failed(path))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> ProvisionError + '_ {
    |source| ProvisionError::Io {
        path: meant(path),
        source,
    }
}

/// What a path leads to once all has its own name: nobody has asked for the other ones.
fn meant(path: &Path) -> PathBuf {
    let own_name = |part: &OsStr| {
        let name = part.to_str()?.strip_prefix('.')?.strip_suffix(PARTIAL)?;
        Some(name.to_owned())
    };
    let parts = path.components().map(|part| part.as_os_str());
    let parts = parts.filter(|part| *part != INSIDE);
    parts
        .map(|part| own_name(part).map_or(part.to_owned(), Into::into))
        .collect()
}

#[cfg(unix)]
fn set_mode(options: &mut OpenOptions, mode: u32) {
    use std::os::unix::fs::OpenOptionsExt;

    options.mode(mode);
}

#[cfg(not(unix))]
fn set_mode(_: &mut OpenOptions, _: u32) {}

#[cfg(unix)]
fn builder() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt;

    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

#[cfg(not(unix))]
fn builder() -> DirBuilder {
    DirBuilder::new()
}
