//! The table of sessions.

use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

use bytes::{Bytes, BytesMut};

use crate::Instant;
use crate::error::Dropped;
use crate::identity::{CertificateId, Name};
use crate::link::native::session::{Opened, Session, Written};
use crate::link::native::transcript::Binding;
use crate::message::{InstanceId, Reply, RequestId, SessionId};

/// One session with all that is kept of it.
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Standing {
    pub(crate) session: Session,
    pub(crate) client: Name,
    pub(crate) instance: InstanceId,
    /// The channel binding of the only connection that it counts on, in the bearer suite
    /// with a binding.
    pub(crate) bound_to: Binding,
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
pub(crate) struct Sessions(HashMap<SessionId, Standing, BuildHasherDefault<IdHasher>>);

impl Sessions {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn insert(&mut self, standing: Standing) {
        self.0.insert(standing.session.id, standing);
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Standing> {
        self.0.remove(&id)
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Standing> {
        self.0.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Standing> {
        self.0.get_mut(&id)
    }

    pub(crate) fn open_sealed(
        &mut self,
        id: SessionId,
        number: u64,
        message: BytesMut,
    ) -> Result<Opened, Dropped> {
        let standing = self.0.get_mut(&id).ok_or(Dropped::NoSession)?;
        standing.session.open_sealed(number, message)
    }

    pub(crate) fn open_clear(
        &mut self,
        binding: &Binding,
        id: SessionId,
        request: RequestId,
        token: Option<[u8; 16]>,
        message: BytesMut,
        clear: usize,
    ) -> Result<Opened, Dropped> {
        let standing = self.0.get(&id).ok_or(Dropped::NoSession)?;
        if standing.bound_to != Binding::None && standing.bound_to != *binding {
            return Err(Dropped::Unauthentic);
        }
        standing.session.open_clear(request, token, message, clear)
    }

    /// Writes a reply; `None` if the session is gone or used up.
    pub(crate) fn write(
        &mut self,
        id: SessionId,
        request: RequestId,
        reply: &Reply,
        payload: &Bytes,
    ) -> Option<Written> {
        self.0.get_mut(&id)?.session.write(request, reply, payload)
    }
}

#[cfg(test)]
impl Sessions {
    /// All sessions, in the order of their ids.
    #[allow(clippy::disallowed_methods, reason = "a sorted map forgets the order")]
    pub(crate) fn in_order(&self) -> std::collections::BTreeMap<SessionId, &Standing> {
        self.0.values().map(|it| (it.session.id, it)).collect()
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
