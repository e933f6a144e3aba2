//! Any bytes, in every phase, on either side: an error or a counted drop, no panic, no
//! growth, and the session goes on.
#![cfg(feature = "x509")]

mod common;

use std::time::Duration;

use bytes::BytesMut;
use common::layout::{KIND, VERSION, kind};
use common::pair::{Pair, Setup};
use fedlink::error::Dropped;
use fedlink::message::Properties;
use fedlink::{Phase, ServerAction, Suite};

/// A generator for tests alone: xorshift64*.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> BytesMut {
        (0..len).map(|_| self.next() as u8).collect::<Vec<_>>()[..].into()
    }

    /// One of the ways in which a message goes wrong.
    fn mangle(&mut self, message: &BytesMut) -> BytesMut {
        let mut bad = message.clone();
        match self.below(4) {
            0 => bad.truncate(self.below(message.len())),
            1 => bad.extend_from_slice(&self.bytes(3)),
            2 => {
                let at = self.below(bad.len());
                bad[at] ^= 1 << self.below(8);
            }
            _ => {
                let at = self.below(bad.len());
                bad[at..].iter_mut().for_each(|byte| *byte = 0xff);
            }
        }
        bad
    }
}

/// Every message of a session, both ways. In the sealed suite it is the very session that
/// they are then thrown at; the others leave changes on the way to their carrier, so
/// there they come from another one.
fn messages(suite: Suite) -> Vec<BytesMut> {
    let mut pair = Setup::new(suite).build();
    if suite != Suite::Sealed {
        pair.restart_client();
        pair.restart_server();
    }
    let mut seen = Vec::new();
    pair.connect();
    pair.client.register(pair.now).unwrap();
    for _ in 0..6 {
        pair.drain();
        seen.extend(pair.to_server.iter().chain(&pair.to_client).cloned());
        pair.step();
        pair.now = pair.now + Duration::from_millis(100);
        pair.tick();
    }
    assert_eq!(pair.client.phase(), Phase::Active);
    pair.client.quit(pair.now, "done");
    pair.drain();
    seen.extend(pair.to_server.iter().cloned());
    seen
}

/// A pair in each phase that a client can be in for long.
fn pair_in(suite: Suite, phase: Phase) -> Pair {
    let mut pair = Setup::new(suite)
        .server(|config| {
            config.peer_budget = 1_000_000;
            config.challenge_budget = 1_000_000;
        })
        .build();
    match phase {
        Phase::Idle => pair.connect(),
        Phase::Registering => {
            pair.connect();
            pair.client.register(pair.now).unwrap();
        }
        Phase::Active => pair.register(),
        Phase::Quitting => {
            pair.register();
            pair.client.quit(pair.now, "done");
        }
        Phase::Rejected | Phase::Closed => {
            pair.connect();
            pair.client.quit(pair.now, "done");
        }
    }
    pair.drain();
    pair
}

// spec: P-15
#[test]
fn no_bytes_change_the_phase_or_stop_the_session() {
    let mut noise = Noise(7);
    let mut refused = 0;
    for suite in [Suite::Plain, Suite::Bearer, Suite::Sealed] {
        let known = messages(suite);
        assert!(known.len() >= 6);
        for phase in [
            Phase::Idle,
            Phase::Registering,
            Phase::Active,
            Phase::Quitting,
            Phase::Closed,
        ] {
            let mut pair = pair_in(suite, phase);
            let (to_server, to_client) = (pair.to_server.clone(), pair.to_client.clone());
            for round in 0..600 {
                let bad = if round % 3 == 0 {
                    let len = noise.below(400);
                    noise.bytes(len)
                } else {
                    let message = &known[noise.below(known.len())];
                    noise.mangle(message)
                };
                let before = pair.client.phase();
                refused += u32::from(pair.client.handle_message(pair.now, bad.clone()).is_err());
                assert_eq!(pair.client.phase(), before);
                refused += u32::from(
                    pair.server
                        .handle_message(pair.now, pair.peer, bad)
                        .is_err(),
                );
                while pair.server.poll_transmit().is_some() {}
                while pair.client.poll_transmit().is_some() {}
            }
            pair.to_server = to_server;
            pair.to_client = to_client;
            pair.pass(Duration::from_secs(30));
            let expected = match phase {
                Phase::Registering | Phase::Active => Phase::Active,
                Phase::Quitting => Phase::Closed,
                other => other,
            };
            assert_eq!(pair.client.phase(), expected, "{suite} {phase:?}");
        }
    }
    assert!(refused > 15_000, "only {refused} messages were refused");
}

// spec: P-3
#[test]
fn too_long_is_refused_before_it_is_read() {
    let mut pair = Pair::sealed();
    pair.register();
    let long = BytesMut::from(&vec![1; (2 << 20) + 1][..]);
    assert_eq!(
        pair.client.handle_message(pair.now, long.clone()),
        Err(Dropped::TooLong)
    );
    assert_eq!(
        pair.server.handle_message(pair.now, pair.peer, long),
        Err(Dropped::TooLong)
    );
    // The longest of a session that nobody knows.
    let mut longest = BytesMut::from(&[2, 0x10][..]);
    longest.resize(2 << 20, 0);
    assert_eq!(
        pair.client.handle_message(pair.now, longest.clone()),
        Err(Dropped::NoSession)
    );
    assert_eq!(
        pair.server.handle_message(pair.now, pair.peer, longest),
        Err(Dropped::NoSession)
    );
}

/// Otherwise two servers would go on telling each other which versions they speak.
// spec: P-17
#[test]
fn a_list_of_versions_is_not_answered() {
    let mut pair = Pair::sealed();
    for (list, dropped) in [
        (&[0, 1, 9][..], Dropped::Unexpected),
        (&[0, 1], Dropped::Malformed),
    ] {
        let taken = pair
            .server
            .handle_message(pair.now, pair.peer, BytesMut::from(list));
        assert_eq!(taken, Err(dropped));
    }
    pair.drain();
    assert!(pair.to_client.is_empty());
}

// spec: P-17
#[test]
fn each_end_drops_what_it_alone_may_send() {
    let mut pair = Setup::new(Suite::Plain).build();
    pair.connect();
    pair.client.register(pair.now).unwrap();
    let (mut by_client, mut by_server) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        pair.drain();
        by_client.extend(pair.to_server.iter().cloned());
        for message in std::mem::take(&mut pair.to_server) {
            pair.deliver_to_server(message);
        }
        by_server.extend(pair.to_client.iter().cloned());
        for message in std::mem::take(&mut pair.to_client) {
            pair.deliver_to_client(message);
        }
    }
    // A clear refusal, and that a session is not known.
    by_server.push([&[VERSION, kind::REFUSAL][..], &[7; 16], &[0, 1, 0, 0]].concat()[..].into());
    by_server.push([&[VERSION, kind::INVALID_SESSION][..], &[7; 40]].concat()[..].into());
    let kinds = |messages: &[BytesMut]| messages.iter().map(|it| it[KIND]).collect::<Vec<_>>();
    assert_eq!(kinds(&by_client), [1, 3]);
    assert_eq!(kinds(&by_server), [2, 4, 5, 6]);
    for message in by_client {
        let taken = pair.client.handle_message(pair.now, message);
        assert_eq!(taken, Err(Dropped::Unexpected));
    }
    for message in by_server {
        let taken = pair.server.handle_message(pair.now, pair.peer, message);
        assert_eq!(taken, Err(Dropped::Unexpected));
    }
}

#[test]
fn strangers_are_held_to_their_budget_and_leave_nothing() {
    let mut pair = Setup::new(Suite::Sealed)
        .server(|config| config.peer_budget = 5)
        .build();
    pair.connect();
    pair.client.register(pair.now).unwrap();
    pair.drain();
    let challenge = pair.to_server.pop().unwrap();
    for _ in 0..50 {
        pair.deliver_to_server(challenge.clone());
    }
    assert_eq!(pair.to_client.len(), 5);
    let over = pair.server.counters().dropped[&Dropped::OverBudget];
    assert_eq!(over, 45);
    assert_eq!(pair.server.clients().count(), 0);
    // Other peers are not held to it.
    let taken = pair
        .server
        .handle_message(pair.now, fedlink::message::PeerId(77), challenge);
    assert_eq!(taken, Ok(fedlink::message::MessageKind::Challenge));
}

// spec: P-4
#[test]
fn a_stranger_may_not_be_long() {
    let mut pair = Pair::sealed();
    for kind in [1, 3] {
        let mut long = BytesMut::from(&[2, kind][..]);
        long.resize((32 << 10) + 1, 0);
        let longest = BytesMut::from(&long[..32 << 10]);
        for (message, why) in [(long, Dropped::TooLong), (longest, Dropped::Malformed)] {
            let taken = pair.server.handle_message(pair.now, pair.peer, message);
            assert_eq!(taken, Err(why));
        }
    }
}

/// A message in which the text `old`, which stands there behind its length, is another.
fn with_text(message: &[u8], old: &str, new: &str) -> BytesMut {
    let prefixed = |text: &str| {
        let mut bytes = Vec::new();
        let mut len = text.len();
        while len > 127 {
            bytes.push((len % 128) as u8 | 0x80);
            len /= 128;
        }
        bytes.push(len as u8);
        bytes.extend(text.as_bytes());
        bytes
    };
    let old = prefixed(old);
    let mut found = message.windows(old.len());
    let at = found.position(|it| it == old).expect("the text");
    let (before, behind) = (&message[..at], &message[at + old.len()..]);
    [before, &prefixed(new), behind].concat()[..].into()
}

// spec: P-107
#[test]
fn a_farewell_that_is_too_long_is_cut() {
    let mut pair = Setup::new(Suite::Plain).build();
    pair.register();
    pair.take_server();
    // The client cuts it: between characters, at 255 bytes.
    pair.client.quit(pair.now, &"é".repeat(200));
    pair.drain();
    let short = pair.to_server.pop().unwrap();
    let reason = "é".repeat(127);
    // What does not cut it, says it in one string.
    let long = with_text(&short, &reason, &"é".repeat(1_000));
    pair.deliver_to_server(long);
    let left = pair.take_server();
    assert!(
        matches!(&left[..], [ServerAction::ClientLeft { reason: told, .. }] if *told == reason),
        "{left:?}"
    );
}

/// A heartbeat of a pair in the plain suite, with the context `k: v`.
fn with_heartbeat() -> (Pair, BytesMut) {
    let mut pair = Setup::new(Suite::Plain).build();
    let context = Properties::new().with("k", "v");
    pair.client.set_context(context).unwrap();
    pair.register();
    pair.take_server();
    while pair.to_server.is_empty() {
        pair.now = pair.now + Duration::from_secs(1);
        pair.tick();
    }
    let heartbeat = pair.to_server.pop().unwrap();
    (pair, heartbeat)
}

// spec: P-86
#[test]
fn a_context_may_take_64_kib_and_no_more() {
    // An entry counts with the longest lengths of its texts, and so does the map.
    let room = (64 << 10) - "k".len() - 3 * 5;
    for (len, taken) in [(room, 1), (room + 1, 0)] {
        let (mut pair, heartbeat) = with_heartbeat();
        let long = with_text(&heartbeat, "v", &"x".repeat(len));
        pair.deliver_to_server(long);
        assert!(pair.server_drops.is_empty());
        assert_eq!(pair.to_client.len(), 1, "it is answered");
        assert_eq!(pair.take_server().len(), taken);
    }
}

// spec: P-16
#[test]
fn nothing_may_follow_a_request_that_brings_no_payload() {
    let (mut pair, heartbeat) = with_heartbeat();
    let mut longer = heartbeat.clone();
    longer.extend_from_slice(b"x");
    pair.deliver_to_server(longer);
    assert_eq!(pair.server_drops, [Dropped::Malformed]);
    assert!(pair.take_server().is_empty());
    pair.deliver_to_server(heartbeat);
    assert_eq!(pair.take_server().len(), 1);
}
