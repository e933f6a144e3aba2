//! Byte streams over cells: large values in chunks, acknowledged as they are taken.

#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod inbox;
mod outbox;

pub(super) use inbox::{Ack, Chunk, Inbox, Refused, Taken};
pub(super) use outbox::Outbox;

/// Bytes of a chunk, as NVFlare cuts them.
pub(super) const CHUNK: usize = 1 << 20;

/// Bytes that may be on their way without an acknowledgement, as in NVFlare.
pub(super) const WINDOW: u64 = 64 << 20;

/// Bytes after which the receiver of a stream is asked to acknowledge: a chunk, so that on
/// a slow line too it shows in time that the stream moves.
pub(super) const ACK_INTERVAL: u64 = CHUNK as u64;
