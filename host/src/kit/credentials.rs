//! Certificates and keys as both the core and TLS need them.

use std::fmt;
use std::path::Path;

use fedlink::identity::{
    self, Chain, KeyError, LocalSigner, Name, Revoked, Roots, Signer, Verified,
};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::{Zeroize, Zeroizing};

use super::KitError;

/// Who a peer is and whom it trusts, checked to fit together.
pub struct Credentials {
    chain: Chain,
    signer: LocalSigner,
    roots: Roots,
    certificates: Vec<CertificateDer<'static>>,
    key: Zeroizing<Vec<u8>>,
    root_certificates: Vec<CertificateDer<'static>>,
}

/// The name of a PEM block that a password protects.
const ENCRYPTED: &[u8] = b"ENCRYPTED PRIVATE KEY";

/// A PEM file: what it is called in errors, and what is in it.
pub(super) struct PemFile<'a> {
    pub(super) path: &'a Path,
    pub(super) field: &'static str,
    pub(super) content: Zeroizing<Vec<u8>>,
}

impl Credentials {
    /// Reads the three files of a kit.
    pub(super) fn from_pem(
        certificate: &PemFile<'_>,
        key: &PemFile<'_>,
        roots: &PemFile<'_>,
    ) -> Result<Self, KitError> {
        let certificates = certificate.certificates()?;
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
            &Revoked::new(),
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
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, KitError> {
        let found: Vec<_> = CertificateDer::pem_slice_iter(&self.content)
            .collect::<Result<_, _>>()
            .map_err(|source| self.damaged(source))?;
        if found.is_empty() {
            return Err(self.damaged(pem::Error::NoItemsFound));
        }
        Ok(found)
    }

    fn private_key(&self) -> Result<Zeroizing<Vec<u8>>, KitError> {
        if self
            .content
            .windows(ENCRYPTED.len())
            .any(|part| part == ENCRYPTED)
        {
            return Err(self.unusable(KeyError::Encrypted));
        }
        let wrong_form = |found| KitError::KeyForm {
            path: self.path.to_owned(),
            found,
        };
        match PrivateKeyDer::from_pem_slice(&self.content).map_err(|source| self.damaged(source))? {
            PrivateKeyDer::Pkcs8(mut key) => {
                let copy = Zeroizing::new(key.secret_pkcs8_der().to_vec());
                key.zeroize();
                Ok(copy)
            }
            PrivateKeyDer::Pkcs1(_) => Err(wrong_form("RSA")),
            PrivateKeyDer::Sec1(_) => Err(wrong_form("elliptic curve")),
            _ => Err(wrong_form("unknown")),
        }
    }

    fn unusable(&self, source: KeyError) -> KitError {
        KitError::Key {
            path: self.path.to_owned(),
            source,
        }
    }

    fn damaged(&self, source: pem::Error) -> KitError {
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
