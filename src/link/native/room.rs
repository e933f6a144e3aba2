//! Reused memory in which messages are written.

use bytes::{Bytes, BytesMut};

/// Bytes of an allocation that small messages share. As long as one of them waits, all of
/// it does.
const ROOM: usize = 4096;
/// Bytes up to which a message is small.
const SMALL: usize = 256;

/// Where messages are written. Small ones share an allocation, which is used again when
/// they are all gone: who sends each before the next is written allocates nothing.
pub(crate) struct Room {
    free: BytesMut,
    size: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self::of(ROOM)
    }
}

impl Room {
    /// For one message.
    #[cfg(test)]
    pub(crate) fn for_one() -> Self {
        Self::of(SMALL)
    }

    fn of(size: usize) -> Self {
        Self {
            free: BytesMut::with_capacity(size),
            size,
        }
    }

    /// What `write` appends, which should be no more than `expected` bytes.
    pub(crate) fn write(&mut self, expected: usize, write: impl FnOnce(&mut BytesMut)) -> Bytes {
        if expected > SMALL {
            let mut message = BytesMut::with_capacity(expected);
            write(&mut message);
            return message.freeze();
        }
        self.free.reserve(SMALL);
        write(&mut self.free);
        let message = self.free.split().freeze();
        if message.len() > SMALL {
            // The allocation may have become large, and would stay so.
            *self = Self::of(self.size);
        }
        message
    }
}

/// It says nothing of what was or will be written.
#[cfg(test)]
impl core::hash::Hash for Room {
    fn hash<H: core::hash::Hasher>(&self, _: &mut H) {}
}

#[cfg(test)]
impl Clone for Room {
    fn clone(&self) -> Self {
        Self::of(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_messages_share_what_large_ones_leave_alone() {
        let mut room = Room::default();
        let small = [7; SMALL];
        let messages: Vec<Bytes> = (0..100)
            .map(|_| room.write(SMALL, |out| out.extend_from_slice(&small)))
            .collect();
        assert!(messages.iter().all(|message| *message == small[..]));
        let together = |pair: &[Bytes]| pair[0].as_ptr().wrapping_add(SMALL) == pair[1].as_ptr();
        assert_eq!(
            messages.windows(2).filter(|pair| together(pair)).count(),
            93
        );

        let large = [8; 3 * ROOM];
        for expected in [1, large.len()] {
            let message = room.write(expected, |out| out.extend_from_slice(&large));
            assert_eq!(message, large[..]);
            assert!(room.free.capacity() <= ROOM);
        }
    }
}
