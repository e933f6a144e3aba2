//! How messages and time move: as the attacker decides, or as an honest network would.

use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::goals::Goal;
use super::knowledge::Seen;
use super::moves::kind;
use super::world::{End, Flight, World};
use crate::error::Dropped;
use crate::message::PeerId;
use crate::suite::Suite;
use crate::wire::native;
use crate::{CarrierWish, Instant};

/// Messages under way. Older ones are lost: nothing here waits for a flood.
const IN_FLIGHT: usize = 64;

/// Messages that an honest network carries without a pause: far more than any exchange
/// takes that comes to an end.
const ENDLESS: usize = 2000;

impl World {
    /// A message goes on its way, seen by the attacker unless its carrier is trusted.
    pub(super) fn fly(&mut self, to: End, peer: PeerId, site: usize, bytes: Bytes) {
        if self.nature.suite == Suite::Sealed {
            self.knowledge.see(Seen {
                bytes: bytes.to_vec(),
                site: Some(site),
                to_server: to == End::Server,
            });
        }
        self.flights.push(Flight { to, peer, bytes });
        let lost = self.flights.len().saturating_sub(IN_FLIGHT);
        self.flights.drain(..lost);
    }

    /// Delivers one message; what became of it.
    pub(super) fn deliver(&mut self, flight: Flight) -> Result<(), Dropped> {
        let taken = match flight.to {
            End::Server if self.asleep => return Ok(()),
            End::Server => self.give_server(flight.peer, &flight.bytes, true),
            End::Site(at) if !self.sites[at].alive => return Ok(()),
            End::Site(at) => self.give_site(at, &flight.bytes),
        };
        self.drain();
        taken
    }

    /// Hands a message to the server, and looks whether that changed what it must not: by
    /// what is not genuine, or is an older Register than one that has been taken.
    pub(super) fn give_server(
        &mut self,
        peer: PeerId,
        bytes: &[u8],
        genuine: bool,
    ) -> Result<(), Dropped> {
        let harmless = !genuine || self.is_outdated(bytes);
        if harmless {
            // Time alone may end things: let it do so before.
            self.server.handle_timeout(self.now);
            self.drain();
        }
        let before = harmless.then(|| self.kept_by_server());
        let message = BytesMut::from(bytes);
        let taken = self
            .server
            .handle_message(self.now, peer, message)
            .map(drop);
        if before.is_some_and(|before| before != self.kept_by_server()) {
            let what = format!("{:?} changed what is somebody else's", kind(bytes));
            self.reached(Goal::StrangerEvicts, what);
        }
        self.taken_once(End::Server, bytes, taken);
        taken
    }

    pub(super) fn give_site(&mut self, at: usize, bytes: &[u8]) -> Result<(), Dropped> {
        let message = BytesMut::from(bytes);
        let taken = self.sites[at]
            .client
            .handle_message(self.now, message)
            .map(drop);
        self.taken_once(End::Site(at), bytes, taken);
        taken
    }

    /// A sealed message is taken once, and by one end.
    fn taken_once(&mut self, by: End, bytes: &[u8], taken: Result<(), Dropped>) {
        if self.nature.suite != Suite::Sealed || !native::is_of_session(bytes) {
            return;
        }
        match taken {
            Ok(()) if !self.taken.insert(bytes.to_vec()) => {
                let what = format!("a message was taken again, by {by:?}");
                self.reached(Goal::MessageTakenTwice, what);
            }
            Err(Dropped::Repeated) => self.tally.tried(Goal::MessageTakenTwice),
            Ok(()) | Err(_) => {}
        }
    }

    /// Delivers everything as an honest network would.
    pub(super) fn carry(&mut self) {
        for _ in 0..ENDLESS {
            let next = self
                .flights
                .iter()
                .position(|flight| flight.to != End::Server || !self.asleep);
            let Some(next) = next else { return };
            let flight = self.flights.remove(next);
            self.tampered(flight);
        }
        self.reached(Goal::ClientStopped, "messages never come to rest");
    }

    pub(super) fn deliver_genuine(&mut self, flight: Flight) {
        let from = self
            .sites
            .iter()
            .position(|it| it.peer == Some(flight.peer));
        let to_server = flight.to == End::Server;
        if to_server {
            self.count_twin(&flight.bytes);
        }
        // A handshake shows nothing yet.
        let counts = to_server && !self.asleep && native::is_of_session(&flight.bytes);
        let taken = self.deliver(flight);
        if let (Some(at), true, Ok(())) = (from, counts, taken) {
            let name = self.sites[at].name.clone();
            self.truth.heard.insert(name, self.truth.awake);
        }
    }

    /// Lets time pass, with every timer on its moment. If `carried`, all messages arrive.
    pub(super) fn pass(&mut self, span: Duration, carried: bool) {
        let end = self.now + span;
        loop {
            self.drain();
            if carried {
                self.carry();
            }
            match self.next_timer() {
                Some(at) if at <= end => self.advance(at),
                Some(_) | None => break,
            }
        }
        self.advance(end);
        if carried {
            self.carry();
        }
    }

    fn next_timer(&self) -> Option<Instant> {
        let sites = self.sites.iter().filter(|it| it.alive);
        let clients = sites.filter_map(|it| Some(it.client.poll_timeout()?.0));
        let server = self.server.poll_timeout().filter(|_| !self.asleep);
        clients.chain(server.map(|(at, _)| at)).min()
    }

    fn advance(&mut self, to: Instant) {
        let to = self.now.max(to);
        if !self.asleep {
            self.truth.awake += to.since(self.now);
        }
        self.now = to;
        for at in 0..self.sites.len() {
            let site = &mut self.sites[at];
            if !site.alive {
                continue;
            }
            site.client.handle_timeout(to);
            match site.client.carrier_wish() {
                CarrierWish::Connect(moment) if moment <= to => self.connect(at),
                CarrierWish::Replace => {
                    self.cut(at);
                }
                CarrierWish::Connect(_) | CarrierWish::Keep => {}
            }
        }
        if !self.asleep {
            self.server.handle_timeout(to);
        }
        self.drain();
    }
}
