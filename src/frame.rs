//! Messages on a carrier of bytes.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use bytes::BytesMut;

use crate::wire::native::Frames;
pub use crate::wire::native::{FrameError, MAX_MESSAGE, MAX_STRANGER, frame_header};
#[cfg(feature = "nvflare")]
use crate::wire::nvflare::sfm;

/// How messages follow each other on a carrier of bytes. It depends on the binding: see
/// [`ClientConfig::framing`](crate::ClientConfig::framing).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Framing {
    /// A big-endian u32 goes before each message and tells its length.
    #[default]
    Native,
    /// Each message begins with its own length: it is an SFM frame of NVIDIA FLARE.
    #[cfg(feature = "nvflare")]
    Nvflare {
        /// Largest message from the peer in bytes.
        max_frame: usize,
    },
}

impl Framing {
    /// What goes before a message of `len` bytes, if anything.
    #[must_use]
    pub fn prefix(self, len: usize) -> Option<[u8; 4]> {
        match self {
            Self::Native => Some(frame_header(len)),
            #[cfg(feature = "nvflare")]
            Self::Nvflare { .. } => None,
        }
    }
}

/// Cuts a byte stream into messages, whatever the binding.
///
/// Read from the carrier into [`Splitter::buffer`], then take messages with
/// [`Splitter::next_frame`] until there is none.
#[derive(Debug)]
pub struct Splitter(Inner);

#[derive(Debug)]
enum Inner {
    Native(Frames),
    #[cfg(feature = "nvflare")]
    Nvflare(sfm::Frames),
}

impl Splitter {
    /// For messages of any legal length.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self(match framing {
            Framing::Native => Inner::Native(Frames::default()),
            #[cfg(feature = "nvflare")]
            Framing::Nvflare { max_frame } => Inner::Nvflare(sfm::Frames::with_limit(max_frame)),
        })
    }

    /// Changes the limit in bytes for messages that have not begun.
    pub fn set_limit(&mut self, limit: usize) {
        match &mut self.0 {
            Inner::Native(frames) => frames.set_limit(limit),
            #[cfg(feature = "nvflare")]
            Inner::Nvflare(frames) => frames.set_limit(limit),
        }
    }

    /// Where bytes from the carrier are appended.
    pub fn buffer(&mut self) -> &mut BytesMut {
        match &mut self.0 {
            Inner::Native(frames) => frames.buffer(),
            #[cfg(feature = "nvflare")]
            Inner::Nvflare(frames) => frames.buffer(),
        }
    }

    /// The buffer, with room for a read.
    ///
    /// There is room for `few` bytes, or a quarter of that at least, before a large message
    /// has begun. Later there may be less, because the room ends with the message: to append
    /// more than there is room for copies what has arrived.
    pub fn room(&mut self, few: usize) -> &mut BytesMut {
        let buffer = self.buffer();
        let room = buffer.capacity() - buffer.len();
        if room == 0 || (room < few / 4 && buffer.len() < few) {
            buffer.reserve(few);
        }
        buffer
    }

    /// The next whole message.
    ///
    /// # Errors
    /// When the next message has no legal length. It stays so: close the stream.
    pub fn next_frame(&mut self) -> Result<Option<BytesMut>, FrameError> {
        match &mut self.0 {
            Inner::Native(frames) => frames.next_frame(),
            #[cfg(feature = "nvflare")]
            Inner::Nvflare(frames) => frames.next_frame(),
        }
    }

    /// Whether the stream may end here: nothing of a message has arrived.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Inner::Native(frames) => frames.is_empty(),
            #[cfg(feature = "nvflare")]
            Inner::Nvflare(frames) => frames.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `stream` in chunks of `size` as a host does, and returns what it is cut into.
    fn cut(framing: Framing, stream: &[u8], size: usize) -> Vec<BytesMut> {
        let mut splitter = Splitter::new(framing);
        let mut seen = Vec::new();
        for chunk in stream.chunks(size) {
            splitter.room(4).extend_from_slice(chunk);
            while let Some(message) = splitter.next_frame().unwrap() {
                seen.push(message);
            }
        }
        assert!(splitter.is_empty());
        seen
    }

    #[test]
    fn a_native_message_goes_behind_its_length() {
        let prefix = Framing::Native.prefix(3).unwrap();
        let stream = [&prefix[..], b"abc", &prefix, b"def"].concat();
        for size in 1..=stream.len() {
            assert_eq!(cut(Framing::Native, &stream, size), [&b"abc"[..], b"def"]);
        }
    }

    #[test]
    fn there_is_room_for_a_read_and_no_more_is_taken_than_needed() {
        let room = |bytes: usize, capacity: usize, few: usize| {
            let mut splitter = Splitter::new(Framing::Native);
            *splitter.buffer() = BytesMut::with_capacity(capacity);
            splitter.buffer().resize(bytes, 0);
            let buffer = splitter.room(few);
            buffer.capacity() - buffer.len()
        };
        assert!(room(0, 0, 100) >= 100);
        assert!(room(40, 64, 100) >= 100, "few bytes of a small one");
        assert_eq!(room(39, 64, 100), 25, "a quarter is enough");
        assert!(room(200, 200, 100) >= 100, "a full one");
        assert_eq!(room(100, 110, 100), 10, "a large message has begun");
    }

    #[test]
    fn a_limit_that_is_changed_counts_for_the_next_message() {
        let mut splitter = Splitter::new(Framing::Native);
        splitter.set_limit(30);
        assert!(splitter.is_empty());
        splitter.buffer().extend_from_slice(&[0, 0, 0, 31]);
        assert!(!splitter.is_empty());
        assert!(splitter.next_frame().is_err());
    }

    #[cfg(feature = "nvflare")]
    #[test]
    fn the_binding_says_how_messages_follow_each_other() {
        use crate::{ClientConfig, identity::Name, nvflare::Settings};

        let name = || Name::new("project").unwrap();
        let native = ClientConfig::new(name());
        assert_eq!(native.framing(), Framing::Native);
        let settings = Settings {
            max_frame: 3 << 20,
            ..Settings::DEFAULT
        };
        let nvflare = ClientConfig::nvflare(name(), name(), settings);
        let max_frame = 3 << 20;
        assert_eq!(nvflare.framing(), Framing::Nvflare { max_frame });
    }

    #[cfg(feature = "nvflare")]
    #[test]
    fn an_nvflare_message_is_its_own_frame() {
        let framing = Framing::Nvflare { max_frame: 100 };
        assert_eq!(framing.prefix(3), None);
        let frame = [&19_u32.to_be_bytes()[..], &[0; 12], b"abc"].concat();
        let stream = [&frame[..], &frame].concat();
        for size in 1..=stream.len() {
            assert_eq!(cut(framing, &stream, size), [&frame[..], &frame]);
        }
        let mut splitter = Splitter::new(framing);
        splitter.buffer().extend_from_slice(&101_u32.to_be_bytes());
        assert!(splitter.next_frame().is_err());
    }

    #[test]
    fn a_large_message_gets_no_more_room_than_it_needs() {
        let mut splitter = Splitter::new(Framing::Native);
        let len = 100_000;
        let stream = [&frame_header(len)[..], &vec![7; len]].concat();
        let mut rest = &stream[..];
        while !rest.is_empty() {
            assert_eq!(splitter.next_frame(), Ok(None));
            let buffer = splitter.room(1000);
            let room = (buffer.capacity() - buffer.len()).min(1000);
            let (now, later) = rest.split_at(room.min(rest.len()));
            buffer.extend_from_slice(now);
            rest = later;
        }
        assert!(splitter.buffer().capacity() < 2 * len);
        assert_eq!(splitter.next_frame().unwrap().unwrap(), stream[4..]);
    }
}
