//! Queues of outputs that wait for the host, with their number and weight in bytes.

use alloc::collections::VecDeque;

/// Room that an empty queue keeps. A longer one was the mark of a host that was behind,
/// and gives its memory back.
const KEPT: usize = 256;

/// An output that takes memory for as long as it waits.
pub(crate) trait Weigh {
    /// Bytes that are free once the host has taken it, at most.
    fn weight(&self) -> usize;
}

/// Outputs in the order in which they arose.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct OutputQueue<T> {
    queue: VecDeque<T>,
    weight: usize,
}

impl<T> Default for OutputQueue<T> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            weight: 0,
        }
    }
}

impl<T: Weigh> OutputQueue<T> {
    pub(crate) fn push_back(&mut self, output: T) {
        self.weight = self.weight.saturating_add(output.weight());
        self.queue.push_back(output);
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        let output = self.queue.pop_front()?;
        self.weight = self.weight.saturating_sub(output.weight());
        if self.queue.is_empty() && self.queue.capacity() > KEPT {
            self.queue = VecDeque::new();
        }
        Some(output)
    }

    /// Forgets the outputs that nobody wants any more.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&T) -> bool) {
        self.queue.retain(|output| wanted(output));
        self.weight = self.queue.iter().map(Weigh::weight).sum();
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Bytes of all that waits.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weigh for usize {
        fn weight(&self) -> usize {
            *self
        }
    }

    #[test]
    fn what_waits_is_weighed_and_a_long_queue_gives_its_memory_back() {
        let mut waiting = OutputQueue::default();
        (0..=2 * KEPT).for_each(|output| waiting.push_back(output));
        assert_eq!(waiting.len(), 2 * KEPT + 1);
        assert_eq!(waiting.weight(), KEPT * (2 * KEPT + 1));
        waiting.retain(|output| *output != 7);
        assert_eq!(waiting.weight(), KEPT * (2 * KEPT + 1) - 7);
        for expected in (0..=2 * KEPT).filter(|output| *output != 7) {
            assert!(waiting.queue.capacity() > KEPT);
            assert_eq!(waiting.pop_front(), Some(expected));
        }
        assert_eq!((waiting.pop_front(), waiting.weight()), (None, 0));
        assert_eq!(waiting.queue.capacity(), 0);
    }

    #[test]
    fn a_short_queue_keeps_its_memory() {
        let mut waiting = OutputQueue::default();
        waiting.queue.reserve_exact(KEPT);
        let capacity = waiting.queue.capacity();
        assert_eq!(capacity, KEPT);
        waiting.push_back(1_usize);
        assert_eq!(waiting.pop_front(), Some(1));
        assert_eq!(waiting.queue.capacity(), capacity);
    }
}
