//! Why a job cannot begin or go on.

use std::io;
use std::path::{Path, PathBuf};

use fedlink::identity::NameError;
use fedlink_host::{CallError, HostError, disk_remedy};
use fedlink_jobs::container::ContainerError;
use fedlink_jobs::mean::{MeanError, ResultError};

use fedlink::nvflare::npz::NpzError;

/// Why a job cannot begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The system refuses a file or a folder.
    #[error("{path} ({source}): {remedy}", path = .path.display(), remedy = disk_remedy(.source))]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file of arrays is none.
    #[error("{path}: {source}", path = .path.display())]
    Container {
        /// Which.
        path: PathBuf,
        /// Why.
        source: ContainerError,
    },
    /// A file of arrays whose arrays cannot be used.
    #[error("{path}: {source}", path = .path.display())]
    Arrays {
        /// Which.
        path: PathBuf,
        /// Why.
        source: ResultError,
    },
    /// An archive of NumPy that cannot be read.
    #[error("{path}: {source}: write it with numpy.savez, or as .safetensors", path = .path.display())]
    Npz {
        /// Which.
        path: PathBuf,
        /// Why.
        source: NpzError,
    },
    /// An array in it that cannot be read.
    #[error("{path}: array {array:?} {problem}", path = .path.display())]
    Npy {
        /// The archive.
        path: PathBuf,
        /// The array's name.
        array: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// Results have no mean.
    #[error(transparent)]
    Mean(#[from] MeanError),
    /// A name that no site can have.
    #[error("{0}")]
    Name(#[from] NameError),
    /// The server has stopped, or refused a command.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The server's host does not start, or has no randomness.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A thread of this process.
    #[error("a thread that works on files has panicked: report it")]
    Panicked,
}

impl JobError {
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            path: path.to_owned(),
            source,
        }
    }
}
