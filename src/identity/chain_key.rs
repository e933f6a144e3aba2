//! The kinds of public key that a chain of certificates may have throughout.

use alloc::string::String;
use core::fmt::Debug;

use x509_parser::x509::SubjectPublicKeyInfo;

use super::der::{self, BIT_STRING, OBJECT_IDENTIFIER, SEQUENCE};
use super::key::ED25519;
use super::{ChainError, PublicKey};

/// The only encoding of Ed25519 as an AlgorithmIdentifier: no parameters (RFC 8410).
const ED25519_ALGORITHM: [u8; 7] = [SEQUENCE, 5, OBJECT_IDENTIFIER, 3, 0x2b, 0x65, 0x70];

/// What stands before the 32 bytes of an Ed25519 key as a SubjectPublicKeyInfo: that
/// AlgorithmIdentifier, and a BIT STRING of whole bytes.
const ED25519_KEY: [u8; 12] = [
    SEQUENCE,
    42,
    SEQUENCE,
    5,
    OBJECT_IDENTIFIER,
    3,
    0x2b,
    0x65,
    0x70,
    BIT_STRING,
    33,
    0,
];

/// A public key that certificates are for and are signed with. `position` is for
/// errors only.
pub(super) trait ChainKey: Clone + PartialEq + Debug {
    /// A signature, with its type where one key makes several.
    type Signature: Clone + Debug;

    /// The key of a certificate's subject.
    fn of_subject(spki: &SubjectPublicKeyInfo<'_>, position: usize) -> Result<Self, ChainError>;

    /// A certificate's signature. `algorithm` is the whole AlgorithmIdentifier; it is
    /// compared byte for byte, so that only the issuer can choose among encodings.
    fn signature(
        algorithm: &[u8],
        signature: &[u8],
        position: usize,
    ) -> Result<Self::Signature, ChainError>;

    /// The error for a signature of a type that this kind of key does not make.
    fn wrong_signature_type(position: usize, oid: String) -> ChainError;
}

impl ChainKey for PublicKey {
    type Signature = [u8; 64];

    fn of_subject(spki: &SubjectPublicKeyInfo<'_>, position: usize) -> Result<Self, ChainError> {
        if spki.algorithm.algorithm.as_bytes() != ED25519 {
            return Err(ChainError::WrongKeyType {
                position,
                oid: der::dotted(spki.algorithm.algorithm.as_bytes()),
            });
        }
        let bytes = spki
            .raw
            .strip_prefix(&ED25519_KEY[..])
            .and_then(|bytes| <[u8; PublicKey::LENGTH]>::try_from(bytes).ok())
            .ok_or(ChainError::Malformed { position })?;
        PublicKey::from_bytes(bytes).map_err(|_| ChainError::WeakKey { position })
    }

    fn signature(
        algorithm: &[u8],
        signature: &[u8],
        position: usize,
    ) -> Result<[u8; 64], ChainError> {
        if algorithm != ED25519_ALGORITHM {
            let oid = der::algorithm_oid(algorithm);
            return Err(Self::wrong_signature_type(position, oid));
        }
        signature
            .try_into()
            .map_err(|_| ChainError::Malformed { position })
    }

    fn wrong_signature_type(position: usize, oid: String) -> ChainError {
        ChainError::WrongSignatureType { position, oid }
    }
}
