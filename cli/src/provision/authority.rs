//! The project's root certificate, and the certificates that it issues.

use std::path::Path;
use std::time::{Duration, SystemTime};

use fedlink::identity::{Chain, PublicKey};
use fedlink_host::{Address, random_id};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, PublicKeyData,
    SerialNumber, SignatureAlgorithm,
};
use zeroize::Zeroizing;

use super::{ProvisionError, folder};
use crate::bounds::MAX_DAYS;

/// The root of a project.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

/// What a certificate is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    Server(&'a [Address]),
    Site,
}

/// A certificate, and the key that it is for if that is new.
pub(super) struct Leaf {
    certificate: Certificate,
    key: Option<Zeroizing<String>>,
}

/// A key that is elsewhere.
struct KeyOf(PublicKey);

impl PublicKeyData for KeyOf {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl Authority {
    /// A root with a new key.
    pub(super) fn new(project: &str) -> Result<Self, ProvisionError> {
        let params = root(project);
        let failed = |source| ProvisionError::Certificate {
            name: project.to_owned(),
            source,
        };
        let key = new_key().map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
        })
    }

    /// The root that was made with this key.
    pub(super) fn open(
        project: &str,
        key: &str,
        certificate: String,
    ) -> Result<Self, ProvisionError> {
        let key = KeyPair::from_pkcs8_pem_and_sign_algo(key, &PKCS_ED25519)
            .map_err(ProvisionError::RootKey)?;
        let chain = pem::parse(&certificate).ok();
        let chain = chain.and_then(|block| Chain::from_der(vec![block.into_contents()]).ok());
        if chain.is_none_or(|chain| chain.key().as_bytes()[..] != *key.public_key_raw()) {
            return Err(ProvisionError::RootMismatch);
        }
        Ok(Self {
            issuer: Issuer::new(root(project), key),
            certificate,
        })
    }

    pub(super) fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    pub(super) fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.issuer.key().serialize_pem())
    }

    /// A certificate for a new key, which counts from now for `days`.
    pub(super) fn issue(
        &self,
        name: &str,
        purpose: Purpose<'_>,
        days: u32,
    ) -> Result<Leaf, ProvisionError> {
        let failed = |source| ProvisionError::Certificate {
            name: name.to_owned(),
            source,
        };
        let key = new_key().map_err(failed)?;
        Ok(Leaf {
            certificate: self.certificate(name, purpose, days, &key)?,
            key: Some(Zeroizing::new(key.serialize_pem())),
        })
    }

    /// A certificate for a key that is known, which counts from now for `days`.
    pub(super) fn reissue(
        &self,
        name: &str,
        purpose: Purpose<'_>,
        days: u32,
        key: PublicKey,
    ) -> Result<Leaf, ProvisionError> {
        Ok(Leaf {
            certificate: self.certificate(name, purpose, days, &KeyOf(key))?,
            key: None,
        })
    }

    fn certificate(
        &self,
        name: &str,
        purpose: Purpose<'_>,
        days: u32,
        key: &impl PublicKeyData,
    ) -> Result<Certificate, ProvisionError> {
        let failed = |source| ProvisionError::Certificate {
            name: name.to_owned(),
            source,
        };
        let (hosts, usage) = match purpose {
            Purpose::Server(hosts) => (names(name, hosts), ExtendedKeyUsagePurpose::ServerAuth),
            Purpose::Site => (Vec::new(), ExtendedKeyUsagePurpose::ClientAuth),
        };
        let mut params = CertificateParams::new(hosts).map_err(failed)?;
        params.distinguished_name = common_name(name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        // By itself it would be that of every certificate for this key.
        let [first, rest @ ..] =
            random_id().map_err(|error| ProvisionError::Random(error.into()))?;
        let positive = first & 0x7f | 0x40;
        params.serial_number = Some(SerialNumber::from_slice(&[&[positive], &rest[..]].concat()));
        count_from_now(&mut params, days);
        params.signed_by(key, &self.issuer).map_err(failed)
    }
}

impl Leaf {
    /// Puts the certificate, the key and the root into the folder of a kit.
    pub(super) fn write(&self, kit: &Path, authority: &Authority) -> Result<(), ProvisionError> {
        if let Some(key) = &self.key {
            folder::write_private(&kit.join("key.pem"), key)?;
        }
        folder::write(&kit.join("certificate.pem"), &self.certificate_pem())?;
        folder::write(&kit.join("roots.pem"), authority.certificate_pem())
    }

    pub(super) fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    pub(super) fn certificate_der(&self) -> &[u8] {
        self.certificate.der()
    }

    /// The key, if it is new.
    pub(super) fn key_pem(&self) -> Option<&str> {
        self.key.as_ref().map(|key| key.as_str())
    }
}

/// How long before it was made a certificate already counts: clocks differ.
const LEEWAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Bytes of a private key.
const KEY_BYTES: usize = 32;

/// What stands before the bytes of an Ed25519 key in PKCS#8, version 1 (RFC 8410).
const PKCS8: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// A new key, in version 1 of PKCS#8: the only one that OpenSSL reads.
fn new_key() -> Result<KeyPair, rcgen::Error> {
    let made = Zeroizing::new(KeyPair::generate_for(&PKCS_ED25519)?.serialize_der());
    // Version 2 has the same fields, and the public key after them.
    let key = made.get(PKCS8.len()..PKCS8.len() + KEY_BYTES);
    let key = key.ok_or(rcgen::Error::CouldNotParseKeyPair)?;
    KeyPair::try_from(Zeroizing::new([&PKCS8, key].concat()).as_slice())
}

/// What stands behind the project in the name of its root.
const ROOT: &str = " root";

/// The project that a root of this name was made for, if it was made here.
pub(crate) fn project_of_root(name: &str) -> Option<&str> {
    name.strip_suffix(ROOT)
}

fn root(project: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&format!("{project}{ROOT}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    count_from_now(&mut params, 2 * MAX_DAYS);
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn count_from_now(params: &mut CertificateParams, days: u32) {
    let now = SystemTime::now();
    params.not_before = (now - LEEWAY).into();
    params.not_after = (now + Duration::from_secs(24 * 60 * 60) * days).into();
}

/// What TLS may know the coordinator by: its name, where sites reach it, and the machine
/// itself, so that one can try it there.
fn names(server: &str, hosts: &[Address]) -> Vec<String> {
    let local = ["localhost", "127.0.0.1", "::1"];
    let mut names: Vec<String> = Vec::new();
    for name in [server.to_owned()]
        .into_iter()
        .chain(hosts.iter().map(|host| host.host.to_string()))
        .chain(local.map(str::to_owned))
    {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
