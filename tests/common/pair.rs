//! A client and a server on virtual time, with a carrier between them that the test
//! holds in its hand.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fedlink::error::Dropped;
use fedlink::identity::{Identity, Roots};
use fedlink::message::{MessageKind, PeerId};
use fedlink::{
    Carrier, Client, ClientAction, ClientConfig, Instant, Server, ServerAction, ServerConfig,
    Suite, Suites,
};

use super::pki::{NOW, Pki, name};

/// One machine's storage: what it would find after a crash.
#[derive(Clone, Debug, Default)]
pub struct Records(pub Vec<Bytes>);

impl Records {
    fn push(&mut self, header: &Bytes, payload: &Bytes) {
        self.0.push([&header[..], payload].concat().into());
    }
}

/// Everything of a small federation of one client and one server.
pub struct Pair {
    pub now: Instant,
    pub pki: Pki,
    pub client_config: Arc<ClientConfig>,
    pub server_config: Arc<ServerConfig>,
    pub client: Client,
    pub server: Server,
    /// Actions of each side that no test has taken yet. `Persist` is answered at once
    /// and does not stand here, unless `hold_records` is set.
    pub client_actions: Vec<ClientAction>,
    pub server_actions: Vec<ServerAction>,
    pub client_records: Records,
    pub server_records: Records,
    pub hold_records: bool,
    /// What is on its way. Tests may look, drop, change and repeat.
    pub to_server: Vec<BytesMut>,
    pub to_client: Vec<BytesMut>,
    pub peer: PeerId,
    /// Why messages were refused.
    pub client_drops: Vec<Dropped>,
    pub server_drops: Vec<Dropped>,
    pub seed: u8,
    /// What each message is, says the machine that made it; by a hash of the message.
    pub made: BTreeMap<u64, MessageKind>,
    /// What the messages were that were taken.
    pub taken: BTreeSet<MessageKind>,
}

fn hash(message: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    message.hash(&mut hasher);
    hasher.finish()
}

/// How a pair is made.
pub struct Setup {
    pub suite: Suite,
    pub client: Box<dyn Fn(&mut ClientConfig)>,
    pub server: Box<dyn Fn(&mut ServerConfig)>,
}

impl Setup {
    pub fn new(suite: Suite) -> Self {
        Self {
            suite,
            client: Box::new(|_| {}),
            server: Box::new(|_| {}),
        }
    }

    pub fn client(mut self, change: impl Fn(&mut ClientConfig) + 'static) -> Self {
        self.client = Box::new(change);
        self
    }

    pub fn server(mut self, change: impl Fn(&mut ServerConfig) + 'static) -> Self {
        self.server = Box::new(change);
        self
    }

    pub fn build(self) -> Pair {
        let mut client_config = ClientConfig::new(name("project"));
        client_config.suites = Suites::new([self.suite]).unwrap();
        client_config.server = Some(name("coordinator"));
        client_config.trusted_path = self.suite == Suite::Bearer;
        (self.client)(&mut client_config);
        let mut server_config = ServerConfig::new(name("project"));
        server_config.suites = Suites::new([self.suite]).unwrap();
        server_config.trusted_path = self.suite == Suite::Bearer;
        (self.server)(&mut server_config);
        Pair::new(client_config, server_config)
    }
}

impl Pair {
    pub fn sealed() -> Self {
        Setup::new(Suite::Sealed).build()
    }

    fn new(client_config: ClientConfig, server_config: ServerConfig) -> Self {
        let pki = Pki::new(1);
        let now = Instant::from_micros(1_000_000);
        let (client_config, server_config) = (Arc::new(client_config), Arc::new(server_config));
        let site = site_identity(&pki, "site-1", pki.roots());
        let coordinator = server_identity(&pki, "coordinator", pki.roots());
        let mut client = Client::new(client_config.clone(), site, [1; 32], now).unwrap();
        let mut server = Server::new(server_config.clone(), coordinator, [2; 32], now).unwrap();
        client.set_wall_clock(now, NOW);
        server.set_wall_clock(now, NOW);
        Self {
            now,
            pki,
            client_config,
            server_config,
            client,
            server,
            client_actions: Vec::new(),
            server_actions: Vec::new(),
            client_records: Records::default(),
            server_records: Records::default(),
            hold_records: false,
            to_server: Vec::new(),
            to_client: Vec::new(),
            peer: PeerId(1),
            client_drops: Vec::new(),
            server_drops: Vec::new(),
            seed: 2,
            made: BTreeMap::new(),
            taken: BTreeSet::new(),
        }
    }

    /// Connects and registers, and lets the first heartbeat go.
    pub fn register(&mut self) {
        self.connect();
        self.client.register(self.now).unwrap();
        self.pass(Duration::from_millis(150));
    }

    /// Connects and begins to register; returns the server's answer to the challenge, which
    /// is not delivered.
    pub fn challenge(&mut self) -> BytesMut {
        self.connect();
        self.client.register(self.now).unwrap();
        self.drain();
        let challenge = self.to_server.pop().unwrap();
        self.deliver_to_server(challenge);
        self.to_client.pop().unwrap()
    }

    /// Goes on from [`Pair::challenge`] to the Register, which is not delivered.
    pub fn challenge_and_prove(&mut self) -> BytesMut {
        let reply = self.challenge();
        self.deliver_to_client(reply);
        self.to_server.pop().unwrap()
    }

    pub fn connect(&mut self) {
        self.server.handle_connected(self.now, self.peer, None);
        self.client
            .handle_connected(self.now, Carrier::default())
            .unwrap();
    }

    pub fn disconnect(&mut self) {
        self.to_server.clear();
        self.to_client.clear();
        self.client.handle_disconnected(self.now);
        self.server.handle_disconnected(self.now, self.peer);
        self.peer = PeerId(self.peer.0 + 1);
        self.drain();
    }

    /// Delivers until nothing moves.
    pub fn run(&mut self) {
        while self.step() {}
    }

    /// Takes what both want and delivers what is on its way; false if nothing was.
    pub fn step(&mut self) -> bool {
        self.drain();
        let (to_server, to_client) = (
            std::mem::take(&mut self.to_server),
            std::mem::take(&mut self.to_client),
        );
        let moved = !to_server.is_empty() || !to_client.is_empty();
        for message in to_server {
            self.deliver_to_server(message);
        }
        for message in to_client {
            self.deliver_to_client(message);
        }
        self.drain();
        moved
    }

    pub fn deliver_to_server(&mut self, message: BytesMut) {
        let made = self.made.get(&hash(&message)).copied();
        let taken = self.server.handle_message(self.now, self.peer, message);
        self.note(made, taken);
        self.server_drops.extend(taken.err());
        self.drain();
    }

    pub fn deliver_to_client(&mut self, message: BytesMut) {
        let made = self.made.get(&hash(&message)).copied();
        let taken = self.client.handle_message(self.now, message);
        self.note(made, taken);
        self.client_drops.extend(taken.err());
        self.drain();
    }

    /// Whoever takes a message knows it for what it was made as.
    fn note(&mut self, made: Option<MessageKind>, taken: Result<MessageKind, Dropped>) {
        if let Ok(taken) = taken {
            assert!(made.is_none_or(|made| made == taken), "{made:?} {taken:?}");
            self.taken.insert(taken);
        }
    }

    /// Takes messages and actions of both machines.
    pub fn drain(&mut self) {
        self.drain_actions();
        while let Some(transmit) = self.client.poll_transmit() {
            let whole = [&transmit.header[..], &transmit.payload].concat();
            self.made.insert(hash(&whole), transmit.kind);
            self.to_server.push(BytesMut::from(&whole[..]));
        }
        while let Some(transmit) = self.server.poll_transmit() {
            let whole = [&transmit.header[..], &transmit.payload].concat();
            self.made.insert(hash(&whole), transmit.kind);
            self.to_client.push(BytesMut::from(&whole[..]));
        }
    }

    fn drain_actions(&mut self) {
        while let Some(action) = self.client.poll_action() {
            match action {
                ClientAction::Persist {
                    record,
                    header,
                    payload,
                } if !self.hold_records => {
                    self.client_records.push(&header, &payload);
                    self.client.persisted(self.now, record).unwrap();
                }
                other => self.client_actions.push(other),
            }
        }
        while let Some(action) = self.server.poll_action() {
            match action {
                ServerAction::Persist {
                    record,
                    header,
                    payload,
                } if !self.hold_records => {
                    self.server_records.push(&header, &payload);
                    self.server.persisted(self.now, record).unwrap();
                }
                other => self.server_actions.push(other),
            }
        }
    }

    /// Lets `span` pass, firing every timer on its moment and delivering all messages.
    pub fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.run();
            let next = [
                self.client.poll_timeout().map(|(at, _)| at),
                self.server.poll_timeout().map(|(at, _)| at),
            ];
            match next.into_iter().flatten().min() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.tick();
                }
                _ => break,
            }
        }
        self.now = end;
        self.tick();
        self.run();
    }

    /// Lets the server alone see `span` pass, in steps of a second as from a host that
    /// is awake; returns what it told.
    pub fn watch_server(&mut self, span: Duration) -> Vec<ServerAction> {
        const STEP: Duration = Duration::from_secs(1);
        let end = self.now + span;
        while self.now < end {
            self.now = end.min(self.now + STEP);
            self.server.handle_timeout(self.now);
            self.drain();
        }
        self.take_server()
    }

    /// Lets `span` pass with nothing delivered: what is sent is lost.
    pub fn pass_silently(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.drain();
            self.to_server.clear();
            self.to_client.clear();
            match self.client.poll_timeout() {
                Some((at, _)) if at <= end => {
                    self.now = self.now.max(at);
                    self.tick();
                }
                _ => break,
            }
        }
        self.now = end;
        self.tick();
        self.drain();
        self.to_server.clear();
        self.to_client.clear();
    }

    /// Tells both machines the time and checks that no timer is left in the past.
    pub fn tick(&mut self) {
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        for at in [
            self.client.poll_timeout().map(|(at, _)| at),
            self.server.poll_timeout().map(|(at, _)| at),
        ] {
            assert!(at.is_none_or(|at| at > self.now), "a timer is due already");
        }
        self.drain();
    }

    /// Drops the client's process and restores it from what was stored.
    pub fn restart_client(&mut self) {
        let identity = site_identity(&self.pki, "site-1", self.pki.roots());
        self.seed += 1;
        let records = self.client_records.0.clone();
        let client = Client::restore(
            self.client_config.clone(),
            identity,
            [self.seed; 32],
            self.now,
            records,
        );
        self.put_client(client.unwrap());
    }

    /// Puts a new process of `site` in the client's place; returns the one before.
    pub fn change_client(&mut self, site: &str) -> Client {
        let identity = site_identity(&self.pki, site, self.pki.roots());
        self.seed += 1;
        let config = self.client_config.clone();
        let client = Client::new(config, identity, [self.seed; 32], self.now);
        self.put_client(client.unwrap())
    }

    /// Puts another process in the client's place, on another connection; returns the one
    /// before. What was under way is lost.
    pub fn put_client(&mut self, client: Client) -> Client {
        let before = std::mem::replace(&mut self.client, client);
        self.client.set_wall_clock(self.now, NOW);
        self.to_server.clear();
        self.to_client.clear();
        self.peer = PeerId(self.peer.0 + 1);
        self.drain();
        before
    }

    /// Drops the server's process and restores it from what was stored.
    pub fn restart_server(&mut self) {
        let identity = server_identity(&self.pki, "coordinator", self.pki.roots());
        self.seed += 1;
        let records = self.server_records.0.clone();
        self.server = Server::restore(
            self.server_config.clone(),
            identity,
            [self.seed; 32],
            self.now,
            records,
        )
        .unwrap();
        self.server.set_wall_clock(self.now, NOW);
        self.drain();
    }

    /// Confirms every record that was held, in order.
    pub fn store_held(&mut self) {
        let client: Vec<_> = self
            .client_actions
            .extract_if(.., |it| matches!(it, ClientAction::Persist { .. }))
            .collect();
        for action in client {
            if let ClientAction::Persist {
                record,
                header,
                payload,
            } = action
            {
                self.client_records.push(&header, &payload);
                self.client.persisted(self.now, record).unwrap();
            }
        }
        let server: Vec<_> = self
            .server_actions
            .extract_if(.., |it| matches!(it, ServerAction::Persist { .. }))
            .collect();
        for action in server {
            if let ServerAction::Persist {
                record,
                header,
                payload,
            } = action
            {
                self.server_records.push(&header, &payload);
                self.server.persisted(self.now, record).unwrap();
            }
        }
        self.drain();
    }

    pub fn take_client(&mut self) -> Vec<ClientAction> {
        std::mem::take(&mut self.client_actions)
    }

    pub fn take_server(&mut self) -> Vec<ServerAction> {
        std::mem::take(&mut self.server_actions)
    }
}

pub fn site_identity(pki: &Pki, site: &str, roots: Roots) -> Identity {
    let (chain, key) = pki.site(site);
    Identity::new(name(site), chain, Arc::new(key), roots).unwrap()
}

pub fn server_identity(pki: &Pki, server: &str, roots: Roots) -> Identity {
    let (chain, key) = pki.server(server);
    Identity::new(name(server), chain, Arc::new(key), roots).unwrap()
}
