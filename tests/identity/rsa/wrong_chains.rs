//! Every way in which a chain in PEM can be wrong, each with its own error.

use fedlink::identity::{
    ChainError, MAX_CHAIN_BYTES, MAX_PEM_BYTES, Revoked, Role, RsaChain, RsaRoots,
};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
    date_time_ymd,
};

use super::pki::{Authority, file, judge, judge_at};
use crate::common::pki::{NOT_AFTER, NOT_BEFORE, NOW, name, pkcs8, subject};
use crate::wrong_chains::{extension, replace_last};

fn fault_of_leaf(change: impl FnOnce(&mut CertificateParams)) -> ChainError {
    let root = Authority::root();
    judge(&root, &root.leaf(change)).unwrap_err()
}

fn fault_of_intermediate(change: impl FnOnce(&mut CertificateParams)) -> ChainError {
    let root = Authority::root();
    let middle = root.authority("middle", file!("upper.key"), change);
    judge(&root, &[middle.leaf(|_| {}), middle.pem].concat()).unwrap_err()
}

fn fault_of_root(change: impl FnOnce(&mut CertificateParams)) -> ChainError {
    let root = Authority::root_with(change);
    RsaRoots::from_pem(root.pem.as_bytes()).unwrap_err()
}

fn fault_of_file(pem: &[u8]) -> ChainError {
    RsaChain::from_pem(pem).unwrap_err()
}

#[test]
fn dates() {
    let root = Authority::root();
    let leaf = root.leaf(|_| {});
    let (position, not_before, not_after) = (0, NOT_BEFORE, NOT_AFTER);
    assert_eq!(
        judge_at(&root, &leaf, Some(NOT_AFTER + 1)),
        Err(ChainError::Expired {
            position,
            not_after
        })
    );
    assert_eq!(
        judge_at(&root, &leaf, Some(NOT_BEFORE - 1)),
        Err(ChainError::NotYetValid {
            position,
            not_before
        })
    );
    let fault = fault_of_intermediate(|params| params.not_after = date_time_ymd(2025, 1, 1));
    assert!(matches!(fault, ChainError::Expired { position: 1, .. }));
    let young = Authority::root_with(|params| params.not_before = date_time_ymd(2035, 1, 1));
    let fault = judge(&young, &young.leaf(|_| {})).unwrap_err();
    assert!(matches!(fault, ChainError::NotYetValid { position: 1, .. }));
}

#[test]
fn another_root() {
    let root = Authority::root();
    let stranger = Authority::root_with(|params| params.distinguished_name = subject("stranger"));
    assert_eq!(
        judge(&root, &stranger.leaf(|_| {})),
        Err(ChainError::UnknownRoot { position: 0 })
    );
    let impostor = Authority::impostor();
    assert_eq!(
        judge(&root, &impostor.leaf(|_| {})),
        Err(ChainError::BadSignature { position: 0 })
    );
}

#[test]
fn a_gap_or_another_order() {
    let root = Authority::root();
    let upper = root.authority("upper", file!("upper.key"), |_| {});
    let lower = upper.authority("lower", file!("lower.key"), |_| {});
    let leaf = lower.leaf(|_| {});
    assert_eq!(
        judge(&root, &[&leaf[..], &upper.pem, &lower.pem].concat()),
        Err(ChainError::NotIssuedByNext { position: 0 })
    );
    assert_eq!(
        judge(&root, &[&leaf[..], &lower.pem].concat()),
        Err(ChainError::UnknownRoot { position: 1 })
    );
}

#[test]
fn an_intermediate_that_did_not_sign() {
    let root = Authority::root();
    let right = root.authority("middle", file!("upper.key"), |_| {});
    let wrong = root.authority("middle", file!("lower.key"), |_| {});
    assert_eq!(
        judge(&root, &[wrong.leaf(|_| {}), right.pem].concat()),
        Err(ChainError::BadSignature { position: 0 })
    );
}

#[test]
fn somebody_elses_name() {
    let fault = fault_of_leaf(|params| params.distinguished_name = subject("site-1"));
    let (expected, found) = (name("server"), name("site-1"));
    assert_eq!(fault, ChainError::WrongName { expected, found });
}

#[test]
fn an_issuer_that_is_no_authority() {
    for is_ca in [IsCa::NoCa, IsCa::ExplicitNoCa] {
        let fault = fault_of_intermediate(|params| params.is_ca = is_ca);
        assert_eq!(fault, ChainError::NotACa { position: 1 });
        let fault = fault_of_root(|params| params.is_ca = is_ca);
        assert_eq!(fault, ChainError::NotACa { position: 0 });
    }
}

#[test]
fn more_intermediates_than_the_path_length() {
    let root = Authority::root();
    let upper = root.authority("upper", file!("upper.key"), |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let lower = upper.authority("lower", file!("lower.key"), |_| {});
    assert_eq!(
        judge(&root, &[lower.leaf(|_| {}), lower.pem, upper.pem].concat()),
        Err(ChainError::PathTooLong { position: 2 })
    );
}

#[test]
fn a_use_for_something_else() {
    let fault = fault_of_leaf(|params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement]);
    let (position, needed) = (0, "digitalSignature");
    assert_eq!(fault, ChainError::KeyUsage { position, needed });

    let usages = vec![KeyUsagePurpose::DigitalSignature];
    let fault = fault_of_intermediate(|params| params.key_usages = usages);
    let (position, needed) = (1, "keyCertSign");
    assert_eq!(fault, ChainError::KeyUsage { position, needed });

    let purposes = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let fault = fault_of_leaf(|params| params.extended_key_usages = purposes);
    let (position, needed) = (0, "serverAuth");
    assert_eq!(fault, ChainError::ExtendedKeyUsage { position, needed });
}

#[test]
fn a_critical_extension_that_is_not_understood() {
    let unknown = vec![extension(&[1, 2, 3, 4], true, &[5, 0])];
    let fault = fault_of_leaf(|params| params.custom_extensions = unknown);
    let (position, oid) = (0, "1.2.3.4".into());
    assert_eq!(
        fault,
        ChainError::UnknownCriticalExtension { position, oid }
    );
}

#[test]
fn a_revoked_certificate() {
    let root = Authority::root();
    let middle = root.authority("middle", file!("upper.key"), |_| {});
    let pem = [middle.leaf(|_| {}), middle.pem].concat();
    let ids = judge(&root, &pem).unwrap().certificates;
    let roots = RsaRoots::from_pem(root.pem.as_bytes()).unwrap();
    let chain = RsaChain::from_pem(pem.as_bytes()).unwrap();
    for (position, id) in ids.into_iter().enumerate() {
        let mut revoked = Revoked::new();
        revoked.insert_id(id);
        assert_eq!(
            chain.verify(&roots, &revoked, Role::Server, &name("server"), Some(NOW)),
            Err(ChainError::Revoked { position })
        );
    }
}

#[test]
fn a_key_of_another_kind_or_size() {
    let ed25519 = crate::common::pki::Authority::root("root", [1; 32]);
    let fault = fault_of_file(pem(ed25519.der()).as_bytes());
    let (position, oid) = (0, "1.3.101.112".into());
    assert_eq!(fault, ChainError::NotAnRsaKey { position, oid });

    for (file, bits) in [(file!("small.crt"), 1024), (file!("large.crt"), 8200)] {
        assert_eq!(
            fault_of_file(file),
            ChainError::RsaKeySize { position, bits }
        );
    }
}

#[test]
fn a_key_that_no_program_makes() {
    let leaf = Authority::root().leaf(|_| {});
    let (_, mut der) = rsa::pkcs8::der::pem::decode_vec(leaf.as_bytes()).unwrap();
    // An exponent of 65536 instead of 65537: an even one cannot be undone.
    replace_last(&mut der, &[2, 3, 1, 0, 1], &[2, 3, 1, 0, 0]);
    let fault = fault_of_file(pem(&der).as_bytes());
    assert_eq!(fault, ChainError::ImpossibleRsaKey { position: 0 });
}

#[test]
fn a_signature_of_another_kind() {
    for (file, oid) in [
        (file!("md5.crt"), "1.2.840.113549.1.1.4"),
        (file!("sha1.crt"), "1.2.840.113549.1.1.5"),
        (file!("pss.crt"), "1.2.840.113549.1.1.10"),
    ] {
        let (position, oid) = (0, oid.to_owned());
        assert_eq!(
            fault_of_file(file),
            ChainError::NotAnRsaSignature { position, oid }
        );
    }
}

#[test]
fn a_block_that_is_no_certificate() {
    let leaf = Authority::root().leaf(|_| {});
    let fault = |position| ChainError::NotACertificate { position };
    let with_key = [leaf.as_bytes(), file!("site.key")].concat();
    assert_eq!(fault_of_file(&with_key), fault(1));
    for (text, changed) in [
        ("-----END CERTIFICATE", "-----END CERTIFICATES"),
        ("-----END CERTIFICATE-----", ""),
        ("CERTIFICATE-----", "TRUSTED CERTIFICATE-----"),
        ("MII", "M*I"),
        ("MII", "MI"),
    ] {
        let damaged = leaf.replace(text, changed);
        assert_eq!(fault_of_file(damaged.as_bytes()), fault(0), "{changed}");
    }
    let encoded = pem(&pkcs8([1; 32]));
    let malformed = ChainError::Malformed { position: 0 };
    assert_eq!(fault_of_file(encoded.as_bytes()), malformed);
}

#[test]
fn no_certificate_too_many_and_too_much() {
    let leaf = Authority::root().leaf(|_| {});
    assert_eq!(fault_of_file(b""), ChainError::Empty);
    assert_eq!(fault_of_file(b"no certificate"), ChainError::Empty);
    assert_eq!(
        fault_of_file(leaf.repeat(5).as_bytes()),
        ChainError::TooMany
    );
    assert_eq!(MAX_PEM_BYTES, 48 * 1024);
    assert_eq!(
        fault_of_file(&vec![b'\n'; MAX_PEM_BYTES]),
        ChainError::Empty
    );
    let found = MAX_PEM_BYTES + 1;
    assert_eq!(
        fault_of_file(&vec![b'\n'; found]),
        ChainError::TooLarge { found }
    );
    let found = MAX_CHAIN_BYTES + 1;
    let large = pem(&vec![0; found]);
    assert_eq!(
        fault_of_file(large.as_bytes()),
        ChainError::TooLarge { found }
    );
}

/// A block of a certificate with these bytes.
fn pem(der: &[u8]) -> String {
    use rsa::pkcs8::der::pem::{LineEnding, encode_string};
    encode_string("CERTIFICATE", LineEnding::LF, der).unwrap()
}
