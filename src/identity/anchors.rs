//! The root certificates that a peer trusts, of one kind of key.

use alloc::vec::Vec;

use bytes::Bytes;

use super::ChainError;
use super::certificate::Certificate;
use super::chain_key::ChainKey;

/// The root certificates that are trusted. Several may share a name, as when one
/// follows another.
#[derive(Debug, Clone)]
pub(super) struct Anchors<K: ChainKey>(Vec<Certificate<K>>);

impl<K: ChainKey> Anchors<K> {
    /// Adds a root, given as DER. It may be signed by itself or by another: it is
    /// trusted because it is here. `position` is for errors only.
    pub(super) fn add(&mut self, der: Bytes, position: usize) -> Result<(), ChainError> {
        let root = Certificate::from_der(der, position)?;
        root.check_issuer(position, 0)?;
        self.0.push(root);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `certificate` speaks for a root: the same name and the same key.
    pub(super) fn holds(&self, certificate: &Certificate<K>) -> bool {
        self.named(&certificate.subject)
            .any(|root| root.key == certificate.key)
    }

    /// The roots with this name (DER).
    pub(super) fn named<'a>(
        &'a self,
        subject: &'a [u8],
    ) -> impl Iterator<Item = &'a Certificate<K>> {
        self.0.iter().filter(move |root| root.subject == subject)
    }
}

impl<K: ChainKey> Default for Anchors<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}
