//! Start-up kits for tests, with what is in those that `nvflare provision` makes.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256,
};
use tempfile::TempDir;

use super::{Kit, KitError};
use crate::testing::{DAY, write};

const ROOT_KEY: &str = include_str!("../../tests/nvflare-kit/root.key");
pub(crate) const SERVER_KEY: &str = include_str!("../../tests/nvflare-kit/server.key");
pub(crate) const SITE_PKCS8: &str = include_str!("../../tests/nvflare-kit/site.pkcs8.key");
const SITE_PKCS1: &str = include_str!("../../tests/nvflare-kit/site.key");

const FED_CLIENT: &str = r#"{
  "format_version": 2,
  "servers": [
    {
      "name": "wine",
      "service": {
        "target": "localhost:8002",
        "scheme": "tcp"
      },
      "identity": "fl-server"
    }
  ],
  "client": {
    "ssl_private_key": "client.key",
    "ssl_cert": "client.crt",
    "ssl_root_cert": "rootCA.pem",
    "fqsn": "site-1",
    "is_leaf": true,
    "connection_security": "mtls"
  }
}"#;

const SUB_START: &str = r#"#!/usr/bin/env bash
start_python() {
  exec python3 -u -m nvflare.private.fed.app.client.client_train -m "$WORKSPACE" -s fed_client.json --set secure_train=true uid=site-1 org=nvidia config_folder=config
}
"#;

/// The root of a project.
pub(crate) struct Root {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Root {
    pub(crate) fn new() -> Self {
        Self::with_key(ROOT_KEY)
    }

    /// A root with the same name and another key.
    pub(crate) fn other() -> Self {
        Self::with_key(SITE_PKCS8)
    }

    fn with_key(key: &str) -> Self {
        let mut params = params("wine");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
        ];
        let key = key_pair(key);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A certificate as `nvflare provision` makes it, after `change`.
    pub(crate) fn issue(
        &self,
        name: &str,
        key: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> String {
        let mut params = params(name);
        params.use_authority_key_identifier_extension = true;
        change(&mut params);
        let certificate = params.signed_by(&key_pair(key), &self.issuer);
        certificate.unwrap().pem()
    }

    pub(crate) fn site(&self) -> String {
        self.issue("site-1", SITE_PKCS8, |_| {})
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = (SystemTime::now() - Duration::from_secs(3600)).into();
    params.not_after = (SystemTime::now() + 360 * DAY).into();
    params
}

fn key_pair(pem: &str) -> KeyPair {
    KeyPair::from_pkcs8_pem_and_sign_algo(pem, &PKCS_RSA_SHA256).unwrap()
}

/// The folder of a kit, right until something in it is changed.
pub(crate) struct Folder {
    folder: TempDir,
    pub(crate) startup: PathBuf,
}

impl Folder {
    pub(crate) fn new(root: &Root) -> Self {
        let folder = TempDir::new().unwrap();
        let startup = folder.path().join("startup");
        fs::create_dir(&startup).unwrap();
        let it = Self { folder, startup };
        it.write("fed_client.json", FED_CLIENT);
        it.write("sub_start.sh", SUB_START);
        it.write("client.crt", root.site());
        it.write("client.key", SITE_PKCS1);
        it.write("rootCA.pem", &root.pem);
        it
    }

    /// Writes a file of `startup` that only its owner can read.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        write(&self.startup, name, content);
    }

    /// Replaces what stands once in a file of `startup`.
    pub(crate) fn replace(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.startup.join(name)).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{from}");
        self.write(name, text.replace(from, to));
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.startup.join(name)).unwrap();
    }

    pub(crate) fn read(&self) -> Result<Kit, KitError> {
        Kit::read(self.folder.path())
    }

    /// What is told of a kit that cannot be used. It begins with the file's name.
    pub(crate) fn told(&self) -> String {
        let told = self.read().unwrap_err().to_string();
        let startup = format!("{}/", self.startup.display());
        told.replace(&startup, "")
    }
}
