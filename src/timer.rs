//! One table of named timers for each machine.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::Instant;

/// Timers by name, each armed at most once.
///
/// Whatever is armed, at whatever time, is due later than every moment for which due timers
/// were taken already. So all that is due at one moment is taken in as many steps as there
/// are timers, and nothing is due at that moment afterwards.
#[derive(Clone, Debug)]
pub(crate) struct Timers<K> {
    armed: BTreeMap<K, Instant>,
    /// Those that will be due.
    order: BTreeSet<(Instant, K)>,
    /// The latest moment for which due timers were taken.
    served: Option<Instant>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self {
            armed: BTreeMap::new(),
            order: BTreeSet::new(),
            served: None,
        }
    }
}

impl<K: Copy + Ord> Timers<K> {
    /// Arms `timer`, or moves it if it is armed already. At [`Instant::END`] it is armed
    /// and never due.
    pub(crate) fn arm(&mut self, timer: K, at: Instant) {
        let at = self.served.map_or(at, |served| at.max(served.next()));
        if let Some(before) = self.armed.insert(timer, at) {
            self.order.remove(&(before, timer));
        }
        if at < Instant::END {
            self.order.insert((at, timer));
        }
    }

    pub(crate) fn disarm(&mut self, timer: K) {
        if let Some(at) = self.armed.remove(&timer) {
            self.order.remove(&(at, timer));
        }
    }

    /// Disarms every timer.
    pub(crate) fn clear(&mut self) {
        self.armed.clear();
        self.order.clear();
    }

    /// Disarms every timer that `matches`.
    pub(crate) fn disarm_where(&mut self, matches: impl Fn(K) -> bool) {
        self.armed.retain(|timer, at| {
            let gone = matches(*timer);
            if gone {
                self.order.remove(&(*at, *timer));
            }
            !gone
        });
    }

    pub(crate) fn is_armed(&self, timer: K) -> bool {
        self.armed.contains_key(&timer)
    }

    /// Whether every armed timer `matches`.
    pub(crate) fn all(&self, matches: impl Fn(K) -> bool) -> bool {
        self.armed.keys().all(|timer| matches(*timer))
    }

    /// When `timer` is due.
    pub(crate) fn when(&self, timer: K) -> Option<Instant> {
        self.armed.get(&timer).copied()
    }

    /// How many timers are armed.
    pub(crate) fn len(&self) -> usize {
        self.armed.len()
    }

    /// The earliest timer that will be due, and when.
    pub(crate) fn next(&self) -> Option<(Instant, K)> {
        self.order.first().copied()
    }

    /// Whatever is armed from now on is due later than `now`.
    pub(crate) fn serve(&mut self, now: Instant) {
        self.served = self.served.max(Some(now));
    }

    /// Takes the earliest timer that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        self.serve(now);
        let (at, timer) = self.next()?;
        if at > now {
            return None;
        }
        self.disarm(timer);
        Some(timer)
    }
}

#[cfg(test)]
impl<K: Copy + Ord> Timers<K> {
    /// Which timers are armed.
    pub(crate) fn armed(&self) -> impl Iterator<Item = K> {
        self.armed.keys().copied()
    }
}

/// Which timers are armed, not when they are due: the checker lets any of them fire.
#[cfg(test)]
impl<K: core::hash::Hash> core::hash::Hash for Timers<K> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.armed.len().hash(state);
        self.armed.keys().for_each(|timer| timer.hash(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn timers_come_in_order_of_time_then_of_name() {
        let mut timers = Timers::default();
        timers.arm('b', at(5));
        timers.arm('a', at(5));
        timers.arm('c', at(3));
        timers.arm('c', at(9));
        assert_eq!(timers.next(), Some((at(5), 'a')));
        assert_eq!(timers.pop_due(at(4)), None);
        assert_eq!(timers.pop_due(at(7)), Some('a'));
        assert_eq!(timers.pop_due(at(7)), Some('b'));
        assert_eq!(timers.pop_due(at(7)), None);
        timers.disarm_where(|timer| timer == 'c');
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn what_is_armed_for_a_moment_that_was_served_is_due_after_it() {
        let mut timers = Timers::default();
        timers.arm('a', at(5));
        assert_eq!(timers.pop_due(at(7)), Some('a'));
        timers.arm('a', at(6));
        assert_eq!(timers.pop_due(at(7)), None);
        assert_eq!(timers.next(), Some((at(8), 'a')));
        timers.clear();
        timers.arm('b', at(1));
        assert_eq!(timers.next(), Some((at(8), 'b')));
        // The latest moment counts, not the one that was told last.
        assert_eq!(timers.pop_due(at(3)), None);
        timers.arm('b', at(1));
        assert_eq!(timers.next(), Some((at(8), 'b')));
    }

    #[test]
    fn a_timer_at_the_end_of_time_is_armed_and_never_due() {
        let mut timers = Timers::default();
        timers.arm('a', Instant::END);
        timers.arm('b', at(u64::MAX - 1));
        assert_eq!(timers.pop_due(Instant::END), Some('b'));
        timers.arm('b', at(u64::MAX - 1));
        assert_eq!(timers.pop_due(Instant::END), None);
        assert_eq!(timers.next(), None);
        assert!(timers.is_armed('a') && timers.is_armed('b'));
        timers.arm('c', Instant::END);
        timers.disarm('c');
        assert_eq!((timers.len(), timers.when('a')), (2, Some(Instant::END)));
    }
}
