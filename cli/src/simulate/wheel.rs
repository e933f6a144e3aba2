//! What is to happen, by the time at which it does.

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

    /// Puts something in for a time; not before the next tick, and not beyond the horizon:
    /// what lies beyond comes too early and is to be put in again.
    pub(super) fn put(&mut self, at: Tick, item: T) {
        let last = self.now + (self.buckets.len() as Tick - 1);
        let at = at.clamp(self.now + 1, last);
        let place = self.place(at);
        self.buckets[place].push(item);
    }

    /// Goes on to the next tick and gives what happens then.
    pub(super) fn turn(&mut self) -> Vec<T> {
        self.now += 1;
        let place = self.place(self.now);
        std::mem::take(&mut self.buckets[place])
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.buckets.iter_mut().for_each(Vec::clear);
    }

    fn place(&self, at: Tick) -> usize {
        at as usize & (self.buckets.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_happen_when_they_should_and_early_beyond_the_horizon() {
        let mut wheel = Wheel::new(6);
        for at in [0, 1, 3, 3, 7, 900] {
            wheel.put(at, at);
        }
        let seen: Vec<Vec<Tick>> = (0..8).map(|_| wheel.turn()).collect();
        let none = Vec::new;
        let expected = [
            vec![0, 1],
            none(),
            vec![3, 3],
            none(),
            none(),
            none(),
            vec![7, 900],
            none(),
        ];
        assert_eq!(seen, expected);
        wheel.put(9, 9);
        wheel.clear();
        assert_eq!(wheel.turn(), none());
    }
}
