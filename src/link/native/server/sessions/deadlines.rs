//! The deadlines of sessions: a queue by time, with one entry for each session.

use alloc::collections::BinaryHeap;
use core::cmp::Reverse;

use super::slab::Place;
use crate::Instant;

/// Entries that are out of date and stay until more are.
const STALE: usize = 64;

/// The deadlines of all sessions. One that has moved or gone leaves its entry behind,
/// which whoever looks knows by its time.
#[derive(Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Deadlines(BinaryHeap<Reverse<Deadline>>);

/// Microseconds in two halves, so that three words suffice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Deadline {
    high: u32,
    low: u32,
    place: Place,
}

/// The half of a time that a session keeps to know its deadline by.
pub(super) fn low(at: Instant) -> u32 {
    (at.as_micros() & u64::from(u32::MAX)) as u32
}

impl Deadlines {
    pub(super) fn push(&mut self, at: Instant, place: Place) {
        self.0.push(Reverse(Deadline {
            high: (at.as_micros() >> 32) as u32,
            low: low(at),
            place,
        }));
    }

    /// The earliest. Right after [`tidy`](Self::tidy) it is one that counts.
    pub(super) fn first(&self) -> Option<(Instant, Place)> {
        self.0.peek().map(|Reverse(it)| {
            let micros = u64::from(it.high) << 32 | u64::from(it.low);
            (Instant::from_micros(micros), it.place)
        })
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    /// Drops what is out of date from the front, and everywhere once it is more than all
    /// the rest. `counts` says of a place and a half of a time whether they belong
    /// together; there are `live` that do.
    pub(super) fn tidy(&mut self, live: usize, counts: impl Fn(Place, u32) -> bool) {
        while self
            .0
            .peek()
            .is_some_and(|Reverse(it)| !counts(it.place, it.low))
        {
            self.0.pop();
        }
        if self.0.len() > 2 * live + STALE {
            let mut entries = core::mem::take(&mut self.0).into_vec();
            entries.retain(|Reverse(it)| counts(it.place, it.low));
            if entries.len() > live {
                // A deadline that was set again to the same moment.
                entries.sort_unstable();
                entries.dedup();
            }
            entries.shrink_to(live + STALE);
            self.0 = entries.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_date_takes_little_more_room_than_what_counts() {
        const LIVE: usize = 3;
        let mut deadlines = Deadlines::default();
        // The first one counts, so that nothing behind it comes to the front.
        deadlines.push(Instant::from_micros(1), 0);
        let mut most = 0;
        for micros in 2..1_000 {
            let latest = Instant::from_micros(micros);
            deadlines.push(latest, 1);
            deadlines.tidy(LIVE, |place, half| place == 0 || half == low(latest));
            most = most.max(deadlines.0.len());
            if deadlines.0.len() == 2 {
                assert!(deadlines.0.capacity() <= LIVE + STALE);
            }
        }
        assert_eq!(most, 2 * LIVE + STALE);
    }

    #[test]
    fn a_deadline_that_is_set_again_to_the_same_moment_takes_no_more_room() {
        const LIVE: usize = 2;
        let mut deadlines = Deadlines::default();
        let [first, second] = [1, 2].map(Instant::from_micros);
        deadlines.push(first, 0);
        for _ in 0..1_000 {
            deadlines.push(second, 1);
            deadlines.tidy(LIVE, |_, _| true);
            assert!(deadlines.0.len() <= 2 * LIVE + STALE);
        }
        assert_eq!(deadlines.first(), Some((first, 0)));
    }
}
