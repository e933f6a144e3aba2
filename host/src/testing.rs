//! Kits for tests, right or wrong in one respect.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, SignatureAlgorithm,
};
use tempfile::TempDir;

use fedlink::identity::{Identity, Name};

use crate::kit::{Config, FILE_NAME, Kit};

pub(crate) const SITE: &str = r#"version = 2
role = "site"
project = "wine"
name = "site-1"
suite = "sealed"
transport = "tls"

[server]
name = "coordinator"
addresses = ["127.0.0.1:8443", "fl.example.org:443"]
"#;

pub(crate) const SERVER: &str = r#"version = 2
role = "server"
project = "wine"
name = "coordinator"
suite = "sealed"
transport = "tls"
listen = ["127.0.0.1:8443"]
"#;

/// A root and its key.
pub(crate) struct Root {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Root {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "wine root");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A site's certificate and key in PEM, after `change`.
    pub(crate) fn site(&self, change: impl FnOnce(&mut CertificateParams)) -> [String; 2] {
        self.issue(
            "site-1",
            ExtendedKeyUsagePurpose::ClientAuth,
            &PKCS_ED25519,
            change,
        )
    }

    /// A coordinator's certificate and key in PEM.
    pub(crate) fn server(&self) -> [String; 2] {
        self.issue(
            "coordinator",
            ExtendedKeyUsagePurpose::ServerAuth,
            &PKCS_ED25519,
            |_| {},
        )
    }

    pub(crate) fn issue(
        &self,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
        algorithm: &'static SignatureAlgorithm,
        change: impl FnOnce(&mut CertificateParams),
    ) -> [String; 2] {
        let mut params = CertificateParams::new([name.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.not_before = (SystemTime::now() - Duration::from_secs(3600)).into();
        params.not_after = (SystemTime::now() + 100 * DAY).into();
        change(&mut params);
        let key = KeyPair::generate_for(algorithm).unwrap();
        [
            params.signed_by(&key, &self.issuer).unwrap().pem(),
            key.serialize_pem(),
        ]
    }
}

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The folder of a kit with these files.
pub(crate) fn folder(config: &str, [certificate, key]: &[String; 2], roots: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    write(folder.path(), FILE_NAME, config);
    write(folder.path(), "certificate.pem", certificate);
    write(folder.path(), "key.pem", key);
    write(folder.path(), "roots.pem", roots);
    folder
}

/// Writes a file that only its owner can read.
pub(crate) fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

pub(crate) fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

/// Who the party of this kit is.
pub(crate) fn identity<C: Config>(kit: &Kit<C>) -> Identity {
    let credentials = &kit.credentials;
    let (name, key) = (name(kit.config.name()), credentials.signer().clone());
    let (chain, roots) = (credentials.chain().clone(), credentials.roots().clone());
    Identity::new(name, chain, Arc::new(key), roots).unwrap()
}
