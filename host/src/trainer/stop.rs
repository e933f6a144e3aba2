//! The signal that tells a trainer to stop.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A flag that is set once, for one task. Clones are the same flag.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    set: bool,
    calls: Vec<Box<dyn FnOnce() + Send>>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut state = f.debug_struct("State");
        state.field("set", &self.set).finish_non_exhaustive()
    }
}

impl Stop {
    /// Whether to stop.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.lock().set
    }

    /// Has this called once it is set, by whoever sets it; at once if it is. It must not take
    /// long.
    pub fn on_set(&self, call: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        if state.set {
            drop(state);
            call();
        } else {
            state.calls.push(Box::new(call));
        }
    }

    /// Waits until it is set, or until `at_most` has passed; tells whether it is set.
    pub fn wait(&self, at_most: Duration) -> bool {
        let waited = self
            .0
            .changed
            .wait_timeout_while(self.lock(), at_most, |state| !state.set);
        waited.unwrap_or_else(PoisonError::into_inner).0.set
    }

    /// Sets it for good.
    pub fn set(&self) {
        let mut state = self.lock();
        state.set = true;
        let calls = std::mem::take(&mut state.calls);
        drop(state);
        self.0.changed.notify_all();
        calls.into_iter().for_each(|call| call());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn what_is_to_be_called_is_called_once() {
        let stop = Stop::default();
        let (sender, called) = std::sync::mpsc::channel();
        let call = |number| {
            let sender = sender.clone();
            move || sender.send(number).unwrap()
        };
        stop.on_set(call(1));
        assert!(called.try_recv().is_err());
        stop.set();
        stop.set();
        stop.on_set(call(2));
        assert_eq!(called.try_iter().collect::<Vec<_>>(), [1, 2]);
    }
}
