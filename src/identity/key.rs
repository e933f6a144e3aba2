//! Public Ed25519 keys, and the signatures that they verify.

#[cfg(test)]
mod vectors;

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};

use ed25519_dalek::{Signature, VerifyingKey};

use super::KeyError;

/// Content of the OBJECT IDENTIFIER of Ed25519, 1.3.101.112 (RFC 8410).
pub(super) const ED25519: [u8; 3] = [0x2b, 0x65, 0x70];

/// An Ed25519 public key: 32 bytes that stand for a point of large order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Length of a key in bytes.
    pub const LENGTH: usize = 32;

    /// Checks and stores a key.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotAPublicKey`] if the bytes stand for no point of the curve, or
    /// for one of small order, under which a signature says nothing.
    // spec: P-30
    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> Result<Self, KeyError> {
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(key)),
            _ => Err(KeyError::NotAPublicKey),
        }
    }

    /// The public half of a private key, which is always a good one.
    pub(super) fn of(key: &VerifyingKey) -> Self {
        Self(*key)
    }

    /// The key's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        self.0.as_bytes()
    }

    pub(super) fn as_point(&self) -> &VerifyingKey {
        &self.0
    }

    /// Whether `signature` is this key's signature of `message`, checked strictly.
    // spec: P-30
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        self.0.verify_strict(message, &signature).is_ok()
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

/// The whole key in hexadecimal digits.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.as_bytes().iter();
        bytes.try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The first bytes of the key, enough to tell keys apart in a log.
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.as_bytes();
        write!(f, "PublicKey({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

#[cfg(test)]
mod tests {
    use core::hash::BuildHasher;
    use core::hash::BuildHasherDefault;
    use std::collections::hash_map::DefaultHasher;

    use crate::identity::{LocalSigner, Signer};

    #[test]
    fn keys_are_sorted_and_hashed_by_their_bytes() {
        let keys = [1, 2].map(|seed| Signer::public_key(&LocalSigner::from_seed(&[seed; 32])));
        let order = keys[0].as_bytes().cmp(keys[1].as_bytes());
        assert_eq!(keys[0].partial_cmp(&keys[1]), Some(order));
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        assert_ne!(hasher.hash_one(keys[0]), hasher.hash_one(keys[1]));
    }
}
