//! A server with a crowd before it, of stand-ins that were let in without a handshake.

use std::sync::Arc;

use bytes::BytesMut;
use fedlink::identity::Identity;
use fedlink::message::PeerId;
use fedlink::stand_in::StandIn;
use fedlink::{Instant, Server, ServerAction, ServerConfig, Suite, Suites};

use crate::pki::{NOW, Pki, name};

/// When every benchmark begins.
pub const START: Instant = Instant::from_micros(1_000_000);

/// A server and its clients, each on a connection of its own.
pub struct Crowd {
    /// The time that it is.
    pub now: Instant,
    /// The server.
    pub server: Server,
    /// The others.
    pub clients: Clients,
}

/// Clients by the numbers of their connections.
pub struct Clients {
    all: Vec<StandIn>,
    dice: u64,
}

impl Crowd {
    /// As many registered clients, each of which has sent its first heartbeat.
    #[must_use]
    pub fn new(clients: usize, suite: Suite) -> Self {
        let now = START;
        let mut server = server(suite);
        let mut all = Vec::with_capacity(clients);
        for number in 0..clients {
            let mut client = server.seat(now, name(&format!("site-{number:07}")), suite);
            let heartbeat = client.heartbeat(&[]).expect("it is inside");
            send(&mut server, now, number, BytesMut::from(&heartbeat[..]));
            all.push(client);
        }
        let clients = Clients { all, dice: 1 };
        Self {
            now,
            server,
            clients,
        }
    }
}

impl Clients {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Some client, and a heartbeat of it that reports no job.
    pub fn heartbeat(&mut self) -> (usize, BytesMut) {
        let client = self.anyone();
        (client, self.heartbeat_of(client))
    }

    /// A heartbeat of a client that reports no job.
    pub fn heartbeat_of(&mut self, client: usize) -> BytesMut {
        let heartbeat = self.all[client].heartbeat(&[]);
        BytesMut::from(&heartbeat.expect("it is inside")[..])
    }

    /// Drawn by the generator of Knuth's MMIX.
    fn anyone(&mut self) -> usize {
        let product = self.dice.wrapping_mul(6_364_136_223_846_793_005);
        self.dice = product.wrapping_add(1_442_695_040_888_963_407);
        let place = (u128::from(self.dice) * self.all.len() as u128) >> 64;
        usize::try_from(place).expect("it is below their count")
    }
}

/// Gives a server a client's message and takes what it has to say.
pub fn send(server: &mut Server, now: Instant, client: usize, message: BytesMut) {
    let taken = server.handle_message(now, PeerId(client as u64), message);
    taken.expect("it is well formed");
    while let Some(action) = server.poll_action() {
        if let ServerAction::Persist { record, .. } = action {
            server.persisted(now, record).expect("it waits");
        }
    }
    assert!(server.poll_transmit().is_some());
}

/// What a server answers to a stranger's message.
pub fn answer(server: &mut Server, message: BytesMut) -> BytesMut {
    let taken = server.handle_message(START, PeerId(u64::MAX), message);
    taken.expect("it is well formed");
    let answer = server.poll_transmit().expect("it is answered");
    BytesMut::from(&answer.header[..])
}

/// A server of this suite for any number of clients, strangers too.
#[must_use]
pub fn server(suite: Suite) -> Server {
    let server = Server::new(Arc::new(config(suite)), identity(), [2; 32], START);
    let mut server = server.expect("it can work");
    server.set_wall_clock(START, NOW);
    server
}

/// The settings of such a server.
#[must_use]
pub fn config(suite: Suite) -> ServerConfig {
    let mut config = ServerConfig::new(name("project"));
    config.suites = Suites::new([suite]).expect("it is one");
    config.trusted_path = suite == Suite::Bearer;
    config.challenge_budget = u32::MAX;
    config.peer_budget = u32::MAX;
    config.max_clients = 2_000_000;
    config
}

/// The identity of such a server.
#[must_use]
pub fn identity() -> Identity {
    let pki = Pki::new(1);
    let (chain, key) = pki.server("coordinator");
    let identity = Identity::new(name("coordinator"), chain, Arc::new(key), pki.roots());
    identity.expect("they belong together")
}
