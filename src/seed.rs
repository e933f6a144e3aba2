//! Seeds: the randomness that a host gives to a machine, wiped after use.

use alloc::boxed::Box;
use core::fmt;

use zeroize::{Zeroize, Zeroizing};

/// 32 bytes from a cryptographic generator: all the randomness that a machine ever uses.
///
/// They lie in memory of their own, which stays where it is when the seed is moved and is
/// wiped when the seed is dropped. A seed that is made [in place](Self::fill) has no other
/// copy; of one that is made from an array, the array is left to its owner.
///
/// # What is wiped, and what cannot be
///
/// Seeds, the secrets behind cookies, the keys of sessions and tokens are wiped where they
/// are kept, as soon as they are of no more use. But Rust moves a value by copying it, and
/// the compiler puts parts of it into registers and onto the stack, in this crate and in
/// those of the ciphers (`hmac` leaves its padded key there): no code can find and wipe
/// such copies. They last until something else is put in their place. So a key of a
/// session that has just ended may still be found by whoever reads the memory of the
/// process; keep that out of swap and core dumps.
pub struct Seed(Box<Zeroizing<[u8; 32]>>);

impl Seed {
    /// Makes a seed in place, so that `fill` writes the only copy.
    ///
    /// ```
    /// # fn random(bytes: &mut [u8]) -> Result<(), std::io::Error> { bytes.fill(7); Ok(()) }
    /// let seed = fedlink::Seed::fill(|bytes| random(bytes))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// That of `fill`.
    pub fn fill<E>(fill: impl FnOnce(&mut [u8; 32]) -> Result<(), E>) -> Result<Self, E> {
        let mut seed = Self::zeros();
        fill(&mut seed.0)?;
        Ok(seed)
    }

    pub(crate) fn zeros() -> Self {
        Self(Box::new(Zeroizing::new([0; 32])))
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn expose_mut(&mut self) -> &mut [u8; 32] {
        &mut self.0
    }
}

/// Copies the array. Its owner's copy stays.
impl From<[u8; 32]> for Seed {
    fn from(mut bytes: [u8; 32]) -> Self {
        Self::from(&mut bytes)
    }
}

/// Takes the bytes and wipes the caller's.
impl From<&mut [u8; 32]> for Seed {
    fn from(bytes: &mut [u8; 32]) -> Self {
        let mut seed = Self::zeros();
        seed.0.copy_from_slice(&bytes[..]);
        bytes.zeroize();
        seed
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed")
    }
}

#[cfg(test)]
impl core::hash::Hash for Seed {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.expose().hash(state);
    }
}

#[cfg(test)]
impl Clone for Seed {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_stay_where_they_are_when_a_seed_is_moved_and_are_wiped() {
        fn is_wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        let mut bytes = [7; 32];
        let seed = Seed::from(&mut bytes);
        assert_eq!(bytes, [0; 32]);
        let before: *const [u8; 32] = seed.expose();
        let moved = Some(Box::new(seed)).map(|seed| *seed).unwrap();
        assert_eq!(moved.expose(), &[7; 32]);
        assert!(core::ptr::eq(before, moved.expose()));
        is_wiped(&*moved.0);
        assert_eq!(format!("{moved:?}"), "Seed");
    }

    #[test]
    fn a_seed_is_not_made_without_randomness() {
        assert!(Seed::fill(|_| Err(())).is_err());
        let made = Seed::fill(|bytes| {
            bytes.fill(3);
            Ok::<_, ()>(())
        });
        assert_eq!(made.unwrap().expose(), &[3; 32]);
    }
}
