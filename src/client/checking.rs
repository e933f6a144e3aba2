//! The model checker's access to a client: it fires timers, and compares states.

use core::hash::{Hash, Hasher};

use super::{Client, Timer};
use crate::entropy::Entropy;
use crate::message::TaskId;

impl Client {
    /// Draws from `seed` from now on, and no spans of time.
    pub(crate) fn make_still(&mut self, seed: [u8; 32]) {
        self.entropy = Entropy::still(seed);
    }

    pub(crate) fn armed(&self) -> impl Iterator<Item = Timer> {
        self.timers.armed()
    }

    /// Takes an armed timer as due, whenever it is: as `handle_timeout` does, but time
    /// does not go on.
    pub(crate) fn fire_now(&mut self, timer: Timer) {
        self.timers.disarm(timer);
        self.fire(timer);
        self.settle();
    }

    /// Whether the result of this task is still to be sent.
    pub(crate) fn owes(&self, task: TaskId) -> bool {
        self.work.owes(task)
    }
}

/// All but what no later step depends on: counters, the host's constants, and `now`, which
/// stands still.
impl Hash for Client {
    fn hash<H: Hasher>(&self, state: &mut H) {
        assert_eq!(self.actions.len(), 0, "the host has taken all");
        (self.instance, &self.entropy, &self.state, &self.link).hash(state);
        (&self.work, &self.timers, &self.asks).hash(state);
        (&self.connection, self.heartbeats_paused).hash(state);
        (self.ssid, self.next_signature).hash(state);
    }
}
