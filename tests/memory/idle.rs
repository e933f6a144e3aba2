//! What a client that is registered and idle costs the server.

use std::sync::Arc;

use bytes::BytesMut;
use fedlink::identity::Identity;
use fedlink::message::PeerId;
use fedlink::{
    Carrier, Client, ClientAction, ClientConfig, Instant, Phase, Server, ServerConfig, Suite,
    Suites,
};

use crate::common::pair::{server_identity, site_identity};
use crate::common::pki::{NOW, Pki, name};
use crate::{SECOND, measure};

/// Of the tables that double when they are full, as full as with a million.
const CLIENTS: u64 = 4_000;

/// What the server remembers of a certificate for a while: that its signature is good.
const KNOWN_SIGNATURE: i64 = 64;

/// Bytes that `CLIENTS` idle clients take of the server's heap, each.
fn cost_of_a_client(suite: Suite) -> i64 {
    let pki = Pki::new(1);
    let mut now = Instant::from_micros(1_000_000);
    let mut server = server(suite, now);
    let mut config = ClientConfig::new(name("project"));
    config.suites = Suites::new([suite]).unwrap();
    config.server = Some(name("coordinator"));
    config.trusted_path = suite == Suite::Bearer;
    let config = Arc::new(config);
    let heap = measure(|| {
        for number in 0..CLIENTS {
            let identity = site_identity(&pki, &format!("site-{number:07}"), pki.roots());
            register(&mut server, now, PeerId(number), &config, identity);
        }
        assert_eq!(server.clients().count() as u64, CLIENTS);
        // What is remembered of the handshakes goes.
        for _ in 0..15 {
            now = now + 9 * SECOND;
            server.handle_timeout(now);
        }
        while server.poll_action().is_some() {}
        assert_eq!(server.clients().count() as u64, CLIENTS);
    });
    heap.left / CLIENTS as i64
}

fn server(suite: Suite, now: Instant) -> Server {
    let pki = Pki::new(1);
    let mut config = ServerConfig::new(name("project"));
    config.peer_budget = u32::MAX;
    config.suites = Suites::new([suite]).unwrap();
    config.trusted_path = suite == Suite::Bearer;
    config.challenge_budget = 1_000_000;
    let identity = server_identity(&pki, "coordinator", pki.roots());
    let mut server = Server::new(Arc::new(config), identity, [2; 32], now).unwrap();
    server.set_wall_clock(now, NOW);
    server
}

/// Lets a client register and its first heartbeat be answered.
fn register(
    server: &mut Server,
    now: Instant,
    peer: PeerId,
    config: &Arc<ClientConfig>,
    identity: Identity,
) {
    let mut client = Client::new(config.clone(), identity, [1; 32], now).unwrap();
    client.set_wall_clock(now, NOW);
    client.handle_connected(now, Carrier::default()).unwrap();
    client.register(now).unwrap();
    let mut answered = false;
    while !answered {
        let mut idle = true;
        while let Some(transmit) = client.poll_transmit() {
            let message = [&transmit.header[..], &transmit.payload].concat();
            server
                .handle_message(now, peer, BytesMut::from(&message[..]))
                .unwrap();
            idle = false;
        }
        while let Some(transmit) = server.poll_transmit() {
            let message = [&transmit.header[..], &transmit.payload].concat();
            client
                .handle_message(now, BytesMut::from(&message[..]))
                .unwrap();
            idle = false;
        }
        while let Some(action) = client.poll_action() {
            match action {
                ClientAction::HeartbeatDue => client.heartbeat_ready(now, None).unwrap(),
                ClientAction::HeartbeatAnswered { .. } => answered = true,
                _ => {}
            }
            idle = false;
        }
        while server.poll_action().is_some() {}
        assert!(!idle || answered, "{:?}", client.phase());
    }
    assert_eq!(client.phase(), Phase::Active);
}

#[test]
fn an_idle_client_costs_no_more_than_is_stated() {
    let bearer = cost_of_a_client(Suite::Bearer);
    assert!(bearer <= 160 + KNOWN_SIGNATURE, "bearer: {bearer} bytes");
    let sealed = cost_of_a_client(Suite::Sealed);
    assert!(sealed <= 320 + KNOWN_SIGNATURE, "sealed: {sealed} bytes");
}

#[cfg(feature = "unproven-sessions")]
#[test]
fn a_million_idle_clients_cost_no_more_than_is_stated() {
    const MILLION: u64 = 1_000_000;
    for (suite, limit) in [(Suite::Bearer, 160), (Suite::Sealed, 320)] {
        let now = Instant::from_micros(1_000_000);
        let mut server = server(suite, now);
        let heap = measure(|| {
            let mut buffer = fedlink::stand_in::MessageBuffer::default();
            for number in 0..MILLION {
                let mut client =
                    server.unproven_session(now, name(&format!("site-{number:07}")), suite);
                let message = client.heartbeat(&[], &mut buffer).unwrap();
                server.handle_message(now, PeerId(number), message).unwrap();
                while server.poll_action().is_some() || server.poll_transmit().is_some() {}
            }
        });
        assert_eq!(server.clients().count() as u64, MILLION);
        let cost = heap.left as u64 / MILLION;
        println!("{suite}: {cost} bytes a client");
        assert!(cost <= limit, "{suite}: {cost} bytes");
    }
}
