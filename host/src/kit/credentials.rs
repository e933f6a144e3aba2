//! The certificates and the key of a kit, as both the core and TLS need them.

use std::fmt;
use std::path::Path;

use fedlink::identity::{
    self, Chain, KeyError, LocalSigner, Name, Revoked, Roots, Signer, Verified,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use super::KitError;
use super::pem::{self, PemFault};

/// Who a peer is and whom it trusts, checked to fit together.
pub struct Credentials {
    chain: Chain,
    signer: LocalSigner,
    roots: Roots,
    revoked: Revoked,
    certificates: Vec<CertificateDer<'static>>,
    key: Zeroizing<Vec<u8>>,
    root_certificates: Vec<CertificateDer<'static>>,
}

/// A PEM file: what it is called in errors, and what is in it.
pub(super) struct PemFile<'a> {
    pub(super) path: &'a Path,
    pub(super) field: &'static str,
    pub(super) content: Zeroizing<Vec<u8>>,
}

impl Credentials {
    /// Reads the files of a kit.
    pub(super) fn from_pem(
        certificate: &PemFile<'_>,
        key: &PemFile<'_>,
        roots: &PemFile<'_>,
        revoked: Option<&PemFile<'_>>,
    ) -> Result<Self, KitError> {
        let certificates = certificate.certificates()?;
        pem::check_versions(&certificates).map_err(|source| certificate.damaged(source))?;
        let chain =
            Chain::from_der(certificates.clone()).map_err(|source| certificate.refused(source))?;
        let root_certificates = roots.certificates()?;
        let mut trusted = Roots::new();
        for root in &root_certificates {
            trusted = trusted
                .certificate(root)
                .map_err(|source| roots.refused(source))?;
        }
        let pkcs8 = key.private_key()?;
        let signer = LocalSigner::from_pkcs8_der(&pkcs8).map_err(|source| key.unusable(source))?;
        if signer.public_key() != chain.key() {
            return Err(KitError::KeyMismatch {
                key: key.path.to_owned(),
                certificate: certificate.path.to_owned(),
            });
        }
        Ok(Self {
            chain,
            signer,
            roots: trusted,
            revoked: revoked.map_or(Ok(Revoked::new()), PemFile::revoked)?,
            certificates,
            key: pkcs8,
            root_certificates,
        })
    }

    /// The own certificates, for the core.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The own key, for the core.
    pub fn signer(&self) -> &LocalSigner {
        &self.signer
    }

    /// The project's roots, for the core.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The certificates that no longer count.
    pub fn revoked(&self) -> &Revoked {
        &self.revoked
    }

    /// The own certificates in DER, the leaf first, for TLS.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// The own key, for TLS. What it is copied to is no longer wiped from here.
    pub fn private_key(&self) -> PrivateKeyDer<'_> {
        PrivatePkcs8KeyDer::from(self.key.as_slice()).into()
    }

    /// The project's roots in DER, for TLS.
    pub fn root_certificates(&self) -> &[CertificateDer<'static>] {
        &self.root_certificates
    }

    /// Judges the own certificates as a peer would that trusts the same roots.
    pub(super) fn verify(
        &self,
        role: identity::Role,
        name: &Name,
        unix_time: Option<u64>,
    ) -> Result<Verified, identity::ChainError> {
        identity::verify(
            &self.chain,
            &self.roots,
            &self.revoked,
            role,
            name,
            unix_time,
        )
    }
}

/// Shows the public half only.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("signer", &self.signer)
            .finish_non_exhaustive()
    }
}

impl PemFile<'_> {
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, KitError> {
        pem::certificates(&self.content).map_err(|source| self.damaged(source))
    }

    /// All certificates, of which there may be none.
    fn revoked(&self) -> Result<Revoked, KitError> {
        let mut revoked = Revoked::new();
        let is_remark = |line: &[u8]| line.starts_with(b"#") || line.trim_ascii().is_empty();
        if self.content.split(|byte| *byte == b'\n').all(is_remark) {
            return Ok(revoked);
        }
        for certificate in self.certificates()? {
            let inserted = revoked.insert_certificate(&certificate);
            inserted.map_err(|source| self.refused(source))?;
        }
        Ok(revoked)
    }

    fn private_key(&self) -> Result<Zeroizing<Vec<u8>>, KitError> {
        let block = pem::private_key(&self.content).map_err(|source| self.damaged(source))?;
        match block.label() {
            _ if block.is_encrypted() => Err(self.unusable(KeyError::Encrypted)),
            "PRIVATE KEY" => block
                .decode()
                .ok_or_else(|| self.damaged(PemFault::Damaged)),
            other => Err(KitError::KeyForm {
                path: self.path.to_owned(),
                found: kind_of(other),
            }),
        }
    }

    fn unusable(&self, source: KeyError) -> KitError {
        KitError::Key {
            path: self.path.to_owned(),
            source,
        }
    }

    fn damaged(&self, source: PemFault) -> KitError {
        KitError::Pem {
            path: self.path.to_owned(),
            field: self.field,
            source,
        }
    }

    fn refused(&self, source: identity::ChainError) -> KitError {
        KitError::Certificate {
            path: self.path.to_owned(),
            field: self.field,
            source,
        }
    }
}

/// The kind of a key in a block of this name.
fn kind_of(label: &str) -> &'static str {
    match label {
        "RSA PRIVATE KEY" => "RSA",
        "EC PRIVATE KEY" => "elliptic curve",
        "OPENSSH PRIVATE KEY" => "OpenSSH",
        _ => "unknown",
    }
}
