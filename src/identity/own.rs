//! A machine's own identity: the chain and key that it shows, and the roots that it trusts.

use alloc::borrow::ToOwned;
use alloc::string::ToString;
use alloc::sync::Arc;

#[cfg(feature = "nvflare")]
use super::rsa::{RsaProof, RsaSigner};
use super::{Chain, Name, Revoked, Roots, Signer};
use crate::error::ConfigError;
use crate::suite::Suite;

/// Who this machine is, with its evidence and its trust. Cloning shares everything.
///
/// # By pinned keys
///
/// Without certificates: each side knows the other's public key, by name. A key is 32 random
/// bytes, which stay where they were drawn; only its public half travels.
///
/// ```
/// use std::sync::Arc;
/// use fedlink::identity::{Chain, Identity, LocalSigner, Name, Roots, Signer};
///
/// // 32 fresh random bytes each, drawn once and kept.
/// let site_key = LocalSigner::from_seed(&[1; 32]);
/// let coordinator_key = LocalSigner::from_seed(&[2; 32]);
///
/// let (site, coordinator) = (Name::new("site-1")?, Name::new("coordinator")?);
/// let trusted = Roots::new().pin(coordinator.clone(), coordinator_key.public_key());
/// let chain = Chain::pinned(site_key.public_key());
/// let of_the_site = Identity::new(site.clone(), chain, Arc::new(site_key.clone()), trusted)?;
///
/// let trusted = Roots::new().pin(site.clone(), site_key.public_key());
/// let chain = Chain::pinned(coordinator_key.public_key());
/// let of_the_coordinator = Identity::new(coordinator, chain, Arc::new(coordinator_key), trusted)?;
/// assert_eq!(of_the_site.not_after(), None, "keys have no dates");
///
/// // Whoever trusts nobody would wait for ever.
/// let chain = Chain::pinned(site_key.public_key());
/// assert!(Identity::new(site, chain, Arc::new(site_key), Roots::new()).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A server with many sites pins each of them: [`Roots::pin`] as often as there are names.
#[derive(Clone)]
pub struct Identity {
    name: Name,
    proof: Proof,
    pub(crate) roots: Roots,
    pub(crate) revoked: Revoked,
}

/// What proves the name.
#[derive(Clone)]
enum Proof {
    Nothing,
    Ed25519(Chain, Key),
    #[cfg(feature = "nvflare")]
    Rsa(Arc<RsaProof>),
}

/// Where the private key is.
#[derive(Clone)]
pub(crate) enum Key {
    Here(Arc<dyn Signer>),
    /// In a module or a service: the machine asks with an action.
    Elsewhere,
}

impl Identity {
    /// An identity whose key signs at once.
    ///
    /// # Errors
    /// When the certificate carries another name, when the key is not the chain's, or
    /// when the roots trust nobody.
    pub fn new(
        name: Name,
        chain: Chain,
        signer: Arc<dyn Signer>,
        roots: Roots,
    ) -> Result<Self, ConfigError> {
        if signer.public_key() != chain.key() {
            return Err(ConfigError::KeyMismatch);
        }
        Self::proven(name, chain, Key::Here(signer), roots)
    }

    /// An identity whose key is elsewhere: in a TPM, an HSM, a signing service. The
    /// machine asks for each signature with an action `Sign`.
    ///
    /// # Errors
    /// As [`Identity::new`].
    pub fn with_key_elsewhere(name: Name, chain: Chain, roots: Roots) -> Result<Self, ConfigError> {
        Self::proven(name, chain, Key::Elsewhere, roots)
    }

    /// An identity for NVFlare: an RSA key, its certificate and the issuers of that in
    /// PEM (the leaf first), and the root certificates in PEM.
    ///
    /// # Errors
    /// When a certificate cannot be used, when the leaf carries another name or another
    /// key, or when there is no root.
    #[cfg(feature = "nvflare")]
    pub fn rsa(
        name: Name,
        chain_pem: &[u8],
        signer: RsaSigner,
        roots_pem: &[u8],
    ) -> Result<Self, ConfigError> {
        let proof = RsaProof::new(&name, chain_pem, signer, roots_pem)?;
        Ok(Self::with_proof(
            name,
            Proof::Rsa(Arc::new(proof)),
            Roots::new(),
        ))
    }

    /// A bare name, for the plain suite and for NVFlare without certificates.
    #[must_use]
    pub fn unproven(name: Name) -> Self {
        Self::with_proof(name, Proof::Nothing, Roots::new())
    }

    /// The same identity, refusing these certificates.
    #[must_use]
    pub fn revoking(mut self, revoked: Revoked) -> Self {
        self.revoked = revoked;
        self
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// When the first of its certificates ends, in Unix seconds; nothing without one.
    #[must_use]
    pub fn not_after(&self) -> Option<u64> {
        match &self.proof {
            Proof::Nothing => None,
            Proof::Ed25519(chain, _) => chain.not_after(),
            #[cfg(feature = "nvflare")]
            Proof::Rsa(proof) => Some(proof.not_after()),
        }
    }

    /// The Ed25519 chain and key.
    pub(crate) fn proof(&self) -> Option<(&Chain, &Key)> {
        match &self.proof {
            Proof::Ed25519(chain, key) => Some((chain, key)),
            Proof::Nothing => None,
            #[cfg(feature = "nvflare")]
            Proof::Rsa(_) => None,
        }
    }

    /// The RSA chain and key.
    #[cfg(feature = "nvflare")]
    pub(crate) fn rsa_proof(&self) -> Option<&RsaProof> {
        match &self.proof {
            Proof::Rsa(proof) => Some(proof),
            Proof::Nothing | Proof::Ed25519(..) => None,
        }
    }

    /// Whether the identity is for NVFlare.
    pub(crate) fn is_rsa(&self) -> bool {
        match &self.proof {
            Proof::Nothing | Proof::Ed25519(..) => false,
            #[cfg(feature = "nvflare")]
            Proof::Rsa(_) => true,
        }
    }

    /// The chain bytes that are shown in this suite; plain shows none.
    pub(crate) fn chain_bytes(&self, suite: Suite) -> &[u8] {
        match (suite, self.proof()) {
            (Suite::Bearer | Suite::Sealed, Some((chain, _))) => chain.as_bytes(),
            (Suite::Plain, _) | (_, None) => &[],
        }
    }

    fn proven(name: Name, chain: Chain, key: Key, roots: Roots) -> Result<Self, ConfigError> {
        if !chain.is_pinned() && chain.common_name().as_ref() != Some(&name) {
            return Err(ConfigError::NameMismatch {
                certificate: chain
                    .common_name()
                    .map_or_else(|| "nobody".to_owned(), |name| name.to_string()),
                configured: name,
            });
        }
        if roots.is_empty() {
            return Err(ConfigError::NoRoots);
        }
        Ok(Self::with_proof(name, Proof::Ed25519(chain, key), roots))
    }

    fn with_proof(name: Name, proof: Proof, roots: Roots) -> Self {
        Self {
            name,
            proof,
            roots,
            revoked: Revoked::new(),
        }
    }
}

impl core::fmt::Debug for Identity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Identity({})", self.name)
    }
}
