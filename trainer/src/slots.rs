//! How many jobs of one trainer run at a time, and in which slot each does.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The slots of one trainer, numbered from 0.
#[derive(Clone, Debug)]
pub struct Slots {
    many: u32,
    used: Arc<Mutex<BTreeSet<u32>>>,
}

/// A slot that is in use until this is dropped.
#[derive(Debug)]
pub struct Slot {
    number: u32,
    used: Arc<Mutex<BTreeSet<u32>>>,
}

impl Slots {
    /// So many, all free.
    #[must_use]
    pub fn new(many: u32) -> Self {
        Self {
            many,
            used: Arc::default(),
        }
    }

    /// The first that is free.
    #[must_use]
    pub fn take(&self) -> Option<Slot> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let number = (0..self.many).find(|number| !used.contains(number))?;
        used.insert(number);
        Some(Slot {
            number,
            used: Arc::clone(&self.used),
        })
    }
}

impl Slot {
    /// Which it is.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_jobs_have_one_slot() {
        let slots = Slots::new(2);
        let first = slots.take().unwrap();
        let second = slots.take().unwrap();
        assert_eq!((first.number(), second.number()), (0, 1));
        assert!(slots.clone().take().is_none());
        drop(first);
        assert_eq!(slots.take().unwrap().number(), 0);
    }
}
