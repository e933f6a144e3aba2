//! A timer wheel: what is due, by time.

use super::plan::Tick;

/// A ring of buckets, one for each tick: whatever comes next is found at once, however much
/// there is.
pub(super) struct Wheel<T> {
    buckets: Vec<Vec<T>>,
    now: Tick,
}

impl<T> Wheel<T> {
    /// For what happens within `horizon`.
    pub(super) fn new(horizon: Tick) -> Self {
        let buckets = (horizon as usize + 2).next_power_of_two();
        Self {
            buckets: (0..buckets).map(|_| Vec::new()).collect(),
            now: 0,
        }
    }

    /// Puts something in for a time: not before the next tick, and not beyond the horizon.
    pub(super) fn put(&mut self, at: Tick, item: T) {
        let place = place(at, self.now, self.buckets.len());
        self.buckets[place].push(item);
    }

    /// Goes on to the next tick and returns what happens then, for an empty bucket.
    pub(super) fn turn(&mut self, bucket: &mut Vec<T>) {
        self.now += 1;
        let place = place(self.now, self.now - 1, self.buckets.len());
        std::mem::swap(&mut self.buckets[place], bucket);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.buckets.iter_mut().for_each(Vec::clear);
    }
}

/// The same for a million timers: buckets are chains of small blocks, so that they take
/// hardly more room than what is in them.
pub(super) struct Timers<T> {
    /// The first block of each bucket.
    buckets: Vec<u32>,
    blocks: Vec<Block<T>>,
    /// The first of the blocks that are free.
    free: u32,
    now: Tick,
}

/// Timers in one block.
const BLOCK: usize = 14;

/// No block.
const NONE: u32 = u32::MAX;

struct Block<T> {
    items: [T; BLOCK],
    len: u32,
    next: u32,
}

impl<T: Copy + Default> Timers<T> {
    /// For what happens within `horizon`.
    pub(super) fn new(horizon: Tick) -> Self {
        let buckets = (horizon as usize + 2).next_power_of_two();
        Self {
            buckets: vec![NONE; buckets],
            blocks: Vec::new(),
            free: NONE,
            now: 0,
        }
    }

    /// Puts a timer in: not before the next tick, and not beyond the horizon. What lies
    /// beyond comes too early and is to be put in again.
    pub(super) fn put(&mut self, at: Tick, timer: T) {
        let bucket = place(at, self.now, self.buckets.len());
        let first = self.buckets[bucket];
        let block = match self.blocks.get(first as usize) {
            Some(block) if (block.len as usize) < BLOCK => first,
            Some(_) | None => self.take_block(first),
        };
        self.buckets[bucket] = block;
        let block = &mut self.blocks[block as usize];
        block.items[block.len as usize] = timer;
        block.len += 1;
    }

    /// Goes on to the next tick and adds its timers to `due`.
    pub(super) fn turn(&mut self, due: &mut Vec<T>) {
        self.now += 1;
        let bucket = place(self.now, self.now - 1, self.buckets.len());
        let mut next = std::mem::replace(&mut self.buckets[bucket], NONE);
        while let Some(block) = self.blocks.get_mut(next as usize) {
            due.extend_from_slice(&block.items[..block.len as usize]);
            let after = std::mem::replace(&mut block.next, self.free);
            self.free = std::mem::replace(&mut next, after);
        }
    }

    /// An empty block, before another.
    fn take_block(&mut self, next: u32) -> u32 {
        let taken = self.free;
        match self.blocks.get_mut(taken as usize) {
            Some(block) => {
                self.free = block.next;
                (block.len, block.next) = (0, next);
                taken
            }
            None => {
                self.blocks.push(Block {
                    items: [T::default(); BLOCK],
                    len: 0,
                    next,
                });
                (self.blocks.len() - 1) as u32
            }
        }
    }
}

/// The bucket of a time, of so many, which are a power of two.
fn place(at: Tick, now: Tick, buckets: usize) -> usize {
    let last = now + (buckets as Tick - 1);
    at.clamp(now + 1, last) as usize & (buckets - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Too early, in time, at once, and beyond the horizon.
    const PUT: [Tick; 6] = [0, 1, 3, 3, 7, 900];

    fn expected() -> Vec<Vec<Tick>> {
        let mut expected = vec![Vec::new(); 8];
        expected[0] = vec![0, 1];
        expected[2] = vec![3, 3];
        expected[6] = vec![7, 900];
        expected
    }

    #[test]
    fn messages_arrive_when_they_should() {
        let mut wheel = Wheel::new(6);
        PUT.iter().for_each(|at| wheel.put(*at, *at));
        let mut turn = || {
            let mut bucket = Vec::new();
            wheel.turn(&mut bucket);
            bucket
        };
        assert_eq!((0..8).map(|_| turn()).collect::<Vec<_>>(), expected());
        wheel.put(9, 9);
        wheel.clear();
        let mut bucket = Vec::new();
        wheel.turn(&mut bucket);
        assert!(bucket.is_empty());
    }

    #[test]
    fn timers_come_when_they_are_due_and_take_no_more_blocks_than_before() {
        let mut timers = Timers::new(6);
        let turn = |timers: &mut Timers<Tick>| {
            let mut due = Vec::new();
            timers.turn(&mut due);
            due.sort_unstable();
            due
        };
        PUT.iter().for_each(|at| timers.put(*at, *at));
        let seen: Vec<Vec<Tick>> = (0..8).map(|_| turn(&mut timers)).collect();
        assert_eq!(seen, expected());
        for round in 0..20 {
            let all: Vec<Tick> = (0..100).collect();
            all.iter().for_each(|timer| timers.put(9 + round, *timer));
            assert_eq!(turn(&mut timers), all);
            assert_eq!(timers.blocks.len(), 100usize.div_ceil(BLOCK));
        }
    }
}
