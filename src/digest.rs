//! Hashes and authentication codes over labelled, length-prefixed items.
//!
//! Every item, the label included, is `lp(x)`: its length as a big-endian u32, then the
//! item. So no two lists of items hash alike, and no hash made for one purpose serves
//! another.

#[cfg(test)]
pub(crate) mod vectors;

use alloc::vec::Vec;

use hmac::digest::FixedOutput;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A SHA-256 hash or an HMAC-SHA256 code.
pub(crate) type Hash = [u8; 32];

/// `H(label, items…)` of the protocol.
// spec: P-11
pub(crate) fn hash(label: &str, items: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for item in core::iter::once(label.as_bytes()).chain(items.iter().copied()) {
        hasher.update(length(item));
        hasher.update(item);
    }
    hasher.finalize().into()
}

/// `H(x)` of the protocol: the bare hash of one item.
pub(crate) fn bare(item: &[u8]) -> Hash {
    Sha256::digest(item).into()
}

/// The bytes that are signed for one purpose, of which `label` tells.
pub(crate) fn to_sign(label: &[u8], hash: &Hash) -> Vec<u8> {
    [label, &[0], hash].concat()
}

/// `HMAC(key, label, items…)` of the protocol.
pub(crate) fn code(key: &Hash, label: &str, items: &[&[u8]]) -> Hash {
    let mut mac = keyed(key);
    for item in core::iter::once(label.as_bytes()).chain(items.iter().copied()) {
        mac.update(&length(item));
        mac.update(item);
    }
    let mut code = [0; 32];
    finish(mac, &mut code);
    code
}

/// HMAC-SHA256 under a 32-byte key.
pub(crate) fn keyed(key: &Hash) -> Hmac<Sha256> {
    // HMAC pads a key shorter than SHA-256's block of 64 bytes with zeros (RFC 2104).
    let mut padded = Zeroizing::new([0; 64]);
    padded[..32].copy_from_slice(key);
    Hmac::<Sha256>::new((&*padded).into())
}

/// Writes the code of all that a keyed HMAC has taken.
pub(crate) fn finish(mac: Hmac<Sha256>, code: &mut Hash) {
    mac.finalize_into(code.into());
}

/// The length that goes before an item. Nothing hashed here nears 4 GiB.
fn length(item: &[u8]) -> [u8; 4] {
    u32::try_from(item.len()).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: P-11
    #[test]
    fn the_border_between_items_counts() {
        assert_ne!(hash("l", &[b"ab", b"c"]), hash("l", &[b"a", b"bc"]));
        assert_ne!(code(&[1; 32], "l", &[b"ab"]), code(&[1; 32], "la", &[b"b"]));
        let whole = b"\0\0\0\x01l\0\0\0\x01a";
        assert_eq!(hash("l", &[b"a"]), bare(whole));
        let mut mac = keyed(&[1; 32]);
        mac.update(whole);
        let mut whole = [0; 32];
        finish(mac, &mut whole);
        assert_eq!(code(&[1; 32], "l", &[b"a"]), whole);
    }
}
