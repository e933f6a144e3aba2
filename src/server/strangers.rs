//! A test of what a stranger's registration leaves behind in a server.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::BytesMut;

use super::{Server, ServerConfig};
use crate::identity::{Chain, Identity, LocalSigner, Role};
use crate::message::PeerId;
use crate::testing::attacker::pki::{Authority, NOW, Pki, name};
use crate::{Client, ClientConfig, Instant, Phase};

/// Two chains for two different sites, and their keys.
type Pair = [(Chain, LocalSigner); 2];

fn server(pki: &Pki) -> Server {
    let (chain, key) = pki.server("coordinator");
    let identity = Identity::new(name("coordinator"), chain, Arc::new(key), pki.roots()).unwrap();
    let config = Arc::new(ServerConfig::new(name("project")));
    let mut server = Server::new(config, identity, [1; 32], Instant::default()).unwrap();
    server.set_wall_clock(Instant::default(), NOW);
    server
}

fn client(pki: &Pki, (chain, key): (Chain, LocalSigner)) -> Client {
    let own = chain.common_name().unwrap();
    let identity = Identity::new(own, chain, Arc::new(key), pki.roots()).unwrap();
    let config = ClientConfig {
        server: Some(name("coordinator")),
        ..ClientConfig::new(name("project"))
    };
    let mut client = Client::new(Arc::new(config), identity, [2; 32], Instant::default()).unwrap();
    client.set_wall_clock(Instant::default(), NOW);
    let carrier = crate::Carrier::default();
    client
        .handle_connected(Instant::default(), carrier)
        .unwrap();
    client.register(Instant::default()).unwrap();
    client
}

/// Lets two sites register, one after another or both in one batch, and tells how many came in.
fn register(server: &mut Server, pki: &Pki, pair: Pair, together: bool) -> usize {
    let now = Instant::default() + Duration::from_millis(1);
    let mut clients = pair.map(|it| client(pki, it));
    for _ in 0..4 {
        let sent = (1..).zip(&mut clients).flat_map(|(peer, client)| {
            let sent = core::iter::from_fn(|| client.poll_transmit());
            let sent: Vec<_> = sent
                .map(|it| (PeerId(peer), joined(&it.header, &it.payload)))
                .collect();
            sent
        });
        let sent: Vec<_> = sent.collect();
        if together {
            server.handle_batch(now, sent);
        } else {
            for (peer, message) in sent {
                let _ = server.handle_message(now, peer, message);
            }
        }
        while let Some(answer) = server.poll_transmit() {
            let client = &mut clients[answer.peer.0 as usize - 1];
            let _ = client.handle_message(now, joined(&answer.header, &answer.payload));
        }
    }
    let active = clients.iter().filter(|it| it.phase() == Phase::Active);
    active.count()
}

fn joined(header: &[u8], payload: &[u8]) -> BytesMut {
    [header, payload].concat()[..].into()
}

#[test]
fn signatures_of_chains_that_lead_to_no_root_are_not_remembered() {
    let pki = Pki::new(1);
    // The root's name and, between it and the site, an authority of the stranger's own:
    // all signatures are good but that of the root.
    let forged = |site: &str| {
        let root = Authority::root("fedlink test root", [9; 32]);
        let middle = root.authority("middle", [8; 32], |_| {});
        let seed = pki.seed(site);
        let leaf = middle.leaf(site, Role::Client, seed, |_| {});
        let chain = Chain::from_der(vec![&leaf[..], middle.der()]).unwrap();
        (chain, LocalSigner::from_seed(&seed))
    };
    for together in [false, true] {
        let mut server = server(&pki);
        let strangers = ["site-1", "site-2"].map(forged);
        assert_eq!(register(&mut server, &pki, strangers, together), 0);
        assert_eq!(server.handshakes.known_signatures(), 0);
        let sites = ["site-1", "site-2"].map(|site| pki.site(site));
        assert_eq!(register(&mut server, &pki, sites, together), 2);
        assert_eq!(server.handshakes.known_signatures(), 2);
    }
}
