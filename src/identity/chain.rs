//! The chain that a peer sends to prove who it is: certificates, or a bare key that the other
//! end has pinned.

#[cfg(feature = "x509")]
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::{BufMut, Bytes, BytesMut};

#[cfg(feature = "x509")]
use super::path::Certificates;
use super::{ChainError, Name, PublicKey};

/// Most certificates of a chain: a leaf, two intermediates and a root. Each costs
/// the verifier a signature.
pub const MAX_CERTIFICATES: usize = 4;

/// Most bytes of all certificates of a chain together. An Ed25519 certificate has
/// about 500; a Register with its chain must fit into 32 KiB.
pub const MAX_CHAIN_BYTES: usize = 16 * 1024;

/// First byte of chain bytes that hold X.509 certificates.
const X509: u8 = 1;
/// First byte of chain bytes that hold a pinned key.
const PINNED: u8 = 2;
/// Bytes of the length before each item.
const LENGTH_BYTES: usize = 4;

/// A peer's evidence: 1 to [`MAX_CERTIFICATES`] certificates, leaf first, or a bare
/// public key that the other side has pinned.
///
/// A chain that exists has the right shape and an Ed25519 key; whether to believe
/// it is for [`verify`](super::verify) to say. A clone shares the bytes.
#[derive(Clone)]
pub struct Chain(Arc<Parts>);

struct Parts {
    bytes: Bytes,
    evidence: Evidence,
}

pub(super) enum Evidence {
    #[cfg(feature = "x509")]
    Certificates(Box<Certificates<PublicKey>>),
    Pinned(PublicKey),
}

impl Chain {
    /// Makes a chain of certificates in DER, the leaf first. The root may be left out.
    ///
    /// # Errors
    ///
    /// If there are none, too many or too large ones, or if one is not exactly one
    /// certificate with an Ed25519 key and an Ed25519 signature.
    #[cfg(feature = "x509")]
    pub fn from_der(certificates: Vec<impl AsRef<[u8]>>) -> Result<Self, ChainError> {
        let items: Vec<&[u8]> = certificates.iter().map(AsRef::as_ref).collect();
        check_limits(&items)?;
        Self::read(encode(X509, &items))
    }

    /// Makes the evidence of a peer that has a bare key instead of certificates.
    #[must_use]
    pub fn pinned(key: PublicKey) -> Self {
        Self(Arc::new(Parts {
            bytes: encode(PINNED, &[key.as_bytes()]),
            evidence: Evidence::Pinned(key),
        }))
    }

    /// Reads the bytes that [`as_bytes`](Self::as_bytes) returned at the other end.
    ///
    /// # Errors
    ///
    /// If the bytes are framed wrongly; if there are no, too many or too large certificates,
    /// or one is not exactly one certificate with an Ed25519 key and an Ed25519 signature; if
    /// a bare key is none. Without the feature `x509` all certificates are refused, with
    /// [`ChainError::NoX509`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ChainError> {
        let found = bytes.len().saturating_sub(1);
        if found > MAX_CHAIN_BYTES + MAX_CERTIFICATES * LENGTH_BYTES {
            return Err(ChainError::TooLarge { found });
        }
        Self::read(Bytes::copy_from_slice(bytes))
    }

    /// The chain as it is sent and hashed: a type byte, then each certificate or the
    /// key, after its length in four bytes, big-endian.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The key that the peer has to sign with.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        match &self.0.evidence {
            #[cfg(feature = "x509")]
            Evidence::Certificates(chain) => chain.leaf.key,
            Evidence::Pinned(key) => *key,
        }
    }

    /// The peer's own certificate, or nothing for a bare key.
    #[must_use]
    pub fn leaf_der(&self) -> Option<&[u8]> {
        match &self.0.evidence {
            #[cfg(feature = "x509")]
            Evidence::Certificates(chain) => Some(&chain.leaf.der),
            Evidence::Pinned(_) => None,
        }
    }

    /// When the first of the certificates ends, in Unix seconds; nothing for a bare key.
    #[must_use]
    pub fn not_after(&self) -> Option<u64> {
        match &self.0.evidence {
            #[cfg(feature = "x509")]
            Evidence::Certificates(chain) => Some(chain.not_after()),
            Evidence::Pinned(_) => None,
        }
    }

    /// Whether this is a bare key.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        matches!(self.0.evidence, Evidence::Pinned(_))
    }

    /// The name that the leaf claims: its common name, if it has exactly one.
    #[must_use]
    pub fn common_name(&self) -> Option<Name> {
        match &self.0.evidence {
            #[cfg(feature = "x509")]
            Evidence::Certificates(chain) => chain.leaf.common_name().ok().cloned(),
            Evidence::Pinned(_) => None,
        }
    }

    pub(super) fn evidence(&self) -> &Evidence {
        &self.0.evidence
    }

    // spec: P-31
    fn read(bytes: Bytes) -> Result<Self, ChainError> {
        let (&kind, rest) = bytes.split_first().ok_or(ChainError::BadFraming)?;
        let items = split(rest)?;
        let evidence = match kind {
            #[cfg(not(feature = "x509"))]
            X509 => return Err(ChainError::NoX509),
            #[cfg(feature = "x509")]
            X509 => {
                check_limits(&items)?;
                let ders = items.into_iter().map(|item| bytes.slice_ref(item));
                Evidence::Certificates(Box::new(Certificates::read(ders)?))
            }
            PINNED => {
                let [key] = items[..] else {
                    return Err(ChainError::BadFraming);
                };
                let key = key.try_into().map_err(|_| ChainError::BadFraming)?;
                let key =
                    PublicKey::from_bytes(key).map_err(|_| ChainError::WeakKey { position: 0 })?;
                Evidence::Pinned(key)
            }
            _ => return Err(ChainError::BadFraming),
        };
        Ok(Self(Arc::new(Parts { bytes, evidence })))
    }
}

/// Two chains are equal if they are sent as the same bytes.
impl PartialEq for Chain {
    fn eq(&self, other: &Self) -> bool {
        self.0.bytes == other.0.bytes
    }
}

impl Eq for Chain {}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("common_name", &self.common_name())
            .field("key", &self.key())
            .field("bytes", &self.0.bytes.len())
            .finish()
    }
}

/// Whether there is a certificate, and not too much of them.
#[cfg(feature = "x509")]
pub(super) fn check_limits(items: &[impl AsRef<[u8]>]) -> Result<(), ChainError> {
    if items.is_empty() {
        return Err(ChainError::Empty);
    }
    if items.len() > MAX_CERTIFICATES {
        return Err(ChainError::TooMany);
    }
    let found = items.iter().map(|item| item.as_ref().len()).sum();
    if found > MAX_CHAIN_BYTES {
        return Err(ChainError::TooLarge { found });
    }
    Ok(())
}

fn encode(kind: u8, items: &[&[u8]]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(kind);
    for item in items {
        // Callers keep items within the limits above.
        bytes.put_u32(item.len() as u32);
        bytes.put_slice(item);
    }
    bytes.freeze()
}

/// Splits items after their lengths; one more than allowed is enough to see.
pub(super) fn split(mut rest: &[u8]) -> Result<Vec<&[u8]>, ChainError> {
    let mut items = Vec::with_capacity(MAX_CERTIFICATES);
    while !rest.is_empty() && items.len() <= MAX_CERTIFICATES {
        let (length, after) = rest
            .split_first_chunk::<LENGTH_BYTES>()
            .ok_or(ChainError::BadFraming)?;
        let length =
            usize::try_from(u32::from_be_bytes(*length)).map_err(|_| ChainError::BadFraming)?;
        let item = after.get(..length).ok_or(ChainError::BadFraming)?;
        rest = after.get(length..).ok_or(ChainError::BadFraming)?;
        items.push(item);
    }
    Ok(items)
}
