//! How much a server does for strangers.

use crate::Instant;
use crate::digest::{self, Hash};
use crate::entropy::Entropy;
use crate::message::PeerId;

/// Buckets in the table: a fixed 128 KiB, whoever asks.
const BUCKETS: usize = 4096;

/// Micro-units in one handshake.
const UNIT: u64 = 1_000_000;

/// Token buckets: one overall, and one of a fixed table for each peer. Peers that share a
/// bucket share its budget; which do is not to be known from outside.
pub(crate) struct Budgets {
    overall: Bucket,
    overall_rate: u64,
    peers: Vec<Bucket>,
    peer_rate: u64,
    key: Hash,
}

#[derive(Clone, Copy)]
struct Bucket {
    /// Micro-units left.
    left: u64,
    filled: Instant,
}

impl Bucket {
    /// `rate` units a second, at most one second's worth at once.
    fn draw(&mut self, rate: u64, now: Instant) -> bool {
        let since = u64::try_from(now.since(self.filled).as_micros()).unwrap_or(u64::MAX);
        self.filled = self.filled.max(now);
        let full = rate.saturating_mul(UNIT);
        self.left = self
            .left
            .saturating_add(since.saturating_mul(rate))
            .min(full);
        match self.left.checked_sub(UNIT) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

impl Budgets {
    /// `overall` and `per_peer` handshakes a second.
    pub(crate) fn new(overall: u32, per_peer: u32, now: Instant, entropy: &mut Entropy) -> Self {
        let full = |rate: u32| Bucket {
            left: u64::from(rate) * UNIT,
            filled: now,
        };
        Self {
            overall: full(overall),
            overall_rate: overall.into(),
            peers: vec![full(per_peer); BUCKETS],
            peer_rate: per_peer.into(),
            key: entropy.bytes(),
        }
    }

    /// Whether one more handshake may begin for `peer`. The peer's own budget comes
    /// first, so that one loud peer does not use up what the others share.
    pub(crate) fn draw(&mut self, peer: PeerId, now: Instant) -> bool {
        let hash = digest::code(&self.key, "fedlink v1 peer", &[&peer.0.to_be_bytes()]);
        let place = usize::from(u16::from_be_bytes([hash[0], hash[1]])) % self.peers.len();
        self.peers
            .get_mut(place)
            .is_some_and(|bucket| bucket.draw(self.peer_rate, now))
            && self.overall.draw(self.overall_rate, now)
    }
}

/// The checker knows no time, so its servers always have their whole budget; what is
/// copied a million times is one bucket.
#[cfg(test)]
impl Clone for Budgets {
    fn clone(&self) -> Self {
        let full = |rate: u64| Bucket {
            left: rate * UNIT,
            filled: Instant::default(),
        };
        Self {
            overall: full(self.overall_rate),
            overall_rate: self.overall_rate,
            peers: vec![full(self.peer_rate)],
            peer_rate: self.peer_rate,
            key: self.key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loud_peer_uses_up_its_own_budget_and_gets_it_back() {
        let mut entropy = Entropy::new(&mut [1; 32]);
        let start = Instant::default();
        let mut budgets = Budgets::new(100, 3, start, &mut entropy);
        let draws = |budgets: &mut Budgets, peer, now| {
            (0..50).filter(|_| budgets.draw(PeerId(peer), now)).count()
        };
        assert_eq!(draws(&mut budgets, 1, start), 3);
        assert_eq!(draws(&mut budgets, 2, start), 3);
        let later = start + core::time::Duration::from_secs(1);
        assert_eq!(draws(&mut budgets, 1, later), 3);
        let all: usize = (10..100).map(|peer| draws(&mut budgets, peer, later)).sum();
        assert_eq!(all, 97);
    }
}
