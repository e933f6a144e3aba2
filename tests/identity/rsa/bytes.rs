//! Hostile bytes in place of certificates and keys: refused, without a panic.

use fedlink::identity::{ChainError, MAX_PEM_BYTES, RsaChain, RsaRoots, RsaSigner};
use rsa::pkcs8::der::pem::{LineEnding, decode_vec, encode_string};

use super::pki::{Authority, file, judge};
use crate::bytes::Numbers;

/// Certificates of which any bit is changed.
#[test]
fn no_changed_bit_passes() {
    let root = Authority::root();
    let leaf = root.leaf(|_| {});
    let (_, mut der) = decode_vec(leaf.as_bytes()).unwrap();
    for bit in 0..der.len() * 8 {
        der[bit / 8] ^= 1 << (bit % 8);
        let changed = encode_string("CERTIFICATE", LineEnding::LF, &der).unwrap();
        assert!(judge(&root, &changed).is_err(), "bit {bit}");
        der[bit / 8] ^= 1 << (bit % 8);
    }
}

/// Texts and DER with several bytes changed, removed, repeated or moved.
#[test]
fn mangled_bytes_are_refused() {
    let root = Authority::root();
    let texts = [
        root.leaf(|_| {}).into_bytes(),
        root.pem.clone().into_bytes(),
        file!("site.key").to_vec(),
        file!("site.pkcs1.key").to_vec(),
    ];
    let mut numbers = Numbers(9);
    for _ in 0..3_000 {
        let text = &texts[numbers.below(texts.len())];
        let mut mangled = text.clone();
        numbers.mangle(&mut mangled);
        read(&mangled);

        let (label, mut der) = decode_vec(text).unwrap();
        numbers.mangle(&mut der);
        let mangled = encode_string(label, LineEnding::LF, &der).unwrap();
        read(mangled.as_bytes());
    }
}

fn read(pem: &[u8]) {
    let _ = RsaChain::from_pem(pem);
    let _ = RsaRoots::from_pem(pem);
    let _ = RsaSigner::from_pem(pem);
}

#[test]
fn noise_is_refused() {
    let mut numbers = Numbers(10);
    for _ in 0..3_000 {
        let length = numbers.below(300);
        let noise: Vec<u8> = (0..length).map(|_| numbers.next() as u8).collect();
        assert!(RsaChain::from_pem(&noise).is_err());
        assert!(RsaSigner::from_pem(&noise).is_err());
        let pem = encode_string("CERTIFICATE", LineEnding::LF, &noise).unwrap();
        assert!(RsaChain::from_pem(pem.as_bytes()).is_err());
        let pem = encode_string("RSA PRIVATE KEY", LineEnding::LF, &noise).unwrap();
        assert!(RsaSigner::from_pem(pem.as_bytes()).is_err());
    }
}

/// As many blocks as fit, empty or without an end.
#[test]
fn many_small_blocks_are_refused() {
    let begin = "-----BEGIN CERTIFICATE-----\n";
    for block in [format!("{begin}-----END CERTIFICATE-----\n"), begin.into()] {
        let blocks = block.repeat(MAX_PEM_BYTES / block.len());
        assert!(matches!(
            RsaChain::from_pem(blocks.as_bytes()),
            Err(ChainError::NotACertificate { position: 0 })
        ));
        assert!(RsaRoots::from_pem(blocks.as_bytes()).is_err());
    }
}
