//! A certificate taken apart, to be changed and signed again.

use fedlink::identity::{LocalSigner, Signer};

/// The fields of a certificate, each a whole element of DER.
#[derive(Clone)]
pub(super) struct Parts {
    /// Version, serial number, signature type, issuer, dates, subject, key, extensions.
    pub(super) signed: Vec<Vec<u8>>,
    pub(super) algorithm: Vec<u8>,
}

// Places in `Parts::signed`.
pub(super) const VERSION: usize = 0;
pub(super) const SERIAL: usize = 1;
pub(super) const ALGORITHM: usize = 2;
pub(super) const ISSUER: usize = 3;
pub(super) const DATES: usize = 4;
pub(super) const SUBJECT: usize = 5;
pub(super) const KEY: usize = 6;
pub(super) const EXTENSIONS: usize = 7;

impl Parts {
    pub(super) fn of(der: &[u8]) -> Self {
        let whole = elements(content(der));
        let signed = elements(content(&whole[0]));
        assert_eq!((whole.len(), signed.len()), (3, 8));
        Self {
            signed,
            algorithm: whole[1].clone(),
        }
    }

    /// What is signed.
    pub(super) fn body(&self) -> Vec<u8> {
        element(0x30, &self.signed.concat())
    }

    pub(super) fn sign(&self, key: &LocalSigner) -> Vec<u8> {
        self.with_signature(&self.body(), &key.sign(&self.body()), 0)
    }

    /// The whole, around a body and a signature with so many unused bits.
    pub(super) fn with_signature(&self, body: &[u8], signature: &[u8], unused: u8) -> Vec<u8> {
        let bits = element(3, &[&[unused], signature].concat());
        element(0x30, &[body, &self.algorithm, &bits].concat())
    }
}

/// One element with the shortest length.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let [high, low] = length.to_be_bytes();
    let header = match length {
        0..=0x7f => vec![tag, low],
        0x80..=0xff => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [&header[..], content].concat()
}

/// What stands behind the tag and the length.
pub(super) fn content(element: &[u8]) -> &[u8] {
    &element[header(element)..]
}

/// Each element of a sequence's content.
pub(super) fn elements(mut content: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while !content.is_empty() {
        let header = header(content);
        let length = content[header - 1];
        let length = match header {
            4 => usize::from(u16::from_be_bytes([content[2], length])),
            _ => usize::from(length),
        };
        let (first, rest) = content.split_at(header + length);
        found.push(first.to_vec());
        content = rest;
    }
    found
}

fn header(element: &[u8]) -> usize {
    match element[1] {
        0x82 => 4,
        0x81 => 3,
        _ => 2,
    }
}
