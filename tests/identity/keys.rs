//! Keys: reading them, signing with them, checking strictly.

use fedlink::identity::{KeyError, LocalSigner, PublicKey, Signer};

use crate::common::pki::pkcs8;

/// The private key of the examples in RFC 8410, section 10.3.
const SEED: &str = "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842";
const PUBLIC: &str = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
/// The attributes that stand between the two in the second example.
const ATTRIBUTES: &str = "a01f301d060a2a864886f70d01090914310f0c0d437572646c6520436861697273";

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn seed() -> [u8; 32] {
    hex(SEED).try_into().unwrap()
}

/// The second example of RFC 8410: version 1, with attributes and this public key.
fn with_public_key(public: &[u8]) -> Vec<u8> {
    let fields = [&pkcs8(seed())[2..], &hex(ATTRIBUTES), public].concat();
    let mut der = [&[0x30, fields.len() as u8], &fields[..]].concat();
    der[4] = 1;
    der
}

#[test]
fn a_seed_and_its_pkcs8_are_one_key() {
    let key = LocalSigner::from_seed(&seed());
    assert_eq!(key.public_key().to_string(), PUBLIC);
    let read = LocalSigner::from_pkcs8_der(&pkcs8(seed())).unwrap();
    assert_eq!(read.public_key(), key.public_key());
}

#[test]
fn a_public_key_beside_the_private_one_must_be_its_own() {
    for before in [&[0x81, 33, 0][..], &[0xa1, 35, 3, 33, 0]] {
        let der = with_public_key(&[before, &hex(PUBLIC)].concat());
        assert!(LocalSigner::from_pkcs8_der(&der).is_ok());

        let der = with_public_key(&[before, &[9; 32]].concat());
        let error = LocalSigner::from_pkcs8_der(&der).unwrap_err();
        assert_eq!(error, KeyError::PublicKeyMismatch);
    }
}

#[test]
fn a_truncated_key_is_refused() {
    for der in [
        pkcs8(seed()),
        with_public_key(&[&[0x81, 33, 0][..], &hex(PUBLIC)].concat()),
    ] {
        for length in 0..der.len() {
            let error = LocalSigner::from_pkcs8_der(&der[..length]).unwrap_err();
            assert_eq!(error, KeyError::NotPkcs8, "{length} bytes");
        }
    }
}

#[test]
fn bytes_after_a_key_are_refused() {
    let der = [pkcs8(seed()), vec![0]].concat();
    assert_eq!(
        LocalSigner::from_pkcs8_der(&der).unwrap_err(),
        KeyError::NotPkcs8
    );
    assert_eq!(
        LocalSigner::from_pkcs8_der(b"-----BEGIN PRIVATE KEY-----").unwrap_err(),
        KeyError::NotPkcs8
    );
}

#[test]
fn something_unreadable_beside_a_key_is_refused() {
    let mut der = pkcs8(seed());
    der[1] += 2;
    der.extend([0x80, 9]);
    assert_eq!(
        LocalSigner::from_pkcs8_der(&der).unwrap_err(),
        KeyError::NotPkcs8
    );
}

#[test]
fn a_key_of_the_wrong_length_is_refused() {
    for found in [0, 31, 33, 64] {
        let length = found as u8;
        let mut der = vec![0x30, length + 14, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70];
        der.extend([4, length + 2, 4, length]);
        der.extend(vec![7; found]);
        assert_eq!(
            LocalSigner::from_pkcs8_der(&der).unwrap_err(),
            KeyError::WrongLength { found }
        );
    }
}

#[test]
fn another_kind_of_key_is_named() {
    let mut der = pkcs8(seed());
    der[11] = 0x6e;
    assert_eq!(
        LocalSigner::from_pkcs8_der(&der).unwrap_err(),
        KeyError::WrongAlgorithm {
            oid: "1.3.101.110".into()
        }
    );
}

#[test]
fn a_signature_is_of_one_message_by_one_key() {
    let signer: Box<dyn Signer> = Box::new(LocalSigner::from_seed(&seed()));
    let signature = signer.sign(b"message");
    assert!(signer.public_key().verify(b"message", &signature));
    assert!(!signer.public_key().verify(b"messagf", &signature));
    let other = LocalSigner::from_seed(&[1; 32]).public_key();
    assert!(!other.verify(b"message", &signature));
    for bit in 0..512 {
        let mut changed = signature;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(
            !signer.public_key().verify(b"message", &changed),
            "bit {bit}"
        );
    }
}

// spec: P-30
#[test]
fn a_signature_with_the_group_order_added_is_refused() {
    let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let signer = LocalSigner::from_seed(&seed());
    let mut signature = signer.sign(b"message");
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry as u8;
        carry >>= 8;
    }
    assert!(!signer.public_key().verify(b"message", &signature));
}

/// Its first half is the neutral point: without strictness it would be this key's
/// signature of "message" (s = k * a).
#[test]
fn a_signature_with_a_point_of_small_order_is_refused() {
    let mut signature = [0; 64];
    signature[0] = 1;
    signature[32..].copy_from_slice(&hex(
        "655eaba20e9de6b49405554814f9cdb3d8753873be252c29d0fb8494ffc6cf06",
    ));
    let key = LocalSigner::from_seed(&seed()).public_key();
    assert!(!key.verify(b"message", &signature));
}

// spec: P-30
#[test]
fn weak_and_impossible_public_keys_are_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let order_8 = hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05");
    let mut no_point = [0; 32];
    no_point[0] = 2;
    for bytes in [identity, [0; 32], order_8.try_into().unwrap(), no_point] {
        assert_eq!(PublicKey::from_bytes(bytes), Err(KeyError::NotAPublicKey));
    }
}

#[test]
fn no_private_key_is_shown() {
    let shown = format!("{:?}", LocalSigner::from_seed(&seed()));
    assert_eq!(shown, "LocalSigner(PublicKey(19bf4409..))");
}
