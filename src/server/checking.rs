//! The model checker's access to a server: it fires timers, and compares states.

use core::hash::{Hash, Hasher};

use super::{Server, ServerTimer};
use crate::entropy::Entropy;
use crate::identity::Name;
use crate::message::SessionId;

impl Server {
    /// Draws from `seed` from now on, and no spans of time.
    pub(crate) fn make_still(&mut self, seed: [u8; 32]) {
        self.entropy = Entropy::still(seed);
    }

    pub(crate) fn armed(&self) -> impl Iterator<Item = ServerTimer> {
        let sessions = self.sessions.in_order().into_keys();
        let sessions = sessions.map(|_| ServerTimer::Session);
        sessions.chain(self.timers.armed())
    }

    /// Ends a session for which nothing has come for as long as it may live.
    pub(crate) fn silence_now(&mut self, id: SessionId) {
        let Some(session) = self.sessions.handle_of(id) else {
            return;
        };
        if let Some(standing) = self.sessions.get_mut(session) {
            standing.fall_silent();
        }
        self.session_due(session);
    }

    /// All sessions and whose they are.
    pub(crate) fn holders(&self) -> impl Iterator<Item = (SessionId, &Name)> {
        let sessions = self.sessions.in_order().into_iter();
        sessions.map(|(id, standing)| (id, &standing.client))
    }

    /// How often the job table has changed in this process.
    pub(crate) fn generation(&self) -> u64 {
        self.ledger.generation()
    }
}

/// All but what no later step depends on: counters, the host's constants, budgets, and
/// `now`, which stands still.
impl Hash for Server {
    fn hash<H: Hasher>(&self, state: &mut H) {
        assert_eq!(self.actions.len() + self.transmits.len(), 0);
        (
            &self.entropy,
            &self.handshakes,
            &self.sessions,
            &self.registry,
        )
            .hash(state);
        (&self.ledger, &self.timers, &self.awaited).hash(state);
    }
}
