//! What a stranger learns of sites: nothing, as long as it has not proved to be one.

use std::sync::Arc;

use bytes::BytesMut;
use fedlink::error::Dropped;
use fedlink::identity::{Identity, LocalSigner, Revoked, Signer};
use fedlink::message::PeerId;
use fedlink::{Client, ClientAction, Rejection, Suite};

use crate::SECOND;
use crate::common::pair::{Pair, Setup, site_identity};
use crate::common::pki::{Pki, name};
use crate::ways::{begin, next};

/// What the server knows of `site-1` when the stranger's Register comes.
#[derive(Clone, Copy, Debug)]
enum Known {
    Nothing,
    /// It has registered since the stranger's Challenge.
    RegisteredSince,
    RegisteredBefore,
    Disabled,
    Revoked,
    /// Another site has the only place.
    Full,
}

/// What the stranger shows in the name of `site-1`.
#[derive(Clone, Copy, Debug)]
enum Shown {
    /// A certificate of its own.
    Worthless,
    /// The genuine one, without its key.
    Stolen,
}

const STRANGER: PeerId = PeerId(77);

/// What became of the stranger's Register, the lengths of the answers to it, and what they
/// said.
type Outcome = (Result<(), Dropped>, Vec<usize>, Vec<Rejection>);

fn outcome(suite: Suite, shown: Shown, known: Known, batch: bool) -> Outcome {
    let mut pair = Setup::new(suite)
        .server(|config| config.max_clients = 1)
        .build();
    pair.connect();
    if matches!(known, Known::RegisteredBefore) {
        pair.register();
    }
    let mut stranger = stranger(&pair, shown);
    let challenge = next(&mut stranger);
    pair.server
        .handle_message(pair.now, STRANGER, challenge)
        .unwrap();
    let reply = pair.server.poll_transmit().unwrap();
    let reply = BytesMut::from(&reply.header[..]);
    stranger.handle_message(pair.now, reply).unwrap();
    if let Some(ClientAction::Sign { request, .. }) = stranger.poll_action() {
        let wrong = LocalSigner::from_seed(&[66; 32]).sign(b"something else");
        stranger.signed(pair.now, request, &wrong).unwrap();
    }
    let register = next(&mut stranger);
    match known {
        Known::Nothing | Known::RegisteredBefore => {}
        Known::RegisteredSince => pair.register(),
        Known::Disabled => assert!(pair.server.disable(pair.now, &name("site-1"))),
        Known::Revoked => {
            let mut revoked = Revoked::new();
            let (chain, _) = pair.pki.site("site-1");
            let leaf = chain.leaf_der().unwrap();
            revoked.insert_certificate(leaf).unwrap();
            pair.server.set_revoked(pair.now, revoked);
        }
        Known::Full => {
            pair.change_client("site-2");
            pair.register();
        }
    }
    let taken = if batch {
        // Two are looked at together.
        let both = [(STRANGER, register.clone()), (STRANGER, register)];
        let dropped = pair.server.handle_batch(pair.now, both);
        (dropped == 0).then_some(()).ok_or(Dropped::Unproven)
    } else {
        let taken = pair.server.handle_message(pair.now, STRANGER, register);
        taken.map(drop)
    };
    let mut lengths = Vec::new();
    while let Some(answer) = pair.server.poll_transmit() {
        assert_eq!(answer.peer, STRANGER);
        lengths.push(answer.len());
        let answer = BytesMut::from(&answer.header[..]);
        // The second one answers nothing any more.
        let _ = stranger.handle_message(pair.now, answer);
    }
    let mut rejections = Vec::new();
    while let Some(action) = stranger.poll_action() {
        if let ClientAction::Rejected(rejection) = action {
            rejections.push(rejection);
        }
    }
    (taken, lengths, rejections)
}

/// A client that names itself `site-1` and has begun to register.
fn stranger(pair: &Pair, shown: Shown) -> Client {
    let identity = match shown {
        Shown::Worthless => site_identity(&Pki::new(2), "site-1", pair.pki.roots()),
        Shown::Stolen => {
            let (chain, _) = pair.pki.site("site-1");
            Identity::with_key_elsewhere(name("site-1"), chain, pair.pki.roots()).unwrap()
        }
    };
    let config = Arc::clone(&pair.client_config);
    begin(config, identity, 9, pair.now)
}

/// In suite bearer the cookie of another can be seen, and answered with a proof of one's own.
/// Once it was used, its answer is silence, whether its owner has registered again or not.
// spec: P-67
#[test]
fn who_saw_a_cookie_does_not_learn_whether_its_owner_registers_again() {
    let mut pair = Setup::new(Suite::Bearer)
        .server(|config| config.register_attempts = 100)
        .build();
    let register = pair.challenge_and_prove();
    let mut changed = register.clone();
    *changed.last_mut().unwrap() ^= 1;
    pair.deliver_to_server(register);
    pair.pass(SECOND);
    let silence = |pair: &mut Pair| {
        let (now, copy) = (pair.now, changed.clone());
        assert!(pair.server.handle_message(now, STRANGER, copy).is_err());
        assert_eq!(pair.server.poll_transmit(), None);
    };
    silence(&mut pair);
    for again in 2..=9 {
        pair.restart_client();
        pair.register();
        assert_eq!(pair.server.counters().registrations, again);
        silence(&mut pair);
    }
}

// spec: P-52
#[test]
fn who_has_not_proved_a_name_gets_one_answer_whatever_is_known_of_it() {
    for suite in [Suite::Bearer, Suite::Sealed] {
        for shown in [Shown::Worthless, Shown::Stolen] {
            for batch in [false, true] {
                let expected = outcome(suite, shown, Known::Nothing, batch);
                let answers = if batch { 2 } else { 1 };
                assert_eq!((expected.1.len(), expected.2.len()), (answers, 1));
                for known in [
                    Known::RegisteredSince,
                    Known::RegisteredBefore,
                    Known::Disabled,
                    Known::Revoked,
                    Known::Full,
                ] {
                    let outcome = outcome(suite, shown, known, batch);
                    assert_eq!(outcome, expected, "{suite} {shown:?} {known:?} {batch}");
                }
            }
        }
    }
}
