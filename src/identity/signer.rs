//! Private keys: in this process, or elsewhere behind a request to sign.

use core::fmt;

use ed25519_dalek::{Signer as _, SigningKey};

use super::der::{self, BIT_STRING, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE};
use super::key::ED25519;
use super::{KeyError, PublicKey};

/// First byte of the optional public key in PKCS#8: `[1] IMPLICIT` (RFC 5958).
const PUBLIC_KEY: u8 = 0x81;
/// The same as a whole BIT STRING inside `[1]`, as some programs write it.
const PUBLIC_KEY_EXPLICIT: u8 = 0xa1;

/// Something that signs with one Ed25519 key.
///
/// [`sign`](Self::sign) is called while a message is handled, so it must answer at
/// once. A key behind a slow service signs through the action `Sign` instead.
pub trait Signer: Send + Sync {
    /// The public half of the key.
    fn public_key(&self) -> PublicKey;

    /// Signs `message` as it is (pure Ed25519, no hash before it).
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

/// A private key in this process's memory, wiped when dropped.
#[derive(Clone)]
pub struct LocalSigner(SigningKey);

impl LocalSigner {
    /// The key of an Ed25519 seed. The caller wipes its own copy.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads a key in PKCS#8 (DER, not PEM), as `openssl genpkey -algorithm ed25519
    /// -outform DER` writes it, with or without the public key in it.
    ///
    /// # Errors
    ///
    /// [`KeyError`] says what the bytes are instead, so far as can be told.
    pub fn from_pkcs8_der(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let mut fields = der::only(pkcs8, SEQUENCE).ok_or(KeyError::NotPkcs8)?;
        if der::expect(&mut { fields }, SEQUENCE).is_some() {
            return Err(KeyError::Encrypted);
        }
        der::expect(&mut fields, INTEGER).ok_or(KeyError::NotPkcs8)?;
        let algorithm = der::expect(&mut fields, SEQUENCE).ok_or(KeyError::NotPkcs8)?;
        let wrapped = der::expect(&mut fields, OCTET_STRING).ok_or(KeyError::NotPkcs8)?;

        let mut algorithm = algorithm.content;
        let oid = der::expect(&mut algorithm, OBJECT_IDENTIFIER).ok_or(KeyError::NotPkcs8)?;
        if oid.content != ED25519 {
            return Err(KeyError::WrongAlgorithm {
                oid: der::dotted(oid.content),
            });
        }
        let seed = der::only(wrapped.content, OCTET_STRING).ok_or(KeyError::NotPkcs8)?;
        let seed = seed
            .try_into()
            .map_err(|_| KeyError::WrongLength { found: seed.len() })?;
        let signer = Self::from_seed(seed);

        while let Some(field) = der::next(&mut fields) {
            let stated = match field.tag {
                PUBLIC_KEY => der::whole_bytes(field.content),
                PUBLIC_KEY_EXPLICIT => {
                    der::only(field.content, BIT_STRING).and_then(der::whole_bytes)
                }
                _ => continue,
            };
            if stated != Some(&signer.public_key().as_bytes()[..]) {
                return Err(KeyError::PublicKeyMismatch);
            }
        }
        if fields.is_empty() {
            Ok(signer)
        } else {
            Err(KeyError::NotPkcs8)
        }
    }
}

impl Signer for LocalSigner {
    fn public_key(&self) -> PublicKey {
        PublicKey::of(&self.0.verifying_key())
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

/// Shows the public key only.
impl fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalSigner")
            .field(&self.public_key())
            .finish()
    }
}
