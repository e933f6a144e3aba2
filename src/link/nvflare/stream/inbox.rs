//! Incoming streams: put in order, bounded, and remembered for a while after their end, since
//! a sender repeats what it has not seen acknowledged.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::Instant;

/// Streams that may be on their way at once: a server has a few for each job.
const MAX_STREAMS: usize = 64;

/// How many of the largest values may be on their way at once: a task, and whatever comes
/// beside it.
const AT_ONCE: u64 = 2;

/// How many times what has come is reserved for what follows. Pages that nothing is
/// written to cost nothing, whereas each growth of a large buffer may copy it and leave the
/// old one to the allocator.
const AHEAD: usize = 64;

/// Chunks that may come early in one stream: the sender's window, and one more.
const MAX_EARLY: usize = 65;

/// A stream that brings nothing for this time is given up: senders repeat after 5 s, and
/// give up after 60.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long the end of a stream is remembered: senders repeat for 60 s.
const MEMORY: Duration = Duration::from_secs(65);

/// Ends that are remembered: one for each reply of the busiest minute that is likely.
const MAX_ENDED: usize = 1024;

/// A stream by its sender and the sender's number for it.
pub(in crate::link::nvflare) type Key = (String, u64);

/// A chunk as its headers describe it.
pub(in crate::link::nvflare) struct Chunk<H> {
    pub(in crate::link::nvflare) key: Key,
    pub(in crate::link::nvflare) sequence: u64,
    /// Bytes of the stream before it.
    pub(in crate::link::nvflare) offset: u64,
    pub(in crate::link::nvflare) is_last: bool,
    /// Bytes of the whole stream.
    pub(in crate::link::nvflare) total: u64,
    /// Bytes after which the sender wants to hear of them; in the first chunk only.
    pub(in crate::link::nvflare) ack_interval: Option<u64>,
    pub(in crate::link::nvflare) bytes: Bytes,
    pub(in crate::link::nvflare) headers: H,
}

/// What the sender is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::link::nvflare) struct Ack {
    /// Bytes taken so far.
    pub(in crate::link::nvflare) offset: u64,
    /// The last chunk that was taken in order.
    pub(in crate::link::nvflare) sequence: u64,
}

/// What came of a chunk.
#[derive(Debug)]
pub(in crate::link::nvflare) enum Taken<H> {
    /// More is missing.
    Part(Option<Ack>),
    /// The stream is whole; the headers are those of its first chunk.
    Whole(Ack, H, Bytes),
    /// It was whole before, and its sender has not heard of it; or it was refused.
    Again(Option<Ack>),
}

/// Why a stream is not taken (any further).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::link::nvflare) enum Refused {
    #[error("a stream of {total} bytes; at most {limit} are accepted here")]
    TooLarge { total: u64, limit: u64 },
    #[error("too many streams, or too much of them, at once")]
    TooMany,
    #[error("the chunks of the stream contradict each other")]
    Contradiction,
    #[error("nobody waits for this stream any more")]
    Unwanted,
}

pub(in crate::link::nvflare) struct Inbox<H> {
    streams: BTreeMap<Key, Incoming<H>>,
    /// When they ended, and how: not at all, if they were refused.
    ended: BTreeMap<Key, (Instant, Option<Ack>)>,
}

struct Incoming<H> {
    total: u64,
    /// What has come, each chunk in its place.
    bytes: Vec<u8>,
    /// How much of it has no gap, and which chunk is next.
    whole_until: u64,
    next: u64,
    early: BTreeMap<u64, Early>,
    headers: Option<H>,
    ack_interval: u64,
    acked: u64,
    heard: Instant,
}

/// A chunk whose bytes are in place, before others have come.
struct Early {
    offset: u64,
    len: u64,
    is_last: bool,
}

impl<H> Default for Inbox<H> {
    fn default() -> Self {
        Self {
            streams: BTreeMap::new(),
            ended: BTreeMap::new(),
        }
    }
}

impl<H> Inbox<H> {
    /// Takes a chunk of a stream of at most `limit` bytes.
    pub(in crate::link::nvflare) fn take(
        &mut self,
        now: Instant,
        limit: u64,
        chunk: Chunk<H>,
    ) -> Result<Taken<H>, Refused> {
        self.forget_old(now);
        if let Some((_, ack)) = self.ended.get(&chunk.key) {
            return Ok(Taken::Again(*ack));
        }
        let key = chunk.key.clone();
        let taken = self.put(now, limit, chunk);
        match &taken {
            Ok(Taken::Whole(ack, ..)) => self.remember(key, now, Some(*ack)),
            Err(_) => self.remember(key, now, None),
            Ok(Taken::Part(_) | Taken::Again(_)) => {}
        }
        taken
    }

    /// Takes no more of a stream that nobody waits for.
    pub(in crate::link::nvflare) fn refuse(
        &mut self,
        now: Instant,
        key: &Key,
    ) -> Result<Taken<H>, Refused> {
        self.forget_old(now);
        if let Some((_, ack)) = self.ended.get(key) {
            return Ok(Taken::Again(*ack));
        }
        self.remember(key.clone(), now, None);
        Err(Refused::Unwanted)
    }

    /// The sender has given the stream up.
    pub(in crate::link::nvflare) fn drop_stream(&mut self, key: &Key) {
        self.streams.remove(key);
    }

    /// The carrier is gone, and with it what was under way.
    pub(in crate::link::nvflare) fn clear(&mut self) {
        self.streams.clear();
    }

    fn put(&mut self, now: Instant, limit: u64, chunk: Chunk<H>) -> Result<Taken<H>, Refused> {
        let Chunk { total, .. } = chunk;
        if total > limit {
            return Err(Refused::TooLarge { total, limit });
        }
        let held: u64 = self.streams.values().map(Incoming::held).sum();
        let room = limit.saturating_mul(AT_ONCE).checked_sub(held);
        let new = !self.streams.contains_key(&chunk.key);
        if new && self.streams.len() >= MAX_STREAMS {
            return Err(Refused::TooMany);
        }
        let room = room.ok_or(Refused::TooMany)?;
        let stream = self
            .streams
            .entry(chunk.key)
            .or_insert_with(|| Incoming::new(total));
        stream.heard = now;
        if stream.total != total {
            return Err(Refused::Contradiction);
        }
        if chunk.sequence == 0 && stream.headers.is_none() {
            stream.headers = Some(chunk.headers);
            stream.ack_interval = chunk.ack_interval.unwrap_or(stream.ack_interval).max(1);
            if chunk.is_last && chunk.bytes.len() as u64 == total {
                // The usual stream is one chunk: nothing to put together.
                return stream.whole(chunk.sequence, chunk.bytes);
            }
        }
        stream.put(
            room,
            chunk.sequence,
            chunk.offset,
            &chunk.bytes,
            chunk.is_last,
        )
    }

    /// The stream has ended; acknowledged, unless it was refused.
    fn remember(&mut self, key: Key, now: Instant, ack: Option<Ack>) {
        self.streams.remove(&key);
        if self.ended.len() >= MAX_ENDED {
            let oldest = self.ended.iter().min_by_key(|(_, (at, _))| *at);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.ended.remove(&oldest);
            }
        }
        self.ended.insert(key, (now, ack));
    }

    fn forget_old(&mut self, now: Instant) {
        self.ended.retain(|_, (at, _)| now.since(*at) < MEMORY);
        self.streams
            .retain(|_, stream| now.since(stream.heard) < PATIENCE);
    }
}

impl<H> Incoming<H> {
    fn new(total: u64) -> Self {
        Self {
            total,
            bytes: Vec::new(),
            whole_until: 0,
            next: 0,
            early: BTreeMap::new(),
            headers: None,
            ack_interval: super::ACK_INTERVAL,
            acked: 0,
            heard: Instant::default(),
        }
    }

    /// Bytes that have come, gaps between them, and room for those to come.
    fn held(&self) -> u64 {
        self.bytes.capacity() as u64
    }

    /// Takes a chunk; `room` is how many bytes more may be held.
    fn put(
        &mut self,
        room: u64,
        sequence: u64,
        offset: u64,
        bytes: &Bytes,
        is_last: bool,
    ) -> Result<Taken<H>, Refused> {
        if sequence >= self.next && !self.early.contains_key(&sequence) {
            let len = bytes.len() as u64;
            let end = offset.checked_add(len).ok_or(Refused::Contradiction)?;
            let ahead = offset.checked_sub(self.whole_until);
            let in_window =
                ahead.is_some_and(|ahead| ahead <= super::PEER_WINDOW + super::CHUNK as u64);
            if end > self.total || !in_window || self.early.len() >= MAX_EARLY {
                return Err(Refused::Contradiction);
            }
            self.place(room, offset, end, bytes)?;
            let early = Early {
                offset,
                len,
                is_last,
            };
            self.early.insert(sequence, early);
        }
        while let Some(chunk) = self.early.remove(&self.next) {
            let sequence = self.next;
            self.next += 1;
            if chunk.offset != self.whole_until {
                return Err(Refused::Contradiction);
            }
            self.whole_until += chunk.len;
            if chunk.is_last != (self.whole_until == self.total)
                || (chunk.is_last && !self.early.is_empty())
            {
                return Err(Refused::Contradiction);
            }
            if chunk.is_last {
                let bytes = core::mem::take(&mut self.bytes).into();
                return self.whole(sequence, bytes);
            }
        }
        let offset = self.whole_until;
        let due = offset - self.acked >= self.ack_interval;
        Ok(Taken::Part(due.then(|| {
            self.acked = offset;
            Ack {
                offset,
                sequence: self.next.saturating_sub(1),
            }
        })))
    }

    /// Puts a chunk where it belongs, also if chunks before it are missing: kept apart, a
    /// window of early chunks would double what the stream takes. Grows with what has come,
    /// never with what is only announced, and not beyond it.
    fn place(&mut self, room: u64, offset: u64, end: u64, bytes: &Bytes) -> Result<(), Refused> {
        let (start, end, total) = (size(offset)?, size(end)?, size(self.total)?);
        let capacity = self.bytes.capacity();
        if end > capacity {
            let room = size(room)?;
            if end - capacity > room {
                return Err(Refused::TooMany);
            }
            // Half of the room is left to others.
            let ahead = end.saturating_mul(AHEAD).min(total);
            let wanted = end.max(ahead.min(capacity.saturating_add(room / 2)));
            self.bytes.reserve_exact(wanted - self.bytes.len());
        }
        self.bytes.resize(end.max(self.bytes.len()), 0);
        let place = self.bytes.get_mut(start..end);
        place.ok_or(Refused::Contradiction)?.copy_from_slice(bytes);
        Ok(())
    }

    fn whole(&mut self, sequence: u64, bytes: Bytes) -> Result<Taken<H>, Refused> {
        let headers = self.headers.take().ok_or(Refused::Contradiction)?;
        let ack = Ack {
            offset: self.total,
            sequence,
        };
        Ok(Taken::Whole(ack, headers, bytes))
    }
}

fn size(bytes: u64) -> Result<usize, Refused> {
    usize::try_from(bytes).map_err(|_| Refused::Contradiction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(sequence: u64, is_last: bool, total: u64, bytes: &'static str) -> Chunk<u64> {
        Chunk {
            key: ("server".to_owned(), 7),
            sequence,
            offset: sequence * 3,
            is_last,
            total,
            ack_interval: Some(4),
            bytes: Bytes::from(bytes),
            headers: sequence,
        }
    }

    fn take(inbox: &mut Inbox<u64>, chunk: Chunk<u64>) -> Result<Taken<u64>, Refused> {
        inbox.take(Instant::default(), 100, chunk)
    }

    /// The same chunk at another place, with other bytes.
    fn at(chunk: Chunk<u64>, offset: u64, len: usize) -> Chunk<u64> {
        let bytes = vec![b'x'; len].into();
        Chunk {
            offset,
            bytes,
            ..chunk
        }
    }

    #[test]
    fn chunks_in_any_order_are_the_stream_in_order() {
        let orders = [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ];
        for order in orders {
            let mut inbox = Inbox::default();
            let parts = ["abc", "def", "g"];
            let mut whole = None;
            for sequence in order {
                let index = usize::try_from(sequence).unwrap();
                let chunk = chunk(sequence, sequence == 2, 7, parts[index]);
                if let Taken::Whole(ack, headers, bytes) = take(&mut inbox, chunk).unwrap() {
                    assert_eq!((ack.offset, ack.sequence, headers), (7, 2, 0));
                    whole = Some(bytes);
                }
            }
            assert_eq!(whole.unwrap(), "abcdefg");
            let again = take(&mut inbox, chunk(1, false, 7, "def"));
            assert!(matches!(
                again,
                Ok(Taken::Again(Some(Ack { offset: 7, .. })))
            ));
        }
    }

    #[test]
    fn it_is_acknowledged_whenever_the_senders_interval_is_reached() {
        let mut inbox = Inbox::default();
        let first = take(&mut inbox, chunk(0, false, 9, "abc")).unwrap();
        assert!(matches!(first, Taken::Part(None)));
        let second = take(&mut inbox, chunk(1, false, 9, "def")).unwrap();
        let ack = Ack {
            offset: 6,
            sequence: 1,
        };
        assert!(matches!(second, Taken::Part(Some(it)) if it == ack));
        // Counted from there on.
        let mut inbox = Inbox::default();
        let acks = [0, 1, 2, 3].map(|sequence| {
            let taken = take(&mut inbox, chunk(sequence, false, 15, "abc"));
            matches!(taken, Ok(Taken::Part(Some(_))))
        });
        assert_eq!(acks, [false, true, false, true]);
    }

    #[test]
    fn a_stream_begins_with_its_first_chunk_whatever_comes_before() {
        let mut inbox = Inbox::default();
        let all = at(chunk(1, true, 3, ""), 0, 3);
        assert!(matches!(take(&mut inbox, all), Ok(Taken::Part(None))));
        let first = take(&mut inbox, chunk(0, false, 3, ""));
        assert!(matches!(first, Ok(Taken::Whole(_, 0, _))), "{first:?}");
    }

    #[test]
    fn a_stream_that_its_sender_gave_up_may_begin_anew() {
        let mut inbox = Inbox::default();
        let key = chunk(0, false, 9, "abc").key;
        take(&mut inbox, chunk(0, false, 9, "abc")).unwrap();
        inbox.drop_stream(&key);
        let anew = take(&mut inbox, chunk(0, true, 3, "abc"));
        assert!(matches!(anew, Ok(Taken::Whole(..))), "{anew:?}");
    }

    #[test]
    fn every_end_is_remembered_for_a_while() {
        let mut inbox = Inbox::default();
        let whole = |number| {
            let mut whole = chunk(0, true, 3, "abc");
            whole.key.1 = number;
            whole
        };
        for number in 0..10 {
            take(&mut inbox, whole(number)).unwrap();
        }
        for number in 0..10 {
            let again = take(&mut inbox, whole(number));
            assert!(matches!(again, Ok(Taken::Again(Some(_)))));
        }
        let later = Instant::default() + MEMORY;
        let anew = inbox.take(later, 100, whole(0));
        assert!(matches!(anew, Ok(Taken::Whole(..))));
    }

    #[test]
    fn a_stream_that_brings_nothing_for_long_is_forgotten() {
        let mut inbox = Inbox::default();
        take(&mut inbox, chunk(0, false, 9, "abc")).unwrap();
        let later = Instant::default() + PATIENCE;
        let anew = inbox.take(later, 100, chunk(0, true, 3, "abc"));
        assert!(matches!(anew, Ok(Taken::Whole(..))), "{anew:?}");
    }

    #[test]
    fn a_chunk_comes_no_further_ahead_than_its_sender_may_send() {
        // A window, and one chunk more.
        const FURTHEST: u64 = 65 << 20;
        let early = |offset| {
            let chunk = at(chunk(1, false, FURTHEST + 9, ""), offset, 1);
            Inbox::default().take(Instant::default(), FURTHEST + 9, chunk)
        };
        assert!(matches!(early(FURTHEST), Ok(Taken::Part(None))));
        assert_eq!(early(FURTHEST + 1).err(), Some(Refused::Contradiction));
    }

    #[test]
    fn a_stream_whose_sizes_lie_is_refused() {
        let lies = [
            vec![chunk(0, true, 4, "abc")],
            vec![chunk(0, true, 2, "abc")],
            vec![chunk(0, false, 6, "abc"), chunk(1, true, 7, "def")],
            vec![
                chunk(2, false, 6, "ef"),
                chunk(0, false, 6, "ab"),
                chunk(1, true, 6, "cdef"),
            ],
            vec![chunk(0, false, 6, "abc"), chunk(1, false, 6, "defg")],
        ];
        for lie in lies {
            let mut inbox = Inbox::default();
            let outcome: Result<Vec<_>, _> = lie
                .into_iter()
                .map(|chunk| take(&mut inbox, chunk))
                .collect();
            assert_eq!(outcome.err(), Some(Refused::Contradiction));
            assert!(inbox.streams.is_empty());
        }
        let large = take(&mut Inbox::default(), chunk(0, false, 101, "abc"));
        let refused = Refused::TooLarge {
            total: 101,
            limit: 100,
        };
        assert_eq!(large.err(), Some(refused));
    }

    #[test]
    fn neither_early_chunks_nor_streams_nor_ends_pile_up() {
        let mut inbox = Inbox::default();
        let refused =
            (1..).find_map(|sequence| take(&mut inbox, chunk(sequence, false, 99, "")).err());
        assert_eq!(refused, Some(Refused::Contradiction));

        let mut one = |id, is_last| {
            let mut chunk = chunk(0, is_last, 1, "a");
            chunk.is_last = is_last;
            if !is_last {
                chunk.bytes = Bytes::new();
            }
            chunk.key.1 = id;
            take(&mut inbox, chunk)
        };
        for id in 100..3100 {
            assert!(matches!(one(id, true), Ok(Taken::Whole(..))));
        }
        let refused = (10_000..).find_map(|id| one(id, false).err());
        assert_eq!(refused, Some(Refused::TooMany));
        assert!(inbox.ended.len() <= MAX_ENDED && inbox.streams.len() <= MAX_STREAMS);

        let later = Instant::default() + PATIENCE;
        let fresh = inbox.take(later, 100, chunk(0, false, 9, "abc"));
        assert!(fresh.is_ok());
        assert_eq!((inbox.ended.len(), inbox.streams.len()), (0, 1));
    }

    #[test]
    fn all_streams_together_are_bounded() {
        let mut inbox = Inbox::default();
        let mut half = |id| {
            let mut half = chunk(0, false, 10, "abcde");
            half.key.1 = id;
            inbox.take(Instant::default(), 10, half)
        };
        // The first has room for all of it, since others were to come.
        assert!((0..3).all(|id| half(id).is_ok()));
        assert_eq!(half(3).err(), Some(Refused::TooMany));
    }

    #[test]
    fn a_stream_grows_into_the_room_that_others_leave_and_no_further() {
        const LIMIT: u64 = 1_000;
        let mut inbox = Inbox::default();
        let mut put = |id, sequence, offset, len| {
            let mut part = at(chunk(sequence, false, LIMIT, ""), offset, len);
            part.key.1 = id;
            let taken = inbox.take(Instant::default(), LIMIT, part);
            let held = inbox.streams.values().map(Incoming::held).sum::<u64>();
            (taken.map(|_| ()), held)
        };
        // Room is made for more than has come, and used before more is made.
        let (taken, ahead) = put(1, 0, 0, 3);
        assert_eq!((taken, ahead), (Ok(()), 3 * AHEAD as u64));
        let filled = put(1, 1, 3, 3 * AHEAD - 3);
        assert_eq!(filled, (Ok(()), ahead));
        let other = put(2, 0, 0, 999);
        assert_eq!(other, (Ok(()), ahead + 999));
        // So much is left: for another's 850 bytes too little, for the rest of the first enough.
        let left = 2 * LIMIT - ahead - 999;
        assert_eq!(left, 809);
        assert_eq!(put(3, 0, 0, 850).0, Err(Refused::TooMany));
        assert_eq!(put(1, 2, ahead, 807), (Ok(()), ahead + 807 + 999));
    }

    #[test]
    fn what_is_only_announced_takes_no_memory() {
        let mut inbox = Inbox::default();
        let mut announced = chunk(0, false, 4 << 30, "abc");
        announced.ack_interval = None;
        inbox.take(Instant::default(), 4 << 30, announced).unwrap();
        let stream = inbox.streams.values().next().unwrap();
        assert!(stream.bytes.capacity() <= AHEAD * 3);
    }
}
