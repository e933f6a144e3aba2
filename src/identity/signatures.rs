//! Signatures checked in batches, and a cache of certificate signatures that were good before.
//!
//! Many signatures are checked by one equation at a third of the cost of one by one
//! (Bernstein, Duif, Lange, Schwabe, Yang, "High-speed high-security signatures", 2012,
//! section 5). Its random factors follow from everything that is checked, so that whoever
//! makes a signature cannot know them. If the equation does not hold, the signatures are
//! checked one by one, strictly.
//!
//! The equation lets pass what the strict check refuses in one case: where the owner of a
//! key has added a point of small order to a signature on purpose. Nobody else can make
//! one, since keys of small order are refused ([`PublicKey::from_bytes`]): what passes was
//! made by the owner of the key for this message, and that is all that a proof of identity
//! has to show. Signatures by which two parties must judge alike would need more.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use bytes::Bytes;
use ed25519_dalek::{Signature, VerifyingKey};

use super::PublicKey;
use crate::digest::{self, Hash};

/// A signature to be checked.
#[derive(Clone)]
pub(crate) struct Check {
    pub(crate) key: PublicKey,
    pub(crate) signature: [u8; 64],
    pub(crate) message: Bytes,
}

impl Check {
    pub(crate) fn is_good(&self) -> bool {
        self.key.verify(&self.message, &self.signature)
    }

    /// Whether the signature's point R is written as no honest signer writes one: with a y
    /// that is not reduced, or with the x of zero, which has two signs. The equation would
    /// take the one writing for the other.
    fn is_odd(&self) -> bool {
        let [low, middle @ .., high] = self.signature.first_chunk::<32>().unwrap_or(&[0; 32]);
        let high = high & 0x7f;
        let at_least_minus_1 = *low >= 0xec && high == 0x7f && middle.iter().all(|it| *it == 0xff);
        let is_1 = *low == 1 && high == 0 && middle.iter().all(|it| *it == 0);
        at_least_minus_1 || is_1
    }

    fn hash(&self) -> Hash {
        let parts: [&[u8]; 3] = [self.key.as_bytes(), &self.signature, &self.message];
        digest::hash("fedlink v2 known signature", &parts)
    }
}

/// Whether all signatures are good. If not, nothing is said of any one of them.
pub(crate) fn are_good(checks: &[Check]) -> bool {
    match checks {
        [] => true,
        [check] => check.is_good(),
        checks if checks.iter().any(Check::is_odd) => false,
        checks => {
            let messages: Vec<&[u8]> = checks.iter().map(|it| &it.message[..]).collect();
            let signatures: Vec<Signature> = checks
                .iter()
                .map(|it| Signature::from_bytes(&it.signature))
                .collect();
            let keys: Vec<VerifyingKey> = checks.iter().map(|it| *it.key.as_point()).collect();
            ed25519_dalek::verify_batch(&messages, &signatures, &keys).is_ok()
        }
    }
}

/// Signatures that were found good. They stay so, whatever becomes of roots and dates. Only
/// a chain that leads to a root, shown by who has its key, adds to them, so that a stranger
/// fills no place and drives nobody out.
#[derive(Default)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Known {
    /// Those seen since `older` were put aside.
    newer: BTreeSet<Hash>,
    older: BTreeSet<Hash>,
}

impl Known {
    /// Signatures that may be known. Half of them are forgotten at a time, those that were
    /// not seen for longest.
    const MOST: usize = 65_536;

    /// Whether a signature is known to be good.
    pub(crate) fn holds(&mut self, check: &Check) -> bool {
        let hash = check.hash();
        if self.older.remove(&hash) {
            self.insert(hash);
        }
        self.newer.contains(&hash)
    }

    /// Judges with signatures that are known to be good, or are checked now. Those are known
    /// from now on if the verdict is good as a whole. A chain that is refused may be full of
    /// good signatures, by keys that a stranger has made.
    pub(crate) fn judge<T, E>(
        &mut self,
        judge: impl FnOnce(&mut dyn FnMut(&Check) -> bool) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut found = Vec::new();
        let verdict = judge(&mut |check| {
            let known = self.holds(check);
            if !known && check.is_good() {
                found.push(check.hash());
                return true;
            }
            known
        })?;
        found.into_iter().for_each(|hash| self.insert(hash));
        Ok(verdict)
    }

    /// A signature was found good.
    pub(crate) fn remember(&mut self, check: &Check) {
        self.insert(check.hash());
    }

    fn insert(&mut self, hash: Hash) {
        if self.newer.len() >= Self::MOST / 2 {
            self.older = core::mem::take(&mut self.newer);
        }
        self.newer.insert(hash);
    }
}

#[cfg(test)]
impl Known {
    pub(crate) fn len(&self) -> usize {
        self.newer.len() + self.older.len()
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;

    fn check(number: u32) -> Check {
        let key = SigningKey::from_bytes(&[number as u8; 32]);
        let message = Bytes::copy_from_slice(&number.to_be_bytes());
        Check {
            key: PublicKey::of(&key.verifying_key()),
            signature: key.sign(&message).to_bytes(),
            message,
        }
    }

    #[test]
    fn one_bad_signature_spoils_all_and_good_ones_do_not() {
        let good: Vec<Check> = (0..20).map(check).collect();
        for len in 0..good.len() {
            assert!(are_good(&good[..len]), "{len}");
        }
        for bad in 0..good.len() {
            for byte in 0..64 {
                let mut checks = good.clone();
                checks[bad].signature[byte] ^= 1;
                assert!(!are_good(&checks), "byte {byte} of {bad}");
                assert!(!are_good(&checks[bad..=bad]));
            }
            let mut checks = good.clone();
            checks[bad].key = checks[(bad + 1) % 20].key;
            assert!(!are_good(&checks), "the key of {bad}");
            let mut checks = good.clone();
            checks[bad].message = Bytes::from_static(b"another");
            assert!(!are_good(&checks), "the message of {bad}");
        }
    }

    #[test]
    fn points_that_are_written_oddly_are_left_to_the_strict_check() {
        let with = |low: u8, middle: u8, high: u8| {
            let mut odd = check(1);
            odd.signature[..32].fill(middle);
            (odd.signature[0], odd.signature[31]) = (low, high);
            odd.is_odd()
        };
        for sign in [0, 0x80] {
            assert!(with(1, 0, sign));
            assert!((0xec..=0xff).all(|low| with(low, 0xff, 0x7f | sign)));
            assert!(!with(0, 0, sign) && !with(2, 0, sign));
            assert!(!with(0xeb, 0xff, 0x7f | sign) && !with(0xff, 0xff, 0x7e | sign));
            assert!(!with(0xff, 0xfe, 0x7f | sign));
        }
        assert!((0..100).all(|number| !check(number).is_odd()));
    }

    #[test]
    fn a_signature_moved_between_two_checks_is_noticed() {
        let (one, two) = (check(1), check(2));
        let swapped = [
            Check {
                signature: two.signature,
                ..one.clone()
            },
            Check {
                signature: one.signature,
                ..two
            },
        ];
        assert!(!are_good(&swapped));
    }

    #[test]
    fn what_is_good_is_known_and_what_is_not_never_is() {
        let mut known = Known::default();
        let good = check(1);
        let mut bad = good.clone();
        bad.signature[0] ^= 1;
        let other = Check {
            message: Bytes::from_static(b"another"),
            ..good.clone()
        };
        for _ in 0..2 {
            let verdict = known.judge(|is_good| is_good(&good).then_some(()).ok_or(()));
            assert!(verdict.is_ok() && known.holds(&good));
            for wrong in [&bad, &other] {
                let verdict = known.judge(|is_good| is_good(wrong).then_some(()).ok_or(()));
                assert!(verdict.is_err() && !known.holds(wrong));
            }
        }
    }

    #[test]
    fn nothing_is_known_of_what_is_refused_as_a_whole() {
        let mut known = Known::default();
        let (good, other) = (check(1), check(2));
        let refused = known.judge(|is_good| {
            assert!(is_good(&good) && is_good(&other));
            Err::<(), ()>(())
        });
        assert!(refused.is_err() && !known.holds(&good) && !known.holds(&other));
        assert_eq!(known.len(), 0);
    }

    #[test]
    fn what_was_not_seen_for_longest_is_forgotten_and_no_memory_grows() {
        let mut known = Known::default();
        let often = check(1);
        known.remember(&often);
        for number in 0..200_000_u64 {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            known.insert(hash);
            assert!(known.len() <= Known::MOST);
            if number % 10_000 == 0 {
                assert!(known.holds(&often));
            }
        }
        assert!(!known.newer.contains(&[0; 32]) && !known.older.contains(&[0; 32]));
    }
}
