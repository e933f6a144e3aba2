//! Budgets: how much work a server does for peers that have not registered.

use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use crate::Instant;
use crate::digest::{self, Hash};
use crate::entropy::Entropy;
use crate::message::PeerId;
use crate::message::limits::HORIZON;

/// Buckets in the table: a fixed 64 KiB, whoever asks.
const BUCKETS: usize = 4096;

/// Micro-units in one handshake.
const UNIT: u64 = 1_000_000;

/// Token buckets: one for each message of a handshake, and one of a fixed table for each
/// peer. Peers that share a bucket share its budget; which do is not to be known from
/// outside.
pub(crate) struct Budgets {
    /// Handshakes a second.
    rate: u64,
    challenges: Bucket,
    /// Of its own, and twice as wide: who was let begin can end, and repeat it once.
    registers: Bucket,
    /// When the last one comes of those who were told when to come again.
    promised: Instant,
    peers: Vec<Bucket>,
    peer_rate: u64,
    key: Hash,
}

/// A challenge beyond a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beyond {
    /// That of its peer, who gets no answer.
    Peer,
    /// That of all: it may come again after this.
    All(Duration),
}

#[derive(Clone, Copy)]
struct Bucket {
    /// Micro-units left.
    left: u64,
    filled: Instant,
}

impl Bucket {
    /// With one second's worth.
    fn full(rate: u64, now: Instant) -> Self {
        Self {
            left: rate.saturating_mul(UNIT),
            filled: now,
        }
    }

    /// `rate` units a second, at most one second's worth at once.
    fn draw(&mut self, rate: u64, now: Instant) -> bool {
        self.draw_above(0, rate, now)
    }

    /// The same, if at least `floor` micro-units are there.
    fn draw_above(&mut self, floor: u64, rate: u64, now: Instant) -> bool {
        let since = u64::try_from(now.since(self.filled).as_micros()).unwrap_or(u64::MAX);
        self.filled = self.filled.max(now);
        let full = rate.saturating_mul(UNIT);
        self.left = self
            .left
            .saturating_add(since.saturating_mul(rate))
            .min(full);
        match self.left.checked_sub(UNIT) {
            Some(left) if self.left >= floor => {
                self.left = left;
                true
            }
            Some(_) | None => false,
        }
    }
}

impl Budgets {
    /// `overall` handshakes and `per_peer` messages a second.
    pub(crate) fn new(overall: u32, per_peer: u32, now: Instant, entropy: &mut Entropy) -> Self {
        let rate = u64::from(overall);
        Self {
            rate,
            challenges: Bucket::full(rate, now),
            registers: Bucket::full(2 * rate, now),
            promised: now,
            peers: vec![Bucket::full(per_peer.into(), now); BUCKETS],
            peer_rate: per_peer.into(),
            key: entropy.bytes(),
        }
    }

    /// A secret for another purpose.
    pub(crate) fn key_for(&self, label: &str) -> Hash {
        digest::code(&self.key, label, &[])
    }

    /// Whether `peer` may begin one more handshake. The peer's own budget comes first, so
    /// that one loud peer does not use up what the others share.
    // spec: P-65
    pub(crate) fn challenge(&mut self, peer: PeerId, now: Instant) -> Result<(), Beyond> {
        if !self.look(peer, now) {
            return Err(Beyond::Peer);
        }
        if !self.challenges.draw(self.rate, now) {
            return Err(Beyond::All(self.promise(now)));
        }
        Ok(())
    }

    /// Whether one more handshake may be ended, by somebody who was let begin and has used
    /// up `age` of `window`. The share of the budget that is left must be at least as large as
    /// that of the window that is used up: the newest cookies are always served first, so
    /// that a stranger who has saved up a window's worth takes nothing from those who join
    /// meanwhile.
    // spec: P-68
    pub(crate) fn register(&mut self, now: Instant, age: Duration, window: Duration) -> bool {
        let full = 2 * self.rate * UNIT;
        let floor = u128::from(full) * age.as_micros() / window.as_micros().max(1);
        let floor = u64::try_from(floor).unwrap_or(full).min(full);
        self.registers.draw_above(floor, 2 * self.rate, now)
    }

    /// Whether one more message of `peer` is looked at, as far as that takes no more than a
    /// look-up or a hash. All peers together never get more than the table has budgets.
    pub(crate) fn look(&mut self, peer: PeerId, now: Instant) -> bool {
        let hash = digest::code(&self.key, "fedlink v2 peer", &[&peer.0.to_be_bytes()]);
        let place = usize::from(u16::from_be_bytes([hash[0], hash[1]])) % self.peers.len();
        let bucket = self.peers.get_mut(place);
        bucket.is_some_and(|bucket| bucket.draw(self.peer_rate, now))
    }

    /// A time to come again: one after another as fast as handshakes are taken, and from
    /// the start when the horizon is reached. It is no place that is kept: who comes first
    /// is served.
    fn promise(&mut self, now: Instant) -> Duration {
        let turn = Duration::from_micros(UNIT / self.rate.max(1));
        let next = self.promised.max(now) + turn;
        self.promised = if next > now + HORIZON {
            now + turn
        } else {
            next
        };
        self.promised.since(now)
    }
}

/// The checker knows no time, so its servers always have their whole budget; what is
/// copied a million times is one bucket.
#[cfg(test)]
impl Clone for Budgets {
    fn clone(&self) -> Self {
        let start = Instant::default();
        Self {
            challenges: Bucket::full(self.rate, start),
            registers: Bucket::full(2 * self.rate, start),
            promised: start,
            peers: vec![Bucket::full(self.peer_rate, start)],
            ..*self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn budgets(overall: u32, per_peer: u32) -> Budgets {
        let mut entropy = Entropy::new(&mut [1; 32]);
        Budgets::new(overall, per_peer, Instant::default(), &mut entropy)
    }

    // spec: P-65
    #[test]
    fn a_loud_peer_uses_up_its_own_budget_and_gets_it_back() {
        let start = Instant::default();
        let mut budgets = budgets(100, 3);
        let begun = |budgets: &mut Budgets, peer, now| {
            let begins = |_: &i32| budgets.challenge(PeerId(peer), now).is_ok();
            (0..50).filter(begins).count()
        };
        assert_eq!(begun(&mut budgets, 1, start), 3);
        assert_eq!(budgets.challenge(PeerId(1), start), Err(Beyond::Peer));
        assert!(!budgets.look(PeerId(1), start));
        assert_eq!(begun(&mut budgets, 2, start), 3);
        let later = start + SECOND;
        assert_eq!(begun(&mut budgets, 1, later), 3);
        let all: usize = (10..100).map(|peer| begun(&mut budgets, peer, later)).sum();
        assert_eq!(all, 97);
    }

    // spec: P-65
    #[test]
    fn who_comes_beyond_the_budget_is_told_when_its_turn_is() {
        let start = Instant::default();
        let mut budgets = budgets(10, 1000);
        let mut waits = |count: usize, now| {
            let outcomes = (0..count).map(|peer| budgets.challenge(PeerId(peer as u64), now));
            let beyond = outcomes.filter_map(Result::err).map(|beyond| match beyond {
                Beyond::All(wait) => wait,
                Beyond::Peer => panic!("a peer's budget is wide"),
            });
            beyond.collect::<Vec<_>>()
        };
        let tenths = |range: core::ops::RangeInclusive<u32>| -> Vec<_> {
            range.map(|tenth| SECOND / 10 * tenth).collect()
        };
        assert_eq!(waits(15, start), tenths(1..=5));
        // There was time for ten.
        assert_eq!(waits(12, start + SECOND), tenths(1..=2));
        // Nobody is sent away for longer than the horizon.
        assert_eq!(waits(298, start + SECOND), tenths(3..=300));
        assert_eq!(waits(2, start + SECOND), tenths(1..=2));
    }

    #[test]
    fn who_was_let_begin_can_end() {
        let start = Instant::default();
        let mut budgets = budgets(10, 1000);
        let challenge = |budgets: &mut Budgets| budgets.challenge(PeerId(1), start).is_ok();
        while challenge(&mut budgets) {}
        let ended = (0..50).filter(|_| budgets.register(start, Duration::ZERO, SECOND));
        assert_eq!(ended.count(), 20);
        assert!(budgets.look(PeerId(1), start));
    }

    // spec: P-68
    #[test]
    fn the_older_a_cookie_the_more_of_the_budget_must_be_left() {
        let start = Instant::default();
        let mut budgets = budgets(10, 1000);
        let window = 60 * SECOND;
        let mut ended = |age: u32| {
            let may = |_: &i32| budgets.register(start, age * SECOND, window);
            (0..50).filter(may).count()
        };
        // Of 20, each needs its share of the window left.
        assert_eq!([60, 45, 30, 30, 3, 0].map(&mut ended), [1, 5, 5, 0, 9, 0]);
    }
}
