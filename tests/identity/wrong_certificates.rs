//! Certificates that are wrong in themselves: their limits, their shape, their types,
//! their subject.

use fedlink::identity::{ChainError, LocalSigner, MAX_CHAIN_BYTES, Name, Role, Signer};
use rcgen::{DnType, DnValue, IsCa};

use crate::common::pki::{Pki, subject};
use crate::wrong_chains::{SITE_SEED, extension, fault_of_leaf, judge, replace_last};

#[test]
fn no_certificate() {
    assert_eq!(judge(&Pki::new(1), &[]), Err(ChainError::Empty));
}

#[test]
fn five_certificates() {
    let pki = Pki::new(1);
    let root = pki.root().der();
    assert_eq!(judge(&pki, &[root; 5]), Err(ChainError::TooMany));
}

#[test]
fn too_many_bytes() {
    let half = vec![0; MAX_CHAIN_BYTES / 2];
    let more = vec![0; MAX_CHAIN_BYTES / 2 + 1];
    let found = MAX_CHAIN_BYTES + 1;
    assert_eq!(
        judge(&Pki::new(1), &[&half, &more]),
        Err(ChainError::TooLarge { found })
    );
    assert_eq!(
        judge(&Pki::new(1), &[&half, &half]),
        Err(ChainError::Malformed { position: 0 })
    );
}

#[test]
fn bytes_after_a_certificate() {
    let pki = Pki::new(1);
    let leaf = pki.root().leaf("site-1", Role::Client, SITE_SEED, |_| {});
    let more = [pki.root().der(), &[0]].concat();
    assert_eq!(
        judge(&pki, &[&leaf, &more]),
        Err(ChainError::Malformed { position: 1 })
    );
}

#[test]
fn an_element_after_the_signature() {
    let pki = Pki::new(1);
    let leaf = pki.root().leaf("site-1", Role::Client, SITE_SEED, |_| {});
    assert_eq!(leaf[..2], [0x30, 0x82]);
    let length = u16::from_be_bytes([leaf[2], leaf[3]]) + 2;
    let header = [&[0x30, 0x82], &length.to_be_bytes()[..]].concat();
    let more = [&header, &leaf[4..], &[5, 0]].concat();
    assert_eq!(
        judge(&pki, &[&more]),
        Err(ChainError::Malformed { position: 0 })
    );
}

// spec: P-32
#[test]
fn an_extension_that_comes_twice() {
    let fault = fault_of_leaf(|params| {
        let again = extension(&[2, 5, 29, 19], true, &[0x30, 0]);
        params.custom_extensions.push(again);
    });
    assert_eq!(fault, ChainError::Malformed { position: 0 });
}

#[test]
fn an_extension_that_is_not_filled_by_its_value() {
    for (oid, value) in [
        (&[2, 5, 29, 19], &[0x30, 0, 5, 0][..]),
        (&[2, 5, 29, 15], &[3, 2, 7, 0x80, 5, 0]),
        (&[2, 5, 29, 37], &[0x30, 2, 5, 0]),
    ] {
        let fault = fault_of_leaf(|params| {
            params.is_ca = IsCa::NoCa;
            params.key_usages.clear();
            params.extended_key_usages.clear();
            params.custom_extensions = vec![extension(oid, true, value)];
        });
        assert_eq!(fault, ChainError::Malformed { position: 0 }, "{oid:?}");
    }
}

#[test]
fn a_key_of_small_order() {
    let pki = Pki::new(1);
    let key = LocalSigner::from_seed(&SITE_SEED).public_key();
    let mut leaf = pki.root().leaf("site-1", Role::Client, SITE_SEED, |_| {});
    replace_last(&mut leaf, key.as_bytes(), &[0; 32]);
    assert_eq!(
        judge(&pki, &[&leaf]),
        Err(ChainError::WeakKey { position: 0 })
    );
}

#[test]
fn another_signature_type_outside_than_inside() {
    let pki = Pki::new(1);
    let mut leaf = pki.root().leaf("site-1", Role::Client, SITE_SEED, |_| {});
    replace_last(&mut leaf, &[0x2b, 0x65, 0x70], &[0x2b, 0x65, 0x71]);
    let oid = "1.3.101.113".into();
    assert_eq!(
        judge(&pki, &[&leaf]),
        Err(ChainError::WrongSignatureType { position: 0, oid })
    );
}

#[test]
fn another_signature_type_inside_than_outside() {
    let pki = Pki::new(1);
    let mut leaf = pki.root().leaf("site-1", Role::Client, SITE_SEED, |_| {});
    let at = leaf
        .windows(3)
        .position(|window| window == [0x2b, 0x65, 0x70])
        .unwrap();
    leaf[at + 2] = 0x71;
    let oid = "1.3.101.113".into();
    assert_eq!(
        judge(&pki, &[&leaf]),
        Err(ChainError::WrongSignatureType { position: 0, oid })
    );
}

#[test]
fn no_common_name() {
    let fault = fault_of_leaf(|params| {
        params.distinguished_name.remove(DnType::CommonName);
    });
    assert_eq!(fault, ChainError::NoCommonName);
}

#[test]
fn several_common_names() {
    let fault = fault_of_leaf(|params| {
        let again = DnType::CustomDnType(vec![2, 5, 4, 3]);
        params.distinguished_name.push(again, "site-1");
    });
    assert_eq!(fault, ChainError::SeveralCommonNames);
}

#[test]
fn a_common_name_that_is_no_name() {
    let no_names = [
        "site-1\n",
        "site-1 ",
        "site\u{200b}-1",
        "\u{202e}1-etis",
        "site-1\u{2028}",
    ];
    for text in no_names {
        let fault = fault_of_leaf(|params| params.distinguished_name = subject(text));
        let expected = Name::new(text).unwrap_err();
        assert_eq!(fault, ChainError::BadCommonName { fault: expected });
    }
    let fault = fault_of_leaf(|params| params.distinguished_name = subject("site\u{200b}-1"));
    assert!(fault.to_string().contains("U+200B"), "{fault}");
}

#[test]
fn a_common_name_of_another_type() {
    for text in [
        DnValue::BmpString("site-1".try_into().unwrap()),
        DnValue::TeletexString("site-1".try_into().unwrap()),
    ] {
        let fault = fault_of_leaf(|params| {
            params.distinguished_name.push(DnType::CommonName, text);
        });
        assert_eq!(fault, ChainError::CommonNameEncoding);
    }
}
