//! Why a trial cannot begin or go on.

use std::io;
use std::path::PathBuf;

use fedlink::error::ConfigError;
use fedlink::identity::NameError;
use fedlink_host::{HostError, disk_remedy};
use fedlink_jobs::job_file::JobFileError;

use crate::interrupt::SignalError;
use crate::jobs::JobError;
use crate::output::PrintError;

/// Why a trial cannot begin or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TryError {
    /// The job file cannot be read.
    #[error("{path} ({source}): {remedy}", path = .path.display(), remedy = disk_remedy(.source))]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The job file says what cannot be.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What.
        source: JobFileError,
    },
    /// The job could never begin.
    #[error(
        "the job wants {wanted} ({key}), and {there} of the sites here can take part: give --sites {wanted} or more, or --set {key}={there}"
    )]
    Few {
        /// The key of the job file.
        key: &'static str,
        /// How many it wants.
        wanted: usize,
        /// How many there are.
        there: usize,
    },
    /// A site of the job file that is not among these.
    #[error(
        "the job names {name:?}, which is not here: sites of a trial are site-1 to site-{sites}"
    )]
    NoSite {
        /// Its name.
        name: String,
        /// How many there are.
        sites: usize,
    },
    /// The program does not start.
    #[error("`{program}` does not start ({source}): check the path after --")]
    Program {
        /// As it stands on the command line.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// No runtime, or no executable for supervisors.
    #[error("the federation cannot be started: {0}")]
    Runtime(#[source] io::Error),
    /// The job, or its folder.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A party's host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A party's settings, or its key.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A party's name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The server has stopped.
    #[error("the federation has stopped: run it again with RUST_LOG=debug and report it")]
    Gone,
    /// Ctrl-C cannot be caught.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// The result could not be printed.
    #[error(transparent)]
    Output(#[from] PrintError),
}
