//! RSASSA-PSS: with any salt when verified, with the longest when made.

use fedlink::identity::{RsaChain, RsaSigner};
use rsa::pkcs8::DecodePrivateKey;
use rsa::pss::{Signature, VerifyingKey};
use rsa::signature::Verifier;
use sha2::Sha256;

use super::pki::{file, signer};

#[test]
fn signatures_of_openssl_with_every_kind_of_salt() {
    let key = RsaChain::from_pem(file!("site.crt")).unwrap().key().clone();
    for signature in [
        file!("salt-0.signature"),
        file!("salt-20.signature"),
        file!("salt-32.signature"),
        file!("salt-222.signature"),
    ] {
        assert!(key.verify(b"message", signature));
        assert!(!key.verify(b"messagf", signature));
    }
    let odd = RsaChain::from_pem(file!("odd.crt")).unwrap().key().clone();
    assert!(odd.verify(b"message", file!("odd.signature")));
    assert!(!key.verify(b"message", file!("odd.signature")));
    assert!(!odd.verify(b"message", file!("salt-32.signature")));
}

#[test]
fn a_signature_has_the_longest_salt() {
    for (pem, longest) in [(file!("site.key"), 222), (file!("odd.key"), 223)] {
        let signer = RsaSigner::from_pem(pem).unwrap();
        let signature = signer.sign(b"message", &mut [7; 32]).unwrap();
        assert!(signer.public_key().verify(b"message", &signature));
        assert!(!signer.public_key().verify(b"messagf", &signature));

        let text = std::str::from_utf8(pem).unwrap();
        let key = rsa::PrivateKey::from_pkcs8_pem(text)
            .unwrap()
            .to_public_key();
        let read = Signature::try_from(&signature[..]).unwrap();
        for (salt, fits) in [(longest - 1, false), (longest, true), (longest + 1, false)] {
            let key = VerifyingKey::<Sha256>::new_with_salt_len(key.clone(), salt);
            assert_eq!(key.verify(b"message", &read).is_ok(), fits, "{salt} bytes");
        }
    }
}

#[test]
fn a_signature_follows_from_its_seed_which_is_wiped() {
    let mut seed = [1; 32];
    let first = signer().sign(b"message", &mut seed).unwrap();
    assert_eq!(seed, [0; 32]);
    assert_eq!(signer().sign(b"message", &mut [1; 32]).unwrap(), first);
    assert_ne!(signer().sign(b"message", &mut [2; 32]).unwrap(), first);
}

#[test]
fn a_signature_in_pkcs1_padding_is_none_in_pss() {
    let text = std::str::from_utf8(file!("site.key")).unwrap();
    let key = rsa::PrivateKey::from_pkcs8_pem(text).unwrap();
    let signature = key.pkcs1v15_sign::<Sha256>(b"message").unwrap();
    assert!(!signer().public_key().verify(b"message", &signature));
}

#[test]
fn numbers_that_are_no_signature() {
    let key = signer().public_key().clone();
    let mut one = vec![0; 256];
    one[255] = 1;
    for signature in [vec![], vec![0; 256], one, vec![0xff; 256], vec![0; 100_000]] {
        assert!(!key.verify(b"message", &signature));
    }
}
