//! Two clients at one server, with what is under way in the test's hand.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fedlink::message::PeerId;
use fedlink::{
    Carrier, Client, ClientAction, ClientConfig, Instant, Server, ServerAction, ServerConfig,
    Suite, Suites,
};

use crate::common::pair::{server_identity, site_identity};
use crate::common::pki::{NOW, Pki, name};

pub(crate) struct Site {
    pub(crate) client: Client,
    pub(crate) peer: PeerId,
    pub(crate) to_server: Vec<BytesMut>,
    pub(crate) to_client: Vec<BytesMut>,
    pub(crate) actions: Vec<ClientAction>,
}

pub(crate) struct Two {
    pub(crate) now: Instant,
    pub(crate) server: Server,
    pub(crate) sites: [Site; 2],
    pub(crate) actions: Vec<ServerAction>,
}

impl Two {
    /// Two sealed clients of these names, connected and not registered.
    pub(crate) fn new(names: [&str; 2]) -> Self {
        let pki = Pki::new(1);
        let now = Instant::from_micros(1_000_000);
        let suites = Suites::new([Suite::Sealed]).unwrap();
        let mut config = ServerConfig::new(name("project"));
        config.suites = suites.clone();
        config.inline_limit = 64;
        let identity = server_identity(&pki, "coordinator", pki.roots());
        let mut server = Server::new(Arc::new(config), identity, [1; 32], now).unwrap();
        server.set_wall_clock(now, NOW);
        let mut peer = 0;
        let sites = names.map(|site| {
            peer += 1;
            let mut config = ClientConfig::new(name("project"));
            config.suites = suites.clone();
            config.server = Some(name("coordinator"));
            config.inline_limit = 64;
            let identity = site_identity(&pki, site, pki.roots());
            let seed = [10 + peer; 32];
            let mut client = Client::new(Arc::new(config), identity, seed, now).unwrap();
            client.set_wall_clock(now, NOW);
            client.handle_connected(now, Carrier::default()).unwrap();
            Site {
                client,
                peer: PeerId(peer.into()),
                to_server: Vec::new(),
                to_client: Vec::new(),
                actions: Vec::new(),
            }
        });
        Self {
            now,
            server,
            sites,
            actions: Vec::new(),
        }
    }

    /// Both clients register, one after the other, and are at work.
    pub(crate) fn register(&mut self) {
        for site in 0..2 {
            self.sites[site].client.register(self.now).unwrap();
            self.pass(Duration::from_millis(200));
        }
    }

    /// Takes messages and actions of all machines; storage answers at once.
    pub(crate) fn drain(&mut self) {
        let now = self.now;
        for site in &mut self.sites {
            while let Some(action) = site.client.poll_action() {
                match action {
                    ClientAction::Persist { record, .. } => {
                        site.client.persisted(now, record).unwrap();
                    }
                    other => site.actions.push(other),
                }
            }
            while let Some(transmit) = site.client.poll_transmit() {
                site.to_server
                    .push(whole(&transmit.header, &transmit.payload));
            }
        }
        while let Some(action) = self.server.poll_action() {
            match action {
                ServerAction::Persist { record, .. } => {
                    self.server.persisted(now, record).unwrap();
                }
                other => self.actions.push(other),
            }
        }
        while let Some(transmit) = self.server.poll_transmit() {
            let to = self.sites.iter_mut().find(|it| it.peer == transmit.peer);
            if let Some(site) = to {
                site.to_client
                    .push(whole(&transmit.header, &transmit.payload));
            }
        }
    }

    /// Delivers until nothing moves.
    pub(crate) fn run(&mut self) {
        loop {
            self.drain();
            let mut moved = false;
            for at in 0..2 {
                for message in std::mem::take(&mut self.sites[at].to_server) {
                    moved = true;
                    let _ = self
                        .server
                        .handle_message(self.now, self.sites[at].peer, message);
                }
                self.drain();
                for message in std::mem::take(&mut self.sites[at].to_client) {
                    moved = true;
                    let _ = self.sites[at].client.handle_message(self.now, message);
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// Lets `span` pass with all messages delivered.
    pub(crate) fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.run();
            let timers = self.sites.iter().map(|it| it.client.poll_timeout());
            let timers = timers.map(|timer| timer.map(|(at, _)| at));
            let server = self.server.poll_timeout().map(|(at, _)| at);
            match timers.chain([server]).flatten().min() {
                Some(at) if at <= end => self.tick(at),
                _ => break,
            }
        }
        self.tick(end);
        self.run();
    }

    /// Lets `span` pass for the clients with what they send kept from the server.
    pub(crate) fn hold(&mut self, span: Duration) {
        self.tick(self.now + span);
    }

    fn tick(&mut self, at: Instant) {
        self.now = self.now.max(at);
        for site in &mut self.sites {
            site.client.handle_timeout(self.now);
        }
        self.server.handle_timeout(self.now);
        self.drain();
    }
}

fn whole(header: &Bytes, payload: &Bytes) -> BytesMut {
    [&header[..], payload].concat()[..].into()
}
