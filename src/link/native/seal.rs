//! ChaCha20-Poly1305 (RFC 8439): whole messages of the handshake, and numbered messages
//! of a session.

#[cfg(test)]
pub(crate) mod nonces;
#[cfg(test)]
mod vectors;

use alloc::vec::Vec;

use bytes::{Buf, BytesMut};
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use zeroize::Zeroizing;

use crate::wire::native::TAG;

/// Numbers end here, far below where a key would have sealed too much.
pub(crate) const LAST_NUMBER: u64 = 1 << 48;

/// A secret of 32 bytes, wiped when dropped.
#[derive(Clone)]
pub(crate) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    pub(crate) fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// Appends `plaintext`, sealed, and its tag to `header`, which is authenticated with
    /// it. For a key that seals one message only: the number is 0.
    // spec: P-29
    pub(crate) fn seal_once(&self, mut header: Vec<u8>, plaintext: &[u8]) -> Vec<u8> {
        let clear = header.len();
        header.extend_from_slice(plaintext);
        self.seal(0, &mut header, clear);
        header
    }

    /// Opens what [`Key::seal_once`] sealed behind `clear` bytes.
    pub(crate) fn open_once(&self, message: &[u8], clear: usize) -> Option<Vec<u8>> {
        let mut message = message.to_vec();
        let len = self.open(0, &mut message, clear)?;
        message.truncate(len);
        Some(message.split_off(clear))
    }

    /// Seals everything behind `clear` bytes in place and appends the tag.
    pub(crate) fn seal(&self, number: u64, message: &mut impl Growing, clear: usize) {
        self.seal_under(nonce(number), message, clear);
    }

    /// Opens in place everything behind `clear` bytes; returns the length without the tag.
    /// What does not open is left as it was, or as noise: drop it.
    pub(crate) fn open(&self, number: u64, message: &mut [u8], clear: usize) -> Option<usize> {
        self.open_under(nonce(number), message, clear)
    }

    fn seal_under(&self, nonce: [u8; 12], message: &mut impl Growing, clear: usize) {
        #[cfg(test)]
        nonces::note(&self.0, nonce);
        let (header, body) = message.as_mut().split_at_mut(clear);
        // It fails only past 256 GiB.
        if let Ok(tag) = self
            .cipher()
            .encrypt_inout_detached(&nonce.into(), header, body.into())
        {
            message.extend(tag);
        }
    }

    fn open_under(&self, nonce: [u8; 12], message: &mut [u8], clear: usize) -> Option<usize> {
        let (header, sealed) = message.split_at_mut_checked(clear)?;
        let (body, tag) = sealed.split_last_chunk_mut::<TAG>()?;
        let tag = (*tag).into();
        self.cipher()
            .decrypt_inout_detached(&nonce.into(), header, (&mut *body).into(), &tag)
            .ok()?;
        Some(clear + body.len())
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new(&(*self.0).into())
    }
}

/// Bytes that more can be appended to.
pub(crate) trait Growing: AsMut<[u8]> + Extend<u8> {}

impl<T: AsMut<[u8]> + Extend<u8>> Growing for T {}

/// A message of the handshake: `body` behind `header`, sealed where there is a key.
pub(crate) fn cover(key: Option<&Key>, mut header: Vec<u8>, body: &[u8]) -> Vec<u8> {
    match key {
        Some(key) => key.seal_once(header, body),
        None => {
            header.extend_from_slice(body);
            header
        }
    }
}

/// The body that [`cover`] put behind `clear` bytes; `None` if its seal does not open.
pub(crate) fn uncover(key: Option<&Key>, message: &[u8], clear: usize) -> Option<Vec<u8>> {
    match key {
        Some(key) => key.open_once(message, clear),
        None => Some(message.get(clear..)?.to_vec()),
    }
}

/// Opens a session message in place: the clear part is taken off, the tag too.
pub(crate) fn open_in_place(
    key: &Key,
    number: u64,
    mut message: BytesMut,
    clear: usize,
) -> Option<BytesMut> {
    let len = key.open(number, &mut message, clear)?;
    message.truncate(len);
    message.advance(clear);
    Some(message)
}

pub(super) fn nonce(number: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&number.to_be_bytes());
    nonce
}

/// Which numbers have been opened: the latest 256, and all before them.
#[derive(Clone, Debug, Default)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Window {
    /// One more than the highest number seen.
    end: u64,
    /// Bit `n % 256` for each number `n` in `end - 256..end`.
    seen: [u64; 4],
}

impl Window {
    const SIZE: u64 = 256;

    /// Whether `number` may still be new.
    // spec: P-76
    pub(crate) fn is_new(&self, number: u64) -> bool {
        if number >= self.end {
            return number < LAST_NUMBER;
        }
        number + Self::SIZE >= self.end && !self.bit(number)
    }

    /// Marks `number`, whose message has proved authentic.
    pub(crate) fn mark(&mut self, number: u64) {
        if number >= self.end {
            if number - self.end >= Self::SIZE {
                self.seen = [0; 4];
            } else {
                for skipped in self.end..number {
                    self.set(skipped, false);
                }
            }
            self.end = number + 1;
        }
        self.set(number, true);
    }

    fn bit(&self, number: u64) -> bool {
        let (word, bit) = place(number);
        self.seen[word] & bit != 0
    }

    fn set(&mut self, number: u64, seen: bool) {
        let (word, bit) = place(number);
        if seen {
            self.seen[word] |= bit;
        } else {
            self.seen[word] &= !bit;
        }
    }
}

fn place(number: u64) -> (usize, u64) {
    let place = number % Window::SIZE;
    ((place / 64) as usize, 1 << (place % 64))
}

#[cfg(test)]
impl Key {
    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

#[cfg(test)]
impl core::hash::Hash for Key {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        (*self.0).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;
    use crate::entropy::Entropy;

    // spec: P-76
    #[test]
    fn the_window_agrees_with_a_set_of_all_numbers() {
        let mut entropy = Entropy::new(&mut [3; 32]);
        let mut window = Window::default();
        let mut seen = BTreeSet::new();
        let mut highest = 0;
        for _ in 0..20_000 {
            let number = entropy.between(highest.max(400) - 400, highest + 300);
            let too_old = number + Window::SIZE <= highest && !seen.is_empty();
            assert_eq!(
                window.is_new(number),
                !seen.contains(&number) && !too_old,
                "{number}"
            );
            if window.is_new(number) {
                window.mark(number);
                seen.insert(number);
                highest = highest.max(number);
            }
        }
        assert!(!window.is_new(LAST_NUMBER));
    }

    // spec: P-29
    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        let key = Key::new(Zeroizing::new([5; 32]));
        let sealed = key.seal_once(b"head".to_vec(), b"body");
        assert_eq!(key.open_once(&sealed, 4).unwrap(), b"body");
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert_eq!(key.open_once(&bad, 4), None);
        }
        assert_eq!(key.open_once(&sealed, 3), None);
        assert_eq!(key.open_once(b"short", 4), None);
        assert_eq!(key.open_once(b"", 4), None);
    }
}
