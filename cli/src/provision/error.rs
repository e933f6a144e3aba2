//! Errors in making a project.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use fedlink::identity::{ChainError, NameError};
use fedlink_host::kit::{Fault, KitError};
use fedlink_host::{AddressError, HostError, disk_remedy};

use crate::bounds::{MAX_DAYS, MAX_NAME};

/// Why a project cannot be made, or a site not be added to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProvisionError {
    /// What is no name in any project.
    #[error("{name:?} cannot be the name of a server or site: {fault}")]
    NoName {
        /// The text.
        name: String,
        /// What is wrong with it.
        fault: NameError,
    },
    /// Nothing where a name should be.
    #[error(
        "the name of a server or site is empty: write one, or leave out a comma that has none before or behind it"
    )]
    Nameless,
    /// A name that this program does not give out.
    #[error(
        "{name:?} cannot be the name of a server or site: {fault}; use at most {MAX_NAME} letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
    )]
    Name {
        /// The text.
        name: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// Two members of a project with one name.
    #[error("the name {0} is given twice: give each site and the server its own")]
    NameTaken(String),
    /// Something that is not the address of a host.
    #[error("--host: {0}")]
    Host(#[from] AddressError),
    /// A time for which no certificate is made.
    #[error("certificates cannot count for {0} days: give 1 to {MAX_DAYS}")]
    Days(u32),
    /// A choice that a kit cannot express.
    #[error(transparent)]
    Setting(#[from] Fault),
    /// The folder already has something in it.
    #[error("{} exists and is no empty folder: nothing is overwritten, so choose another one or remove it", .0.display())]
    InUse(PathBuf),
    /// The folder is a link, and what it leads to is missing.
    #[error("{} is a link that leads nowhere: make the folder that it leads to, or remove it", .0.display())]
    LeadsNowhere(PathBuf),
    /// There is no name to make a folder by.
    #[error("a folder cannot be named {}: say with --out where to make the project", .0.display())]
    NoFolder(PathBuf),
    /// An earlier run was interrupted.
    #[error("{} was left behind by a run that was interrupted: remove it and try again", .0.display())]
    LeftOver(PathBuf),
    /// A site cannot be added where there is no project.
    #[error("{} is no project: give the folder that `fedlink provision` made", .0.display())]
    NoProject(PathBuf),
    /// The plan of a project cannot be understood.
    #[error("{}: {problem}\ncorrect this line", .path.display())]
    Plan {
        /// The file.
        path: PathBuf,
        /// Line, column and what is wrong there.
        problem: String,
    },
    /// The root's key cannot be used.
    #[error("the key of the project's root cannot be read ({0}): restore authority/root-key.pem")]
    RootKey(rcgen::Error),
    /// The root's key and certificate are not one pair.
    #[error(
        "authority/root-key.pem is not the key of the certificate in authority/root.pem: put both back from a copy of this project"
    )]
    RootMismatch,
    /// A site that is to be added has a kit.
    #[error(
        "{0} is a site of this project: `--renew {0}` makes a new certificate for it; for another site choose another name"
    )]
    SiteExists(String),
    /// Nothing is known of the certificate of this name.
    #[error(
        "{} is not there: put the certificate of {name} there if its kit was moved; for a site that is new, `--add-site {name}` makes a kit",
        .path.display()
    )]
    NoCertificate {
        /// Whose certificate.
        name: String,
        /// Where it should be.
        path: PathBuf,
    },
    /// A certificate that was made, or is revoked, is not in order.
    #[error(transparent)]
    Chain(ChainError),
    /// The coordinator cannot refuse itself.
    #[error(
        "{0} is the coordinator, and sites would not learn of it: make a new project with `fedlink provision`, and give its kits to all"
    )]
    RevokedCoordinator(String),
    /// A certificate cannot be made.
    #[error("a certificate for {name} cannot be made: {source}")]
    Certificate {
        /// Whose certificate.
        name: String,
        /// Why.
        source: rcgen::Error,
    },
    /// A certificate has no number.
    #[error(transparent)]
    Random(HostError),
    /// A kit was written, but does not load.
    #[error("the new kit does not work, so it was removed: {0}")]
    Kit(#[from] KitError),
    /// A file or folder cannot be read or written.
    #[error("{}: {source}: {}", .path.display(), remedy(source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "see that it is there, or give another folder",
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            "something that is no folder has this name, so choose another one"
        }
        ErrorKind::InvalidFilename => "choose a shorter name",
        ErrorKind::InvalidInput => "choose another name",
        _ => disk_remedy(error),
    }
}
