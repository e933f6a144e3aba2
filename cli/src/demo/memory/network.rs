//! The network of the demo in memory: messages on their way.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fedlink::Instant;
use fedlink::message::PeerId;

/// How long the first byte of a message takes.
const LATENCY: Duration = Duration::from_millis(2);

/// What a connection carries in each direction, in bytes a microsecond.
const SPEED: u64 = 100;

/// Connections, and everything that is on its way, by the time of its arrival.
#[derive(Debug, Default)]
pub(super) struct Network {
    on_its_way: BTreeMap<(Instant, u64), Arrival>,
    sent: u64,
    connections: BTreeMap<usize, Connection>,
    sites: BTreeMap<PeerId, usize>,
    connected: u64,
    /// A site whose connection breaks when this many more bytes of it have arrived.
    cut: Option<(usize, u64)>,
}

/// One connection, and when the last message so far arrives in each direction.
#[derive(Debug)]
struct Connection {
    peer: PeerId,
    up: Instant,
    down: Instant,
}

/// Something that has arrived.
#[derive(Debug)]
pub(super) enum Arrival {
    AtServer { peer: PeerId, message: BytesMut },
    AtSite { site: usize, message: BytesMut },
    Connected { site: usize, peer: PeerId },
}

impl Network {
    /// When the next thing arrives.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.on_its_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes it. Nothing if its connection is gone.
    pub(super) fn next(&mut self) -> Option<Arrival> {
        let (_, arrival) = self.on_its_way.pop_first()?;
        match &arrival {
            Arrival::Connected { site, peer } => {
                let connection = Connection {
                    peer: *peer,
                    up: Instant::default(),
                    down: Instant::default(),
                };
                self.connections.insert(*site, connection);
                self.sites.insert(*peer, *site);
                Some(arrival)
            }
            Arrival::AtServer { peer, message } => {
                let site = self.sites.get(peer)?;
                if let Some((_, left)) = self.cut.as_mut().filter(|(cut, _)| cut == site) {
                    *left = left.saturating_sub(message.len() as u64);
                }
                Some(arrival)
            }
            Arrival::AtSite { .. } => Some(arrival),
        }
    }

    /// A connection of this site stands a moment after `at`.
    pub(super) fn connect(&mut self, at: Instant, site: usize) {
        self.connected += 1;
        let peer = PeerId(self.connected);
        self.deliver(at + LATENCY, Arrival::Connected { site, peer });
    }

    /// Ends the connection of this site, if there is one, and loses all that was on its way
    /// over it.
    pub(super) fn disconnect(&mut self, site: usize) -> Option<PeerId> {
        let gone = self.connections.remove(&site)?.peer;
        self.sites.remove(&gone);
        self.on_its_way.retain(|_, arrival| match arrival {
            Arrival::AtServer { peer, .. } => *peer != gone,
            Arrival::AtSite { site: to, .. } => *to != site,
            Arrival::Connected { .. } => true,
        });
        Some(gone)
    }

    /// Lets the connection of this site break when this many more bytes of it have arrived.
    pub(super) fn cut_after(&mut self, site: usize, bytes: u64) {
        self.cut = Some((site, bytes));
    }

    /// The site whose connection is to break now; once.
    pub(super) fn take_cut(&mut self) -> Option<usize> {
        self.cut
            .take_if(|(_, left)| *left == 0)
            .map(|(site, _)| site)
    }

    pub(super) fn send_to_server(&mut self, now: Instant, site: usize, parts: [&Bytes; 2]) {
        let Some(connection) = self.connections.get_mut(&site) else {
            return;
        };
        let message = concat(parts);
        let at = arrival(now, &mut connection.up, message.len());
        let peer = connection.peer;
        self.deliver(at, Arrival::AtServer { peer, message });
    }

    pub(super) fn send_to_site(&mut self, now: Instant, peer: PeerId, parts: [&Bytes; 2]) {
        let Some(site) = self.sites.get(&peer).copied() else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(&site) {
            let message = concat(parts);
            let at = arrival(now, &mut connection.down, message.len());
            self.deliver(at, Arrival::AtSite { site, message });
        }
    }

    fn deliver(&mut self, at: Instant, arrival: Arrival) {
        self.sent += 1;
        self.on_its_way.insert((at, self.sent), arrival);
    }
}

/// When a message of this length arrives that is sent now, behind the `last` one.
fn arrival(now: Instant, last: &mut Instant, length: usize) -> Instant {
    let span = Duration::from_micros(length as u64 / SPEED);
    *last = (now + LATENCY).max(*last) + span;
    *last
}

fn concat(parts: [&Bytes; 2]) -> BytesMut {
    let mut message = BytesMut::with_capacity(parts.iter().map(|part| part.len()).sum());
    parts
        .iter()
        .for_each(|part| message.extend_from_slice(part));
    message
}
