//! One table of named timers for each machine.

use std::collections::{BTreeMap, BTreeSet};

use crate::Instant;

/// Timers by name, each armed at most once.
#[derive(Clone, Debug)]
pub(crate) struct Timers<K> {
    armed: BTreeMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self {
            armed: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }
}

impl<K: Copy + Ord> Timers<K> {
    /// Arms `timer`, or moves it if it is armed already.
    pub(crate) fn arm(&mut self, timer: K, at: Instant) {
        if let Some(before) = self.armed.insert(timer, at) {
            self.order.remove(&(before, timer));
        }
        self.order.insert((at, timer));
    }

    pub(crate) fn disarm(&mut self, timer: K) {
        if let Some(at) = self.armed.remove(&timer) {
            self.order.remove(&(at, timer));
        }
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

    /// When `timer` is due.
    pub(crate) fn when(&self, timer: K) -> Option<Instant> {
        self.armed.get(&timer).copied()
    }

    /// The earliest timer, and when it is due.
    pub(crate) fn next(&self) -> Option<(Instant, K)> {
        self.order.first().copied()
    }

    /// Takes the earliest timer that is due at `now`. A timer armed for `now` or earlier
    /// while others are being taken would come back at once: arm it later than `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
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
}
