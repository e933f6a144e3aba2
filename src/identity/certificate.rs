//! One X.509 certificate, read once into the facts that are judged.

use bytes::Bytes;
use x509_parser::certificate::{TbsCertificate, TbsCertificateParser};
use x509_parser::nom::Parser;
use x509_parser::time::ASN1Time;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name};

use super::der::{self, BIT_STRING, OBJECT_IDENTIFIER, SEQUENCE};
use super::extensions::Extensions;
use super::signer::ED25519;
use super::{CertificateId, ChainError, Name, PublicKey, Role};

/// The only encoding of Ed25519 as an AlgorithmIdentifier: no parameters (RFC 8410).
const ED25519_ALGORITHM: [u8; 7] = [SEQUENCE, 5, OBJECT_IDENTIFIER, 3, 0x2b, 0x65, 0x70];

/// Content of the OBJECT IDENTIFIER of the common name, 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// Tags of the string types whose bytes are UTF-8 (or ASCII, a part of it).
const UTF8_STRINGS: [u32; 3] = [0x0c, 0x13, 0x16];

/// The facts of a certificate whose shape, key type and signature type are right.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    pub(super) der: Bytes,
    pub(super) subject: Bytes,
    pub(super) issuer: Bytes,
    pub(super) id: CertificateId,
    pub(super) key: PublicKey,
    pub(super) not_after: u64,
    not_before: u64,
    common_name: Result<Name, ChainError>,
    extensions: Extensions,
    signed: Bytes,
    signature: [u8; 64],
}

impl Certificate {
    /// Reads a certificate. `position` is for errors only.
    pub(super) fn from_der(der: Bytes, position: usize) -> Result<Self, ChainError> {
        let malformed = || ChainError::Malformed { position };

        // The frame around what is signed is read strictly, so that nobody but the
        // issuer can write one certificate in two ways.
        let mut fields = der::only(&der, SEQUENCE).ok_or_else(malformed)?;
        let signed = der::expect(&mut fields, SEQUENCE).ok_or_else(malformed)?;
        let algorithm = der::expect(&mut fields, SEQUENCE).ok_or_else(malformed)?;
        let signature = der::only(fields, BIT_STRING).ok_or_else(malformed)?;

        // Extensions are read by this crate: the parser's own reading keeps a
        // `HashSet`, whose hasher draws entropy.
        let (rest, body) = TbsCertificateParser::new()
            .with_deep_parse_extensions(false)
            .parse(signed.raw)
            .map_err(|_| malformed())?;
        if !rest.is_empty() {
            return Err(malformed());
        }

        let key = public_key(&body.subject_pki, position)?;
        check_signature_type(algorithm.raw, &body, position)?;
        let signature = der::whole_bytes(signature)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(malformed)?;
        let extensions = Extensions::read(body.extensions()).ok_or_else(malformed)?;

        Ok(Self {
            subject: der.slice_ref(body.subject.as_raw()),
            issuer: der.slice_ref(body.issuer.as_raw()),
            id: CertificateId::new(body.issuer.as_raw(), body.raw_serial()),
            key,
            not_before: unix_time(body.validity.not_before),
            not_after: unix_time(body.validity.not_after),
            common_name: common_name(&body.subject),
            extensions,
            signed: der.slice_ref(signed.raw),
            signature,
            der,
        })
    }

    /// The subject's only common name.
    pub(super) fn common_name(&self) -> Result<&Name, ChainError> {
        self.common_name.as_ref().map_err(Clone::clone)
    }

    /// Whether the certificate counts at `unix_time` (both ends included).
    pub(super) fn check_dates(&self, position: usize, unix_time: u64) -> Result<(), ChainError> {
        if unix_time < self.not_before {
            return Err(ChainError::NotYetValid {
                position,
                not_before: self.not_before,
            });
        }
        if unix_time > self.not_after {
            return Err(ChainError::Expired {
                position,
                not_after: self.not_after,
            });
        }
        Ok(())
    }

    /// Whether a peer of this role may use the certificate as its own.
    pub(super) fn check_leaf(&self, role: Role) -> Result<(), ChainError> {
        self.extensions.check_understood(0)?;
        self.extensions.check_leaf(role)
    }

    /// Whether the certificate may issue others, with this many intermediates
    /// between it and a leaf.
    pub(super) fn check_issuer(&self, position: usize, below: usize) -> Result<(), ChainError> {
        self.extensions.check_understood(position)?;
        self.extensions.check_issuer(position, below)
    }

    /// Whether what the certificate issues may serve this role.
    pub(super) fn check_purpose(&self, position: usize, role: Role) -> Result<(), ChainError> {
        self.extensions.check_purpose(position, role)
    }

    /// Whether `issuer` signed this certificate.
    pub(super) fn is_signed_by(&self, issuer: &PublicKey) -> bool {
        issuer.verify(&self.signed, &self.signature)
    }
}

fn public_key(spki: &SubjectPublicKeyInfo<'_>, position: usize) -> Result<PublicKey, ChainError> {
    if spki.algorithm.algorithm.as_bytes() != ED25519 {
        return Err(ChainError::WrongKeyType {
            position,
            oid: der::dotted(spki.algorithm.algorithm.as_bytes()),
        });
    }
    let bits = &spki.subject_public_key;
    if spki.algorithm.parameters.is_some() || bits.unused_bits != 0 {
        return Err(ChainError::Malformed { position });
    }
    let bytes = <[u8; PublicKey::LENGTH]>::try_from(&*bits.data)
        .map_err(|_| ChainError::Malformed { position })?;
    PublicKey::from_bytes(bytes).map_err(|_| ChainError::WeakKey { position })
}

/// The type is stated inside what is signed and outside: both must be Ed25519.
fn check_signature_type(
    outside: &[u8],
    body: &TbsCertificate<'_>,
    position: usize,
) -> Result<(), ChainError> {
    let wrong = |oid: &[u8]| ChainError::WrongSignatureType {
        position,
        oid: der::dotted(oid),
    };
    if outside != ED25519_ALGORITHM {
        let oid = der::only(outside, SEQUENCE)
            .and_then(|mut fields| der::expect(&mut fields, OBJECT_IDENTIFIER));
        return Err(wrong(oid.map_or(&[], |oid| oid.content)));
    }
    let inside = &body.signature;
    if inside.algorithm.as_bytes() != ED25519 || inside.parameters.is_some() {
        return Err(wrong(inside.algorithm.as_bytes()));
    }
    Ok(())
}

fn common_name(subject: &X509Name<'_>) -> Result<Name, ChainError> {
    let mut found = subject
        .iter_attributes()
        .filter(|attribute| attribute.attr_type().as_bytes() == COMMON_NAME);
    let value = found.next().ok_or(ChainError::NoCommonName)?.attr_value();
    if found.next().is_some() {
        return Err(ChainError::SeveralCommonNames);
    }
    std::str::from_utf8(value.data)
        .ok()
        .filter(|_| UTF8_STRINGS.contains(&value.tag().0))
        .and_then(|text| Name::new(text).ok())
        .ok_or(ChainError::BadCommonName)
}

/// Dates before 1970 count as 1970: for a clock in unsigned seconds it is the same.
fn unix_time(date: ASN1Time) -> u64 {
    u64::try_from(date.timestamp()).unwrap_or(0)
}
