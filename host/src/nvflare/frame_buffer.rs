//! A buffer that gathers written bytes into whole frames, for carriers that take nothing less.

use std::io::{self, ErrorKind};

use bytes::{Bytes, BytesMut};
use fedlink::frame::{Framing, Splitter};

/// Most bytes that one write takes.
const WRITE_BYTES: usize = 64 << 10;

/// Bytes in pieces of any size, and the SFM frames that they make. At most one whole frame
/// waits in it, beside what is not yet one.
pub(super) struct FrameBuffer {
    unsent: Splitter,
    whole: Option<Bytes>,
}

impl FrameBuffer {
    pub(super) fn new() -> Self {
        Self {
            unsent: Splitter::new(Framing::Nvflare {
                max_frame: usize::MAX,
            }),
            whole: None,
        }
    }

    /// Takes some of `bytes`, and says how many. Take all whole frames out before.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        let buffer = self.unsent.room(WRITE_BYTES);
        let room = buffer.capacity() - buffer.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        buffer.extend_from_slice(taken);
        taken.len()
    }

    /// Whether a whole frame waits for its turn.
    ///
    /// # Errors
    /// When what was written is no frame.
    pub(super) fn has_frame(&mut self) -> io::Result<bool> {
        if self.whole.is_none() {
            let frame = self.unsent.next_frame();
            let frame = frame.map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
            self.whole = frame.map(BytesMut::freeze);
        }
        Ok(self.whole.is_some())
    }

    /// The frame whose turn it is.
    pub(super) fn take_frame(&mut self) -> Option<Bytes> {
        self.whole.take()
    }
}
