//! Views into a server for tests: all that it keeps of one name.

use super::Server;
use crate::Instant;
use crate::identity::Name;
use crate::link::native::server::Process;
use crate::message::{RequestId, SessionId};
use crate::wire::native::Cookie;

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionView {
    pub(crate) id: SessionId,
    pub(crate) process: Process,
    pub(crate) stands: bool,
    pub(crate) alive_at: Instant,
    pub(crate) highest: Option<RequestId>,
}

impl Server {
    pub(crate) fn sessions_of(&self, name: &Name) -> Vec<SessionView> {
        let joining = self.registry.joining.get(name).map(|(session, _)| *session);
        let sessions = self.sessions.of(name).into_iter().chain(joining);
        sessions
            .filter_map(|it| Some((self.sessions.id_of(it), self.sessions.get(it)?)))
            .map(|(id, it)| SessionView {
                id,
                process: it.process,
                stands: !it.is_provisional(),
                alive_at: it.alive_at(),
                highest: it.highest_request(),
            })
            .collect()
    }

    /// The processes whose place another one of this name has taken.
    pub(crate) fn replaced(&self, name: &Name) -> Vec<Process> {
        let replaced = self.registry.replaced.get(name);
        replaced.map_or(Vec::new(), |all| all.iter().copied().collect())
    }

    /// The number of a cookie of this server's.
    pub(crate) fn number_of(&self, cookie: &Cookie) -> u64 {
        self.handshakes.number_of(cookie)
    }

    /// The number of the newest cookie that a name has used, and how many of its
    /// registrations wait for a signature.
    pub(crate) fn registration_of(&self, name: &Name) -> (Option<u64>, usize) {
        self.handshakes.registration_of(name)
    }
}
