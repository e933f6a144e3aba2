//! Kits: a folder with all that a site or the coordinator needs to start.
//!
//! A kit holds `fedlink.toml` and the PEM files that it names. It is read whole and
//! checked before anything is started, so that whatever does not fit together is told at
//! once, with the file and the field that it stands in.

mod config;
mod credentials;
mod error;
mod limits;
mod number;
pub(crate) mod pem;
mod role;

pub use crate::file::{MAX_FILE_BYTES, MAX_REVOKED_BYTES};
pub use config::{
    Config, Files, MAX_ADDRESSES, ServerConfig, ServerEntry, ServerTimeouts, SiteConfig,
    SiteTimeouts, Suite, Transport,
};
pub use credentials::Credentials;
#[cfg(feature = "nvflare")]
pub(crate) use error::in_days;
pub use error::{Fault, KitError, KitWarning};
pub use limits::{MAX_SECONDS, ServerLimits};
pub use pem::PemFault;
pub use role::Role;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use fedlink::identity::{self, Name};
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::file::{self, ReadError};
use crate::reload::{Contents, Reload};
use crate::unix_time;
use credentials::PemFile;

/// The name of the configuration in the folder of a kit.
pub const FILE_NAME: &str = "fedlink.toml";

/// The version of kits. Another one goes with another release, whose protocol this one does
/// not speak; version 1 stood in no file.
pub const VERSION: u32 = 2;

/// How long before the end of a certificate a kit begins to warn, in days.
pub const RENEW_DAYS: u64 = 14;

/// The kit of a site.
pub type SiteKit = Kit<SiteConfig>;

/// The kit of a coordinator.
pub type ServerKit = Kit<ServerConfig>;

/// A kit that was read and found to fit together.
#[derive(Debug)]
#[non_exhaustive]
pub struct Kit<C> {
    /// What `fedlink.toml` says. Its paths are as written: see [`state`](Self::state).
    pub config: C,
    /// The certificates and the key.
    pub credentials: Credentials,
    /// The directory for what must outlive the process. It may not exist yet.
    pub state: PathBuf,
    folder: PathBuf,
    contents: Contents,
    /// Settings of `fedlink.toml` that have changed since the start.
    waiting: Vec<String>,
    /// What should be seen to, although the kit can be used.
    pub warnings: Vec<KitWarning>,
}

impl<C: Config> Kit<C> {
    /// Reads the kit in `folder`. Warnings are traced as well as returned.
    ///
    /// Dates of certificates give warnings only: a peer judges by its own clock.
    ///
    /// # Errors
    ///
    /// The first fault found, as a [`KitError`] of its own kind.
    pub fn load(folder: &Path) -> Result<Self, KitError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let kit = Self::load_at(folder, now.as_secs())?;
        for warning in &kit.warnings {
            tracing::warn!("{warning}");
        }
        Ok(kit)
    }

    fn load_at(folder: &Path, unix_time: u64) -> Result<Self, KitError> {
        let (config, text) = read_config(folder)?;
        Self::load_as(config, text, folder, unix_time)
    }

    /// Reads the certificates and the key that the configuration names; `text` is what
    /// `fedlink.toml` says now.
    fn load_as(
        config: C,
        text: Zeroizing<Vec<u8>>,
        folder: &Path,
        unix_time: u64,
    ) -> Result<Self, KitError> {
        let files = paths(&config, folder);
        // Before they are judged: what is replaced meanwhile is found changed.
        let contents = contents(Some(text), &files);
        let [certificate_path, key_path, roots_path, revoked_path] = files;
        let certificate = read_pem(&certificate_path, "certificate")?;
        let key = read_pem(&key_path, "key")?;
        let roots = read_pem(&roots_path, "roots")?;
        let revoked = match is_there(&revoked_path)? {
            true => Some(read_revoked(&revoked_path)?),
            false => None,
        };
        let credentials = Credentials::from_pem(&certificate, &key, &roots, revoked.as_ref())?;

        let refused = |source| KitError::Certificate {
            path: certificate_path.clone(),
            field: "certificate",
            source,
        };
        let name = check_name(&config, folder)?;
        let role = match C::ROLE {
            Role::Site => identity::Role::Client,
            Role::Server => identity::Role::Server,
        };
        let verified = credentials.verify(role, &name, None).map_err(refused)?;
        let mut warnings = Vec::new();
        warnings.extend(file::exposed(&key_path).map(|mode| KitWarning::KeyExposed {
            path: key_path.clone(),
            mode,
        }));
        let path = certificate_path.clone();
        match credentials.verify(role, &name, Some(unix_time)) {
            Err(source) => warnings.push(KitWarning::Dates { path, source }),
            Ok(_) => {
                let left = verified
                    .not_after
                    .map(|end| end.saturating_sub(unix_time) / SECONDS_A_DAY);
                if let Some(days) = left.filter(|days| *days < RENEW_DAYS) {
                    warnings.push(KitWarning::ExpiresSoon { path, days });
                }
            }
        }
        Ok(Self {
            state: folder.join(&config.files().state),
            folder: folder.to_owned(),
            contents,
            waiting: Vec::new(),
            config,
            credentials,
            warnings,
        })
    }
}

/// Certificates, key and what is revoked can be replaced; what `fedlink.toml` says counts from
/// the next start on, and has to be right before.
impl<C: Config> Reload for Kit<C> {
    type Error = KitError;

    fn contents(&self) -> &Contents {
        &self.contents
    }

    fn contents_now(&self) -> Contents {
        let text = file::mark(&self.folder.join(FILE_NAME));
        contents(text, &paths(&self.config, &self.folder))
    }

    fn read_again(&self) -> Result<Self, KitError> {
        let (config, text) = read_config::<C>(&self.folder)?;
        let mut kit = Self::load_as(self.config.clone(), text, &self.folder, unix_time())?;
        kit.waiting = differences(&self.config, &config);
        for warning in &kit.warnings {
            // The one in use counts at least as long.
            if let KitWarning::Dates { path, source } = warning {
                return Err(KitError::Certificate {
                    path: path.clone(),
                    field: "certificate",
                    source: source.clone(),
                });
            }
        }
        let [.., revoked_path] = paths(&self.config, &self.folder);
        if !self.credentials.revoked().is_empty() && !is_there(&revoked_path)? {
            return Err(KitError::RevokedGone(revoked_path));
        }
        Ok(kit)
    }

    fn waiting(&self) -> &[String] {
        &self.waiting
    }
}

/// The settings in which two configurations differ.
fn differences<C: Config>(one: &C, other: &C) -> Vec<String> {
    let [one, other] = [one, other].map(|config| {
        let mut settings = BTreeMap::new();
        if let Ok(value) = toml::Value::try_from(config) {
            flatten(String::new(), value, &mut settings);
        }
        settings
    });
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let differ = names
        .into_iter()
        .filter(|name| one.get(*name) != other.get(*name));
    differ
        .map(|name| format!("`{name}` in {FILE_NAME}"))
        .collect()
}

/// Each setting by its full name.
fn flatten(name: String, value: toml::Value, into: &mut BTreeMap<String, toml::Value>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let dot = if name.is_empty() { "" } else { "." };
                flatten(format!("{name}{dot}{key}"), value, into);
            }
        }
        value => {
            into.insert(name, value);
        }
    }
}

/// What is in `fedlink.toml` and in the files beside it.
fn contents(text: Option<Zeroizing<Vec<u8>>>, files: &[PathBuf; 4]) -> Contents {
    let marks = files.iter().map(|path| file::mark(path));
    std::iter::once(text).chain(marks).collect()
}

/// The files of a kit beside its configuration.
fn paths(config: &impl Config, folder: &Path) -> [PathBuf; 4] {
    let files = config.files();
    [&files.certificate, &files.key, &files.roots, &files.revoked].map(|path| folder.join(path))
}

pub(crate) const SECONDS_A_DAY: u64 = 24 * 60 * 60;

fn read_config<C: Config>(folder: &Path) -> Result<(C, Zeroizing<Vec<u8>>), KitError> {
    #[derive(Deserialize)]
    struct WhichVersion {
        version: Option<u32>,
    }

    #[derive(Deserialize)]
    struct WhoseKit {
        role: Role,
    }

    let path = folder.join(FILE_NAME);
    if !is_there(&path)? {
        return Err(KitError::NoKit(folder.to_owned()));
    }
    let bytes = read(&path)?;
    let syntax = |problem: String| KitError::Syntax {
        path: path.clone(),
        problem,
    };
    let text = str::from_utf8(&bytes).map_err(|error| syntax(format!("not UTF-8: {error}")))?;
    // Another line of the file may hold a password.
    let described = |error: toml::de::Error| match error.to_string() {
        shown if shown.contains('@') => syntax(error.message().to_owned()),
        shown => syntax(shown),
    };
    // The version and the role come first, each alone: fields of another kit are better
    // explained by them.
    let WhichVersion { version } = toml::from_str(text).map_err(described)?;
    let found = version.unwrap_or(1);
    if found != VERSION {
        return Err(KitError::OtherVersion { path, found });
    }
    let WhoseKit { role } = toml::from_str(text).map_err(described)?;
    if role != C::ROLE {
        return Err(KitError::WrongRole {
            path,
            expected: C::ROLE,
            found: role,
        });
    }
    let config: C = toml::from_str(text).map_err(described)?;
    config
        .check()
        .map_err(|fault| KitError::Field { path, fault })?;
    Ok((config, bytes))
}

fn check_name(config: &impl Config, folder: &Path) -> Result<Name, KitError> {
    Name::new(config.name()).map_err(|error| KitError::Field {
        path: folder.join(FILE_NAME),
        fault: Fault::new("name", error.to_string()),
    })
}

fn is_there(path: &Path) -> Result<bool, KitError> {
    file::is_there(path).map_err(|source| KitError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// The certificates in a PEM file, in DER.
///
/// # Errors
///
/// When it cannot be read, or holds none.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, KitError> {
    read_pem(path, "certificate")?.certificates()
}

fn read_pem<'a>(path: &'a Path, field: &'static str) -> Result<PemFile<'a>, KitError> {
    Ok(PemFile {
        path,
        field,
        content: read(path)?,
    })
}

fn read_revoked(path: &Path) -> Result<PemFile<'_>, KitError> {
    let content = file::read_revoked(path);
    Ok(PemFile {
        path,
        field: "revoked",
        content: content.map_err(|error| unread(path, error, KitError::ManyRevoked))?,
    })
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KitError> {
    file::read(path).map_err(|error| unread(path, error, KitError::TooLarge))
}

fn unread(path: &Path, error: ReadError, too_large: fn(PathBuf) -> KitError) -> KitError {
    match error {
        ReadError::Unreadable(source) => KitError::Unreadable {
            path: path.to_owned(),
            source,
        },
        ReadError::TooLarge => too_large(path.to_owned()),
    }
}

#[cfg(test)]
mod tests;
