//! Outgoing streams: cut into chunks, no further ahead of the last acknowledgement than the
//! window.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use super::{CHUNK, WINDOW};

/// A value that goes out in chunks. `H` is what the headers of each are made from.
pub(in crate::link::nvflare) struct Outgoing<H> {
    parts: VecDeque<Bytes>,
    total: u64,
    sent: u64,
    acked: u64,
    sequence: u64,
    headers: H,
}

/// The next chunk of a stream.
pub(in crate::link::nvflare) struct Cut<'a, H> {
    pub(in crate::link::nvflare) id: u64,
    pub(in crate::link::nvflare) headers: &'a H,
    pub(in crate::link::nvflare) total: u64,
    pub(in crate::link::nvflare) offset: u64,
    pub(in crate::link::nvflare) sequence: u64,
    pub(in crate::link::nvflare) is_last: bool,
    pub(in crate::link::nvflare) bytes: Bytes,
}

pub(in crate::link::nvflare) struct Outbox<H> {
    streams: BTreeMap<u64, Outgoing<H>>,
    /// Whose turn it is.
    turn: u64,
}

impl<H> Default for Outbox<H> {
    fn default() -> Self {
        Self {
            streams: BTreeMap::new(),
            turn: 0,
        }
    }
}

impl<H> Outbox<H> {
    pub(in crate::link::nvflare) fn insert(&mut self, id: u64, headers: H, parts: Vec<Bytes>) {
        let total = parts.iter().map(|part| part.len() as u64).sum();
        let stream = Outgoing {
            parts: parts.into(),
            total,
            sent: 0,
            acked: 0,
            sequence: 0,
            headers,
        };
        self.streams.insert(id, stream);
    }

    /// Gives a stream up; what its headers were made from, if a part of it has gone and not
    /// all.
    pub(in crate::link::nvflare) fn remove(&mut self, id: u64) -> Option<H> {
        let stream = self.streams.remove(&id)?;
        (stream.sent > 0).then_some(stream.headers)
    }

    /// Gives up every stream; those of which a part has gone.
    pub(in crate::link::nvflare) fn clear(&mut self) -> Vec<(u64, H)> {
        let streams = core::mem::take(&mut self.streams).into_iter();
        streams
            .filter(|(_, stream)| stream.sent > 0)
            .map(|(id, stream)| (id, stream.headers))
            .collect()
    }

    /// The receiver has taken this much of the stream.
    pub(in crate::link::nvflare) fn acked(&mut self, id: u64, offset: u64) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.acked = stream.acked.max(offset.min(stream.sent));
        }
    }

    /// The next chunk that may go, of each stream in turn. A stream leaves with its last
    /// chunk: what came of it is told by the answer to its request.
    pub(in crate::link::nvflare) fn next_chunk<T>(
        &mut self,
        make: impl FnOnce(Cut<'_, H>) -> T,
    ) -> Option<T> {
        let ready = |(id, stream): (&u64, &Outgoing<H>)| stream.may_send().then_some(*id);
        let after = self.streams.range(self.turn..).find_map(ready);
        let id = after.or_else(|| self.streams.iter().find_map(ready))?;
        self.turn = id + 1;
        let stream = self.streams.get_mut(&id)?;
        let (offset, sequence) = (stream.sent, stream.sequence);
        let bytes = stream.cut();
        let made = make(Cut {
            id,
            headers: &stream.headers,
            total: stream.total,
            offset,
            sequence,
            is_last: stream.parts.is_empty(),
            bytes,
        });
        if stream.parts.is_empty() {
            self.streams.remove(&id);
        }
        Some(made)
    }
}

impl<H> Outgoing<H> {
    fn may_send(&self) -> bool {
        self.sent - self.acked < WINDOW
    }

    /// Shares the bytes of a large part; small parts are copied into one chunk.
    fn cut(&mut self) -> Bytes {
        let bytes = match self.parts.front_mut() {
            Some(part) if part.len() >= CHUNK => part.split_to(CHUNK),
            Some(_) | None => self.gather(),
        };
        while self.parts.front().is_some_and(Bytes::is_empty) {
            self.parts.pop_front();
        }
        self.sent += bytes.len() as u64;
        self.sequence += 1;
        bytes
    }

    fn gather(&mut self) -> Bytes {
        if self.parts.len() == 1 {
            return self.parts.pop_front().unwrap_or_default();
        }
        let mut chunk = BytesMut::new();
        while let Some(part) = self.parts.front_mut() {
            let room = CHUNK - chunk.len();
            if room == 0 {
                break;
            }
            chunk.extend_from_slice(&part.split_to(room.min(part.len())));
            if part.is_empty() {
                self.parts.pop_front();
            }
        }
        chunk.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(outbox: &mut Outbox<char>) -> Vec<(char, u64, bool, Bytes)> {
        core::iter::from_fn(|| {
            outbox.next_chunk(|cut| (*cut.headers, cut.offset, cut.is_last, cut.bytes))
        })
        .collect()
    }

    #[test]
    fn parts_of_any_size_come_out_as_they_went_in() {
        let sizes = [0, 1, 5, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7];
        for first in sizes {
            for second in sizes {
                let parts = [vec![1u8; first], vec![2; second], vec![3; 10]].map(Bytes::from);
                let whole = parts.concat();
                let mut outbox = Outbox::default();
                outbox.insert(1, 'a', parts.to_vec());
                let chunks = drain(&mut outbox);
                let mut sent = Vec::new();
                for (_, offset, is_last, bytes) in &chunks {
                    assert_eq!(*offset, sent.len() as u64);
                    assert!(bytes.len() <= CHUNK);
                    sent.extend_from_slice(bytes);
                    assert_eq!(*is_last, sent.len() == whole.len());
                }
                assert!(sent == whole);
                assert!(outbox.streams.is_empty());
            }
        }
    }

    #[test]
    fn small_parts_go_together() {
        let mut outbox = Outbox::default();
        let parts = [CHUNK - 1, 1, 5, 5];
        outbox.insert(1, 'a', parts.map(|len| vec![0; len].into()).to_vec());
        let sizes: Vec<usize> = drain(&mut outbox).iter().map(|it| it.3.len()).collect();
        assert_eq!(sizes, [CHUNK, 10]);
    }

    #[test]
    fn chunks_are_numbered() {
        let mut outbox = Outbox::default();
        outbox.insert(1, 'a', vec![vec![0; 3 * CHUNK].into()]);
        for number in 0..3 {
            assert_eq!(outbox.next_chunk(|cut| cut.sequence), Some(number));
        }
    }

    #[test]
    fn an_empty_value_is_one_empty_chunk() {
        let mut outbox = Outbox::default();
        outbox.insert(1, 'a', vec![]);
        outbox.insert(2, 'b', vec![Bytes::new()]);
        let chunks = drain(&mut outbox);
        assert_eq!(
            chunks,
            [('a', 0, true, Bytes::new()), ('b', 0, true, Bytes::new())]
        );
    }

    #[test]
    fn only_a_stream_that_has_begun_is_given_up_before_its_receiver() {
        let mut outbox = Outbox::default();
        for (id, name) in [(1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')] {
            outbox.insert(id, name, vec![vec![0; 2 * CHUNK].into()]);
        }
        for begun in ['a', 'b'] {
            assert_eq!(outbox.next_chunk(|cut| *cut.headers), Some(begun));
        }
        assert_eq!(outbox.remove(1), Some('a'));
        assert_eq!(outbox.remove(3), None);
        assert_eq!(outbox.clear(), [(2, 'b')]);
        assert!(drain(&mut outbox).is_empty());
    }

    #[test]
    fn streams_take_turns_and_wait_for_acknowledgements() {
        let mut outbox = Outbox::default();
        let size = 2 * usize::try_from(WINDOW).unwrap();
        outbox.insert(1, 'a', vec![vec![0; size].into()]);
        outbox.insert(2, 'b', vec![vec![0; size].into()]);
        let chunks = drain(&mut outbox);
        assert_eq!(chunks.len(), size / CHUNK);
        assert!(chunks.iter().step_by(2).all(|(name, ..)| *name == 'a'));
        outbox.acked(2, CHUNK as u64);
        outbox.acked(1, 0);
        let next = drain(&mut outbox);
        assert_eq!(next.len(), 1);
        assert_eq!((next[0].0, next[0].1), ('b', WINDOW));
        // A peer cannot acknowledge what was not sent.
        outbox.acked(1, u64::MAX);
        assert_eq!(drain(&mut outbox).len(), size / CHUNK / 2);
    }
}
