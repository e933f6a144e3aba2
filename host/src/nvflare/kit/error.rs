//! What can be wrong with a start-up kit.

use std::io;
use std::path::PathBuf;

use rustls::pki_types::pem;

use super::{FED_CLIENT, START_SCRIPT};
use crate::kit::{MAX_FILE_BYTES, RENEW_DAYS, pem_problem};
use crate::tls::TlsError;

/// Why a start-up kit cannot be used. Each names the file and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KitError {
    /// The folder has no settings of a site.
    #[error(
        "{} is no start-up kit of a site, it has no startup/{FED_CLIENT}: give the folder that `nvflare provision` made for the site",
        .0.display()
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
        "{}: has no `uid=`, which is the site's name: copy {START_SCRIPT} from the kit again",
        .0.display()
    )]
    NoName(PathBuf),
    /// A file that should hold certificates or a key holds no whole PEM block of the kind.
    #[error("{}: {}", .path.display(), pem_problem(.source))]
    Pem {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        source: pem::Error,
    },
    /// A password protects the key.
    #[error("{}: this key is encrypted: decrypt it with `openssl pkey`", .0.display())]
    EncryptedKey(PathBuf),
    /// There is a key, but none that can be used.
    #[error("{}: this key cannot be used ({problem}): take the RSA key that came with the kit", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
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
    /// A certificate cannot be used.
    #[error("{}: this certificate cannot be used ({problem}): copy the file from the kit again", .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The server would refuse the site's certificate.
    #[error(
        "{}: the root in {} did not issue this certificate ({problem}): take both files from the same kit",
        .certificate.display(), .root.display()
    )]
    NotIssued {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the root.
        root: PathBuf,
        /// What TLS has against it.
        problem: String,
    },
    /// The certificates cannot be used for TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The kit asks for gRPC, and this host has none.
    #[error(
        "this project uses gRPC: take the tokio host and build it with the feature `grpc`, \
         or have the project provisioned with scheme tcp"
    )]
    NoGrpc,
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
    /// By this machine's clock the certificate does not count yet.
    #[error("{}: this certificate is not valid yet: check the clock of this machine", .0.display())]
    NotYetValid(PathBuf),
    /// By this machine's clock the certificate does not count any more.
    #[error("{}: this certificate has expired: have the project provisioned anew, or check the clock of this machine", .0.display())]
    Expired(PathBuf),
    /// The certificate counts, but not for long.
    #[error("{}: this certificate expires within {RENEW_DAYS} days: have the project provisioned anew", .0.display())]
    ExpiresSoon(PathBuf),
}
