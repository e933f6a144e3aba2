//! One session as the server keeps it, in 120 bytes: there may be a million of them.
//!
//! What only a few sessions have is kept elsewhere; flags say which of it a session has.

use core::time::Duration;

use super::ids::Handle;
use super::slab::Place;
use crate::Instant;
use crate::identity::{CertificateId, Name};
use crate::link::native::session::Protection;
use crate::message::{InstanceId, PeerId, RequestId};

/// No valid message has come in it yet.
const PROVISIONAL: u8 = 1;
/// The client said that it will be silent until a later word.
const SUSPENDED: u8 = 1 << 1;
/// A request has come, so that there is a highest one.
const ASKED: u8 = 1 << 2;
/// A heartbeat has come.
const BEATEN: u8 = 1 << 3;
/// The connection stands that its latest request came on.
const HEARD: u8 = 1 << 4;
/// It counts on one connection only.
const BOUND: u8 = 1 << 5;
/// It rests on a certificate.
const CERTIFIED: u8 = 1 << 6;

/// One session.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Standing {
    pub(crate) protection: Protection,
    pub(crate) client: Name,
    /// The process that it belongs to.
    pub(crate) process: Process,
    /// What tells it from others that stand where it does, before or after it.
    pub(super) mark: [u8; 8],
    peer: PeerId,
    /// The neighbours in the ring of sessions that were heard on the same connection.
    pub(super) ring: [Place; 2],
    /// When its silence began, or will, in time without sleep.
    alive_at: Instant,
    highest_request: RequestId,
    /// How far the highest heartbeat is behind.
    heartbeat_lag: u32,
    /// When it ends, in seconds of the table's time.
    expires_at: u32,
    /// When its timer is due: the low half of its microseconds.
    pub(super) due: u32,
    /// Whose certificates are above its own.
    pub(super) issuers: Place,
    leaf: [u8; 7],
    flags: u8,
}

/// What a request shows of its place among the others.
pub(crate) struct Seen {
    /// No newer one came before.
    pub(crate) newest: bool,
    /// It ends a silence that the client had announced.
    pub(crate) woke: bool,
}

impl Standing {
    pub(super) fn new(
        protection: Protection,
        client: Name,
        instance: InstanceId,
        mark: [u8; 8],
        alive_at: Instant,
        expires_at: u32,
    ) -> Self {
        Self {
            protection,
            client,
            process: Process::of(instance),
            mark,
            peer: PeerId::default(),
            ring: [0; 2],
            alive_at,
            highest_request: RequestId::default(),
            heartbeat_lag: 0,
            expires_at,
            due: 0,
            issuers: 0,
            leaf: [0; 7],
            flags: PROVISIONAL,
        }
    }

    /// What it goes by, where it stands at `place`.
    pub(super) fn handle(&self, place: Place) -> Handle {
        let mark = self.mark;
        Handle { place, mark }
    }

    /// No valid message has come in it yet.
    pub(crate) fn is_provisional(&self) -> bool {
        self.has(PROVISIONAL)
    }

    pub(super) fn confirm(&mut self) {
        self.set(PROVISIONAL, false);
    }

    /// When its silence began, or will where the client has announced one, in time
    /// without sleep.
    pub(crate) fn alive_at(&self) -> Instant {
        self.alive_at
    }

    /// When it ends, in seconds of the table's time.
    pub(super) fn expires_at(&self) -> u32 {
        self.expires_at
    }

    /// The table's time begins `seconds` later.
    pub(super) fn expire_sooner(&mut self, seconds: u32) {
        self.expires_at = self.expires_at.saturating_sub(seconds);
    }

    /// Whether its time is not up when `elapsed` has passed since the start of the table's time.
    pub(super) fn lasts(&self, elapsed: Duration) -> bool {
        elapsed < Duration::from_secs(self.expires_at.into())
    }

    /// A request has come.
    // spec: P-90
    pub(crate) fn sees(&mut self, request: RequestId, awake: Instant) -> Seen {
        let newest = !self.has(ASKED) || request >= self.highest_request;
        let suspended = self.has(SUSPENDED);
        if newest {
            let ahead = request.0.saturating_sub(self.highest_request.0);
            let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.heartbeat_lag = self.heartbeat_lag.saturating_add(ahead);
            self.highest_request = request;
            self.set(ASKED, true);
            self.set(SUSPENDED, false);
            self.alive_at = awake;
        } else if suspended {
            self.alive_at = self.alive_at.max(awake);
        } else {
            self.alive_at = awake;
        }
        Seen {
            newest,
            woke: newest && suspended,
        }
    }

    /// Whether a newer heartbeat came before a request that was just seen.
    pub(crate) fn has_newer_heartbeat(&self, request: RequestId) -> bool {
        self.has(BEATEN) && self.lag_of(request) > self.heartbeat_lag
    }

    /// A request that was just seen is the newest heartbeat. Returns whether it is the first.
    pub(crate) fn beats(&mut self, request: RequestId) -> bool {
        self.heartbeat_lag = self.lag_of(request);
        let first = !self.has(BEATEN);
        self.set(BEATEN, true);
        first
    }

    fn lag_of(&self, request: RequestId) -> u32 {
        let lag = self.highest_request.0.saturating_sub(request.0);
        u32::try_from(lag).unwrap_or(u32::MAX)
    }

    /// Its silence until `until` is announced.
    pub(crate) fn suspend(&mut self, until: Instant) {
        self.alive_at = self.alive_at.max(until);
        self.set(SUSPENDED, true);
    }

    /// The connection that its latest request came on, while that stands.
    pub(crate) fn peer(&self) -> Option<PeerId> {
        self.has(HEARD).then_some(self.peer)
    }

    pub(super) fn set_peer(&mut self, peer: Option<PeerId>) {
        self.set(HEARD, peer.is_some());
        self.peer = peer.unwrap_or_default();
    }

    pub(super) fn is_bound(&self) -> bool {
        self.has(BOUND)
    }

    pub(super) fn bind(&mut self) {
        self.set(BOUND, true);
    }

    /// It rests on a certificate, and on those of `issuers`.
    pub(super) fn certify(&mut self, leaf: &CertificateId, issuers: Place) {
        self.leaf = leaf.mark();
        self.issuers = issuers;
        self.set(CERTIFIED, true);
    }

    /// The first bytes of the id of the certificate that it rests on.
    pub(super) fn leaf(&self) -> Option<[u8; 7]> {
        self.has(CERTIFIED).then_some(self.leaf)
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn set(&mut self, flag: u8, on: bool) {
        if on {
            self.flags |= flag;
        } else {
            self.flags &= !flag;
        }
    }
}

#[cfg(test)]
impl Standing {
    /// Nothing has come since the beginning of time.
    pub(crate) fn fall_silent(&mut self) {
        self.alive_at = Instant::default();
    }

    pub(crate) fn highest_request(&self) -> Option<RequestId> {
        self.has(ASKED).then_some(self.highest_request)
    }
}

/// All but where it stands in the table.
#[cfg(test)]
impl core::hash::Hash for Standing {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        (&self.protection, &self.client, self.process).hash(state);
        (self.peer(), self.highest_request(), self.flags).hash(state);
        (self.heartbeat_lag, self.leaf).hash(state);
    }
}

/// One process of a client: half of its instance's id tells apart those of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub(crate) struct Process(u64);

impl Process {
    pub(crate) fn of(instance: InstanceId) -> Self {
        let [first @ .., _, _, _, _, _, _, _, _] = *instance.as_bytes();
        Self(u64::from_be_bytes(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_takes_no_more_than_is_stated() {
        assert_eq!(size_of::<Standing>(), 120);
        assert_eq!(size_of::<Option<Standing>>(), 120);
    }

    fn standing() -> Standing {
        let (client, instance) = (Name::nobody(), InstanceId::from_bytes([1; 16]));
        let start = Instant::default();
        Standing::new(Protection::Plain, client, instance, [2; 8], start, 1)
    }

    // spec: P-90
    #[test]
    fn a_newer_request_ends_a_silence_and_an_older_one_does_not() {
        let mut standing = standing();
        let mut woke = |request, suspend| {
            let seen = standing.sees(RequestId(request), Instant::default());
            if suspend {
                standing.suspend(Instant::from_micros(1));
            }
            (seen.newest, seen.woke)
        };
        assert_eq!(woke(1, false), (true, false));
        assert_eq!(woke(3, true), (true, false));
        assert_eq!(woke(2, false), (false, false));
        assert_eq!(woke(4, false), (true, true));
        assert_eq!(woke(5, false), (true, false));
    }

    #[test]
    fn a_heartbeat_is_outdated_once_a_newer_one_has_come() {
        let mut standing = standing();
        let mut outdated = |request| {
            let request = RequestId(request);
            standing.sees(request, Instant::default());
            let outdated = standing.has_newer_heartbeat(request);
            if !outdated {
                standing.beats(request);
            }
            outdated
        };
        assert!(!outdated(2));
        assert!(!outdated(2), "the same again is as new as before");
        assert!(outdated(1));
        assert!(!outdated(3));
    }
}
