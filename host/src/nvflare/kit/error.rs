//! Errors in a start-up kit.

use std::io;
use std::path::PathBuf;

use fedlink::error::ConfigError;
use fedlink::identity::{ChainError, RsaKeyError};

use super::{FED_CLIENT, START_SCRIPT};
use crate::kit::{MAX_FILE_BYTES, PemFault, in_days};
use crate::tls::TlsError;

/// Why a start-up kit cannot be used. Each names the file and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KitError {
    /// The folder has no settings of a site.
    #[error(
        "{} is no start-up kit of a site, it has no startup/{FED_CLIENT}: {}",
        .0.display(), no_kit_remedy(.0)
    )]
    NoKit(PathBuf),
    /// The kit is not a site's.
    #[error("{} is the start-up kit of a {owner}: give the one of a site", .folder.display())]
    WrongRole {
        /// The folder.
        folder: PathBuf,
        /// Whose kit it is.
        owner: &'static str,
    },
    /// The site is to reach the server through a relay.
    #[error("{}: this site connects to a relay, which fedlink cannot: have it provisioned to connect to the server", .0.display())]
    Relay(PathBuf),
    /// A file cannot be read.
    #[error("{}: cannot be read ({source}): check that the kit is whole and that you may read it", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is larger than any real one.
    #[error("{}: has more than {MAX_FILE_BYTES} bytes: this is some other file", .0.display())]
    TooLarge(PathBuf),
    /// The settings are not JSON, or fields are missing.
    #[error("{}: {problem}\ncorrect this line, or copy the file from the kit again", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        problem: String,
    },
    /// A field has a value that it cannot have.
    #[error("{}: {field}: {problem}", .path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The start script does not say the name of the site.
    #[error(
        "{}: has no `uid=` after `--set`, which is the site's name: copy {START_SCRIPT} from the kit again",
        .0.display()
    )]
    NoName(PathBuf),
    /// A file that should hold certificates or a key holds no whole PEM block of the kind.
    #[error("{}: {source}", .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is there instead.
        source: PemFault,
    },
    /// The private key cannot be used.
    #[error("{}: {source}", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: RsaKeyError,
    },
    /// The key is not the one that the certificate is for.
    #[error(
        "{}: this is not the key of {}: take both files from the same kit",
        .key.display(), .certificate.display()
    )]
    KeyMismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// Certificates that cannot be used at all, or not for this site and this root.
    #[error("{}: {source}", .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        source: ChainError,
    },
    /// The files are each right, but the core cannot use them together.
    #[error("{}: {source}", .path.display())]
    Identity {
        /// The file of the site's certificate.
        path: PathBuf,
        /// What does not fit.
        source: ConfigError,
    },
    /// The certificates cannot be used for TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The kit has become another site's.
    #[error(
        "{}: its name, project or server is another than when this site was started: start it again",
        .0.display()
    )]
    OtherSite(PathBuf),
    /// What the kit asks for is not in this host or this program: its name, and the feature
    /// with which the tokio host has it.
    #[error(
        "this project uses {0}: take the tokio host and build it with the feature `{1}`, \
         or have the project provisioned with scheme tcp"
    )]
    NoCarrier(&'static str, &'static str),
}

/// What is not right with a start-up kit, although it can be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KitWarning {
    /// Other users may read the private key.
    #[error("{}: other users can read this key (mode {mode:03o}): run `chmod 600` on it", .path.display())]
    KeyExposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// By this machine's clock the certificate does not count now.
    #[error("{}: {source}", .path.display())]
    Dates {
        /// The file.
        path: PathBuf,
        /// Which certificate, and its date.
        source: ChainError,
    },
    /// The certificate counts, but not for long.
    #[error("{}: expires {}: have the project provisioned anew", .path.display(), in_days(*.days))]
    ExpiresSoon {
        /// The file.
        path: PathBuf,
        /// Whole days that are left.
        days: u64,
    },
}

fn no_kit_remedy(folder: &std::path::Path) -> &'static str {
    if folder.join(crate::kit::FILE_NAME).is_file() {
        "it is a kit of fedlink's own, so give it with --kit"
    } else {
        "give the folder that `nvflare provision` made for the site"
    }
}
