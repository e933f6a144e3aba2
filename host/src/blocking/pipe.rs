//! Messages over a stream whose reads and writes block.

use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use fedlink::frame::{Framing, Splitter};

use super::Wire;
use crate::tls::fault;

/// Room for what one read may bring, so that small messages come many at once.
const READ_BYTES: usize = 16 << 10;

/// The shortest wait that every system has; zero would mean for ever.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

pub(super) struct Pipe {
    wire: Box<dyn Wire>,
    framing: Framing,
    frames: Splitter,
    room: Box<[u8]>,
}

impl Pipe {
    pub(super) fn new(wire: Box<dyn Wire>, framing: Framing) -> Self {
        Self {
            wire,
            framing,
            frames: Splitter::new(framing),
            room: vec![0; READ_BYTES].into(),
        }
    }

    /// Writes one message, both its parts in one call where the stream takes them.
    pub(super) fn send(&mut self, header: Bytes, payload: Bytes) -> io::Result<()> {
        let length = self.framing.prefix(header.len() + payload.len());
        let length = length.as_ref().map_or(&[][..], |length| &length[..]);
        let header = Bytes::from([length, &header].concat());
        let mut message = header.chain(payload);
        while message.has_remaining() {
            let mut parts = [IoSlice::new(&[]); 2];
            let count = message.chunks_vectored(&mut parts);
            match self
                .wire
                .write_vectored(parts.get(..count).unwrap_or_default())
            {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => message.advance(written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.wire.flush()
    }

    /// The next message, if it is whole before `patience` has passed. What came of it until
    /// then is kept.
    pub(super) fn receive(&mut self, patience: Duration) -> io::Result<Option<BytesMut>> {
        let begun = Instant::now();
        let mut left = patience.max(SHORTEST_WAIT);
        loop {
            let message = self.frames.next_frame();
            if let Some(message) = message.map_err(fault::framing)? {
                return Ok(Some(message));
            }
            if left.is_zero() {
                return Ok(None);
            }
            self.wire.wait_at_most(left.max(SHORTEST_WAIT))?;
            let buffer = self.frames.room(READ_BYTES);
            let space = (buffer.capacity() - buffer.len()).min(self.room.len());
            let room = self.room.get_mut(..space).unwrap_or_default();
            match self.wire.read(room) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => buffer.extend_from_slice(room.get(..read).unwrap_or_default()),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Ok(None),
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
            left = patience.saturating_sub(begun.elapsed());
        }
    }
}

#[cfg(test)]
mod tests;
