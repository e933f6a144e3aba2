//! Byte streams over cells: large values in chunks, acknowledged as they are taken.

#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod inbox;
mod outbox;

pub(super) use inbox::{Ack, Chunk, Inbox, Refused, Taken};
pub(super) use outbox::Outbox;

/// Bytes of a chunk, as NVFlare cuts them.
pub(super) const CHUNK: usize = 1 << 20;

/// Bytes that this site sends without an acknowledgement: receivers of NVFlare before 2.9
/// give up on a stream of which more than 16 chunks wait for an earlier one.
pub(super) const WINDOW: u64 = 16 * CHUNK as u64;

/// Bytes that NVFlare sends without an acknowledgement.
const PEER_WINDOW: u64 = 64 << 20;

/// Bytes after which the receiver of a stream is asked to acknowledge: a chunk, so that on
/// a slow line too it shows in time that the stream moves.
pub(super) const ACK_INTERVAL: u64 = CHUNK as u64;
