//! One X.509 certificate, reduced to the facts by which it is judged.

use bytes::Bytes;
use x509_parser::certificate::{TbsCertificate, TbsCertificateParser};
use x509_parser::nom::Parser;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Name;

use super::chain_key::ChainKey;
use super::der::{self, BIT_STRING, INTEGER, SEQUENCE};
use super::extensions::Extensions;
use super::path::Made;
use super::{CertificateId, ChainError, Name, PublicKey, Role};

/// Content of the OBJECT IDENTIFIER of the common name, 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// Tags of the string types whose bytes are UTF-8 (or ASCII, a part of it).
const UTF8_STRINGS: [u32; 3] = [0x0c, 0x13, 0x16];

/// First byte of a certificate's version: `[0] EXPLICIT`. The first version is left out.
const VERSION: u8 = 0xa0;

/// What follows in the third version, which alone has extensions.
const VERSION_3: [u8; 3] = [INTEGER, 1, 2];

/// The facts of a certificate whose shape, key type and signature type are right.
#[derive(Debug, Clone)]
pub(super) struct Certificate<K: ChainKey = PublicKey> {
    pub(super) der: Bytes,
    pub(super) subject: Bytes,
    pub(super) issuer: Bytes,
    pub(super) id: CertificateId,
    pub(super) key: K,
    pub(super) not_after: u64,
    not_before: u64,
    common_name: Result<Name, ChainError>,
    extensions: Extensions,
    signed: Bytes,
    signature: K::Signature,
}

impl<K: ChainKey> Certificate<K> {
    /// Reads a certificate. `position` is for errors only.
    // spec: P-32
    pub(super) fn from_der(der: Bytes, position: usize) -> Result<Self, ChainError> {
        let malformed = || ChainError::Malformed { position };
        let frame = Frame::read(&der).ok_or_else(malformed)?;
        let body = frame.body().ok_or_else(malformed)?;

        let key = K::of_subject(&body.subject_pki, position)?;
        let signature = K::signature(frame.algorithm, frame.signature, position)?;
        if frame.algorithm_inside != frame.algorithm {
            let oid = der::algorithm_oid(frame.algorithm_inside);
            return Err(K::wrong_signature_type(position, oid));
        }
        let extensions = Extensions::read(body.extensions()).ok_or_else(malformed)?;
        if !frame.is_version_3 && !body.extensions().is_empty() {
            return Err(malformed());
        }

        Ok(Self {
            subject: der.slice_ref(body.subject.as_raw()),
            issuer: der.slice_ref(body.issuer.as_raw()),
            id: certificate_id(&body),
            key,
            not_before: unix_time(body.validity.not_before),
            not_after: unix_time(body.validity.not_after),
            common_name: common_name(&body.subject),
            extensions,
            signed: der.slice_ref(frame.signed),
            signature,
            der,
        })
    }

    /// The subject's only common name.
    pub(super) fn common_name(&self) -> Result<&Name, ChainError> {
        self.common_name.as_ref().map_err(Clone::clone)
    }

    /// Whether the certificate counts at `unix_time` (both ends included).
    // spec: P-34
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
    pub(super) fn is_signed_by(&self, issuer: &K, made: Made<'_, K>) -> bool {
        made(issuer, &self.signature, &self.signed)
    }
}

/// The version of a certificate in DER, as people count, from 1; nothing if it is none.
/// Evidence may be of the first one, in which a certificate cannot say what it is for. TLS
/// takes the third alone.
#[must_use]
pub fn certificate_version(der: &[u8]) -> Option<u8> {
    let mut fields = der::only(der, SEQUENCE)?;
    let mut inside = der::expect(&mut fields, SEQUENCE)?.content;
    match der::expect(&mut inside, VERSION) {
        None => Some(1),
        Some(stated) => match der::only(stated.content, INTEGER)? {
            [number] => number.checked_add(1),
            _ => None,
        },
    }
}

/// The id of a certificate in DER, whatever its key.
pub(super) fn id(der: &[u8]) -> Result<CertificateId, ChainError> {
    Frame::read(der)
        .and_then(|frame| frame.body().as_ref().map(certificate_id))
        .ok_or(ChainError::Malformed { position: 0 })
}

/// What is signed, and what is around it. It is read strictly, so that nobody but the
/// issuer can write one certificate in two ways.
struct Frame<'a> {
    signed: &'a [u8],
    is_version_3: bool,
    /// The signature's type, stated outside what is signed and inside.
    algorithm: &'a [u8],
    algorithm_inside: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Frame<'a> {
    fn read(der: &'a [u8]) -> Option<Self> {
        let mut fields = der::only(der, SEQUENCE)?;
        let signed = der::expect(&mut fields, SEQUENCE)?;
        let algorithm = der::expect(&mut fields, SEQUENCE)?.raw;
        let signature = der::whole_bytes(der::only(fields, BIT_STRING)?)?;

        let mut inside = signed.content;
        let version = der::expect(&mut inside, VERSION);
        if version.as_ref().is_some_and(|it| it.content != VERSION_3) {
            return None;
        }
        der::expect(&mut inside, INTEGER).filter(|it| der::is_shortest(it.content))?;
        let algorithm_inside = der::expect(&mut inside, SEQUENCE)?.raw;
        let _issuer = der::expect(&mut inside, SEQUENCE)?;
        let mut dates = der::expect(&mut inside, SEQUENCE)?.content;
        der::next(&mut dates).and_then(|_| der::next(&mut dates))?;
        if !dates.is_empty() {
            return None;
        }
        Some(Self {
            signed: signed.raw,
            is_version_3: version.is_some(),
            algorithm,
            algorithm_inside,
            signature,
        })
    }

    /// Extensions are read by this crate: the parser's own reading keeps a `HashSet`,
    /// whose hasher draws entropy.
    fn body(&self) -> Option<TbsCertificate<'a>> {
        let parsed = TbsCertificateParser::new()
            .with_deep_parse_extensions(false)
            .parse(self.signed);
        match parsed {
            Ok(([], body)) => Some(body),
            _ => None,
        }
    }
}

fn certificate_id(body: &TbsCertificate<'_>) -> CertificateId {
    CertificateId::new(body.issuer.as_raw(), body.raw_serial())
}

fn common_name(subject: &X509Name<'_>) -> Result<Name, ChainError> {
    let mut found = subject
        .iter_attributes()
        .filter(|attribute| attribute.attr_type().as_bytes() == COMMON_NAME);
    let value = found.next().ok_or(ChainError::NoCommonName)?.attr_value();
    if found.next().is_some() {
        return Err(ChainError::SeveralCommonNames);
    }
    let text = core::str::from_utf8(value.data)
        .ok()
        .filter(|_| UTF8_STRINGS.contains(&value.tag().0))
        .ok_or(ChainError::CommonNameEncoding)?;
    Name::new(text).map_err(|fault| ChainError::BadCommonName { fault })
}

/// Dates before 1970 count as 1970: for a clock in unsigned seconds it is the same.
fn unix_time(date: ASN1Time) -> u64 {
    u64::try_from(date.timestamp()).unwrap_or(0)
}
