//! Properties of incoming streams for any chunks: run by the fuzzer, and by a test.

#![allow(unreachable_pub, reason = "public for the fuzzer")]

use alloc::collections::BTreeMap;

use bytes::Bytes;

use super::inbox::{Chunk, Inbox, Taken};
use crate::Instant;

/// The largest stream here, in bytes.
const LIMIT: u64 = 1 << 12;

/// Chunks of a few streams: six bytes describe each, and its content follows. What is
/// whole has the length that was announced and consists of the first chunks that came
/// under each number.
pub fn stream(mut data: &[u8]) {
    let mut inbox = Inbox::default();
    let mut sent: BTreeMap<u64, BTreeMap<u64, Bytes>> = BTreeMap::new();
    while let Some((&[id, sequence, offset, flags, total, len], rest)) = data.split_first_chunk() {
        let (bytes, rest) = rest.split_at(rest.len().min(len.into()));
        data = rest;
        let id = u64::from(id % 4);
        let sequence = match flags & 2 {
            0 => u64::from(sequence % 8),
            _ => u64::MAX - u64::from(sequence),
        };
        let total = match flags & 4 {
            0 => u64::from(total),
            _ => u64::from(total) << 56,
        };
        let bytes = Bytes::copy_from_slice(bytes);
        let chunk = Chunk {
            key: (String::new(), id),
            sequence,
            offset: u64::from(offset),
            is_last: flags & 1 != 0,
            total,
            ack_interval: (flags & 8 != 0).then_some(u64::from(flags)),
            bytes: bytes.clone(),
            headers: (),
        };
        let taken = inbox.take(Instant::default(), LIMIT, chunk);
        let so_far = sent.entry(id).or_default();
        so_far.entry(sequence).or_insert(bytes);
        match taken {
            Ok(Taken::Whole(ack, (), whole)) => {
                assert!(total <= LIMIT);
                assert_eq!((ack.offset, whole.len() as u64), (total, total));
                let parts = so_far.range(..=ack.sequence);
                let expected: Vec<_> = parts.map(|(_, bytes)| &bytes[..]).collect();
                assert_eq!(whole, expected.concat());
            }
            Ok(Taken::Part(_) | Taken::Again(_)) => {}
            // The stream is forgotten: what comes next begins it anew.
            Err(_) => so_far.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_chunks_are_put_in_order_or_refused() {
        let mut state = 1_u32;
        for _ in 0..2_000 {
            let mut chunks = Vec::new();
            for _ in 0..40 {
                let mut next = |below: u32| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    ((state >> 16) % below) as u8
                };
                // Streams of four chunks of two bytes, which often contradict themselves.
                let sequence = next(4);
                let flags = u8::from(sequence == 3) | if next(50) == 0 { next(16) } else { 8 };
                let offset = if next(50) == 0 { next(9) } else { sequence * 2 };
                chunks.extend([next(4), sequence, offset, flags, 8, 2, sequence, sequence]);
            }
            stream(&chunks);
        }
    }
}
