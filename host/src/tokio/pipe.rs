//! Messages over an asynchronous stream of bytes.

use std::io;
use std::time::Duration;

use bytes::buf::Chain;
use bytes::{Buf, Bytes, BytesMut};
use fedlink::frame::{Framing, MAX_MESSAGE, Splitter};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use super::dial::Stream;
use crate::tls::fault;

/// Room for what one read may bring, so that small messages come many at once. An idle
/// connection holds it; a large message gets room of its own.
const READ_BYTES: usize = 2 << 10;

/// How long a connection that ends may take to say so.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How much of a message tells which session it belongs to.
pub(super) const START_BYTES: usize = 32;

/// Both directions of one connection.
pub(super) struct Pipe {
    pub(super) reader: Reader,
    pub(super) writer: Writer,
}

impl Pipe {
    /// Over `stream`, for messages that follow each other like this.
    pub(super) fn new(stream: Box<dyn Stream>, framing: Framing) -> Self {
        let (reading, writing) = tokio::io::split(stream);
        Self {
            reader: Reader {
                stream: reading,
                frames: Splitter::new(framing),
            },
            writer: Writer {
                stream: writing,
                framing,
                outgoing: None,
            },
        }
    }
}

pub(super) struct Reader {
    stream: ReadHalf<Box<dyn Stream>>,
    frames: Splitter,
}

/// What has come.
pub(super) enum Received {
    Message(BytesMut),
    /// The next message exceeds the limit. It stays next.
    TooLong(Long),
    /// The peer has closed the stream between two messages.
    Closed,
}

/// A message that is longer than its connection may send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Long {
    /// How it begins.
    pub(super) start: [u8; START_BYTES],
    /// Its length in bytes.
    pub(super) len: usize,
}

impl Reader {
    /// Changes the limit for messages that were not read, to at most [`MAX_MESSAGE`].
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.frames.set_limit(limit);
    }

    /// Waits for the next message. Nothing is lost if the future is dropped.
    pub(super) async fn next(&mut self) -> io::Result<Received> {
        loop {
            match self.frames.next_frame() {
                Ok(Some(message)) => return Ok(Received::Message(message)),
                Ok(None) => {}
                Err(error) if (START_BYTES..=MAX_MESSAGE).contains(&error.len) => {
                    if let Some(start) = start(self.frames.buffer()) {
                        let len = error.len;
                        return Ok(Received::TooLong(Long { start, len }));
                    }
                }
                Err(error) => return Err(fault::framing(error)),
            }
            let room = self.frames.room(READ_BYTES);
            if self.stream.read_buf(room).await? == 0 {
                return if self.frames.is_empty() {
                    Ok(Received::Closed)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }
}

/// How the message begins whose length stands at the start of `buffer`.
fn start(buffer: &[u8]) -> Option<[u8; START_BYTES]> {
    let (_length, message) = buffer.split_first_chunk::<4>()?;
    message.first_chunk().copied()
}

pub(super) struct Writer {
    stream: WriteHalf<Box<dyn Stream>>,
    framing: Framing,
    outgoing: Option<Framed>,
}

/// Length, if it has one, header and payload of a message, or what is left of them.
type Framed = Chain<Chain<Bytes, Bytes>, Bytes>;

impl Writer {
    /// Whether a message waits to be written.
    pub(super) fn is_busy(&self) -> bool {
        self.outgoing.is_some()
    }

    /// Takes the next message; only when it is not busy.
    pub(super) fn start(&mut self, header: Bytes, payload: Bytes) {
        let length = self.framing.prefix(header.len() + payload.len());
        let length = length.map_or_else(Bytes::new, |length| Bytes::copy_from_slice(&length));
        self.outgoing = Some(length.chain(header).chain(payload));
    }

    /// Writes the message that was taken, its parts in one vectored write where the
    /// stream has that; waits for ever if there is none. Goes on where it was if the
    /// future is dropped.
    pub(super) async fn write(&mut self) -> io::Result<()> {
        let Some(outgoing) = &mut self.outgoing else {
            return std::future::pending().await;
        };
        self.stream.write_all_buf(outgoing).await?;
        self.stream.flush().await?;
        self.outgoing = None;
        Ok(())
    }

    /// Writes what is left and tells the peer that nothing more will come.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        if self.is_busy() {
            self.write().await?;
        }
        self.stream.shutdown().await
    }
}

#[cfg(test)]
mod tests;
