//! The table of sessions at a server: found by id, by connection, and by when to look at them
//! next.

mod connections;
mod deadlines;
mod hashing;
mod ids;
mod issuers;
#[cfg(test)]
pub(crate) mod looks;
mod names;
mod slab;
mod standing;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use self::connections::Connections;
use self::deadlines::Deadlines;
use self::ids::Ids;
use self::issuers::Issuers;
use self::names::Names;
use self::slab::{Place, Slab};
use crate::Instant;
use crate::entropy::Entropy;
use crate::error::Dropped;
use crate::identity::{CertificateId, Name, Revoked};
use crate::link::ChannelBinding;
use crate::link::native::room::Room;
use crate::link::native::session::{End, Opened, Protection, Written};
use crate::message::{InstanceId, PeerId, Reply, RequestId, SessionId};

pub(crate) use self::ids::Handle;
pub(crate) use self::standing::{Process, Standing};

/// The longest that a session lasts, 68 years: half of what the table can say in seconds, so
/// that the start of its time moves on no more often than once in as long.
pub(crate) const LONGEST: Duration = Duration::from_secs(1 << 31);

/// What a new session begins with.
pub(crate) struct Beginning {
    pub(crate) id: SessionId,
    pub(crate) protection: Protection,
    pub(crate) client: Name,
    pub(crate) instance: InstanceId,
    /// The channel binding of the only connection that it counts on, in the bearer suite
    /// with a binding.
    pub(crate) bound_to: ChannelBinding,
    /// Its own certificate first.
    pub(crate) certificates: Box<[CertificateId]>,
    /// In time without sleep.
    pub(crate) alive_at: Instant,
    pub(crate) expires_at: Instant,
}

/// All sessions.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Sessions {
    /// Where the table's time begins. It moves on when an end lies too far from it.
    started: Instant,
    ids: Ids,
    table: Slab<Standing>,
    names: Names,
    connections: Connections,
    deadlines: Deadlines,
    issuers: Issuers,
    /// The bindings of those that have one.
    bound: BTreeMap<Place, [u8; 32]>,
    room: Room,
}

impl Sessions {
    pub(crate) fn new(started: Instant, entropy: &mut Entropy) -> Self {
        Self {
            started,
            ids: Ids::new(entropy),
            table: Slab::default(),
            names: Names::new(entropy),
            connections: Connections::new(entropy),
            deadlines: Deadlines::default(),
            issuers: Issuers::default(),
            bound: BTreeMap::new(),
            room: Room::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// An id for the next session: it is of none once another one has begun or ended.
    pub(crate) fn draw_id(&self, entropy: &mut Entropy) -> SessionId {
        self.ids.id_of(Handle {
            place: self.table.next_place(),
            mark: entropy.bytes(),
        })
    }

    pub(crate) fn insert(&mut self, new: Beginning) -> Option<Handle> {
        let handle = self.ids.handle_of(new.id)?;
        let expires_at = self.in_table_time(new.expires_at);
        let binding = match new.bound_to {
            ChannelBinding::TlsExporter(value) => Some(value),
            ChannelBinding::None => None,
        };
        let mut standing = Standing::new(
            new.protection,
            new.client,
            new.instance,
            handle.mark,
            new.alive_at,
            expires_at,
        );
        if let Some((leaf, issuers)) = new.certificates.split_first() {
            standing.certify(leaf, self.issuers.hold(issuers));
        }
        if binding.is_some() {
            standing.bind();
        }
        let place = self.table.insert(standing);
        debug_assert_eq!(
            place, handle.place,
            "an id is drawn right before its session"
        );
        self.bound.extend(binding.map(|value| (place, value)));
        Some(handle)
    }

    /// The seconds from the start of the table's time to the end of a session, which lasts
    /// for [`LONGEST`] at most.
    fn in_table_time(&mut self, end: Instant) -> u32 {
        let seconds = end.since(self.started).as_secs();
        if let Ok(seconds) = u32::try_from(seconds) {
            return seconds;
        }
        let moved = seconds.saturating_sub(LONGEST.as_secs());
        self.started = self.started + Duration::from_secs(moved);
        // What would end before the new start has ended.
        let moved = u32::try_from(moved).unwrap_or(u32::MAX);
        self.table.iter_mut().for_each(|it| it.expire_sooner(moved));
        u32::try_from(LONGEST.as_secs()).unwrap_or(u32::MAX)
    }

    /// A session stands for its client from now on. Returns the one that did before.
    pub(crate) fn confirm(&mut self, session: Handle) -> Option<Handle> {
        self.get_mut(session)?.confirm();
        let before = self.names.put(&self.table, session.place)?;
        self.handle_at(before)
    }

    /// The session that stands for a name.
    pub(crate) fn of(&self, name: &Name) -> Option<Handle> {
        self.handle_at(self.names.find(&self.table, name)?)
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

    pub(crate) fn remove(&mut self, session: Handle) -> Option<Standing> {
        let place = self.place(session)?;
        self.names.take(&self.table, place);
        self.connections.leave(&mut self.table, place);
        let standing = self.table.remove(place)?;
        self.bound.remove(&place);
        if standing.leaf().is_some() {
            self.issuers.release(standing.issuers);
        }
        self.tidy();
        Some(standing)
    }

    pub(crate) fn get(&self, session: Handle) -> Option<&Standing> {
        let standing = self.table.get(session.place)?;
        (standing.mark == session.mark).then_some(standing)
    }

    /// The session of an id, if there is one.
    pub(crate) fn find(&self, id: SessionId) -> Option<&Standing> {
        self.get(self.ids.handle_of(id)?)
    }

    /// Whether there is a session of this id whose time is not up.
    pub(crate) fn lasts(&self, now: Instant, id: SessionId) -> bool {
        let elapsed = now.since(self.started);
        self.find(id).is_some_and(|it| it.lasts(elapsed))
    }

    /// Brings a session near, if it is there. Several that are fetched one after another
    /// come at once; when each is looked for in its turn, memory is waited for each time.
    pub(crate) fn fetch(&self, id: SessionId) {
        core::hint::black_box(self.find(id).map(|it| it.expires_at()));
    }

    pub(crate) fn get_mut(&mut self, session: Handle) -> Option<&mut Standing> {
        let standing = self.table.get_mut(session.place)?;
        (standing.mark == session.mark).then_some(standing)
    }

    /// When a session ends.
    pub(crate) fn end_of(&self, standing: &Standing) -> Instant {
        self.started + Duration::from_secs(standing.expires_at().into())
    }

    /// Sets when to look at a session; its deadline before is forgotten.
    pub(crate) fn look_at(&mut self, session: Handle, at: Instant) {
        if let Some(standing) = self.get_mut(session) {
            standing.due = deadlines::low(at);
            self.deadlines.push(at, session.place);
            self.tidy();
        }
    }

    /// When to look at a session next.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| at)
    }

    /// Takes the session that is to be looked at first.
    pub(crate) fn take_look(&mut self) -> Option<Handle> {
        let (_, place) = self.deadlines.first()?;
        let session = self.handle_at(place);
        self.deadlines.pop();
        self.tidy();
        session
    }

    /// A valid request has come in a session.
    pub(crate) fn heard_on(&mut self, peer: PeerId, session: Handle) {
        let Some(standing) = self.get(session) else {
            return;
        };
        if standing.peer() != Some(peer) {
            let place = session.place;
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
    pub(crate) fn hit_by(&self, revoked: &Revoked) -> Vec<Handle> {
        let hit = |it: &Standing| {
            it.leaf().is_some_and(|leaf| {
                revoked.contains_mark(leaf) || self.issuers.are_hit(it.issuers, revoked)
            })
        };
        let hit = self.table.iter().filter(|(_, standing)| hit(standing));
        hit.map(|(place, it)| it.handle(place)).collect()
    }

    pub(crate) fn open_sealed(
        &mut self,
        now: Instant,
        id: SessionId,
        number: u64,
        message: BytesMut,
    ) -> Result<(Handle, Opened), Dropped> {
        let (session, standing) = self.lasting(now, id)?;
        let opened = standing.protection.open_sealed(number, message)?;
        Ok((session, opened))
    }

    // spec: P-74
    pub(crate) fn open_clear(
        &mut self,
        (now, binding): (Instant, &ChannelBinding),
        id: SessionId,
        request: RequestId,
        token: Option<[u8; 16]>,
        message: BytesMut,
        clear: usize,
    ) -> Result<(Handle, Opened), Dropped> {
        let (session, standing) = self.lasting(now, id)?;
        if standing.is_bound() {
            let ChannelBinding::TlsExporter(value) = binding else {
                return Err(Dropped::Unauthentic);
            };
            if self.bound.get(&session.place) != Some(value) {
                return Err(Dropped::Unauthentic);
            }
        }
        let standing = self.get(session).ok_or(Dropped::NoSession)?;
        let opened = standing
            .protection
            .open_clear(End::Server, request, token, message, clear)?;
        Ok((session, opened))
    }

    /// Writes a reply; `None` if the session is gone or used up, or is no longer heard on
    /// the connection that the request came on.
    // spec: P-6
    pub(crate) fn write(
        &mut self,
        peer: PeerId,
        session: Handle,
        request: RequestId,
        reply: &Reply,
        payload: &Bytes,
    ) -> Option<Written> {
        let standing = self.table.get_mut(session.place);
        let standing = standing.filter(|it| it.mark == session.mark && it.peer() == Some(peer))?;
        let id = self.ids.id_of(session);
        let (at, room) = ((id, End::Server), &mut self.room);
        standing.protection.write(at, request, reply, payload, room)
    }

    /// A session is over for its messages when its time is up, although the timer that
    /// ends it may be late.
    // spec: P-72
    fn lasting(&mut self, now: Instant, id: SessionId) -> Result<(Handle, &mut Standing), Dropped> {
        let elapsed = now.since(self.started);
        let session = self.ids.handle_of(id).ok_or(Dropped::NoSession)?;
        let standing = self.get_mut(session);
        let standing = standing.filter(|it| it.lasts(elapsed));
        Ok((session, standing.ok_or(Dropped::NoSession)?))
    }

    /// Where a session stands, if it still does.
    fn place(&self, session: Handle) -> Option<Place> {
        self.get(session).map(|_| session.place)
    }

    fn handle_at(&self, place: Place) -> Option<Handle> {
        Some(self.table.get(place)?.handle(place))
    }

    fn tidy(&mut self) {
        let table = &self.table;
        let counts = |place, low| table.get(place).is_some_and(|it| it.due == low);
        self.deadlines.tidy(table.len(), counts);
    }
}

#[cfg(test)]
impl Sessions {
    /// All sessions, in the order of their ids.
    pub(crate) fn in_order(&self) -> BTreeMap<SessionId, &Standing> {
        let all = self.table.iter();
        all.map(|(place, it)| (self.ids.id_of(it.handle(place)), it))
            .collect()
    }

    pub(crate) fn id_of(&self, session: Handle) -> SessionId {
        self.ids.id_of(session)
    }

    pub(crate) fn handle_of(&self, id: SessionId) -> Option<Handle> {
        self.ids.handle_of(id)
    }
}

#[cfg(test)]
impl core::hash::Hash for Sessions {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        (&self.ids, self.in_order()).hash(state);
    }
}
