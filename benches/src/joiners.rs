//! Real clients on their way in.

use std::sync::Arc;

use bytes::BytesMut;
use fedlink::identity::Identity;
use fedlink::{Carrier, Client, ClientConfig, Instant, Suite, Suites};

use crate::pki::{NOW, Pki, name};

/// Sites with certificates, which take turns.
const SITES: usize = 256;

/// Makes clients that want to come in.
pub struct Joiners {
    config: Arc<ClientConfig>,
    sites: Vec<Identity>,
    made: usize,
}

impl Joiners {
    /// Clients that speak this suite alone.
    #[must_use]
    pub fn new(suite: Suite) -> Self {
        let mut config = ClientConfig::new(name("project"));
        config.suites = Suites::new([suite]).expect("it is one");
        config.server = Some(name("coordinator"));
        config.trusted_path = suite == Suite::Bearer;
        let pki = Pki::new(1);
        let site = |number: usize| {
            let site = format!("joiner-{number:03}");
            let (chain, key) = pki.site(&site);
            let identity = Identity::new(name(&site), chain, Arc::new(key), pki.roots());
            identity.expect("they belong together")
        };
        Self {
            config: Arc::new(config),
            sites: (0..SITES).map(site).collect(),
            made: 0,
        }
    }

    /// Their settings.
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        self.config.clone()
    }

    /// The identity of the first site.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.sites[0].clone()
    }

    /// A new client of the next site, and its challenge.
    pub fn challenge(&mut self, now: Instant) -> (Client, BytesMut) {
        self.made += 1;
        let site = self.sites[self.made % SITES].clone();
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.made.to_be_bytes());
        let client = Client::new(self.config.clone(), site, seed, now);
        let mut client = client.expect("it can work");
        client.set_wall_clock(now, NOW);
        let connected = client.handle_connected(now, Carrier::default());
        connected.expect("the server's name is known");
        client.register(now).expect("it is idle");
        let challenge = message_of(&mut client);
        (client, challenge)
    }

    /// What a client answers to the server's reply to its challenge.
    pub fn register(client: &mut Client, now: Instant, reply: BytesMut) -> BytesMut {
        client.handle_message(now, reply).expect("it waits for it");
        message_of(client)
    }
}

fn message_of(client: &mut Client) -> BytesMut {
    let transmit = client.poll_transmit().expect("it has something to say");
    BytesMut::from(&transmit.header[..])
}
