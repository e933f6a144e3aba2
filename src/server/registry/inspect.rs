//! What tests compare: all that the server keeps of one name.

use super::Server;
use crate::Instant;
use crate::identity::Name;
use crate::message::{InstanceId, RequestId, SessionId};

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionView {
    pub(crate) id: SessionId,
    pub(crate) instance: InstanceId,
    pub(crate) stands: bool,
    pub(crate) last_seen: Instant,
    pub(crate) highest: Option<RequestId>,
    pub(crate) suspended_until: Option<Instant>,
}

impl Server {
    pub(crate) fn sessions_of(&self, name: &Name) -> Vec<SessionView> {
        let sessions = self.registry.sessions(name);
        sessions
            .filter_map(|id| self.sessions.get(id))
            .map(|it| SessionView {
                id: it.session.id,
                instance: it.instance,
                stands: !it.provisional,
                last_seen: it.last_seen,
                highest: it.highest_request,
                suspended_until: it.suspended_until,
            })
            .collect()
    }

    /// The processes whose place another one of this name has taken.
    pub(crate) fn replaced(&self, name: &Name) -> Vec<InstanceId> {
        let client = self.registry.0.get(name);
        client.map_or(Vec::new(), |it| it.replaced.iter().copied().collect())
    }

    /// The number of the newest cookie that a name has used, and how many of its
    /// registrations wait for a signature.
    pub(crate) fn registration_of(&self, name: &Name) -> (Option<u64>, usize) {
        self.door.registration_of(name)
    }
}
