//! Errors in a kit.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use fedlink::identity::{ChainError, KeyError};

use super::{FILE_NAME, MAX_FILE_BYTES, MAX_REVOKED_BYTES, PemFault, Role, VERSION};

/// Why a kit cannot be used. Each names the file and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KitError {
    /// The folder has no configuration.
    #[error(
        "{} is no kit, it has no {FILE_NAME}: {}",
        .0.display(), no_kit_remedy(.0)
    )]
    NoKit(PathBuf),
    /// A file cannot be read.
    #[error("{}: cannot be read ({source}): check that it exists and that you may read it", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is larger than any real one.
    #[error("{}: has more than {MAX_FILE_BYTES} bytes: this is some other file", .0.display())]
    TooLarge(PathBuf),
    /// More is revoked than is read.
    #[error(
        "{}: has more than {} MiB: leave out the certificates that have expired, which count no more anyway",
        .0.display(), MAX_REVOKED_BYTES >> 20
    )]
    ManyRevoked(PathBuf),
    /// The configuration is not TOML, or its fields are not those of a kit.
    #[error("{}: {problem}\ncorrect this line, or copy the file from the kit again", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and what is wrong there.
        problem: String,
    },
    /// The kit goes with another release.
    #[error(
        "{}: this kit is of version {found} and this program reads version {VERSION}: {}",
        .path.display(), version_remedy(*.found)
    )]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// The version that it says; 1 if it says none.
        found: u32,
    },
    /// A field has a value that it cannot have.
    #[error("{}: {fault}", .path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The field, and what is wrong with it.
        fault: Fault,
    },
    /// A site was started with the coordinator's kit, or the other way round.
    #[error("{}: this is the kit of a {found}, not of a {expected}: start it with `fedlink {}`", .path.display(), .found.command())]
    WrongRole {
        /// The file.
        path: PathBuf,
        /// Whose kit was wanted.
        expected: Role,
        /// Whose kit it is.
        found: Role,
    },
    /// A file that should hold certificates or a key holds no whole PEM block of the kind.
    #[error("{} (files.{field}): {source}", .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The field that names it.
        field: &'static str,
        /// What is there instead.
        source: PemFault,
    },
    /// There is a key, but of another kind.
    #[error("{} (files.key): this key is of the kind {found}: use the Ed25519 key in PKCS#8 that came with the kit", .path.display())]
    KeyForm {
        /// The file.
        path: PathBuf,
        /// The kind that it is.
        found: &'static str,
    },
    /// The private key cannot be used.
    #[error("{} (files.key): {}", .path.display(), key_problem(.source))]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
    /// Certificates that cannot be used at all, or not for this role, name and root.
    #[error("{} (files.{field}): {source}", .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The field that names it.
        field: &'static str,
        /// What is wrong with them.
        source: ChainError,
    },
    /// Nothing says any more what is revoked.
    #[error(
        "{} (files.revoked): is gone, and what it revoked would count again: put it back, or an empty file in its place if that is meant",
        .0.display()
    )]
    RevokedGone(PathBuf),
    /// The key is not the one that the certificate is for.
    #[error(
        "{} (files.key): this is not the key of {}: take both files from the same kit",
        .key.display(), .certificate.display()
    )]
    KeyMismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
}

/// A field of the configuration, and what is wrong with its value.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Fault {
    field: &'static str,
    problem: Cow<'static, str>,
}

impl Fault {
    pub(super) fn new(field: &'static str, problem: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field,
            problem: problem.into(),
        }
    }

    /// The field, as `table.field`.
    pub fn field(&self) -> &'static str {
        self.field
    }
}

/// What is not right with a kit, although it can be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KitWarning {
    /// Other users may read the private key.
    #[error("{} (files.key): other users can read this key (mode {mode:03o}): run `chmod 600` on it", .path.display())]
    KeyExposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// By this machine's clock the certificate does not count now.
    #[error("{} (files.certificate): {source}", .path.display())]
    Dates {
        /// The file.
        path: PathBuf,
        /// Which certificate, and its date.
        source: ChainError,
    },
    /// The certificate counts, but not for long.
    #[error("{} (files.certificate): expires {}: have it renewed", .path.display(), in_days(*.days))]
    ExpiresSoon {
        /// The file.
        path: PathBuf,
        /// Whole days that are left.
        days: u64,
    },
}

/// `in 9 days`.
pub(crate) fn in_days(days: u64) -> String {
    match days {
        0 => "in less than a day".to_owned(),
        1 => "in a day".to_owned(),
        days => format!("in {days} days"),
    }
}

fn no_kit_remedy(folder: &std::path::Path) -> &'static str {
    let of_nvflare = ["startup/fed_client.json", "fed_client.json"];
    if of_nvflare.iter().any(|file| folder.join(file).is_file()) {
        "it is a kit of NVFlare, so give it with --nvflare"
    } else if folder.join("server").join(FILE_NAME).is_file() || folder.join("sites").is_dir() {
        "it is a project, so give one of the kits in it, server or one of those in sites"
    } else if folder.is_file() {
        "it is a file, so give the folder that it is in"
    } else if !folder.exists() {
        "there is no such folder, so correct the path"
    } else {
        "give the folder of a kit, or make one with `fedlink provision`"
    }
}

fn version_remedy(found: u32) -> &'static str {
    if found < VERSION {
        "put `version` at the top, above all sections, if it stands elsewhere or was removed; else have all kits of the project made again with `fedlink provision`, or use the release that made this one"
    } else {
        "update this program"
    }
}

/// What the core says of the bytes of a key, with remedies that lead to a PEM file.
fn key_problem(error: &KeyError) -> String {
    match error {
        KeyError::Encrypted => "the private key is encrypted, and nobody is there to type its password: decrypt it with `openssl pkey -in KEY -out NEW` and put NEW in its place".to_owned(),
        KeyError::NotPkcs8 => "this is not a private key in PKCS#8, or it is cut off: copy the key from the kit again, or write it with `openssl pkey -in KEY -out NEW`".to_owned(),
        KeyError::WrongAlgorithm { oid } => format!("the private key is of type {oid}: use the Ed25519 key (1.3.101.112) that came with the kit"),
        other => other.to_string(),
    }
}
