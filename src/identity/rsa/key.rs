//! Public RSA keys, and the signatures that they verify.

#[cfg(test)]
mod certificate_vectors;
#[cfg(test)]
mod vectors;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use rsa::pkcs1::RsaPublicKeyRef;
use rsa::pkcs8::EncodePublicKey;
use rsa::pkcs8::der::Decode;
use rsa::traits::PublicKeyParts;
use rsa::{Pss, PublicKey};
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::identity::ChainError;
use crate::identity::chain_key::ChainKey;
use crate::identity::der::{self, BIT_STRING, SEQUENCE};

/// Shortest key in bits: shorter ones no longer count as safe.
pub const MIN_RSA_BITS: usize = 2048;

/// Longest key in bits: four times what NVFlare provisions. The time of a signature
/// grows with the third power.
pub const MAX_RSA_BITS: usize = 8192;

/// A public RSA key of [`MIN_RSA_BITS`] to [`MAX_RSA_BITS`] bits.
#[derive(Clone, PartialEq, Eq)]
pub struct RsaPublicKey {
    key: PublicKey,
    fingerprint: [u8; 32],
}

/// A hash under PKCS#1 v1.5 in a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::identity) enum CertificateHash {
    Sha256,
    Sha384,
    Sha512,
}

impl RsaPublicKey {
    /// SHA-256 of the key as a SubjectPublicKeyInfo in DER: what
    /// `openssl pkey -pubin -outform DER | sha256sum` says.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Bits of the modulus.
    #[must_use]
    pub fn bits(&self) -> usize {
        modulus_bits(&self.key.n_bytes())
    }

    /// Whether `signature` is this key's signature of `message`: RSASSA-PSS with
    /// SHA-256 and MGF1 with SHA-256.
    ///
    /// The length of the salt is not agreed: it is read out of the signature, where the
    /// first byte 1 after zeros ends the padding. Any salt that fits the key is
    /// accepted. That weakens nothing, since the hash covers the salt.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let scheme = Pss {
            blinded: false,
            digest: Sha256::new(),
            salt_len: None,
        };
        let hash = Sha256::digest(message);
        self.key.verify(scheme, &hash, signature).is_ok()
    }

    /// Whether this key made the signature of a certificate.
    pub(super) fn made(
        &self,
        (hash, signature): &<Self as ChainKey>::Signature,
        message: &[u8],
    ) -> bool {
        let verified = match hash {
            CertificateHash::Sha256 => self.key.pkcs1v15_verify::<Sha256>(message, signature),
            CertificateHash::Sha384 => self.key.pkcs1v15_verify::<Sha384>(message, signature),
            CertificateHash::Sha512 => self.key.pkcs1v15_verify::<Sha512>(message, signature),
        };
        verified.is_ok()
    }

    /// The key, or nothing if it has no encoding.
    pub(super) fn of(key: PublicKey) -> Option<Self> {
        let fingerprint = Sha256::digest(key.to_public_key_der().ok()?).into();
        Some(Self { key, fingerprint })
    }
}

impl ChainKey for RsaPublicKey {
    type Signature = (CertificateHash, Vec<u8>);

    fn of_subject(spki: &SubjectPublicKeyInfo<'_>, position: usize) -> Result<Self, ChainError> {
        let malformed = || ChainError::Malformed { position };
        let mut fields = der::only(spki.raw, SEQUENCE).ok_or_else(malformed)?;
        let algorithm = der::expect(&mut fields, SEQUENCE).ok_or_else(malformed)?;
        if algorithm.raw != RSA_ENCRYPTION {
            let oid = der::algorithm_oid(algorithm.raw);
            return Err(ChainError::NotAnRsaKey { position, oid });
        }
        let key = der::only(fields, BIT_STRING)
            .and_then(der::whole_bytes)
            .and_then(|bytes| RsaPublicKeyRef::from_der(bytes).ok())
            .ok_or_else(malformed)?;
        let bits = modulus_bits(key.modulus.as_bytes());
        if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            return Err(ChainError::RsaKeySize { position, bits });
        }
        PublicKey::try_from(key)
            .ok()
            .and_then(Self::of)
            .ok_or(ChainError::ImpossibleRsaKey { position })
    }

    fn signature(
        algorithm: &[u8],
        signature: &[u8],
        position: usize,
    ) -> Result<Self::Signature, ChainError> {
        let hash = SIGNATURE_TYPES
            .iter()
            .find(|(identifier, _)| *identifier == algorithm)
            .map(|(_, hash)| *hash)
            .ok_or_else(|| Self::wrong_signature_type(position, der::algorithm_oid(algorithm)))?;
        Ok((hash, signature.to_vec()))
    }

    fn wrong_signature_type(position: usize, oid: String) -> ChainError {
        ChainError::NotAnRsaSignature { position, oid }
    }
}

/// The start of the fingerprint, enough to tell keys apart in a log.
impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.fingerprint;
        write!(f, "RsaPublicKey({a:02x}{b:02x}{c:02x}{d:02x}..)")
    }
}

/// The bits of a big-endian number without zero bytes before it.
pub(super) fn modulus_bits(modulus: &[u8]) -> usize {
    modulus.first().map_or(0, |first| {
        (modulus.len() * 8).saturating_sub(first.leading_zeros() as usize)
    })
}

/// `rsaEncryption` as a whole AlgorithmIdentifier (RFC 3279).
const RSA_ENCRYPTION: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";

/// `sha256WithRSAEncryption` and its like as whole AlgorithmIdentifiers. The parameters
/// are NULL; RFC 4055 wants those accepted too that leave them out.
const SIGNATURE_TYPES: [(&[u8], CertificateHash); 6] = [
    (
        b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00",
        CertificateHash::Sha256,
    ),
    (
        b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c\x05\x00",
        CertificateHash::Sha384,
    ),
    (
        b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d\x05\x00",
        CertificateHash::Sha512,
    ),
    (
        b"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b",
        CertificateHash::Sha256,
    ),
    (
        b"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c",
        CertificateHash::Sha384,
    ),
    (
        b"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d",
        CertificateHash::Sha512,
    ),
];
