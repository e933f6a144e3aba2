//! Messages over a stream that blocks.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fedlink::frame::{Frames, frame_header};

use super::Wire;

/// Room for what one read may bring, so that small messages come many at once.
const READ_BYTES: usize = 16 << 10;

/// The shortest wait that every system has; zero would mean for ever.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

pub(super) struct Pipe {
    wire: Box<dyn Wire>,
    frames: Frames,
    room: Box<[u8]>,
}

impl Pipe {
    pub(super) fn new(wire: Box<dyn Wire>) -> Self {
        Self {
            wire,
            frames: Frames::default(),
            room: vec![0; READ_BYTES].into(),
        }
    }

    pub(super) fn send(&mut self, header: &Bytes, payload: &Bytes) -> io::Result<()> {
        let length = frame_header(header.len() + payload.len());
        self.wire.write_all(&[&length[..], header].concat())?;
        self.wire.write_all(payload)?;
        self.wire.flush()
    }

    /// The next message, if it is whole before one read has waited for `patience`.
    pub(super) fn receive(&mut self, patience: Duration) -> io::Result<Option<BytesMut>> {
        loop {
            let message = self.frames.next_frame();
            let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
            if let Some(message) = message.map_err(invalid)? {
                return Ok(Some(message));
            }
            self.wire.wait_at_most(patience.max(SHORTEST_WAIT))?;
            match self.wire.read(&mut self.room) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    let read = self.room.get(..read).unwrap_or_default();
                    self.frames.buffer().extend_from_slice(read);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Ok(None),
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }
}
