//! Framing of messages on a stream of bytes: a big-endian u32 length, then the message.

use bytes::{Buf, BytesMut};

use super::envelope::MAX_MESSAGE;

/// The length that goes before a message of `len` bytes on a byte stream.
// spec: P-1
#[must_use]
pub fn frame_header(len: usize) -> [u8; 4] {
    u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes()
}

/// Cuts a byte stream into messages, whatever chunks it comes in.
///
/// Read from the carrier into [`Frames::buffer`], then take messages with
/// [`Frames::next_frame`] until there is none. It holds at most one message and what was
/// read beyond it.
#[derive(Debug)]
pub(crate) struct Frames {
    buffer: BytesMut,
    limit: usize,
}

/// The byte stream cannot be trusted any further: close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {len} bytes, where {least} to {limit} are legal: close the connection")]
pub struct FrameError {
    /// What the frame said its length is.
    pub len: usize,
    /// The least legal length in bytes.
    pub least: usize,
    /// The limit in bytes.
    pub limit: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self::with_limit(MAX_MESSAGE)
    }
}

impl Frames {
    /// For messages of up to `limit` bytes, at most 2 MiB. A server starts each
    /// connection with a small limit and raises it when the peer has registered.
    #[must_use]
    pub(crate) fn with_limit(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            limit: limit.min(MAX_MESSAGE),
        }
    }

    /// Changes the limit for frames that have not begun.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(MAX_MESSAGE);
    }

    /// Where bytes from the carrier are appended.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole message.
    ///
    /// # Errors
    /// When the next length is 0 or over the limit. It stays so: close the stream.
    // spec: P-2
    pub(crate) fn next_frame(&mut self) -> Result<Option<BytesMut>, FrameError> {
        let Some(header) = self.buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let len = usize::try_from(u32::from_be_bytes(*header)).unwrap_or(usize::MAX);
        if len == 0 || len > self.limit {
            return Err(FrameError {
                len,
                least: 1,
                limit: self.limit,
            });
        }
        let arrived = self.buffer.len() - header.len();
        if arrived < len {
            self.buffer.reserve(len - arrived);
            return Ok(None);
        }
        self.buffer.advance(4);
        Ok(Some(self.buffer.split_to(len)))
    }

    /// Whether the stream may end here: nothing of a message has arrived.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: P-1
    #[test]
    fn any_chunking_gives_the_same_messages() {
        let messages: [&[u8]; 3] = [b"a", b"bcdef", &[7; 300]];
        let stream: Vec<u8> = messages
            .iter()
            .flat_map(|message| [&frame_header(message.len())[..], message].concat())
            .collect();
        for size in 1..stream.len() {
            let mut frames = Frames::default();
            let mut seen = Vec::new();
            for chunk in stream.chunks(size) {
                frames.buffer().extend_from_slice(chunk);
                while let Some(message) = frames.next_frame().unwrap() {
                    seen.push(message);
                }
            }
            assert!(frames.is_empty());
            assert_eq!(seen, messages);
        }
    }

    // spec: P-2
    #[test]
    fn a_length_of_zero_or_over_the_limit_is_an_error_that_stays() {
        for len in [0, 11] {
            let mut frames = Frames::with_limit(10);
            frames.buffer().extend_from_slice(&frame_header(len));
            assert_eq!(
                frames.next_frame(),
                Err(FrameError {
                    len,
                    least: 1,
                    limit: 10
                })
            );
            assert!(frames.next_frame().is_err());
        }
    }

    #[test]
    fn the_limit_itself_is_legal_and_counts_once_it_is_set() {
        let mut frames = Frames::with_limit(10);
        let mut take = |limit, len| {
            frames.set_limit(limit);
            frames.buffer().extend_from_slice(&frame_header(len));
            frames.buffer().extend_from_slice(&vec![7; len]);
            frames.next_frame().map(|message| message.unwrap().len())
        };
        assert_eq!(take(10, 10), Ok(10));
        assert_eq!(take(12, 12), Ok(12));
        assert!(take(11, 12).is_err());
    }

    #[test]
    fn a_stream_may_not_end_within_a_message() {
        let mut frames = Frames::default();
        assert!(frames.is_empty());
        frames.buffer().extend_from_slice(&frame_header(1));
        assert_eq!(frames.next_frame(), Ok(None));
        assert!(!frames.is_empty());
    }
}
