//! Many sites at one server, beside strangers.

use std::sync::Arc;

use bytes::BytesMut;
use fedlink::error::Dropped;
use fedlink::identity::Identity;
use fedlink::message::PeerId;
use fedlink::{
    Client, ClientAction, ClientConfig, Instant, Server, ServerAction, ServerConfig, Suite, Suites,
};

use crate::common::pair::{server_identity, site_identity};
use crate::common::pki::{NOW, Pki, name};
use crate::ways::begin;

pub(crate) struct Crowd {
    pub(crate) now: Instant,
    pub(crate) server: Server,
    pub(crate) sites: Vec<(Client, PeerId)>,
    pub(crate) pki: Pki,
    config: Arc<ClientConfig>,
}

impl Crowd {
    /// A sealed server.
    pub(crate) fn new(change: impl Fn(&mut ServerConfig)) -> Self {
        let (pki, now) = (Pki::new(1), Instant::from_micros(1_000_000));
        let suites = Suites::new([Suite::Sealed]).unwrap();
        let mut config = ServerConfig::new(name("project"));
        config.suites = suites.clone();
        change(&mut config);
        let identity = server_identity(&pki, "coordinator", pki.roots());
        let mut server = Server::new(Arc::new(config), identity, [1; 32], now).unwrap();
        server.set_wall_clock(now, NOW);
        let mut config = ClientConfig::new(name("project"));
        config.suites = suites;
        config.server = Some(name("coordinator"));
        Self {
            now,
            server,
            sites: Vec::new(),
            pki,
            config: Arc::new(config),
        }
    }

    /// A client that has begun to register.
    fn client(&self, identity: Identity, seed: u8) -> Client {
        begin(self.config.clone(), identity, seed, self.now)
    }

    /// One more site begins to register.
    pub(crate) fn join(&mut self) {
        let number = u8::try_from(self.sites.len()).unwrap();
        let site = site_identity(&self.pki, &format!("site-{number}"), self.pki.roots());
        let client = self.client(site, number);
        self.sites.push((client, PeerId(number.into())));
    }

    /// The Register of somebody with a certificate of another project, answering a cookie
    /// that it got on this connection.
    pub(crate) fn worthless(&mut self, peer: PeerId) -> BytesMut {
        let identity = site_identity(&Pki::new(2), "stranger", self.pki.roots());
        let mut client = self.client(identity, 99);
        let challenge = whole(&client.poll_transmit().unwrap().header);
        self.server
            .handle_message(self.now, peer, challenge)
            .unwrap();
        let reply = whole(&self.server.poll_transmit().unwrap().header);
        client.handle_message(self.now, reply).unwrap();
        whole(&client.poll_transmit().unwrap().header)
    }

    /// What becomes of a stranger's message; its answers are not delivered.
    pub(crate) fn send(&mut self, peer: PeerId, message: &BytesMut) -> Result<(), Dropped> {
        let taken = self.server.handle_message(self.now, peer, message.clone());
        while self.server.poll_transmit().is_some() {}
        taken.map(drop)
    }

    /// The sites and the server are told the time, and what they say is delivered.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.now = now;
        self.server.handle_timeout(now);
        for (client, _) in &mut self.sites {
            client.handle_timeout(now);
        }
        while self.step() {}
    }

    fn step(&mut self) -> bool {
        let now = self.now;
        let mut moved = false;
        for (client, peer) in &mut self.sites {
            while let Some(action) = client.poll_action() {
                if let ClientAction::Persist { record, .. } = action {
                    client.persisted(now, record).unwrap();
                }
            }
            while let Some(transmit) = client.poll_transmit() {
                moved = true;
                let message = [&transmit.header[..], &transmit.payload].concat();
                let _ = self.server.handle_message(now, *peer, message[..].into());
            }
        }
        while let Some(action) = self.server.poll_action() {
            if let ServerAction::Persist { record, .. } = action {
                self.server.persisted(now, record).unwrap();
            }
        }
        while let Some(transmit) = self.server.poll_transmit() {
            moved = true;
            let message = [&transmit.header[..], &transmit.payload].concat();
            let to = self.sites.iter_mut().find(|(_, it)| *it == transmit.peer);
            if let Some((client, _)) = to {
                let _ = client.handle_message(now, message[..].into());
            }
        }
        moved
    }

    /// How many sites have registered, and how often they all have tried something again.
    pub(crate) fn joined(&self) -> (usize, u64) {
        let retries = self.sites.iter().map(|(it, _)| it.counters().retries);
        (self.server.clients().count(), retries.sum())
    }
}

fn whole(message: &[u8]) -> BytesMut {
    message.into()
}
