//! Errors about private RSA keys.

use alloc::string::String;

use super::{MAX_RSA_BITS, MIN_RSA_BITS};

/// Why bytes are no private RSA key that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RsaKeyError {
    /// No block of PEM is a private key.
    #[error(
        "there is no private key in PEM: give the file that starts with `-----BEGIN RSA PRIVATE KEY-----` or `-----BEGIN PRIVATE KEY-----`"
    )]
    NoKey,
    /// More than one block is a private key.
    #[error("there are several private keys: leave the one that belongs to the certificate")]
    SeveralKeys,
    /// A key under a password.
    #[error(
        "the private key is encrypted: decrypt it with `openssl pkey -in KEY -out NEW` and use NEW instead"
    )]
    Encrypted,
    /// A private key that is not RSA.
    #[error(
        "the private key is of type {found}: give the RSA key (1.2.840.113549.1.1.1) that belongs to the certificate"
    )]
    WrongAlgorithm {
        /// What PEM calls it, or the object identifier of the key's type.
        found: String,
    },
    /// Not base64, not DER, cut off, or numbers that do not belong together.
    #[error("the private key is damaged: export it again")]
    Damaged,
    /// Too short to be safe, or too long to be used in reasonable time.
    #[error(
        "the private key has {bits} bits: make one with {MIN_RSA_BITS} to {MAX_RSA_BITS} bits, and a certificate for it"
    )]
    Size {
        /// The bits of its modulus.
        bits: usize,
    },
}

/// A signature that its own key does not verify, and that was therefore not given out:
/// the machine computes wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the private key made a wrong signature: check the key and the machine's memory")]
pub struct SigningFault;
