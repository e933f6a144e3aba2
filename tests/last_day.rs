//! The last day of certificates, in virtual time: who registers when, and what hosts are told
//! before.
#![cfg(feature = "x509")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use common::pair::{Pair, Setup, server_identity, site_identity};
use common::pki::{NOT_AFTER, Pki, name};
use fedlink::identity::{Chain, Identity, LocalSigner, Role};
use fedlink::message::PeerId;
use fedlink::{
    Carrier, Client, ClientAction, ClientConfig, Instant, Phase, Server, ServerAction,
    ServerConfig, Suite,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// 1 January 2039: a year before the certificates of the server and of the root end.
const IN_2039: u64 = NOT_AFTER - 365 * 24 * 3600;

/// Sites whose certificates end at the same moment, with their server. Messages take no time.
struct Fleet {
    now: Instant,
    /// When all certificates end.
    end: Instant,
    server: Server,
    sites: Vec<Client>,
    /// Which site was granted a session, and when.
    granted: Vec<(usize, Instant)>,
    rejected: usize,
}

impl Fleet {
    /// Registers this many sites, this long before the end.
    fn new(sites: usize, left: Duration) -> Self {
        let pki = Pki::new(1);
        let now = Instant::from_micros(1_000_000);
        let mut server = ServerConfig::new(name("project"));
        // Few enough that a day of a hundred sites is quick.
        server.heartbeat_interval = 10 * MINUTE;
        server.dead_after = HOUR;
        let coordinator = server_identity(&pki, "coordinator", pki.roots());
        let server = Server::new(Arc::new(server), coordinator, [2; 32], now).unwrap();
        let mut config = ClientConfig::new(name("project"));
        config.server = Some(name("coordinator"));
        let config = Arc::new(config);
        let sites = (0..sites).map(|site| {
            let (site_name, key) = (format!("site-{site}"), pki.seed("site"));
            let own = identity(&pki, &site_name, leaf(&pki, &site_name, 2039, key), key);
            let seed = [u8::try_from(site).unwrap(); 32];
            Client::new(config.clone(), own, seed, now).unwrap()
        });
        let mut fleet = Self {
            now,
            end: now + left,
            server,
            sites: sites.collect(),
            granted: Vec::new(),
            rejected: 0,
        };
        let wall = IN_2039 - left.as_secs();
        fleet.server.set_wall_clock(now, wall);
        for site in &mut fleet.sites {
            site.set_wall_clock(now, wall);
            site.handle_connected(now, Carrier::default()).unwrap();
            site.register(now).unwrap();
        }
        fleet.exchange();
        fleet
    }

    /// Lets time pass until so long after the end.
    fn pass_the_end(&mut self, after: Duration) {
        let until = self.end + after;
        loop {
            let sites = self.sites.iter().filter_map(Client::poll_timeout);
            let server = self.server.poll_timeout().map(|(at, _)| at);
            let next = sites.map(|(at, _)| at).chain(server).min();
            let Some(next) = next.filter(|at| *at <= until) else {
                return;
            };
            self.now = next;
            for site in &mut self.sites {
                site.handle_timeout(next);
            }
            self.server.handle_timeout(next);
            self.exchange();
        }
    }

    fn exchange(&mut self) {
        let mut moved = true;
        while moved {
            moved = false;
            for (number, site) in self.sites.iter_mut().enumerate() {
                while let Some(action) = site.poll_action() {
                    match action {
                        ClientAction::SetAuth(_) => self.granted.push((number, self.now)),
                        ClientAction::Rejected(_) => self.rejected += 1,
                        _ => {}
                    }
                }
                while let Some(transmit) = site.poll_transmit() {
                    let message = [&transmit.header[..], &transmit.payload].concat();
                    let peer = PeerId(number as u64);
                    let message = BytesMut::from(&message[..]);
                    let _ = self.server.handle_message(self.now, peer, message);
                    moved = true;
                }
            }
            while self.server.poll_action().is_some() {}
            while let Some(transmit) = self.server.poll_transmit() {
                let message = [&transmit.header[..], &transmit.payload].concat();
                let site = &mut self.sites[usize::try_from(transmit.peer.0).unwrap()];
                let _ = site.handle_message(self.now, BytesMut::from(&message[..]));
                moved = true;
            }
        }
    }

    /// When sites were granted sessions in the last `span` before the end.
    fn in_the_last(&self, span: Duration) -> impl Iterator<Item = (usize, Instant)> {
        let from = self.end - span;
        let all = self.granted.iter().copied();
        all.filter(move |(_, at)| *at >= from)
    }
}

// spec: P-61, P-120
#[test]
fn a_site_registers_once_in_the_last_day_of_its_certificate() {
    let mut fleet = Fleet::new(1, 30 * HOUR);
    fleet.pass_the_end(HOUR);
    assert_eq!(fleet.in_the_last(DAY).count(), 1, "{:?}", fleet.granted);
    assert_eq!(fleet.granted.len(), 2);
    // Then it is told that its certificate has ended.
    assert_eq!(fleet.rejected, 1);
    assert_eq!(fleet.sites[0].phase(), Phase::Rejected);
}

#[test]
fn a_fleet_that_was_provisioned_together_does_not_come_together_at_the_end() {
    const SITES: usize = 100;
    let mut fleet = Fleet::new(SITES, 30 * HOUR);
    fleet.pass_the_end(HOUR);
    assert_eq!(fleet.in_the_last(DAY).count(), SITES);
    assert_eq!(fleet.in_the_last(HOUR).count(), 0);
    // They come over more than two hours: less than one a minute in the middle.
    let busiest = fleet
        .in_the_last(DAY)
        .map(|(_, from)| {
            let near = |at: &Instant| *at >= from && *at < from + MINUTE;
            fleet.in_the_last(DAY).filter(|(_, at)| near(at)).count()
        })
        .max();
    assert!(busiest.is_some_and(|busiest| busiest <= 8), "{busiest:?}");
    assert_eq!(fleet.rejected, SITES);
}

// spec: P-53
#[test]
fn no_session_is_granted_in_the_last_minute_of_a_certificate() {
    let registered = |left: Duration| {
        let fleet = Fleet::new(1, left);
        (fleet.granted.len(), fleet.rejected)
    };
    assert_eq!(registered(60 * SECOND), (1, 0));
    assert_eq!(registered(59 * SECOND), (0, 1));
    assert_eq!(registered(SECOND), (0, 1));
}

#[test]
fn a_session_that_a_root_cuts_short_is_renewed_once_in_vain() {
    let pki = Pki::new(1);
    let seed = pki.seed("site-1");
    let longer = identity(&pki, "site-1", leaf(&pki, "site-1", 2041, seed), seed);
    let mut pair = at(NOT_AFTER - 3600, Pair::sealed());
    pair.client.set_identity(pair.now, longer).unwrap();
    pair.register();
    pair.pass(HOUR);
    let granted = pair.client_actions.iter();
    let granted = granted.filter(|it| matches!(it, ClientAction::SetAuth(_)));
    assert_eq!(granted.count(), 2);
}

#[test]
fn a_new_certificate_renews_a_session_that_was_to_end_with_the_old_one() {
    let pki = Pki::new(1);
    let seed = pki.seed("site-1");
    let mut pair = at(IN_2039 - 10 * HOUR.as_secs(), Pair::sealed());
    let old = identity(&pki, "site-1", leaf(&pki, "site-1", 2039, seed), seed);
    pair.client.set_identity(pair.now, old).unwrap();
    pair.register();
    pair.pass(HOUR);
    pair.client_actions.clear();
    let new = identity(&pki, "site-1", leaf(&pki, "site-1", 2040, seed), seed);
    pair.client.set_identity(pair.now, new).unwrap();
    pair.pass(9 * HOUR);
    let granted = pair.client_actions.iter().filter_map(|it| match it {
        ClientAction::SetAuth(auth) => Some(auth.expires > IN_2039),
        _ => None,
    });
    assert_eq!(granted.collect::<Vec<_>>(), [true]);
    let gone = |it: &ClientAction| matches!(it, ClientAction::ClearAuth);
    assert!(!pair.client_actions.iter().any(gone));
}

#[test]
fn a_new_certificate_in_the_middle_of_a_renewal_is_not_forgotten() {
    let pki = Pki::new(1);
    let seed = pki.seed("site-1");
    let mut pair = at(IN_2039 - 10 * HOUR.as_secs(), Pair::sealed());
    let old = identity(&pki, "site-1", leaf(&pki, "site-1", 2039, seed), seed);
    pair.client.set_identity(pair.now, old).unwrap();
    pair.register();
    // A silent server makes the client register beside its session, with its old certificate.
    pair.pass_silently(2 * MINUTE);
    let registrations = pair.server.counters().registrations;
    loop {
        pair.drain();
        // The second byte is the kind: 3 is a Register.
        if pair.to_server.iter().any(|message| message[1] == 3) {
            break;
        }
        if !pair.step() {
            pair.now = pair.client.poll_timeout().unwrap().0;
            pair.tick();
        }
    }
    let new = identity(&pki, "site-1", leaf(&pki, "site-1", 2040, seed), seed);
    pair.client.set_identity(pair.now, new).unwrap();
    pair.run();
    assert_eq!(pair.server.counters().registrations, registrations + 1);
    pair.client_actions.clear();
    // To shortly before the session ends.
    pair.pass(9 * HOUR + 45 * MINUTE);
    let granted = pair.client_actions.iter().filter_map(|it| match it {
        ClientAction::SetAuth(auth) => Some(auth.expires > IN_2039),
        _ => None,
    });
    assert_eq!(granted.collect::<Vec<_>>(), [true]);
    let gone = |it: &ClientAction| matches!(it, ClientAction::ClearAuth);
    assert!(!pair.client_actions.iter().any(gone));
}

#[test]
fn both_hosts_are_told_once_and_days_before_that_a_certificate_ends() {
    let mut pair = at(NOT_AFTER - 15 * DAY.as_secs(), quiet());
    pair.register();
    assert_eq!(told(&mut pair), ([].into(), [].into()));
    // Its sessions are renewed more than once in this time.
    pair.pass(2 * DAY);
    let (client, server) = told(&mut pair);
    let days = |(owner, left): &(String, Duration)| (owner.clone(), left.as_secs() / 86400);
    let client: Vec<_> = client.iter().map(days).collect();
    let server: Vec<_> = server.iter().map(days).collect();
    let [site, coordinator] = ["site-1", "coordinator"].map(str::to_owned);
    let both = [(site.clone(), 13), (coordinator.clone(), 13)];
    assert_eq!(client, both);
    assert_eq!(server, [(coordinator, 13), (site, 13)]);
    pair.pass(2 * DAY);
    assert_eq!(told(&mut pair), ([].into(), [].into()));
}

#[test]
fn a_host_that_starts_late_is_told_at_once() {
    let mut pair = at(NOT_AFTER - DAY.as_secs(), quiet());
    pair.client.register(pair.now).unwrap();
    pair.drain();
    let (client, server) = told(&mut pair);
    assert_eq!(client, [("site-1".to_owned(), DAY)]);
    assert_eq!(server, [("coordinator".to_owned(), DAY)]);
}

#[test]
fn without_a_wall_clock_nobody_is_told_of_an_end() {
    let pki = Pki::new(1);
    let pair = quiet();
    let site = site_identity(&pki, "site-1", pki.roots());
    let coordinator = server_identity(&pki, "coordinator", pki.roots());
    let (client, server) = (pair.client_config.clone(), pair.server_config.clone());
    let mut pair = Pair {
        client: Client::new(client, site, [1; 32], pair.now).unwrap(),
        server: Server::new(server, coordinator, [2; 32], pair.now).unwrap(),
        ..pair
    };
    pair.register();
    pair.pass(HOUR);
    assert_eq!(told(&mut pair), ([].into(), [].into()));
}

/// With few heartbeats, so that days are quick.
fn quiet() -> Pair {
    let setup = Setup::new(Suite::Sealed).server(|config| {
        config.heartbeat_interval = 10 * MINUTE;
        config.dead_after = HOUR;
    });
    setup.build()
}

/// It is this time by the wall clocks of both.
fn at(unix_time: u64, mut pair: Pair) -> Pair {
    pair.client.set_wall_clock(pair.now, unix_time);
    pair.server.set_wall_clock(pair.now, unix_time);
    pair
}

/// A certificate that counts until the first of January of a year.
fn leaf(pki: &Pki, site: &str, year: i32, seed: [u8; 32]) -> Vec<u8> {
    pki.root().leaf(site, Role::Client, seed, |params| {
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
    })
}

fn identity(pki: &Pki, site: &str, der: Vec<u8>, seed: [u8; 32]) -> Identity {
    let chain = Chain::from_der(vec![der]).unwrap();
    let signer = Arc::new(LocalSigner::from_seed(&seed));
    Identity::new(name(site), chain, signer, pki.roots()).unwrap()
}

/// Whose certificates end, and when, as the client's host and the server's were told.
type Told = Vec<(String, Duration)>;

fn told(pair: &mut Pair) -> (Told, Told) {
    pair.drain();
    let client = pair.client_actions.drain(..).filter_map(|it| match it {
        ClientAction::CertificateEnds { owner, left, .. } => Some((owner.to_string(), left)),
        _ => None,
    });
    let server = pair.server_actions.drain(..).filter_map(|it| match it {
        ServerAction::CertificateEnds { owner, left, .. } => Some((owner.to_string(), left)),
        _ => None,
    });
    (client.collect(), server.collect())
}
