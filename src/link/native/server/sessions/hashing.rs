//! Hashing under a secret, so that nobody can choose names that collide.

use core::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use crate::entropy::Entropy;

/// The secret of a table's hash.
#[derive(Clone, Copy)]
pub(super) struct Hashing([u8; 16]);

impl Hashing {
    pub(super) fn new(entropy: &mut Entropy) -> Self {
        Self(entropy.bytes())
    }

    /// SipHash-1-3 under the secret.
    pub(super) fn of(self, it: &impl Hash) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        it.hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;
    use crate::identity::Name;
    use crate::message::PeerId;

    #[test]
    fn what_collides_depends_on_the_secret() {
        let name = Name::new("site-1").unwrap();
        let of = |it: &dyn Fn(Hashing) -> u64| {
            let hashes = (0..100).map(|byte| it(Hashing([byte; 16])));
            hashes.collect::<BTreeSet<u64>>().len()
        };
        assert_eq!(of(&|hashing| hashing.of(&name)), 100);
        assert_eq!(of(&|hashing| hashing.of(&PeerId(1))), 100);
    }

    #[test]
    fn connections_are_spread_however_the_host_numbers_them() {
        for shift in [0, 8, 16, 32] {
            let places = (0..256).map(|number| Hashing([7; 16]).of(&PeerId(number << shift)) % 256);
            let places = places.collect::<BTreeSet<_>>().len();
            assert!(
                places > 140,
                "{places} places, numbered in steps of 2^{shift}"
            );
        }
    }
}
