//! A million messages from a million strangers leave the server's heap as it was.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use fedlink::error::Dropped;
use fedlink::identity::Identity;
use fedlink::message::{PeerId, Properties};
use fedlink::{Carrier, Client, ClientConfig, Phase, Suite, Suites};

use crate::common::layout::{BODY, VERSION, kind, session};
use crate::common::pair::{Pair, Setup};
use crate::common::pki::{NOW, Pki, name};
use crate::dice::Dice;
use crate::{KIB, MIB, SECOND, measure};

const MESSAGES: u64 = 1_000_000;
/// Between two messages: 20 s in all, of which the budget of a server admits 40,000.
const STEP: Duration = Duration::from_micros(20);
/// What the work on one message may take beside the message: two chains, a context and
/// site information, once as they came and once as they are read.
const WORK: u64 = 128 * KIB;
/// Between two registrations of one peer.
const HANDSHAKE: Duration = Duration::from_millis(260);
/// The longest message of a stranger, and of anybody.
const STRANGER: u64 = 32 * KIB;
const LONGEST: u64 = 2 * MIB;
/// A session that waits for its first message, and what is remembered of its Register.
const PROVISIONAL: u64 = 8 * KIB;
/// Bytes of a cookie, which ends a hello of the server.
const COOKIE: usize = 48;

/// What strangers send.
struct Arsenal {
    hellos: Vec<Vec<u8>>,
    /// Right but for who sent them: a site of another project.
    registers: Vec<Vec<u8>>,
    dice: Dice,
}

impl Arsenal {
    fn new(pair: &mut Pair) -> Self {
        let mut arsenal = Self {
            hellos: Vec::new(),
            registers: Vec::new(),
            dice: Dice::new(1),
        };
        for suite in [Suite::Sealed, Suite::Bearer, Suite::Plain] {
            for datagram in [false, true] {
                let (hello, register) = handshake(pair, suite, datagram);
                arsenal.hellos.push(hello);
                arsenal.registers.extend(register);
            }
        }
        assert_eq!((arsenal.hellos.len(), arsenal.registers.len()), (6, 4));
        arsenal
    }

    /// Something that a stranger may send, at most 32 KiB.
    fn message(&mut self) -> Vec<u8> {
        let dice = &mut self.dice;
        let hello = self.hellos[dice.below(self.hellos.len())].clone();
        let mut register = self.registers[dice.below(self.registers.len())].clone();
        match dice.below(10) {
            0..3 => hello,
            3 => flip(dice, hello, 0),
            4 => register,
            5 => flip(dice, register, 0),
            // A cookie that this server never gave.
            6 => {
                let end = hello_end(&register);
                let cookie = dice.bytes(COOKIE);
                register[end - COOKIE..end].copy_from_slice(&cookie);
                register
            }
            // A right cookie, and a seal or an identity that is not.
            7 => {
                let clear = hello_end(&register);
                flip(dice, register, clear)
            }
            8 => session_message(dice, 64),
            _ => {
                let len = dice.below(80);
                dice.bytes(len)
            }
        }
    }
}

/// The first two messages of a site of another project that trusts this one's server; the
/// second as large as one may be. Without a common suite there is no second.
fn handshake(pair: &mut Pair, suite: Suite, datagram: bool) -> (Vec<u8>, Option<Vec<u8>>) {
    let mut config = ClientConfig::new(name("project"));
    config.suites = Suites::new([suite]).unwrap();
    config.server = Some(name("coordinator"));
    config.trusted_path = true;
    config.datagram = datagram;
    let (chain, key) = Pki::new(2).site("stranger");
    let identity = Identity::new(name("stranger"), chain, Arc::new(key), pair.pki.roots());
    let mut client = Client::new(Arc::new(config), identity.unwrap(), [9; 32], pair.now).unwrap();
    client.set_wall_clock(pair.now, NOW);
    let largest = Properties::new().with("", "x".repeat((16 << 10) - 15));
    client.set_site_info(largest.clone()).unwrap();
    client
        .set_context(Properties::new().with("", "x".repeat(14 << 10)))
        .unwrap();
    client.register(pair.now).unwrap();
    client
        .handle_connected(pair.now, Carrier::default())
        .unwrap();
    let mut next = |answer: Option<BytesMut>| {
        if let Some(answer) = answer {
            client.handle_message(pair.now, answer).unwrap();
        }
        let message = client.poll_transmit()?;
        Some([&message.header[..], &message.payload].concat())
    };
    let hello = next(None).unwrap();
    let peer = PeerId(1000 + suite as u64 * 2 + u64::from(datagram));
    let sent = BytesMut::from(&hello[..]);
    pair.server.handle_message(pair.now, peer, sent).unwrap();
    let reply = pair.server.poll_transmit().unwrap();
    let register = next(Some(BytesMut::from(&reply.header[..])));
    (hello, register)
}

/// Where the clear part of a Register ends: version and kind, then two texts, each behind
/// its length.
fn hello_end(register: &[u8]) -> usize {
    (0..2).fold(2, |at, _| {
        let len = register[at..].first_chunk().unwrap();
        at + 4 + usize::try_from(u32::from_be_bytes(*len)).unwrap()
    })
}

fn flip(dice: &mut Dice, mut message: Vec<u8>, from: usize) -> Vec<u8> {
    let at = from + dice.below(message.len() - from);
    message[at] ^= 1 << dice.below(8);
    message
}

/// A message of a session that never was, sealed or in clear.
fn session_message(dice: &mut Dice, len: usize) -> Vec<u8> {
    let mut message = vec![0; len];
    let (clear, rest) = message.split_at_mut(session::CLEAR_PART);
    clear.copy_from_slice(&dice.bytes(clear.len()));
    let kind = [kind::SEALED, kind::CLEAR][dice.below(2)];
    clear[..BODY].copy_from_slice(&[VERSION, kind]);
    // No token.
    rest[..4].fill(0);
    message
}

/// A server that accepts every suite that is safe, and a site that is registered there.
fn pair() -> Pair {
    let mut pair = Setup::new(Suite::Sealed)
        .server(|config| {
            config.suites = Suites::new([Suite::Sealed, Suite::Bearer]).unwrap();
            config.trusted_path = true;
            // The flood has but a few cookies, and is to be worked on.
            config.register_attempts = u16::MAX;
        })
        .build();
    pair.register();
    // Tables that are empty again keep their last node: let each have one.
    flood(&mut pair, [Vec::new()].into_iter());
    forget(&mut pair);
    pair
}

/// Sends `messages`, each from a connection of its own; returns the number of answers.
fn flood(pair: &mut Pair, messages: impl Iterator<Item = Vec<u8>>) -> u64 {
    let mut answers = 0;
    for (number, message) in (10_000..).zip(messages) {
        pair.now = pair.now + STEP;
        let peer = PeerId(number);
        let exporter = (number % 2 == 0).then_some([7; 32]);
        pair.server.handle_connected(pair.now, peer, exporter);
        let message = BytesMut::from(&message[..]);
        let _ = pair.server.handle_message(pair.now, peer, message);
        while let Some(answer) = pair.server.poll_transmit() {
            assert_eq!(answer.peer, peer);
            answers += 1;
        }
        while pair.server.poll_refused().is_some() {}
        pair.server.handle_disconnected(pair.now, peer);
    }
    assert_eq!(pair.server.poll_action(), None);
    answers
}

/// Lets the secrets of handshakes grow old.
fn forget(pair: &mut Pair) {
    for _ in 0..3 {
        pair.now = pair.now + 60 * SECOND;
        pair.server.handle_timeout(pair.now);
    }
}

// spec: P-49
#[test]
fn a_flood_from_strangers_leaves_the_heap_as_it_was() {
    let mut pair = pair();
    let mut arsenal = Arsenal::new(&mut pair);
    while pair.server.poll_refused().is_some() {}
    let mut answers = 0;
    let heap = measure(|| {
        answers = flood(&mut pair, (0..MESSAGES).map(|_| arsenal.message()));
        forget(&mut pair);
    });
    assert_eq!(heap.left, 0);
    assert!(heap.peak <= 2 * STRANGER + WORK, "{heap:?}");

    assert!(answers >= 20_000, "{answers} answers");
    let dropped = &pair.server.counters().dropped;
    for (reason, least) in [
        (Dropped::Malformed, 10_000),
        (Dropped::Version, 10_000),
        (Dropped::OverBudget, 500_000),
        (Dropped::Cookie, 1_000),
        (Dropped::Unauthentic, 1_000),
        (Dropped::NoSession, 50_000),
    ] {
        let count = dropped.get(&reason).copied().unwrap_or_default();
        assert!(count >= least, "{reason:?}: {count}");
    }
    pair.pass(20 * SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
    assert_eq!(pair.server.counters().registrations, 1);
}

#[test]
fn the_largest_messages_from_strangers_leave_the_heap_as_it_was() {
    let mut pair = pair();
    let mut dice = Dice::new(2);
    let heap = measure(|| {
        for len in [STRANGER, LONGEST, LONGEST + 1] {
            let len = usize::try_from(len).unwrap();
            let messages = (0..1000u16).map(|number| match (number % 3) as u8 {
                0 => session_message(&mut dice, len),
                kind => [&[2, kind][..], &vec![0x80; len - 2]].concat(),
            });
            flood(&mut pair, messages);
        }
        forget(&mut pair);
    });
    assert_eq!(heap.left, 0);
    assert!(heap.peak <= 2 * LONGEST + WORK, "{heap:?}");
}

#[test]
fn one_site_that_registers_again_and_again_is_remembered_once() {
    let mut pair = pair();
    let heap = measure(|| {
        for _ in 0..1000 {
            let before = pair.server.counters().registrations;
            let (chain, key) = pair.pki.site("site-2");
            let identity = Identity::new(name("site-2"), chain, Arc::new(key), pair.pki.roots());
            let client = Client::new(
                pair.client_config.clone(),
                identity.unwrap(),
                [before as u8; 32],
                pair.now,
            );
            register(&mut pair, client.unwrap());
            assert_eq!(pair.server.counters().registrations, before + 1);
        }
    });
    assert!(heap.left <= i64::try_from(PROVISIONAL).unwrap(), "{heap:?}");
}

/// Lets a client register, within the budget of one peer, that never says a word afterwards.
fn register(pair: &mut Pair, mut client: Client) {
    pair.now = pair.now + HANDSHAKE;
    client.set_wall_clock(pair.now, NOW);
    client.register(pair.now).unwrap();
    client
        .handle_connected(pair.now, Carrier::default())
        .unwrap();
    for _ in 0..2 {
        let sent = client.poll_transmit().unwrap();
        let message = BytesMut::from(&sent.header[..]);
        pair.server
            .handle_message(pair.now, PeerId(7), message)
            .unwrap();
        let answer = pair.server.poll_transmit().unwrap();
        let message = BytesMut::from(&answer.header[..]);
        client.handle_message(pair.now, message).unwrap();
    }
}
