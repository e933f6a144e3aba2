//! The table of sessions: by id, by the connection that they were last heard on, and by
//! when to look at them.
//!
//! The id of a session begins with its place in the table, so that to find it costs one
//! look into memory however many there are. The rest of the id is random.

mod connections;
mod deadlines;
mod hashing;
mod issuers;
mod names;
mod slab;
mod standing;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use self::connections::Connections;
use self::deadlines::Deadlines;
use self::issuers::Issuers;
use self::names::Names;
use self::slab::{Place, Slab};
use crate::Instant;
use crate::entropy::Entropy;
use crate::error::Dropped;
use crate::identity::{CertificateId, Name, Revoked};
use crate::link::native::room::Room;
use crate::link::native::session::{End, Opened, Protection, Written};
use crate::link::native::transcript::Binding;
use crate::message::{InstanceId, PeerId, Reply, RequestId, SessionId};

pub(crate) use self::standing::{Process, Standing};

/// What a new session begins with.
pub(crate) struct Beginning {
    pub(crate) id: SessionId,
    pub(crate) protection: Protection,
    pub(crate) client: Name,
    pub(crate) instance: InstanceId,
    /// The channel binding of the only connection that it counts on, in the bearer suite
    /// with a binding.
    pub(crate) bound_to: Binding,
    /// Its own certificate first.
    pub(crate) certificates: Box<[CertificateId]>,
    /// In time without sleep.
    pub(crate) alive_at: Instant,
    pub(crate) expires_at: Instant,
}

/// All sessions.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Sessions {
    /// Where the table's time begins.
    started: Instant,
    table: Slab<Standing>,
    names: Names,
    connections: Connections,
    deadlines: Deadlines,
    issuers: Issuers,
    /// The bindings of those that have one.
    bound: BTreeMap<Place, [u8; 32]>,
    /// Sessions whose place was taken before they began, while a signature was awaited.
    moved: BTreeMap<SessionId, Place>,
    room: Room,
}

impl Sessions {
    pub(crate) fn new(started: Instant, entropy: &mut Entropy) -> Self {
        Self {
            started,
            table: Slab::default(),
            names: Names::new(entropy),
            connections: Connections::new(entropy),
            deadlines: Deadlines::default(),
            issuers: Issuers::default(),
            bound: BTreeMap::new(),
            moved: BTreeMap::new(),
            room: Room::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// An id for the next session.
    pub(crate) fn draw_id(&self, entropy: &mut Entropy) -> SessionId {
        id_of(self.table.next_place(), entropy.bytes())
    }

    pub(crate) fn insert(&mut self, new: Beginning) {
        let expires_at = new.expires_at.since(self.started).as_secs();
        let (meant, random) = parts_of(new.id);
        let mut standing = Standing::new(
            new.protection,
            new.client,
            new.instance,
            random,
            new.alive_at,
            u32::try_from(expires_at).unwrap_or(u32::MAX),
        );
        if let Some((leaf, issuers)) = new.certificates.split_first() {
            standing.certify(leaf, self.issuers.hold(issuers));
        }
        let place = self.table.next_place();
        if place != meant {
            standing.mark_moved();
        }
        if let Binding::TlsExporter(value) = new.bound_to {
            standing.bind();
            self.bound.insert(place, value);
        }
        self.table.insert(standing);
        if place != meant {
            self.moved.insert(new.id, place);
        }
    }

    /// A session stands for its client from now on. Gives the one that did before.
    pub(crate) fn confirm(&mut self, id: SessionId) -> Option<SessionId> {
        let place = self.place(id)?;
        self.table.get_mut(place)?.confirm();
        let before = self.names.put(&self.table, place)?;
        self.id_at(before)
    }

    /// The session that stands for a name.
    pub(crate) fn of(&self, name: &Name) -> Option<SessionId> {
        self.id_at(self.names.find(&self.table, name)?)
    }

    /// How many clients have a session that stands.
    pub(crate) fn clients(&self) -> usize {
        self.names.len()
    }

    /// The names that have a session that stands, in no order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        let standing = self.table.iter().filter(|(_, it)| !it.is_provisional());
        standing.map(|(_, it)| &it.client)
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Standing> {
        let place = self.place(id)?;
        self.names.take(&self.table, place);
        self.connections.leave(&mut self.table, place);
        let standing = self.table.remove(place)?;
        self.moved.remove(&id);
        self.bound.remove(&place);
        if standing.leaf().is_some() {
            self.issuers.release(standing.issuers);
        }
        self.tidy();
        Some(standing)
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Standing> {
        self.table.get(self.place(id)?)
    }

    /// Whether there is a session whose time is not up.
    pub(crate) fn lasts(&self, now: Instant, id: SessionId) -> bool {
        let elapsed = now.since(self.started);
        self.get(id).is_some_and(|it| it.lasts(elapsed))
    }

    /// Brings a session near, if it is there. Several that are fetched one after another
    /// come at once; when each is looked for in its turn, memory is waited for each time.
    pub(crate) fn fetch(&self, id: SessionId) {
        core::hint::black_box(self.get(id).map(|it| it.expires_at()));
    }

    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Standing> {
        self.table.get_mut(self.place(id)?)
    }

    /// When a session ends.
    pub(crate) fn end_of(&self, standing: &Standing) -> Instant {
        self.started + Duration::from_secs(standing.expires_at().into())
    }

    /// Sets when to look at a session; its deadline before is forgotten.
    pub(crate) fn look_at(&mut self, id: SessionId, at: Instant) {
        let Some(place) = self.place(id) else {
            return;
        };
        if let Some(standing) = self.table.get_mut(place) {
            standing.due = deadlines::low(at);
            self.deadlines.push(at, place);
            self.tidy();
        }
    }

    /// Which session to look at first, and when.
    pub(crate) fn next_look(&self) -> Option<(Instant, SessionId)> {
        let (at, place) = self.deadlines.first()?;
        Some((at, self.id_at(place)?))
    }

    /// The session that is to be looked at first has been.
    pub(crate) fn looked(&mut self) {
        self.deadlines.pop();
        self.tidy();
    }

    /// A valid request has come in a session.
    pub(crate) fn heard_on(&mut self, peer: PeerId, id: SessionId) {
        let Some(place) = self.place(id) else {
            return;
        };
        if self.table.get(place).and_then(Standing::peer) != Some(peer) {
            self.connections.leave(&mut self.table, place);
            self.connections.join(&mut self.table, place, peer);
        }
    }

    /// Whether some session was last heard on a connection.
    pub(crate) fn is_heard_on(&self, peer: PeerId) -> bool {
        self.connections.has(&self.table, peer)
    }

    /// A connection is gone. What its sessions have asked is not answered any more: its
    /// number may belong to somebody else by then.
    pub(crate) fn disconnected(&mut self, peer: PeerId) {
        self.connections.close(&mut self.table, peer);
    }

    /// The sessions that rest on a revoked certificate.
    pub(crate) fn hit_by(&self, revoked: &Revoked) -> Vec<SessionId> {
        let hit = |it: &Standing| {
            it.leaf().is_some_and(|leaf| {
                revoked.contains_mark(leaf) || self.issuers.are_hit(it.issuers, revoked)
            })
        };
        let hit = self.table.iter().filter(|(_, standing)| hit(standing));
        hit.filter_map(|(place, _)| self.id_at(place)).collect()
    }

    pub(crate) fn open_sealed(
        &mut self,
        now: Instant,
        id: SessionId,
        number: u64,
        message: BytesMut,
    ) -> Result<Opened, Dropped> {
        let (_, standing) = self.lasting(now, id)?;
        standing.protection.open_sealed(number, message)
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
        let (place, standing) = self.lasting(now, id)?;
        if standing.is_bound() {
            let Binding::TlsExporter(value) = binding else {
                return Err(Dropped::Unauthentic);
            };
            if self.bound.get(&place) != Some(value) {
                return Err(Dropped::Unauthentic);
            }
        }
        let standing = self.table.get(place).ok_or(Dropped::NoSession)?;
        standing
            .protection
            .open_clear(End::Server, request, token, message, clear)
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
        let place = self.place(id)?;
        let standing = self.table.get_mut(place);
        let standing = standing.filter(|it| it.peer() == Some(peer))?;
        let (at, room) = ((id, End::Server), &mut self.room);
        standing.protection.write(at, request, reply, payload, room)
    }

    /// A session is over for its messages when its time is up, although the timer that
    /// ends it may be late.
    fn lasting(&mut self, now: Instant, id: SessionId) -> Result<(Place, &mut Standing), Dropped> {
        let elapsed = now.since(self.started);
        let place = self.place(id).ok_or(Dropped::NoSession)?;
        let standing = self.table.get_mut(place);
        let standing = standing.filter(|it| it.lasts(elapsed));
        Ok((place, standing.ok_or(Dropped::NoSession)?))
    }

    fn place(&self, id: SessionId) -> Option<Place> {
        let (meant, random) = parts_of(id);
        if id == id_of(meant, random)
            && let Some(standing) = self.table.get(meant)
            && standing.id == random
            && !standing.is_moved()
        {
            return Some(meant);
        }
        self.moved.get(&id).copied()
    }

    fn id_at(&self, place: Place) -> Option<SessionId> {
        let standing = self.table.get(place)?;
        if !standing.is_moved() {
            return Some(id_of(place, standing.id));
        }
        let moved = self.moved.iter().find(|(_, at)| **at == place);
        moved.map(|(id, _)| *id)
    }

    fn tidy(&mut self) {
        let table = &self.table;
        let counts = |place, low| table.get(place).is_some_and(|it| it.due == low);
        self.deadlines.tidy(table.len(), counts);
    }
}

fn id_of(place: Place, random: [u8; 8]) -> SessionId {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&place.to_be_bytes());
    id[4..12].copy_from_slice(&random);
    SessionId::from_bytes(id)
}

fn parts_of(id: SessionId) -> (Place, [u8; 8]) {
    let [a, b, c, d, random @ .., _, _, _, _] = *id.as_bytes();
    (Place::from_be_bytes([a, b, c, d]), random)
}

#[cfg(test)]
impl Sessions {
    /// All sessions, in the order of their ids.
    pub(crate) fn in_order(&self) -> BTreeMap<SessionId, &Standing> {
        let all = self.table.iter();
        all.filter_map(|(place, it)| Some((self.id_at(place)?, it)))
            .collect()
    }
}

#[cfg(test)]
impl core::hash::Hash for Sessions {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.in_order().hash(state);
    }
}
