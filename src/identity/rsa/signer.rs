//! Private RSA keys, which sign.

use alloc::borrow::ToOwned;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;

use rsa::pkcs1::{ALGORITHM_OID, RsaPrivateKeyRef};
use rsa::pkcs8::PrivateKeyInfoRef;
use rsa::pkcs8::der::Decode;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::{PrivateKey, Pss};
use sha2::{Digest, Sha256};

use super::key::modulus_bits;
use super::{MAX_RSA_BITS, MIN_RSA_BITS, RsaKeyError, RsaPublicKey, SigningFault};
use crate::entropy::Entropy;
use crate::identity::pem::{self, Block};

/// Length of a SHA-256 hash in bytes.
const HASH_BYTES: usize = 32;

/// What the padding of RSASSA-PSS needs beside the hash and the salt, in bytes: the one
/// that ends it, and the trailer.
const FRAME_BYTES: usize = 2;

/// A private RSA key in this process's memory, wiped when dropped.
pub struct RsaSigner {
    key: PrivateKey,
    public: RsaPublicKey,
}

impl RsaSigner {
    /// Reads a key in PEM: PKCS#1 (`RSA PRIVATE KEY`) or PKCS#8 (`PRIVATE KEY`).
    /// Blocks that are no private key are passed over.
    ///
    /// # Errors
    ///
    /// [`RsaKeyError`] says what is there instead, so far as can be told.
    pub fn from_pem(pem: &[u8]) -> Result<Self, RsaKeyError> {
        let mut keys = Vec::new();
        for block in pem::blocks(pem) {
            let block = block.map_err(|_| RsaKeyError::Damaged)?;
            if block.is_private_key() {
                keys.push(block);
            }
        }
        match &keys[..] {
            [] => Err(RsaKeyError::NoKey),
            [key] => Self::from_block(key),
            _ => Err(RsaKeyError::SeveralKeys),
        }
    }

    /// The public half of the key.
    #[must_use]
    pub fn public_key(&self) -> &RsaPublicKey {
        &self.public
    }

    /// Signs `message`: RSASSA-PSS with SHA-256, MGF1 with SHA-256, and the longest salt
    /// that fits the key (222 bytes for 2048 bits).
    ///
    /// The salt, and what blinds the computation against those who measure it, are drawn
    /// from `seed`, which is wiped. It must be random, and used for nothing else.
    ///
    /// # Errors
    ///
    /// If the machine computes wrongly.
    pub fn sign(&self, message: &[u8], seed: &mut [u8; 32]) -> Result<Vec<u8>, SigningFault> {
        self.sign_with(message, &mut Entropy::of(seed.into()))
    }

    /// The same, drawing from the machine's own generator.
    pub(crate) fn sign_with(
        &self,
        message: &[u8],
        entropy: &mut Entropy,
    ) -> Result<Vec<u8>, SigningFault> {
        let encoded = self.public.bits().saturating_sub(1).div_ceil(8);
        let scheme =
            Pss::<Sha256>::new_blinded_with_salt(encoded.saturating_sub(HASH_BYTES + FRAME_BYTES));
        self.key
            .sign_with_rng(&mut Random(entropy), scheme, &Sha256::digest(message))
            .map_err(|_| SigningFault)
    }

    fn from_block(block: &Block<'_>) -> Result<Self, RsaKeyError> {
        let wrong = |found: &str| RsaKeyError::WrongAlgorithm {
            found: found.to_owned(),
        };
        match block.label() {
            _ if block.is_encrypted() => Err(RsaKeyError::Encrypted),
            "RSA PRIVATE KEY" => {
                let der = block.decode().ok_or(RsaKeyError::Damaged)?;
                Self::from_pkcs1_der(&der)
            }
            "PRIVATE KEY" => {
                let der = block.decode().ok_or(RsaKeyError::Damaged)?;
                let info = PrivateKeyInfoRef::from_der(&der).map_err(|_| RsaKeyError::Damaged)?;
                if info.algorithm.oid != ALGORITHM_OID {
                    return Err(wrong(&info.algorithm.oid.to_string()));
                }
                Self::from_pkcs1_der(info.private_key.as_bytes())
            }
            other => Err(wrong(other.trim_end_matches("PRIVATE KEY").trim_end())),
        }
    }

    fn from_pkcs1_der(der: &[u8]) -> Result<Self, RsaKeyError> {
        let key = RsaPrivateKeyRef::from_der(der).map_err(|_| RsaKeyError::Damaged)?;
        let bits = modulus_bits(key.modulus.as_bytes());
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(RsaKeyError::Size { bits });
        }
        let key = PrivateKey::try_from(key).map_err(|_| RsaKeyError::Damaged)?;
        let public = RsaPublicKey::of(key.to_public_key()).ok_or(RsaKeyError::Damaged)?;
        Ok(Self { key, public })
    }
}

/// Shows the public key only.
impl fmt::Debug for RsaSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RsaSigner").field(&self.public).finish()
    }
}

/// The machine's generator, as the `rsa` crate wants one.
struct Random<'a>(&'a mut Entropy);

impl TryRng for Random<'_> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.0.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.0.bytes()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Random<'_> {}
