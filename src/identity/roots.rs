//! The roots that a peer trusts: certificates and pinned keys.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;

#[cfg(feature = "x509")]
use bytes::Bytes;

#[cfg(feature = "x509")]
use super::{ChainError, anchors::Anchors};
use super::{Name, PublicKey};

/// The project's root certificates and pinned keys. A clone shares them.
///
/// ```
/// # use fedlink::identity::{LocalSigner, Name, Roots, Signer};
/// # let key = LocalSigner::from_seed(&[7; 32]).public_key();
/// let roots = Roots::new().pin(Name::new("site-1")?, key);
/// assert!(!roots.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Roots(Arc<Trusted>);

#[derive(Debug, Clone, Default)]
struct Trusted {
    #[cfg(feature = "x509")]
    certificates: Anchors<PublicKey>,
    pins: BTreeMap<Name, BTreeSet<PublicKey>>,
}

impl Roots {
    /// No roots: nobody is trusted.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a root certificate, given as DER. It may be signed by itself or by
    /// another: it is trusted because it is here. Several may share a name, as when
    /// one follows another.
    ///
    /// # Errors
    ///
    /// If it does not parse, has another key than Ed25519, may not issue
    /// certificates, or holds a rule that is not understood here.
    #[cfg(feature = "x509")]
    pub fn certificate(mut self, der: impl AsRef<[u8]>) -> Result<Self, ChainError> {
        let der = Bytes::copy_from_slice(der.as_ref());
        Arc::make_mut(&mut self.0).certificates.add(der, 0)?;
        Ok(self)
    }

    /// Trusts `key`, without a certificate, to speak for `name`. A name may have
    /// several keys, as when one follows another.
    #[must_use]
    pub fn pin(mut self, name: Name, key: PublicKey) -> Self {
        let pins = &mut Arc::make_mut(&mut self.0).pins;
        pins.entry(name).or_default().insert(key);
        self
    }

    /// Whether nothing is trusted, so that no chain can be accepted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        #[cfg(feature = "x509")]
        if !self.0.certificates.is_empty() {
            return false;
        }
        self.0.pins.is_empty()
    }

    pub(super) fn pins(&self, name: &Name, key: &PublicKey) -> bool {
        self.0.pins.get(name).is_some_and(|keys| keys.contains(key))
    }

    #[cfg(feature = "x509")]
    pub(super) fn certificates(&self) -> &Anchors<PublicKey> {
        &self.0.certificates
    }
}
