//! The limit of Registers that a server works on for one cookie.

use alloc::vec;
use alloc::vec::Vec;

use crate::config::ServerConfig;
use crate::digest::Hash;
use crate::message::PeerId;

/// Cookies that are told apart, at most: 4 MiB. As many are given out in a window of 60 s at
/// 17,000 a second.
const MOST: u64 = 1 << 20;

/// For each of the latest cookies, the Registers that were worked on. One place for each
/// that can count at a time, so that no cookie takes attempts from another; where there are
/// more than [`MOST`], the older ones share with newer ones what these have for Registers
/// from elsewhere.
pub(crate) struct Attempts {
    limit: u16,
    /// Draws marks of connections: which have the same one is not to be known from outside.
    factor: u64,
    /// By the number of the cookie: the mark of the connection that it was given on, and how
    /// many Registers.
    places: Vec<[u16; 2]>,
    /// The number of the latest cookie.
    latest: u64,
}

impl Attempts {
    /// `key` is a secret of its own.
    pub(crate) fn new(config: &ServerConfig, key: &Hash) -> Self {
        // A bucket of challenges holds one second's worth.
        let seconds = config.registration_window.as_millis().div_ceil(1000) + 1;
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        let cookies = seconds.saturating_mul(config.challenge_budget.into());
        let places = usize::try_from(cookies.clamp(1, MOST)).unwrap_or(1);
        let factor = key.first_chunk().copied().unwrap_or_default();
        Self {
            limit: config.register_attempts,
            factor: u64::from_be_bytes(factor) | 1,
            places: vec![[0; 2]; places],
            latest: 0,
        }
    }

    /// A cookie is given out on this connection. Its number is the highest so far.
    pub(crate) fn begin(&mut self, number: u64, peer: PeerId) {
        self.latest = number;
        let mark = self.mark(peer);
        if let Some(place) = self.place(number) {
            *place = [mark, 0];
        }
    }

    /// Whether one more Register with this cookie is worked on that comes on this
    /// connection. The last one is kept for the connection that the cookie was given on.
    // spec: P-67
    pub(crate) fn are_left(&mut self, number: u64, peer: PeerId) -> bool {
        let (mark, limit) = (self.mark(peer), self.limit);
        self.place(number).is_some_and(|[own, count]| {
            let kept = u16::from(*own != mark);
            *count < limit.saturating_sub(kept)
        })
    }

    /// One more is worked on.
    pub(crate) fn count(&mut self, number: u64) {
        if let Some([_, count]) = self.place(number) {
            *count = count.saturating_add(1);
        }
    }

    /// No Register with this cookie is worked on any more. Nobody learns from the answer to
    /// one whether its sender has registered again.
    pub(crate) fn spend(&mut self, number: u64) {
        let age = self.latest.saturating_sub(number);
        let limit = self.limit;
        // Otherwise the place is a newer cookie's by now.
        if usize::try_from(age).is_ok_and(|age| age < self.places.len())
            && let Some([_, count]) = self.place(number)
        {
            *count = limit;
        }
    }

    fn place(&mut self, number: u64) -> Option<&mut [u16; 2]> {
        let places = u64::try_from(self.places.len()).unwrap_or(MOST);
        let place = number.checked_rem(places)?;
        self.places.get_mut(usize::try_from(place).ok()?)
    }

    /// The high bits of a product with an odd factor (Dietzfelbinger and others, "A reliable
    /// randomized algorithm for the closest-pair problem", 1997).
    fn mark(&self, peer: PeerId) -> u16 {
        (peer.0.wrapping_mul(self.factor) >> 48) as u16
    }
}

/// Servers of the checker have attempts without end; what is copied a million times is one
/// place.
#[cfg(test)]
impl Clone for Attempts {
    fn clone(&self) -> Self {
        Self {
            limit: u16::MAX,
            factor: self.factor,
            places: vec![[0; 2]],
            latest: self.latest,
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::identity::Name;

    fn attempts(limit: u16, budget: u32, window: u64) -> Attempts {
        let mut config = ServerConfig::new(Name::new("project").unwrap());
        config.register_attempts = limit;
        config.challenge_budget = budget;
        config.registration_window = Duration::from_millis(window);
        Attempts::new(&config, &[7; 32])
    }

    fn worked_on(attempts: &mut Attempts, number: u64, peer: u64, times: u64) -> u64 {
        let mut worked_on = 0;
        for _ in 0..times {
            if attempts.are_left(number, PeerId(peer)) {
                attempts.count(number);
                worked_on += 1;
            }
        }
        worked_on
    }

    // spec: P-67
    #[test]
    fn each_cookie_has_its_own_and_the_last_one_is_for_its_connection() {
        let mut attempts = attempts(3, 10, 1000);
        assert_eq!(attempts.places.len(), 20);
        (100..120).for_each(|number| attempts.begin(number, PeerId(number)));
        for number in 100..120 {
            let elsewhere: u64 = (500..600)
                .map(|peer| worked_on(&mut attempts, number, peer, 1))
                .sum();
            assert_eq!(elsewhere, 2, "{number}");
            assert_eq!(worked_on(&mut attempts, number, number, 9), 1, "{number}");
        }
        let mut attempts = self::attempts(1, 10, 1000);
        attempts.begin(1, PeerId(1));
        assert_eq!(worked_on(&mut attempts, 1, 2, 9), 0);
        assert_eq!(worked_on(&mut attempts, 1, 1, 9), 1);
    }

    #[test]
    fn a_cookie_that_is_given_out_has_all_attempts() {
        let mut attempts = attempts(2, 1, 1);
        for number in 0..9 {
            attempts.begin(number, PeerId(5));
            assert_eq!(worked_on(&mut attempts, number, 5, 9), 2);
        }
    }

    #[test]
    fn a_cookie_that_is_spent_has_none_and_takes_none_from_a_newer_one() {
        let mut attempts = attempts(2, 1, 1);
        (1..=3).for_each(|number| attempts.begin(number, PeerId(5)));
        attempts.spend(2);
        assert_eq!(worked_on(&mut attempts, 2, 5, 9), 0);
        attempts.spend(1);
        assert_eq!(worked_on(&mut attempts, 3, 5, 9), 2);
    }

    #[test]
    fn the_table_is_fixed_and_has_a_place_for_each_cookie_of_a_window() {
        for (budget, window, places) in [
            (1, 1, 2),
            (1000, 60_000, 61_000),
            (1000, 60_001, 62_000),
            (u32::MAX, u64::MAX, 1 << 20),
        ] {
            assert_eq!(attempts(2, budget, window).places.len(), places);
        }
    }
}
