//! Public keys.

#[cfg(test)]
mod vectors;

use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};

use super::KeyError;

/// An Ed25519 public key: 32 bytes that stand for a point of large order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Length of a key in bytes.
    pub const LENGTH: usize = 32;

    /// Checks and stores a key.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotAPublicKey`] if the bytes stand for no point of the curve, or
    /// for one of small order, under which a signature says nothing.
    pub fn from_bytes(bytes: [u8; Self::LENGTH]) -> Result<Self, KeyError> {
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(bytes)),
            _ => Err(KeyError::NotAPublicKey),
        }
    }

    /// The public half of a private key, which is always a good one.
    pub(super) fn of(key: &VerifyingKey) -> Self {
        Self(key.to_bytes())
    }

    /// The key's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// Whether `signature` is this key's signature of `message`, checked strictly.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| {
            key.verify_strict(message, &Signature::from_bytes(signature))
                .is_ok()
        })
    }
}

/// The whole key in hexadecimal digits.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The first bytes of the key, enough to tell keys apart in a log.
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "PublicKey({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}
