//! RSA certificates in PEM, and the roots that they must lead to.

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::RsaPublicKey;
use crate::identity::anchors::Anchors;
use crate::identity::chain::check_limits;
use crate::identity::path::Certificates;
use crate::identity::pem;
use crate::identity::{
    ChainError, MAX_CERTIFICATES, MAX_CHAIN_BYTES, Name, Revoked, Role, Verified,
};

/// Most bytes of a peer's certificates in PEM: [`MAX_CHAIN_BYTES`] in base64 take a
/// third more, the rest is for text around them.
pub const MAX_PEM_BYTES: usize = 3 * MAX_CHAIN_BYTES;

/// A peer's certificates, the leaf first. Whether to believe them is for
/// [`verify`](Self::verify) to say.
pub struct RsaChain(Certificates<RsaPublicKey>);

/// The root certificates that are trusted.
#[derive(Debug)]
pub struct RsaRoots(Anchors<RsaPublicKey>);

impl RsaChain {
    /// Reads 1 to [`MAX_CERTIFICATES`] certificates in PEM, the leaf first. The root may
    /// be left out.
    ///
    /// # Errors
    ///
    /// If there are none, too many or too large ones, or if a block of PEM is not
    /// exactly one certificate with an RSA key and an RSA signature.
    pub fn from_pem(pem: &[u8]) -> Result<Self, ChainError> {
        if pem.len() > MAX_PEM_BYTES {
            return Err(ChainError::TooLarge { found: pem.len() });
        }
        // One more than allowed is enough to see.
        let ders: Vec<Bytes> = ders(pem)
            .take(MAX_CERTIFICATES + 1)
            .collect::<Result<_, _>>()?;
        check_limits(&ders)?;
        Certificates::read(ders).map(Self)
    }

    /// The key that the peer has to sign with.
    #[must_use]
    pub fn key(&self) -> &RsaPublicKey {
        &self.0.leaf.key
    }

    /// The peer's name: the leaf's only common name.
    ///
    /// # Errors
    ///
    /// If there is none, if there are several, or if it is no [`Name`].
    pub fn common_name(&self) -> Result<&Name, ChainError> {
        self.0.leaf.common_name()
    }

    /// When the first of the certificates ends, in Unix seconds.
    #[must_use]
    pub fn not_after(&self) -> u64 {
        self.0.not_after()
    }

    /// Judges whether the chain is that of `expected` in this role, by the rules of
    /// [`verify`](crate::identity::verify).
    ///
    /// # Errors
    ///
    /// The first fault found, as a [`ChainError`] of its own kind.
    pub fn verify(
        &self,
        roots: &RsaRoots,
        revoked: &Revoked,
        role: Role,
        expected: &Name,
        unix_time: Option<u64>,
    ) -> Result<Verified<RsaPublicKey>, ChainError> {
        let made =
            &mut |key: &RsaPublicKey, signature: &_, message: &Bytes| key.made(signature, message);
        let parties = (role, expected);
        self.0.verify((&roots.0, revoked), parties, unix_time, made)
    }
}

impl RsaRoots {
    /// Reads root certificates in PEM, in any order. A root may be signed by itself or
    /// by another: it is trusted because it is here.
    ///
    /// # Errors
    ///
    /// If a block of PEM is not exactly one certificate with an RSA key and an RSA
    /// signature, or if one may not issue certificates or holds a rule that is not
    /// understood here.
    pub fn from_pem(pem: &[u8]) -> Result<Self, ChainError> {
        let mut roots = Anchors::default();
        for (position, der) in ders(pem).enumerate() {
            roots.add(der?, position)?;
        }
        Ok(Self(roots))
    }

    /// Whether nothing is trusted, so that no chain can be accepted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for RsaChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaChain")
            .field("common_name", &self.common_name().ok())
            .field("key", self.key())
            .finish()
    }
}

/// The certificates in DER. A block that is none is an error: it could be a private key
/// that must not be sent along.
fn ders(pem: &[u8]) -> impl Iterator<Item = Result<Bytes, ChainError>> {
    pem::blocks(pem).enumerate().map(|(position, block)| {
        block
            .ok()
            .filter(|block| block.label() == "CERTIFICATE")
            .and_then(|block| block.certificate())
            .ok_or(ChainError::NotACertificate { position })
    })
}
