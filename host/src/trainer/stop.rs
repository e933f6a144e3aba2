//! The signal that tells a trainer to stop.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A flag that is set once, for one task. Clones are the same flag.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Whether to stop.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.lock()
    }

    /// Waits until it is set, or until `at_most` has passed; tells whether it is set.
    pub fn wait(&self, at_most: Duration) -> bool {
        let waited = self
            .0
            .changed
            .wait_timeout_while(self.lock(), at_most, |set| !*set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Sets it for good.
    pub fn set(&self) {
        *self.lock() = true;
        self.0.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.0.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_is_woken() {
        let stop = Stop::default();
        assert!(!stop.wait(Duration::ZERO));
        let waiting = std::thread::spawn({
            let stop = stop.clone();
            move || stop.wait(Duration::MAX)
        });
        stop.set();
        assert!(waiting.join().unwrap() && stop.is_set());
    }
}
