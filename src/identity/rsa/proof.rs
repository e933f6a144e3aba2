//! An RSA identity: the certificate and key that a machine shows, and the roots that it
//! trusts.

use alloc::string::ToString;
use alloc::vec::Vec;

use bytes::Bytes;

use super::{RsaChain, RsaPublicKey, RsaRoots, RsaSigner, SigningFault};
use crate::entropy::Entropy;
use crate::error::ConfigError;
use crate::identity::{ChainError, Name, Revoked, Role, Verified};

/// A chain of certificates, the private key of its leaf, and the roots.
pub(crate) struct RsaProof {
    chain_pem: Bytes,
    not_after: u64,
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
            not_after: chain.not_after(),
            signer,
            roots,
        })
    }

    /// The certificates to send: in PEM, the leaf first.
    pub(crate) fn chain_pem(&self) -> &Bytes {
        &self.chain_pem
    }

    /// When the first of the certificates ends, in Unix seconds.
    pub(in crate::identity) fn not_after(&self) -> u64 {
        self.not_after
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

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! file {
        ($name:literal) => {
            &include_bytes!(concat!("../../../tests/certificates/rsa/", $name))[..]
        };
    }

    #[test]
    fn a_site_and_a_server_of_one_root_know_each_other() {
        let name = Name::new("site-1").unwrap();
        let chain = [file!("site.crt"), file!("lower.crt"), file!("upper.crt")].concat();
        let signer = RsaSigner::from_pem(file!("site.key")).unwrap();
        let proof = RsaProof::new(&name, &chain, signer, file!("root.crt")).unwrap();
        assert_eq!(proof.chain_pem()[..], chain);

        let now = Some(2_000_000_000);
        let judge = |revoked: &Revoked| proof.verify_server(&chain, revoked, &name, now);
        let verified = judge(&Revoked::new()).unwrap();
        let signature = proof
            .sign(b"message", &mut Entropy::new(&mut [1; 32]))
            .unwrap();
        assert!(verified.key.verify(b"message", &signature));

        let mut revoked = Revoked::new();
        revoked.insert_id(verified.certificates[2]);
        let refused = ChainError::Revoked { position: 2 };
        assert_eq!(judge(&revoked), Err(refused));
    }
}
