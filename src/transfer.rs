//! Large payloads in chunks: what is sent, what has arrived, what must be sent again.
//!
//! A transfer is the list of block digests followed by the payload, and offsets count
//! from the start of the list. The list is checked against the payload's digest before a
//! byte behind it is used, and each block against the list as soon as it is whole.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::message::{BLOCK, Digest, Payload, RequestId};

/// Bytes in one chunk. Larger chunks save nothing and make a lost one dearer.
pub(crate) const CHUNK: usize = 256 << 10;

/// Chunks in flight at once: 2 MiB keep a fast network busy and are all that a broken
/// connection can make travel twice.
pub(crate) const WINDOW_CHUNKS: usize = 8;

/// Bytes in flight at once.
pub(crate) const WINDOW: u64 = (CHUNK * WINDOW_CHUNKS) as u64;

/// Blocks in one payload, so that the list of their digests stays below 512 KiB.
pub(crate) const MAX_BLOCKS: u64 = 16_384;

/// Bytes of a digest in the list.
const HASH: u64 = 32;

/// Where the parts of a transfer lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Layout {
    pub(crate) size: u64,
    pub(crate) digest: Digest,
}

impl Layout {
    pub(crate) fn of(payload: &Payload) -> Self {
        Self {
            size: payload.len() as u64,
            digest: payload.digest(),
        }
    }

    pub(crate) fn blocks(self) -> u64 {
        self.size.div_ceil(BLOCK as u64)
    }

    /// Bytes in the block of this index; none behind the last.
    pub(crate) fn block_len(self, index: u64) -> u64 {
        let start = index.saturating_mul(BLOCK as u64);
        self.size.saturating_sub(start).min(BLOCK as u64)
    }

    fn list_len(self) -> u64 {
        self.blocks().saturating_mul(HASH)
    }

    /// Bytes to move in all.
    pub(crate) fn total(self) -> u64 {
        self.list_len().saturating_add(self.size)
    }

    /// Where the chunk that starts at `offset` ends. No chunk reaches across the border
    /// between list and payload, so a chunk is always one slice.
    fn chunk_end(self, offset: u64) -> u64 {
        let border = if offset < self.list_len() {
            self.list_len()
        } else {
            self.total()
        };
        border.min(offset.saturating_add(CHUNK as u64))
    }
}

/// The bytes of a transfer from `offset` on, at most `len` of them and at most one chunk.
/// `None` outside the transfer.
pub(crate) fn chunk(payload: &Payload, offset: u64, len: usize) -> Option<Bytes> {
    let layout = Layout::of(payload);
    if offset >= layout.total() {
        return None;
    }
    let len = (layout.chunk_end(offset) - offset).min(len as u64);
    let (source, start) = match offset.checked_sub(layout.list_len()) {
        None => (&payload.blocks().list, offset),
        Some(start) => (payload.bytes(), start),
    };
    let start = usize::try_from(start).ok()?;
    Some(source.slice(start..start.checked_add(usize::try_from(len).ok()?)?))
}

/// No payload is laid out so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It would have more blocks than a list may name.
    TooManyBlocks,
    /// It is empty, and this is not the digest of nothing.
    BadDigest,
}

/// The bytes did not match their digest for the second time in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadDigest;

/// Puts a payload together from chunks in any order, block by block. It holds what has
/// arrived, room for the rest of one block, and at most a window of early chunks.
#[derive(Debug)]
#[cfg_attr(any(test, fuzzing), derive(Clone))]
pub(crate) struct Reassembler {
    layout: Layout,
    list: Vec<u8>,
    /// Whole blocks that are checked, each in one piece.
    blocks: Vec<Bytes>,
    /// The block behind them, as far as it has come.
    growing: Vec<u8>,
    /// Its hash.
    hasher: Sha256,
    early: BTreeMap<u64, Bytes>,
    /// Where bytes were found wrong once.
    bad_at: Option<u64>,
}

impl Reassembler {
    /// # Errors
    /// When there is no such payload. An empty one has no list that would be checked later,
    /// so its digest is checked here.
    // spec: P-111
    pub(crate) fn new(layout: Layout) -> Result<Self, Unfit> {
        if layout.blocks() > MAX_BLOCKS || usize::try_from(layout.size).is_err() {
            return Err(Unfit::TooManyBlocks);
        }
        if layout.size == 0 && layout.digest != Digest::of_list(&[]) {
            return Err(Unfit::BadDigest);
        }
        Ok(Self {
            layout,
            list: Vec::new(),
            blocks: Vec::new(),
            growing: Vec::new(),
            hasher: Sha256::new(),
            early: BTreeMap::new(),
            bad_at: None,
        })
    }

    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// Everything before this offset has arrived.
    pub(crate) fn wanted(&self) -> u64 {
        self.list.len() as u64 + self.arrived()
    }

    /// Bytes of the payload that have arrived.
    fn arrived(&self) -> u64 {
        self.whole().min(self.layout.size) + self.growing.len() as u64
    }

    /// Bytes of the whole blocks, if the last of all were as long as the others.
    fn whole(&self) -> u64 {
        self.blocks.len() as u64 * BLOCK as u64
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.wanted() == self.layout.total()
    }

    /// Whole blocks that are checked.
    pub(crate) fn checked_blocks(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// The checked block `index`, to be stored.
    pub(crate) fn block(&self, index: u64) -> Option<Bytes> {
        self.blocks.get(usize::try_from(index).ok()?).cloned()
    }

    /// The checked list of block digests, once it is whole.
    pub(crate) fn list(&self) -> Option<Bytes> {
        (self.list.len() as u64 == self.layout.list_len())
            .then(|| Bytes::copy_from_slice(&self.list))
    }

    /// Takes the bytes at `offset`. What has arrived before is ignored, what is too early
    /// by more than a window is dropped.
    pub(crate) fn put(&mut self, offset: u64, bytes: Bytes) -> Result<(), BadDigest> {
        let wanted = self.wanted();
        if offset > wanted {
            if offset < wanted.saturating_add(WINDOW) && bytes.len() <= CHUNK {
                self.keep_early(offset, bytes);
            }
            return Ok(());
        }
        self.take(offset, bytes)?;
        while let Some((offset, bytes)) = self.early.pop_first() {
            if offset > self.wanted() {
                self.early.insert(offset, bytes);
                break;
            }
            self.take(offset, bytes)?;
        }
        Ok(())
    }

    /// The blocks of the payload, once it is complete, and the list of their digests.
    pub(crate) fn finish(self) -> Option<(Vec<Bytes>, Bytes)> {
        self.is_complete().then(|| (self.blocks, self.list.into()))
    }

    /// Keeps bytes until those before them have come. Chunks that overlap could be many
    /// times what is missing: then the furthest are dropped.
    // spec: P-112
    fn keep_early(&mut self, offset: u64, bytes: Bytes) {
        let missing = self.layout.total() - self.wanted();
        self.early.insert(offset, bytes);
        let held = |early: &BTreeMap<u64, Bytes>| early.values().map(Bytes::len).sum::<usize>();
        while self.early.len() > WINDOW_CHUNKS || held(&self.early) as u64 > missing {
            self.early.pop_last();
        }
    }

    /// Appends bytes that start at or before `wanted`.
    fn take(&mut self, offset: u64, mut bytes: Bytes) -> Result<(), BadDigest> {
        let known = usize::try_from(self.wanted().saturating_sub(offset)).unwrap_or(usize::MAX);
        if known >= bytes.len() {
            return Ok(());
        }
        let mut rest = bytes.split_off(known);
        while !rest.is_empty() && !self.is_complete() {
            let list_room = self.layout.list_len() - self.list.len() as u64;
            let room = if list_room > 0 {
                list_room
            } else {
                let block_end = self.whole() + BLOCK as u64;
                block_end.min(self.layout.size) - self.arrived()
            };
            let part = rest.split_to(rest.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
            if list_room > 0 {
                self.list.extend_from_slice(&part);
                if self.list.len() as u64 == self.layout.list_len() {
                    self.check_list()?;
                }
            } else {
                self.hasher.update(&part);
                if part.len() == BLOCK {
                    // One that was stored is not copied.
                    self.check_block(part)?;
                    continue;
                }
                if self.growing.is_empty() {
                    self.growing
                        .reserve_exact(usize::try_from(room).unwrap_or(BLOCK));
                }
                self.growing.extend_from_slice(&part);
                if part.len() as u64 == room {
                    let block = core::mem::take(&mut self.growing);
                    self.check_block(block.into())?;
                }
            }
        }
        Ok(())
    }

    // spec: P-110
    fn check_list(&mut self) -> Result<(), BadDigest> {
        if Digest::of_list(&self.list) == self.layout.digest {
            return Ok(());
        }
        self.list.clear();
        self.start_again(0)
    }

    // spec: P-110
    fn check_block(&mut self, block: Bytes) -> Result<(), BadDigest> {
        let hash: [u8; 32] = self.hasher.finalize_reset().into();
        let expected = self.list.chunks(hash.len()).nth(self.blocks.len());
        if expected == Some(&hash) {
            self.blocks.push(block);
            return Ok(());
        }
        self.start_again(self.wanted())
    }

    fn start_again(&mut self, offset: u64) -> Result<(), BadDigest> {
        self.early.clear();
        if self.bad_at.replace(offset) == Some(offset) {
            return Err(BadDigest);
        }
        Ok(())
    }
}

/// Which chunks of a transfer to ask for or to send next.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Window {
    layout: Layout,
    next: u64,
    in_flight: BTreeMap<RequestId, u64>,
    lost: BTreeSet<u64>,
    /// The furthest byte ever put in flight.
    reached: u64,
    /// Bytes put in flight more than once.
    twice: u64,
}

impl Window {
    pub(crate) fn new(layout: Layout, from: u64) -> Self {
        Self {
            layout,
            next: from,
            in_flight: BTreeMap::new(),
            lost: BTreeSet::new(),
            reached: from,
            twice: 0,
        }
    }

    /// The next chunk as offset and length, while the window has room for one.
    // spec: P-112
    pub(crate) fn next_chunk(&self) -> Option<(u64, usize)> {
        if self.in_flight.len() >= WINDOW_CHUNKS {
            return None;
        }
        let offset = self.lost.first().copied().unwrap_or(self.next);
        let len = self.layout.chunk_end(offset).checked_sub(offset)?;
        (offset < self.layout.total()).then_some((offset, usize::try_from(len).ok()?))
    }

    /// The chunk of [`Window::next_chunk`] is on its way under `request`.
    pub(crate) fn started(&mut self, request: RequestId, offset: u64) {
        let end = self.layout.chunk_end(offset);
        if !self.lost.remove(&offset) {
            self.next = end;
        }
        self.twice += end.min(self.reached).saturating_sub(offset);
        self.reached = self.reached.max(end);
        self.in_flight.insert(request, offset);
    }

    /// The request was answered; false if it is not one of this transfer.
    pub(crate) fn done(&mut self, request: RequestId) -> bool {
        self.in_flight.remove(&request).is_some()
    }

    /// The request will not be answered: its chunk goes again.
    pub(crate) fn lost(&mut self, request: RequestId) -> bool {
        match self.in_flight.remove(&request) {
            Some(offset) => self.lost.insert(offset),
            None => false,
        }
    }

    /// Starts again at `offset`; what is in flight no longer counts.
    pub(crate) fn resume(&mut self, offset: u64) {
        self.in_flight.clear();
        self.lost.clear();
        self.next = offset;
    }

    /// Whether nothing is in flight.
    pub(crate) fn is_quiet(&self) -> bool {
        self.in_flight.is_empty()
    }

    pub(crate) fn total(&self) -> u64 {
        self.layout.total()
    }

    pub(crate) fn sent_twice(&self) -> u64 {
        self.twice
    }
}

#[cfg(test)]
impl core::hash::Hash for Reassembler {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        (
            self.layout,
            &self.list,
            &self.blocks,
            &self.growing,
            &self.early,
            self.bad_at,
        )
            .hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(len: usize) -> Payload {
        Payload::new((0..len).map(|i| (i * 7 % 251) as u8).collect::<Vec<_>>())
    }

    fn chunks(payload: &Payload) -> Vec<(u64, Bytes)> {
        let mut window = Window::new(Layout::of(payload), 0);
        let mut all = Vec::new();
        while let Some((offset, len)) = window.next_chunk() {
            window.started(RequestId(offset), offset);
            assert!(window.done(RequestId(offset)));
            all.push((offset, chunk(payload, offset, len).unwrap()));
        }
        assert!(window.in_flight.is_empty());
        assert_eq!(window.sent_twice(), 0);
        all
    }

    #[test]
    fn a_payload_arrives_whole_in_order_and_out_of_order() {
        let payload = payload(BLOCK + CHUNK + 5);
        let all = chunks(&payload);
        for swap in [false, true] {
            let mut reassembler = Reassembler::new(Layout::of(&payload)).unwrap();
            for pair in all.chunks(2) {
                let order: Vec<_> = if swap {
                    pair.iter().rev().collect()
                } else {
                    pair.iter().collect()
                };
                for (offset, bytes) in order {
                    reassembler.put(*offset, bytes.clone()).unwrap();
                    reassembler.put(*offset, bytes.clone()).unwrap();
                }
            }
            assert!(reassembler.is_complete());
            assert_eq!(reassembler.checked_blocks(), 2);
            assert_eq!(
                reassembler.finish().unwrap().0.concat(),
                payload.bytes()[..]
            );
        }
    }

    /// One that has the list of this payload, and the length of the list.
    fn with_list(payload: &Payload) -> (Reassembler, u64) {
        let layout = Layout::of(payload);
        let mut reassembler = Reassembler::new(layout).unwrap();
        let list = chunk(payload, 0, CHUNK).unwrap();
        reassembler.put(0, list).unwrap();
        assert_eq!(reassembler.wanted(), layout.list_len());
        (reassembler, layout.list_len())
    }

    // spec: P-112
    #[test]
    fn early_bytes_are_kept_within_a_window_and_a_chunk() {
        let payload = payload(2 * usize::try_from(WINDOW).unwrap());
        let part = |from: u64, len: usize| {
            let from = usize::try_from(from).unwrap();
            payload.bytes().slice(from..from + len)
        };
        for (early, len, kept) in [
            (WINDOW - 1, 10, true),
            (WINDOW, 10, false),
            (1, CHUNK, true),
            (1, CHUNK + 1, false),
            (WINDOW, CHUNK + 1, false),
        ] {
            let (mut reassembler, list) = with_list(&payload);
            reassembler.put(list + early, part(early, len)).unwrap();
            let before = part(0, usize::try_from(early).unwrap());
            reassembler.put(list, before).unwrap();
            let arrived = early + if kept { len as u64 } else { 0 };
            assert_eq!(reassembler.wanted(), list + arrived, "{early} {len}");
        }
    }

    #[test]
    fn early_bytes_never_take_more_than_what_is_missing() {
        let payload = payload(100);
        let part = |from: usize, len: usize| payload.bytes().slice(from..from + len);
        for (first, second, arrived) in [(50, 50, 60), (50, 51, 51), (99, 1, 100)] {
            let (mut reassembler, list) = with_list(&payload);
            reassembler.put(list + 1, part(1, first)).unwrap();
            let at = 60 - second.min(50);
            reassembler.put(list + at as u64, part(at, second)).unwrap();
            reassembler.put(list, part(0, 1)).unwrap();
            assert_eq!(reassembler.wanted(), list + arrived, "{first} {second}");
        }
    }

    // spec: P-110
    #[test]
    fn a_bad_block_goes_back_to_its_start_once_and_then_fails() {
        let payload = payload(CHUNK * 3);
        let mut reassembler = Reassembler::new(Layout::of(&payload)).unwrap();
        let all = chunks(&payload);
        let spoil = |bytes: &Bytes| {
            let mut bytes = bytes.to_vec();
            bytes[0] ^= 1;
            Bytes::from(bytes)
        };
        for (offset, bytes) in &all[..3] {
            reassembler.put(*offset, bytes.clone()).unwrap();
        }
        reassembler.put(all[3].0, spoil(&all[3].1)).unwrap();
        assert_eq!(reassembler.wanted(), all[1].0);
        for (offset, bytes) in &all[1..3] {
            reassembler.put(*offset, bytes.clone()).unwrap();
        }
        assert_eq!(reassembler.put(all[3].0, spoil(&all[3].1)), Err(BadDigest));
    }

    // spec: P-110
    #[test]
    fn a_list_that_is_not_the_announced_one_is_refused_before_any_block() {
        let payload = payload(CHUNK);
        let mut reassembler = Reassembler::new(Layout::of(&payload)).unwrap();
        reassembler.put(0, Bytes::from_static(&[9; 32])).unwrap();
        assert_eq!(reassembler.wanted(), 0);
        assert_eq!(
            reassembler.put(0, Bytes::from_static(&[9; 32])),
            Err(BadDigest)
        );
    }

    // spec: P-111
    #[test]
    fn an_announcement_takes_no_memory_and_has_16384_blocks_at_most() {
        let layout = Layout {
            size: MAX_BLOCKS * BLOCK as u64,
            digest: Digest::of_list(b""),
        };
        assert_eq!(Reassembler::new(layout).unwrap().growing.capacity(), 0);
        let size = layout.size + 1;
        let unfit = Reassembler::new(Layout { size, ..layout }).err();
        assert_eq!(unfit, Some(Unfit::TooManyBlocks));
    }

    #[test]
    fn a_payload_is_never_moved_and_takes_no_more_room_than_it_has_bytes() {
        let payload = payload(BLOCK + CHUNK * 9 + 1);
        let mut reassembler = Reassembler::new(Layout::of(&payload)).unwrap();
        let mut room = None;
        for (offset, bytes) in chunks(&payload) {
            reassembler.put(offset, bytes).unwrap();
            let growing = &reassembler.growing;
            let block = (growing.as_ptr(), growing.capacity());
            match room {
                Some(room) if !growing.is_empty() => assert_eq!(block, room),
                _ => room = (!growing.is_empty()).then_some(block),
            }
            let rest = payload
                .len()
                .saturating_sub(reassembler.blocks.len() * BLOCK);
            assert!(growing.capacity() == 0 || growing.capacity() == rest.min(BLOCK));
        }
        let (blocks, list) = reassembler.finish().unwrap();
        assert_eq!(blocks.len(), 2);
        assert_eq!(list, payload.blocks().list);
    }

    #[test]
    fn early_chunks_that_overlap_hold_no_more_than_is_missing() {
        let payload = payload(CHUNK);
        let mut reassembler = Reassembler::new(Layout::of(&payload)).unwrap();
        for offset in 33..33 + WINDOW_CHUNKS {
            let bytes = payload.bytes().slice(offset - 32..);
            reassembler.put(offset as u64, bytes).unwrap();
        }
        let held: usize = reassembler.early.values().map(Bytes::len).sum();
        assert!(held > 0 && held <= CHUNK + 32);
        for (offset, bytes) in chunks(&payload) {
            reassembler.put(offset, bytes).unwrap();
        }
        assert_eq!(
            reassembler.finish().unwrap().0.concat(),
            payload.bytes()[..]
        );
    }

    #[test]
    fn early_chunks_are_bounded() {
        let payload = payload(CHUNK * 40);
        let mut reassembler = Reassembler::new(Layout::of(&payload)).unwrap();
        for (offset, bytes) in chunks(&payload).into_iter().skip(1) {
            reassembler.put(offset, bytes).unwrap();
        }
        assert!(reassembler.early.len() <= WINDOW_CHUNKS);
        assert_eq!(reassembler.wanted(), 0);
    }

    #[test]
    fn a_lost_chunk_goes_again_and_counts_as_sent_twice() {
        let payload = payload(CHUNK * 2);
        let mut window = Window::new(Layout::of(&payload), 0);
        for id in 0..3 {
            let (offset, _) = window.next_chunk().unwrap();
            window.started(RequestId(id), offset);
        }
        assert_eq!(window.next_chunk(), None);
        assert!(window.lost(RequestId(1)));
        let (offset, len) = window.next_chunk().unwrap();
        assert_eq!((offset, len), (32, CHUNK));
        window.started(RequestId(9), offset);
        assert_eq!(window.sent_twice(), CHUNK as u64);
        assert!(!window.done(RequestId(1)));
        for id in [0, 2, 9] {
            assert!(window.done(RequestId(id)));
        }
        assert_eq!(window.next_chunk(), None);
    }
}
