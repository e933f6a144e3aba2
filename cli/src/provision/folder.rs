//! Folders and files of a project.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ProvisionError;

/// A folder that is being made under another name. It goes unless it is finished.
pub(super) struct Staged {
    folder: PathBuf,
    finished: bool,
}

impl Staged {
    /// Begins to make `target`, which must be empty or not exist.
    pub(super) fn begin(target: &Path) -> Result<Self, ProvisionError> {
        match fs::read_dir(target).map(|mut entries| entries.next().is_none()) {
            Ok(true) => {}
            Ok(false) => return Err(ProvisionError::InUse(target.to_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Err(ProvisionError::InUse(target.to_owned()));
            }
            Err(error) => return Err(failed(target)(error)),
        }
        let Some(name) = target.file_name() else {
            return Err(ProvisionError::InUse(target.to_owned()));
        };
        let folder = target.with_file_name(format!(".{}.partial", name.to_string_lossy()));
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(failed(parent))?;
        }
        match builder().create(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(ProvisionError::LeftOver(folder))
            }
            Err(error) => Err(failed(&folder)(error)),
            Ok(()) => Ok(Self {
                folder,
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
        // Not every system renames over an empty folder.
        match fs::remove_dir(target) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(target)(error)),
            _ => fs::rename(&self.folder, target).map_err(failed(target))?,
        }
        self.finished = true;
        Ok(())
    }
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
    file.write_all(content.as_bytes()).map_err(failed(path))
}

fn failed(path: &Path) -> impl Fn(io::Error) -> ProvisionError + '_ {
    |source| ProvisionError::Io {
        path: path.to_owned(),
        source,
    }
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
