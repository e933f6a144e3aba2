//! The simulated network: messages arrive late, and some are lost.

use bytes::BytesMut;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::plan::{Plan, Tick};
use super::wheel::Wheel;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Challenge,
    Register,
    /// Of a session.
    Request,
}

/// A message to the server.
pub(super) struct ToServer {
    pub(super) client: u32,
    pub(super) kind: Kind,
    pub(super) message: BytesMut,
}

/// A message to a client.
pub(super) struct ToClient {
    pub(super) client: u32,
    pub(super) message: BytesMut,
}

/// All messages on their way, and the dice.
pub(super) struct Network {
    to_server: Wheel<ToServer>,
    to_clients: Wheel<ToClient>,
    loss: f64,
    latency: Tick,
    dice: Pcg64Mcg,
    on_their_way: u64,
}

impl Network {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            to_server: Wheel::new(plan.latency * 2),
            // An answer may wait for the core that makes it.
            to_clients: Wheel::new(plan.latency * 2 + 2_000),
            loss: plan.loss,
            latency: plan.latency,
            dice: Pcg64Mcg::seed_from_u64(plan.seed),
            on_their_way: 0,
        }
    }

    /// False if the message is lost.
    pub(super) fn send(&mut self, now: Tick, message: ToServer) -> bool {
        let arrives = !self.loses();
        if arrives {
            let at = now + self.latency();
            self.to_server.put(at, message);
            self.on_their_way += 1;
        }
        arrives
    }

    /// False if the message is lost.
    pub(super) fn answer(&mut self, now: Tick, message: ToClient) -> bool {
        let arrives = !self.loses();
        if arrives {
            let at = now + self.latency();
            self.to_clients.put(at, message);
            self.on_their_way += 1;
        }
        arrives
    }

    /// Goes on to the next tick and returns what arrives then, for empty buckets.
    pub(super) fn turn(&mut self, to_server: &mut Vec<ToServer>, to_clients: &mut Vec<ToClient>) {
        self.to_server.turn(to_server);
        self.to_clients.turn(to_clients);
        self.on_their_way -= (to_server.len() + to_clients.len()) as u64;
    }

    /// All connections are gone, and what was on its way. Returns how much that was.
    pub(super) fn cut(&mut self) -> u64 {
        self.to_server.clear();
        self.to_clients.clear();
        std::mem::take(&mut self.on_their_way)
    }

    pub(super) fn on_their_way(&self) -> u64 {
        self.on_their_way
    }

    /// How long a message takes.
    pub(super) fn latency(&mut self) -> Tick {
        let half = self.latency / 2;
        self.between(self.latency - half, self.latency + half)
    }

    /// A number in `low..=high`.
    pub(super) fn between(&mut self, low: Tick, high: Tick) -> Tick {
        self.dice.random_range(low..=high)
    }

    /// Bytes for a nonce.
    pub(super) fn nonce(&mut self) -> [u8; 16] {
        self.dice.random()
    }

    fn loses(&mut self) -> bool {
        self.loss > 0.0 && self.dice.random_bool(self.loss)
    }
}
