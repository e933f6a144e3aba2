//! Datagrams whose senders forge their addresses: the server must not send their owners much
//! more than it got.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::BytesMut;
use fedlink::error::Dropped;
use fedlink::identity::{Chain, Identity, LocalSigner, Role};
use fedlink::message::PeerId;
use fedlink::{Client, ClientAction, Phase, RetryReason, ServerAction, Suite, Suites};
use rcgen::CustomExtension;

use crate::SECOND;
use crate::common::layout::{KIND, VERSION, challenge_reply, kind};
use crate::common::pair::{Pair, Setup, site_identity};
use crate::common::pki::{Pki, name};
use crate::ways::{begin, next, next_heartbeat, take_key};

const SUITES: [Suite; 3] = [Suite::Plain, Suite::Bearer, Suite::Sealed];

/// A pair on datagrams whose server has a chain of 500 bytes, or of 12,500.
fn pair(suite: Suite, long: bool, padded: bool, datagram: bool) -> Pair {
    let mut pair = Setup::new(suite)
        .client(move |config| config.datagram = padded)
        .server(move |config| {
            config.datagram = datagram;
            config.challenge_budget = 20;
        })
        .build();
    if long {
        let seed = pair.pki.seed("coordinator");
        let leaf = pair
            .pki
            .root()
            .leaf("coordinator", Role::Server, seed, |params| {
                let oid = [1, 3, 6, 1, 4, 1, 99_999, 1];
                let long = CustomExtension::from_oid_content(&oid, vec![7; 12_000]);
                params.custom_extensions.push(long);
            });
        let chain = Chain::from_der(vec![leaf]).unwrap();
        let key = Arc::new(LocalSigner::from_seed(&seed));
        let identity = Identity::new(name("coordinator"), chain, key, pair.pki.roots());
        pair.server
            .set_identity(pair.now, identity.unwrap())
            .unwrap();
    }
    pair
}

/// What the server answered, and by how much more than what came, at most.
#[derive(Default)]
struct Answered {
    kinds: BTreeSet<&'static str>,
    most: usize,
    peer: u64,
}

impl Answered {
    /// Sends a message from an address of its own; its answers.
    fn send(&mut self, pair: &mut Pair, message: &[u8]) -> Vec<BytesMut> {
        self.peer += 1;
        let peer = PeerId(1000 + self.peer);
        let taken = pair.server.handle_message(pair.now, peer, message.into());
        let mut answers = Vec::new();
        while let Some(answer) = pair.server.poll_transmit() {
            assert_eq!(answer.peer, peer);
            answers.push(BytesMut::from(
                &[&answer.header[..], &answer.payload].concat()[..],
            ));
        }
        let len: usize = answers.iter().map(|it| it.len()).sum();
        self.most = self.most.max(len.div_ceil(message.len()));
        for answer in &answers {
            self.kinds.insert(match (answer[0], answer[KIND], taken) {
                (0, ..) => "versions",
                (_, kind::CHALLENGE_REPLY, _) => "challenge reply",
                (_, kind::REGISTER_REPLY, _) => "register reply",
                (_, kind::REFUSAL, Err(Dropped::OverBudget)) => "busy",
                (_, kind::REFUSAL, Err(Dropped::TooShort)) => "too short",
                (_, kind::REFUSAL, _) if message[KIND] == kind::CHALLENGE => {
                    "refusal of a challenge"
                }
                (_, kind::REFUSAL, _) => "refusal of a register",
                (_, kind::INVALID_SESSION, _) => "invalid session",
                other => panic!("{other:?}"),
            });
        }
        answers
    }
}

/// A client at the same server with other settings or certificates.
fn client(pair: &Pair, pki: &Pki, suite: Suite, datagram: bool) -> Client {
    let mut config = (*pair.client_config).clone();
    config.suites = Suites::new([suite]).unwrap();
    config.trusted_path = true;
    config.datagram = datagram;
    let identity = site_identity(pki, "site-1", pair.pki.roots());
    begin(Arc::new(config), identity, 9, pair.now)
}

/// Runs a handshake as far as it goes, with each Register sent three times. A client that is
/// told to be longer is, later.
fn handshake(answered: &mut Answered, pair: &mut Pair, mut client: Client) {
    for _ in 0..20 {
        while let Some(message) = client.poll_transmit() {
            let message = BytesMut::from(&message.header[..]);
            let copies = if message[KIND] == kind::REGISTER {
                3
            } else {
                1
            };
            for _ in 0..copies {
                for answer in answered.send(pair, &message) {
                    let _ = client.handle_message(pair.now, answer);
                }
            }
            if message[KIND] == kind::REGISTER {
                return;
            }
        }
        pair.now = pair.now + SECOND;
        pair.server.handle_timeout(pair.now);
        client.handle_timeout(pair.now);
    }
    panic!("it never got as far as its Register");
}

fn every_kind(suite: Suite, long: bool, datagram: bool) -> Answered {
    let mut pair = pair(suite, long, false, datagram);
    let mut answered = Answered::default();
    answered.send(&mut pair, &[9, 1]);
    let own = Pki::new(1);
    let version = next(&mut client(&pair, &own, suite, false))[0];
    let mut noise = vec![version, 0x10];
    noise.extend_from_slice(&[7; 49]);
    answered.send(&mut pair, &noise);
    let mut noise = vec![version, 0x11];
    noise.extend_from_slice(&[7; 24]);
    noise.extend_from_slice(&[0; 4]);
    answered.send(&mut pair, &noise);
    let other = if suite == Suite::Sealed {
        Suite::Bearer
    } else {
        Suite::Sealed
    };
    let challenge = next(&mut client(&pair, &own, other, false));
    answered.send(&mut pair, &challenge);
    for padded in [false, true] {
        for pki in [&own, &Pki::new(2)] {
            let client = client(&pair, pki, suite, padded);
            handshake(&mut answered, &mut pair, client);
        }
    }
    let challenge = next(&mut client(&pair, &own, suite, false));
    for _ in 0..25 {
        answered.send(&mut pair, &challenge);
    }
    answered
}

// spec: P-7
#[test]
fn on_datagrams_no_answer_to_a_stranger_is_over_three_times_as_long() {
    let mut kinds = BTreeSet::new();
    for suite in SUITES {
        for long in [false, true] {
            let answered = every_kind(suite, long, true);
            assert!(answered.most <= 3, "{suite} {long}: {}", answered.most);
            kinds.extend(answered.kinds);
        }
    }
    let all = [
        "busy",
        "challenge reply",
        "invalid session",
        "refusal of a challenge",
        "refusal of a register",
        "register reply",
        "too short",
        "versions",
    ];
    assert!(kinds.iter().eq(&all), "{kinds:?}");
    // On streams nobody forges an address.
    assert!(every_kind(Suite::Sealed, false, false).most > 3);
    assert!(every_kind(Suite::Sealed, true, false).most > 100);
}

// spec: P-8
#[test]
fn on_datagrams_a_challenge_is_padded() {
    for suite in SUITES {
        let pair = pair(suite, false, true, true);
        let challenge = next(&mut client(&pair, &Pki::new(1), suite, true));
        assert!((1200..1210).contains(&challenge.len()), "{suite}");
    }
}

/// Whatever its chain, and whether or not the clients know of datagrams.
// spec: P-9
#[test]
fn on_datagrams_a_client_learns_how_long_its_challenge_has_to_be() {
    for suite in SUITES {
        for (long, padded) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut pair = pair(suite, long, padded, true);
            pair.register();
            pair.pass(15 * SECOND);
            assert_eq!(
                pair.client.phase(),
                Phase::Active,
                "{suite} {long} {padded}"
            );
            let short = suite != Suite::Plain && (long || !padded);
            let dropped = &pair.server.counters().dropped;
            let dropped = dropped.get(&Dropped::TooShort).copied().unwrap_or_default();
            let told = pair.take_client().iter().any(|it| {
                let reason = RetryReason::ChallengeTooShort;
                matches!(it, ClientAction::Retry { reason: it, .. } if *it == reason)
            });
            assert_eq!(told, dropped == 1, "{suite} {long} {padded}");
            assert!(dropped <= 1);
            assert!(!short || told, "{suite} {long} {padded}");
            next_heartbeat(&mut pair);
        }
    }
}

// spec: P-9
#[test]
fn a_challenge_that_is_too_short_for_its_answer_costs_no_signature() {
    let mut pair = pair(Suite::Sealed, false, false, true);
    take_key(&mut pair);
    let challenge = next(&mut client(&pair, &Pki::new(1), Suite::Sealed, false));
    let taken = pair
        .server
        .handle_message(pair.now, pair.peer, challenge.clone());
    assert_eq!(taken, Err(Dropped::TooShort));
    assert!(pair.server.poll_transmit().unwrap().len() <= 3 * challenge.len());
    pair.drain();
    let sign = |it: &ServerAction| matches!(it, ServerAction::Sign { .. });
    assert!(!pair.take_server().iter().any(sign));
}

/// Anybody may say that a challenge is too short; so long a one may be lost on its way.
///
/// ```text
/// client: Challenge
/// to the client: Refusal "too short", of 4 GiB; then the genuine answer, or none
/// ```
// spec: P-10
#[test]
fn who_is_told_to_be_longer_by_anybody_is_so_once_and_within_bounds() {
    for answered in [true, false] {
        let mut pair = Pair::sealed();
        let reply = pair.challenge();
        let mut forged = BytesMut::from(&[VERSION, kind::REFUSAL][..]);
        forged.extend_from_slice(&reply[challenge_reply::NONCE]);
        // Clear; too short: u32::MAX; no message; no wait.
        forged.extend_from_slice(&[0, 3, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
        pair.deliver_to_client(forged);
        assert!(pair.client_drops.is_empty(), "{:?}", pair.client_drops);
        if answered {
            pair.deliver_to_client(reply);
            pair.pass(SECOND);
            assert_eq!(pair.client.phase(), Phase::Active);
            assert_eq!(pair.client.counters().retries, 0);
            continue;
        }
        let mut lengths = Vec::new();
        while lengths.len() < 3 {
            pair.now = pair.now + SECOND;
            pair.tick();
            lengths.extend(pair.to_server.drain(..).map(|it| it.len()));
        }
        assert!(
            (6 << 10..(6 << 10) + 8).contains(&lengths[0]),
            "{lengths:?}"
        );
        assert!(lengths[1] < 100 && lengths[2] < 100, "{lengths:?}");
        pair.pass(60 * SECOND);
        assert_eq!(pair.client.phase(), Phase::Active);
    }
}
