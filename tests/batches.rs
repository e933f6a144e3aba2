//! Many messages at once: the same comes of them as of one after another.
#![cfg(feature = "x509")]

mod common;

use std::sync::Arc;

use bytes::BytesMut;
use common::pair::{server_identity, site_identity};
use common::pki::{NOW, Pki, name};
use fedlink::error::Dropped;
use fedlink::message::PeerId;
use fedlink::{
    Carrier, Client, ClientConfig, Instant, Server, ServerAction, ServerConfig, ServerTransmit,
    Suite, Suites,
};

const T0: Instant = Instant::from_micros(1_000_000);
/// The project that the server serves.
const PROJECT: u64 = 1;
/// Another one, whose authority has the same name.
const OTHER: u64 = 2;
/// Clients of the project, more than are looked at together.
const ALL: &[u64] = &[PROJECT; 70];

type Message = (PeerId, BytesMut);

/// A server, and clients that want to come in.
struct Federation {
    server: Server,
    clients: Vec<Client>,
}

impl Federation {
    /// Clients with certificates of these projects.
    fn new(suite: Suite, clients: &[u64]) -> Self {
        let pki = Pki::new(PROJECT);
        let mut config = ServerConfig::new(name("project"));
        config.suites = Suites::new([suite]).unwrap();
        config.trusted_path = true;
        let identity = server_identity(&pki, "coordinator", pki.roots());
        let mut server = Server::new(Arc::new(config), identity, [2; 32], T0).unwrap();
        server.set_wall_clock(T0, NOW);

        let mut config = ClientConfig::new(name("project"));
        config.suites = Suites::new([suite]).unwrap();
        config.trusted_path = true;
        config.server = Some(name("coordinator"));
        let config = Arc::new(config);
        let client = |(number, project): (u8, &u64)| {
            let name = format!("site-{number}");
            let site = site_identity(&Pki::new(*project), &name, pki.roots());
            let mut client = Client::new(config.clone(), site, [number; 32], T0).unwrap();
            client.set_wall_clock(T0, NOW);
            client.handle_connected(T0, Carrier::default()).unwrap();
            client.register(T0).unwrap();
            client
        };
        Self {
            server,
            clients: (1..).zip(clients).map(client).collect(),
        }
    }

    /// What all clients have to say, by the numbers of their connections.
    fn messages(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        for (peer, client) in (0..).map(PeerId).zip(&mut self.clients) {
            while client.poll_action().is_some() {}
            while let Some(transmit) = client.poll_transmit() {
                let message = [&transmit.header[..], &transmit.payload].concat();
                messages.push((peer, message[..].into()));
            }
        }
        messages
    }

    fn deliver(&mut self, answers: &[ServerTransmit]) {
        for answer in answers {
            let message = [&answer.header[..], &answer.payload].concat();
            let client = &mut self.clients[answer.peer.0 as usize];
            // A second answer to a message that came twice is dropped.
            let _ = client.handle_message(T0, message[..].into());
        }
    }
}

/// What a server says after some input.
fn outcome(server: &mut Server) -> (Vec<ServerTransmit>, Vec<ServerAction>) {
    let transmits = std::iter::from_fn(|| server.poll_transmit()).collect();
    let actions = std::iter::from_fn(|| server.poll_action()).collect();
    (transmits, actions)
}

/// Gives the messages to one server together and to its twin one by one, compares what
/// comes of it, and returns the answers and how many messages were dropped.
fn compare(
    together: &mut Federation,
    apart: &mut Federation,
    messages: &[Message],
) -> (Vec<ServerTransmit>, Vec<ServerAction>, usize) {
    let dropped = together.server.handle_batch(T0, messages.to_vec());
    let one_by_one: Vec<Dropped> = messages
        .iter()
        .filter_map(|(peer, message)| {
            apart
                .server
                .handle_message(T0, *peer, message.clone())
                .err()
        })
        .collect();
    assert_eq!(dropped, one_by_one.len());
    let (transmits, actions) = outcome(&mut together.server);
    let twin = outcome(&mut apart.server);
    assert_eq!(transmits, twin.0);
    assert_eq!(format!("{actions:?}"), format!("{:?}", twin.1));
    let counters = (together.server.counters(), apart.server.counters());
    assert_eq!(format!("{:?}", counters.0), format!("{:?}", counters.1));
    (transmits, actions, dropped)
}

/// Lets all come in, with registers changed by `change`. Returns how many have a session
/// that stands, and how many messages were dropped on the way.
fn join(suite: Suite, clients: &[u64], change: impl Fn(&mut Vec<Message>)) -> (usize, usize) {
    let [mut together, mut apart] = [(); 2].map(|()| Federation::new(suite, clients));
    let mut all_dropped = 0;
    for round in 0..3 {
        let mut messages = together.messages();
        if round == 1 {
            assert_eq!(messages.len(), clients.len());
            change(&mut messages);
        }
        let (answers, _, dropped) = compare(&mut together, &mut apart, &messages);
        all_dropped += dropped;
        together.deliver(&answers);
        for client in &mut together.clients {
            client.handle_timeout(T0);
        }
    }
    // A client that is in sends its first heartbeat when it is ready for it.
    let at = T0 + std::time::Duration::from_secs(1);
    for client in &mut together.clients {
        client.handle_timeout(at);
    }
    let messages = together.messages();
    compare(&mut together, &mut apart, &messages);
    assert_eq!(
        together.server.clients().count(),
        apart.server.clients().count()
    );
    (together.server.clients().count(), all_dropped)
}

#[test]
fn all_that_come_at_once_come_in() {
    for suite in [Suite::Plain, Suite::Bearer, Suite::Sealed] {
        assert_eq!(join(suite, ALL, |_| {}), (ALL.len(), 0), "{suite}");
    }
}

#[test]
fn a_bad_proof_among_good_ones_is_refused_alone() {
    for bad in [0, 33, 63, 64, 69] {
        spoil_one(ALL, bad);
    }
}

#[test]
fn a_bad_proof_beside_a_good_one_is_refused_alone() {
    spoil_one(&[PROJECT], 0);
    spoil_one(&[PROJECT; 2], 0);
    spoil_one(&[PROJECT; 2], 1);
}

#[test]
fn a_forged_certificate_beside_a_good_one_is_refused_alone() {
    for suite in [Suite::Bearer, Suite::Sealed] {
        for clients in [
            &[OTHER][..],
            &[OTHER, PROJECT],
            &[PROJECT, OTHER],
            &[OTHER, PROJECT, OTHER, PROJECT],
        ] {
            let good = clients.iter().filter(|it| **it == PROJECT).count();
            assert_eq!(
                join(suite, clients, |_| {}),
                (good, 0),
                "{suite} {clients:?}"
            );
        }
    }
}

fn spoil_one(clients: &[u64], bad: usize) {
    let spoil = |messages: &mut Vec<Message>| *messages[bad].1.last_mut().unwrap() ^= 1;
    let others = clients.len() - 1;
    assert_eq!(join(Suite::Bearer, clients, spoil), (others, 0), "{bad}");
    // A seal that does not open is no message at all.
    assert_eq!(join(Suite::Sealed, clients, spoil), (others, 1), "{bad}");
}

#[test]
fn registers_and_nonsense_may_come_mixed_and_twice() {
    let mix = |messages: &mut Vec<Message>| {
        let copies = messages.clone();
        messages.extend(copies);
        messages.insert(5, (PeerId(5), BytesMut::from(&b"nonsense"[..])));
        messages.insert(9, (PeerId(9), BytesMut::new()));
        messages.insert(40, (PeerId(9), BytesMut::from(&[2, 3, 0, 0][..])));
        messages.push((PeerId(1), BytesMut::zeroed(100_000)));
        let mut long = messages[0].1.clone();
        long.resize(40_000, 0);
        messages.push((PeerId(2), long));
        messages.rotate_left(7);
    };
    for suite in [Suite::Plain, Suite::Bearer, Suite::Sealed] {
        let (inside, dropped) = join(suite, ALL, mix);
        assert_eq!(inside, ALL.len(), "{suite}");
        assert!(dropped >= 5, "{suite}: {dropped}");
    }
}
