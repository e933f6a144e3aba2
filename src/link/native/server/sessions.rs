//! The table of sessions, and the connections that they were last heard on.

use core::hash::{BuildHasherDefault, Hasher};
use std::collections::{BTreeSet, HashMap};

use bytes::{Bytes, BytesMut};

use crate::Instant;
use crate::error::Dropped;
use crate::identity::{CertificateId, Name};
use crate::link::native::session::{Opened, Session, Written};
use crate::link::native::transcript::Binding;
use crate::message::{InstanceId, PeerId, Reply, RequestId, SessionId};

/// One session with all that is kept of it.
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Standing {
    pub(crate) session: Session,
    pub(crate) client: Name,
    pub(crate) instance: InstanceId,
    /// The channel binding of the only connection that it counts on, in the bearer suite
    /// with a binding.
    pub(crate) bound_to: Binding,
    /// The connection that its latest request came on, while that stands.
    pub(crate) peer: Option<PeerId>,
    /// No valid message has come in it yet.
    pub(crate) provisional: bool,
    pub(crate) last_seen: Instant,
    /// The client said that it will be silent until then.
    pub(crate) suspended_until: Option<Instant>,
    pub(crate) expires_at: Instant,
    pub(crate) highest_heartbeat: Option<RequestId>,
    pub(crate) highest_request: Option<RequestId>,
    pub(crate) certificates: Box<[CertificateId]>,
}

/// All sessions by id.
#[derive(Default)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Sessions {
    table: HashMap<SessionId, Standing, BuildHasherDefault<IdHasher>>,
    /// Those that were heard on a connection.
    by_peer: BTreeSet<(PeerId, SessionId)>,
}

impl Sessions {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn insert(&mut self, standing: Standing) {
        self.table.insert(standing.session.id, standing);
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Standing> {
        let standing = self.table.remove(&id)?;
        if let Some(peer) = standing.peer {
            self.by_peer.remove(&(peer, id));
        }
        Some(standing)
    }

    /// A valid request has come in a session.
    pub(crate) fn heard_on(&mut self, peer: PeerId, id: SessionId) {
        let Some(standing) = self.table.get_mut(&id) else {
            return;
        };
        if standing.peer == Some(peer) {
            return;
        }
        if let Some(before) = standing.peer.replace(peer) {
            self.by_peer.remove(&(before, id));
        }
        self.by_peer.insert((peer, id));
    }

    /// A connection is gone. What its sessions have asked is not answered any more: its
    /// number may belong to somebody else by then.
    pub(crate) fn disconnected(&mut self, peer: PeerId) {
        let all =
            (peer, SessionId::from_bytes([0; 16]))..=(peer, SessionId::from_bytes([0xff; 16]));
        while let Some((_, id)) = self.by_peer.range(all.clone()).next().copied() {
            self.by_peer.remove(&(peer, id));
            if let Some(standing) = self.table.get_mut(&id) {
                standing.peer = None;
            }
        }
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Standing> {
        self.table.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Standing> {
        self.table.get_mut(&id)
    }

    /// A session is over for its messages when its time is up, although the timer that
    /// ends it may be late.
    fn lasting(&mut self, now: Instant, id: SessionId) -> Result<&mut Standing, Dropped> {
        let standing = self.table.get_mut(&id).ok_or(Dropped::NoSession)?;
        if standing.expires_at <= now {
            return Err(Dropped::NoSession);
        }
        Ok(standing)
    }

    pub(crate) fn open_sealed(
        &mut self,
        now: Instant,
        id: SessionId,
        number: u64,
        message: BytesMut,
    ) -> Result<Opened, Dropped> {
        let standing = self.lasting(now, id)?;
        standing.session.open_sealed(number, message)
    }

    pub(crate) fn open_clear(
        &mut self,
        (now, binding): (Instant, &Binding),
        id: SessionId,
        request: RequestId,
        token: Option<[u8; 16]>,
        message: BytesMut,
        clear: usize,
    ) -> Result<Opened, Dropped> {
        let standing = self.lasting(now, id)?;
        if standing.bound_to != Binding::None && standing.bound_to != *binding {
            return Err(Dropped::Unauthentic);
        }
        standing.session.open_clear(request, token, message, clear)
    }

    /// Writes a reply; `None` if the session is gone or used up, or is no longer heard on
    /// the connection that the request came on.
    pub(crate) fn write(
        &mut self,
        peer: PeerId,
        id: SessionId,
        request: RequestId,
        reply: &Reply,
        payload: &Bytes,
    ) -> Option<Written> {
        let standing = self.table.get_mut(&id).filter(|it| it.peer == Some(peer))?;
        standing.session.write(request, reply, payload)
    }
}

#[cfg(test)]
impl Sessions {
    /// All sessions, in the order of their ids.
    #[allow(clippy::disallowed_methods, reason = "a sorted map forgets the order")]
    pub(crate) fn in_order(&self) -> std::collections::BTreeMap<SessionId, &Standing> {
        self.table.values().map(|it| (it.session.id, it)).collect()
    }
}

#[cfg(test)]
impl core::hash::Hash for Sessions {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.in_order().hash(state);
    }
}

/// Session ids are random bytes that only the server chooses: any eight of them are a
/// hash already.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 ^= u64::from_ne_bytes(*first);
        }
    }

    fn write_usize(&mut self, _length: usize) {}
}
