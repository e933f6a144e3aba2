//! The extensions of a certificate: what it may be used for.

use alloc::string::String;

use x509_parser::asn1_rs::FromDer;
use x509_parser::extensions::{BasicConstraints, KeyUsage, X509Extension};

use super::der::{self, OBJECT_IDENTIFIER, SEQUENCE};
use super::{ChainError, Role};

// Contents of the OBJECT IDENTIFIERs of the extensions that are judged (RFC 5280).
const KEY_USAGE: [u8; 3] = [0x55, 0x1d, 0x0f];
const BASIC_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 0x13];
const NAME_CONSTRAINTS: [u8; 3] = [0x55, 0x1d, 0x1e];
const EXTENDED_KEY_USAGE: [u8; 3] = [0x55, 0x1d, 0x25];

// Contents of the OBJECT IDENTIFIERs of the purposes, 1.3.6.1.5.5.7.3.1 and .2.
const SERVER_AUTH: [u8; 8] = [0x2b, 6, 1, 5, 5, 7, 3, 1];
const CLIENT_AUTH: [u8; 8] = [0x2b, 6, 1, 5, 5, 7, 3, 2];

/// The extensions of one certificate, so far as they bear on what it may do.
#[derive(Debug, Clone, Default)]
pub(super) struct Extensions {
    ca: bool,
    path_length: Option<usize>,
    key_usage: Option<KeyUsage>,
    purposes: Option<Purposes>,
    name_constraints: bool,
    /// The first critical extension that is not understood.
    unknown_critical: Option<String>,
}

/// The purposes that extendedKeyUsage lists. `anyExtendedKeyUsage` is none of them:
/// a certificate for everything is not one for this.
#[derive(Debug, Clone, Copy, Default)]
struct Purposes {
    server: bool,
    client: bool,
}

impl Extensions {
    /// Reads the extensions, or `None` if one is malformed or comes twice.
    pub(super) fn read(list: &[X509Extension<'_>]) -> Option<Self> {
        let mut read = Self::default();
        for (index, extension) in list.iter().enumerate() {
            let earlier = list.get(..index)?;
            if earlier.iter().any(|other| other.oid == extension.oid) {
                return None;
            }
            read.add(extension)?;
        }
        Some(read)
    }

    fn add(&mut self, extension: &X509Extension<'_>) -> Option<()> {
        let oid = extension.oid.as_bytes();
        if oid == BASIC_CONSTRAINTS {
            let constraints: BasicConstraints = whole(extension.value)?;
            self.ca = constraints.ca;
            self.path_length = match constraints.path_len_constraint {
                Some(length) => Some(usize::try_from(length).ok()?),
                None => None,
            };
        } else if oid == KEY_USAGE {
            self.key_usage = Some(whole(extension.value)?);
        } else if oid == EXTENDED_KEY_USAGE {
            self.purposes = Some(Purposes::read(extension.value)?);
        } else if oid == NAME_CONSTRAINTS {
            self.name_constraints = true;
        } else if extension.critical && self.unknown_critical.is_none() {
            self.unknown_critical = Some(der::dotted(oid));
        }
        Some(())
    }

    /// Whether every rule that the certificate states can be kept here.
    pub(super) fn check_understood(&self, position: usize) -> Result<(), ChainError> {
        if self.name_constraints {
            return Err(ChainError::NameConstraints { position });
        }
        match &self.unknown_critical {
            Some(oid) => Err(ChainError::UnknownCriticalExtension {
                position,
                oid: oid.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Whether a peer of this role may use the certificate as its own.
    pub(super) fn check_leaf(&self, role: Role) -> Result<(), ChainError> {
        if self.ca {
            return Err(ChainError::LeafIsCa);
        }
        self.check_key_usage(0, "digitalSignature", KeyUsage::digital_signature)?;
        self.check_purpose(0, role)
    }

    /// Whether the certificate may issue others, with `below` intermediates between
    /// it and a leaf.
    pub(super) fn check_issuer(&self, position: usize, below: usize) -> Result<(), ChainError> {
        if !self.ca {
            return Err(ChainError::NotACa { position });
        }
        if self.path_length.is_some_and(|length| below > length) {
            return Err(ChainError::PathTooLong { position });
        }
        self.check_key_usage(position, "keyCertSign", KeyUsage::key_cert_sign)
    }

    /// Whether extendedKeyUsage, if there is one, lists the role.
    pub(super) fn check_purpose(&self, position: usize, role: Role) -> Result<(), ChainError> {
        let Some(purposes) = self.purposes else {
            return Ok(());
        };
        let (allowed, needed) = match role {
            Role::Server => (purposes.server, "serverAuth"),
            Role::Client => (purposes.client, "clientAuth"),
        };
        if allowed {
            Ok(())
        } else {
            Err(ChainError::ExtendedKeyUsage { position, needed })
        }
    }

    fn check_key_usage(
        &self,
        position: usize,
        needed: &'static str,
        allows: fn(&KeyUsage) -> bool,
    ) -> Result<(), ChainError> {
        if self.key_usage.as_ref().is_none_or(allows) {
            Ok(())
        } else {
            Err(ChainError::KeyUsage { position, needed })
        }
    }
}

impl Purposes {
    fn read(value: &[u8]) -> Option<Self> {
        let mut list = der::only(value, SEQUENCE)?;
        let mut purposes = Self::default();
        while !list.is_empty() {
            let purpose = der::expect(&mut list, OBJECT_IDENTIFIER)?.content;
            purposes.server |= purpose == SERVER_AUTH;
            purposes.client |= purpose == CLIENT_AUTH;
        }
        Some(purposes)
    }
}

/// Reads a value that fills its extension to the last byte.
fn whole<'a, T: FromDer<'a, E>, E>(value: &'a [u8]) -> Option<T> {
    match T::from_der(value) {
        Ok(([], read)) => Some(read),
        _ => None,
    }
}
