//! A test that one input or one poll takes no more steps when there are more sessions.

use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::BytesMut;

use crate::identity::{Identity, LocalSigner, Signer};
use crate::link::native::server::looks;
use crate::message::PeerId;
use crate::testing::attacker::pki::{NOW, Pki, name};
use crate::{
    Carrier, Client, ClientConfig, Instant, Server, ServerAction, ServerConfig, Suite, Suites,
};

/// Clients whose signatures are awaited at once.
const TOGETHER: usize = 16;

struct Crowd {
    now: Instant,
    server: Server,
    clients: Vec<Client>,
    key: LocalSigner,
}

impl Crowd {
    /// How many clients with a session, each heard on a connection of its own.
    fn new(clients: usize) -> Self {
        let pki = Pki::new(1);
        let now = Instant::from_micros(1_000_000);
        let suites = Suites::new([Suite::Bearer]).unwrap();
        let mut config = ServerConfig::new(name("project"));
        (config.suites, config.trusted_path) = (suites.clone(), true);
        let (chain, key) = pki.server("coordinator");
        let identity = Identity::with_key_elsewhere(name("coordinator"), chain, pki.roots());
        let server = Server::new(Arc::new(config), identity.unwrap(), [2; 32], now);
        let mut config = ClientConfig::new(name("project"));
        (config.suites, config.trusted_path) = (suites, true);
        config.server = Some(name("coordinator"));
        let config = Arc::new(config);
        let client = |number: usize| {
            let site = format!("site-{number}");
            let (chain, key) = pki.site(&site);
            let identity = Identity::new(name(&site), chain, Arc::new(key), pki.roots()).unwrap();
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&number.to_be_bytes());
            let mut client = Client::new(config.clone(), identity, seed, now).unwrap();
            client.set_wall_clock(now, NOW);
            client.handle_connected(now, Carrier::default()).unwrap();
            client
        };
        let mut crowd = Self {
            now,
            server: server.unwrap(),
            clients: (0..clients).map(client).collect(),
            key,
        };
        crowd.server.set_wall_clock(now, NOW);
        for first in (0..clients).step_by(TOGETHER) {
            let group = first..clients.min(first + TOGETHER);
            for client in &mut crowd.clients[group.clone()] {
                client.register(crowd.now).unwrap();
            }
            for _challenge_then_register_then_heartbeat in 0..3 {
                crowd.exchange(group.clone());
            }
        }
        assert_eq!(crowd.server.clients().count(), clients);
        crowd
    }

    /// All of these say what they have to; then the server's key signs; then they are
    /// answered.
    fn exchange(&mut self, clients: core::ops::Range<usize>) {
        self.now = self.now + core::time::Duration::from_secs(1);
        for number in clients {
            let client = &mut self.clients[number];
            client.handle_timeout(self.now);
            while let Some(message) = message_of(client) {
                let peer = PeerId(number as u64);
                self.server.handle_message(self.now, peer, message).unwrap();
            }
        }
        while let Some(action) = self.server.poll_action() {
            if let ServerAction::Sign { request, bytes } = action {
                let signature = self.key.sign(&bytes);
                self.server.signed(self.now, request, &signature).unwrap();
            }
        }
        while let Some(answer) = self.server.poll_transmit() {
            let client = &mut self.clients[answer.peer.0 as usize];
            let message = [&answer.header[..], &answer.payload].concat();
            let taken = client.handle_message(self.now, BytesMut::from(&message[..]));
            taken.unwrap();
        }
    }
}

fn message_of(client: &mut Client) -> Option<BytesMut> {
    let transmit = client.poll_transmit()?;
    Some(BytesMut::from(
        &[&transmit.header[..], &transmit.payload].concat()[..],
    ))
}

#[test]
fn more_sessions_take_no_more_looks_at_the_table() {
    let [few, many] = [TOGETHER, 16 * TOGETHER].map(|clients| {
        let mut crowd = Crowd::new(clients);
        let peer = PeerId(clients as u64 - 1);
        let client = &mut crowd.clients[clients - 1];
        crowd.now = crowd.now + core::time::Duration::from_secs(15);
        client.handle_timeout(crowd.now);
        client.heartbeat_ready(crowd.now, None).unwrap();
        let heartbeat = message_of(client).unwrap();
        let start = heartbeat.clone();
        let (now, server) = (crowd.now, &mut crowd.server);
        [
            looks::of(|| assert!(server.poll_timeout().is_some())),
            looks::of(|| server.handle_timeout(now)),
            looks::of(|| assert!(server.session_of(&start).is_some())),
            looks::of(|| assert!(server.has_session_on(peer))),
            looks::of(|| assert!(server.is_registered(&name("site-1")))),
            looks::of(|| {
                server
                    .handle_message(now, peer, heartbeat)
                    .map(drop)
                    .unwrap()
            }),
            looks::of(|| server.handle_disconnected(now, peer)),
            looks::of(|| assert!(server.disable(now, &name("site-1")))),
        ]
    });
    for (input, (few, many)) in few.into_iter().zip(many).enumerate() {
        assert!(
            many <= 2 * few,
            "{input}: {few} looks, of more sessions {many}"
        );
    }
}
