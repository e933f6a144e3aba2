//! What a machine with an RSA key shows of itself, and what it trusts in servers.

use bytes::Bytes;

use super::{RsaChain, RsaPublicKey, RsaRoots, RsaSigner, SigningFault};
use crate::entropy::Entropy;
use crate::error::ConfigError;
use crate::identity::{ChainError, Name, Revoked, Role, Verified};

/// A chain of certificates, the private key of its leaf, and the roots.
pub(crate) struct RsaProof {
    chain_pem: Bytes,
    signer: RsaSigner,
    roots: RsaRoots,
}

impl RsaProof {
    pub(in crate::identity) fn new(
        name: &Name,
        chain_pem: &[u8],
        signer: RsaSigner,
        roots_pem: &[u8],
    ) -> Result<Self, ConfigError> {
        let chain = RsaChain::from_pem(chain_pem)?;
        if chain.key() != signer.public_key() {
            return Err(ConfigError::KeyMismatch);
        }
        let certified = chain.common_name()?;
        if certified != name {
            return Err(ConfigError::NameMismatch {
                certificate: certified.to_string(),
                configured: name.clone(),
            });
        }
        let roots = RsaRoots::from_pem(roots_pem).map_err(ConfigError::Roots)?;
        if roots.is_empty() {
            return Err(ConfigError::NoRoots);
        }
        Ok(Self {
            chain_pem: Bytes::copy_from_slice(chain_pem),
            signer,
            roots,
        })
    }

    /// The certificates to send: in PEM, the leaf first.
    pub(crate) fn chain_pem(&self) -> &Bytes {
        &self.chain_pem
    }

    /// Signs `message` with the leaf's key.
    pub(crate) fn sign(
        &self,
        message: &[u8],
        entropy: &mut Entropy,
    ) -> Result<Vec<u8>, SigningFault> {
        self.signer.sign_with(message, entropy)
    }

    /// Judges whether `chain_pem` is that of the server `expected`, as
    /// [`verify`](crate::identity::verify) does.
    pub(crate) fn verify_server(
        &self,
        chain_pem: &[u8],
        revoked: &Revoked,
        expected: &Name,
        unix_time: Option<u64>,
    ) -> Result<Verified<RsaPublicKey>, ChainError> {
        let chain = RsaChain::from_pem(chain_pem)?;
        chain.verify(&self.roots, revoked, Role::Server, expected, unix_time)
    }
}
