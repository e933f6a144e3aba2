//! The list of revoked certificates.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use core::fmt;

use sha2::{Digest, Sha256};

#[cfg(feature = "x509")]
use super::{ChainError, certificate};

/// Which certificate: the hash of its issuer and serial number, 32 bytes.
///
/// A session keeps the ids of the chain that opened it, so that it can be ended
/// when one of them is revoked later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateId([u8; 32]);

impl CertificateId {
    /// The id of the certificate with this issuer (a DER Name, header included) and
    /// serial number (big-endian; leading zero bytes do not count).
    #[must_use]
    pub fn new(issuer: &[u8], serial: &[u8]) -> Self {
        // The sign byte of DER, which tools show or leave out as they like.
        let zeros = serial.iter().take_while(|byte| **byte == 0).count();
        let serial = serial.get(zeros..).unwrap_or_default();
        // A length before the first part keeps the two apart.
        let hash = Sha256::new()
            .chain_update((issuer.len() as u64).to_be_bytes())
            .chain_update(issuer)
            .chain_update(serial)
            .finalize();
        Self(hash.into())
    }

    /// The id of a certificate given as DER, whatever its key.
    ///
    /// # Errors
    ///
    /// [`ChainError::Malformed`] if it is not exactly one certificate.
    #[cfg(feature = "x509")]
    pub fn of_certificate(der: &[u8]) -> Result<Self, ChainError> {
        certificate::id(der)
    }

    /// Its first bytes: enough to tell apart the certificates of a federation.
    pub(crate) fn mark(&self) -> [u8; 7] {
        let [
            mark @ ..,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
        ] = self.0;
        mark
    }
}

impl fmt::Debug for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "CertificateId({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

/// A set of revoked certificates. A clone shares it until one of the two changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revoked(Arc<BTreeSet<CertificateId>>);

impl Revoked {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the certificate with this issuer and serial number, given as for
    /// [`CertificateId::new`].
    pub fn insert(&mut self, issuer: &[u8], serial: &[u8]) {
        self.insert_id(CertificateId::new(issuer, serial));
    }

    /// Adds a certificate by its id.
    pub fn insert_id(&mut self, id: CertificateId) {
        Arc::make_mut(&mut self.0).insert(id);
    }

    /// Adds a certificate given as DER, whatever its key.
    ///
    /// # Errors
    ///
    /// [`ChainError::Malformed`] if it is not exactly one certificate.
    #[cfg(feature = "x509")]
    pub fn insert_certificate(&mut self, der: &[u8]) -> Result<(), ChainError> {
        self.insert_id(CertificateId::of_certificate(der)?);
        Ok(())
    }

    /// Adds all that `others` holds.
    pub(crate) fn extend(&mut self, others: &Self) {
        for id in others.0.iter() {
            self.insert_id(*id);
        }
    }

    /// Whether the set holds this certificate.
    #[must_use]
    pub fn contains(&self, id: &CertificateId) -> bool {
        self.0.contains(id)
    }

    /// Whether the set holds a certificate whose id begins so.
    pub(crate) fn contains_mark(&self, mark: [u8; 7]) -> bool {
        let mut first = [0; 32];
        first[..mark.len()].copy_from_slice(&mark);
        let next = self.0.range(CertificateId(first)..).next();
        next.is_some_and(|id| id.mark() == mark)
    }

    /// How many certificates the set holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the set holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
