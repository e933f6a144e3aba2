//! Attacks through a connection, or through the number that it had.

use bytes::BytesMut;
use fedlink::error::{Dropped, Misuse};
use fedlink::identity::Signer;
use fedlink::message::{JobId, MessageKind, Payload, PeerId};
use fedlink::{Assignee, Carrier, ClientAction, NewTask, Phase, Sites, Suite};

use crate::SECOND;
use crate::common::pair::{Pair, Setup};
use crate::common::pki::name;
use crate::ways::{give_signer, next_heartbeat, take_key, until_sign, until_token};

// spec: P-74, P-78
#[test]
fn a_bearer_token_is_worth_nothing_on_another_connection() {
    let mut pair = Setup::new(Suite::Bearer)
        .client(|config| config.trusted_path = false)
        .server(|config| config.trusted_path = false)
        .build();
    pair.server
        .handle_connected(pair.now, pair.peer, Some([1; 32]));
    let carrier = Carrier::default().with_tls_exporter([1; 32]);
    pair.client.handle_connected(pair.now, carrier).unwrap();
    pair.client.register(pair.now).unwrap();
    pair.run();
    pair.now = pair.now + SECOND;
    pair.client.handle_timeout(pair.now);
    pair.drain();
    let heartbeat = pair.to_server.pop().expect("a heartbeat");
    let elsewhere = PeerId(99);
    pair.server
        .handle_connected(pair.now, elsewhere, Some([9; 32]));
    assert_eq!(
        pair.server
            .handle_message(pair.now, elsewhere, heartbeat.clone()),
        Err(Dropped::Unauthentic)
    );
    let mut guessed = heartbeat.clone();
    guessed[30] ^= 1;
    assert_eq!(
        pair.server.handle_message(pair.now, pair.peer, guessed),
        Err(Dropped::Unauthentic)
    );
    assert_eq!(
        pair.server.handle_message(pair.now, pair.peer, heartbeat),
        Ok(MessageKind::Heartbeat)
    );
}

#[test]
fn a_bearer_token_is_worth_nothing_once_its_connection_is_gone() {
    let mut pair = Setup::new(Suite::Bearer)
        .client(|config| config.trusted_path = false)
        .server(|config| config.trusted_path = false)
        .build();
    let carrier = |value| Carrier::default().with_tls_exporter([value; 32]);
    pair.server
        .handle_connected(pair.now, pair.peer, Some([1; 32]));
    pair.client.handle_connected(pair.now, carrier(1)).unwrap();
    pair.client.register(pair.now).unwrap();
    pair.run();
    let heartbeat = next_heartbeat(&mut pair);
    // The host gives the number of the connection to the next one.
    pair.server.handle_disconnected(pair.now, pair.peer);
    for next in [None, Some([2; 32])] {
        pair.server.handle_connected(pair.now, pair.peer, next);
        assert_eq!(
            pair.server
                .handle_message(pair.now, pair.peer, heartbeat.clone()),
            Err(Dropped::Unauthentic)
        );
    }
}

/// Somebody gets the number of a connection that was cut, and with it what was meant for
/// the one before: in the bearer suite that would be readable.
///
/// ```text
/// site-1 on connection 1: PullTask
/// the server's host: (storing the assignment takes a while)
/// connection 1 is cut; its number goes to somebody else
/// the server's host: stored
/// ```
// spec: P-6
#[test]
fn a_task_does_not_go_to_who_has_the_number_of_its_connection_next() {
    let mut pair = Setup::new(Suite::Bearer).build();
    pair.register();
    let job = JobId::from_bytes([7; 16]);
    pair.server.start_job(pair.now, job, Sites::All).unwrap();
    pair.client.job_started(pair.now, job).unwrap();
    pair.drain();
    pair.hold_records = true;
    let task = NewTask::new("train", Payload::new("a secret"));
    let site = Assignee::Site(name("site-1"));
    pair.server.assign(pair.now, job, site, task).unwrap();
    pair.client.pull_task(pair.now, job).unwrap();
    pair.run();
    let next = pair.peer;
    pair.disconnect();
    pair.server.handle_connected(pair.now, next, None);
    pair.store_held();
    assert!(pair.to_client.is_empty(), "{:?}", pair.to_client);
    // The site itself gets it where it is now.
    pair.hold_records = false;
    pair.connect();
    pair.pass(30 * SECOND);
    let assigned = |it: &ClientAction| matches!(it, ClientAction::TaskAssigned(_));
    assert!(pair.take_client().iter().any(assigned));
}

/// The same while the server's signer takes a while: the reply would hold the token.
///
/// ```text
/// site-1 on connection 1: Challenge, Register
/// connection 1 is cut; its number goes to somebody else
/// the server's signer: signed
/// ```
#[test]
fn a_token_does_not_go_to_who_has_the_number_of_its_connection_next() {
    let mut pair = Setup::new(Suite::Bearer).build();
    let key = give_signer(&mut pair);
    pair.client.register(pair.now).unwrap();
    let (request, bytes) = until_token(&mut pair, &key);
    let next = pair.peer;
    pair.disconnect();
    pair.server.handle_connected(pair.now, next, None);
    let late = pair.server.signed(pair.now, request, &key.sign(&bytes));
    assert_eq!(late, Err(Misuse::UnknownSignature(request)));
    pair.drain();
    assert!(pair.to_client.is_empty(), "{:?}", pair.to_client);
}

/// The same with what the host has not taken yet.
#[test]
fn what_was_not_sent_yet_does_not_go_to_who_has_the_number_of_its_connection_next() {
    let mut pair = Setup::new(Suite::Bearer).build();
    let register = pair.challenge_and_prove();
    pair.server
        .handle_message(pair.now, pair.peer, register)
        .unwrap();
    pair.server.handle_disconnected(pair.now, pair.peer);
    assert_eq!(pair.server.poll_transmit(), None);
}

/// A bearer session with a channel binding on connection 1.
fn bound() -> Pair {
    let mut pair = Setup::new(Suite::Bearer)
        .client(|config| config.trusted_path = false)
        .server(|config| config.trusted_path = false)
        .build();
    let (now, binding) = (pair.now, Some([1; 32]));
    pair.server.handle_connected(now, pair.peer, binding);
    let mut carrier = Carrier::default();
    carrier.tls_exporter = binding;
    pair.client.handle_connected(now, carrier).unwrap();
    pair
}

/// Delivers a message to the server on this connection; whether it was taken, and how many
/// answers there were on any connection.
fn answers_on(pair: &mut Pair, peer: u64, message: &BytesMut) -> (Result<(), Dropped>, usize) {
    let peer = PeerId(peer);
    let taken = pair.server.handle_message(pair.now, peer, message.clone());
    let answers = std::iter::from_fn(|| pair.server.poll_transmit());
    (taken.map(drop), answers.count())
}

/// A Register leaks behind the carrier that protects it, for example from a log, and is sent
/// on connections of somebody else: its reply would hold the token.
///
/// ```text
/// site-1 on connection 1: Challenge, Register
/// somebody on connections 2 (another binding) and 3 (none): the same Register
/// ```
// spec: P-58
#[test]
fn a_register_is_not_answered_again_on_another_connection() {
    let mut pair = bound();
    pair.client.register(pair.now).unwrap();
    pair.drain();
    let challenge = pair.to_server.pop().unwrap();
    pair.deliver_to_server(challenge);
    let reply = pair.to_client.pop().unwrap();
    pair.deliver_to_client(reply);
    let register = pair.to_server.pop().unwrap();
    pair.server
        .handle_connected(pair.now, PeerId(2), Some([2; 32]));
    pair.server.handle_connected(pair.now, PeerId(3), None);
    assert_eq!(answers_on(&mut pair, 1, &register), (Ok(()), 1));
    let elsewhere = (Err(Dropped::Repeated), 0);
    for _ in 0..2 {
        assert_eq!(answers_on(&mut pair, 2, &register), elsewhere);
        assert_eq!(answers_on(&mut pair, 3, &register), elsewhere);
    }
    assert_eq!(pair.server.counters().registrations, 1);
    // On its own connection it is answered again, and the session stands.
    pair.deliver_to_server(register);
    pair.pass(SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
    assert_eq!(pair.server.counters().registrations, 1);
    assert!(pair.server.is_registered(&name("site-1")));
}

/// The same before the Register has come where it was meant for, and while its token is
/// being signed.
#[test]
fn a_register_that_comes_elsewhere_first_makes_no_session_and_is_in_nobodys_way() {
    let mut pair = bound();
    let key = take_key(&mut pair);
    pair.client.register(pair.now).unwrap();
    let (request, bytes) = until_sign(&mut pair);
    pair.server
        .signed(pair.now, request, &key.sign(&bytes))
        .unwrap();
    pair.drain();
    let reply = pair.to_client.pop().unwrap();
    pair.deliver_to_client(reply);
    let register = pair.to_server.pop().unwrap();
    pair.server
        .handle_connected(pair.now, PeerId(2), Some([2; 32]));
    // Its proof is of another connection.
    let (taken, _) = answers_on(&mut pair, 2, &register);
    assert_eq!(taken, Ok(()));
    assert!(pair.take_server().is_empty(), "nothing is signed for it");
    pair.deliver_to_server(register.clone());
    assert_eq!(
        answers_on(&mut pair, 2, &register),
        (Err(Dropped::Repeated), 0)
    );
    let (request, bytes) = until_sign(&mut pair);
    let signature = key.sign(&bytes);
    pair.server.signed(pair.now, request, &signature).unwrap();
    let reply = pair.server.poll_transmit().expect("it is answered");
    assert_eq!(reply.peer, pair.peer);
    assert_eq!(pair.server.poll_transmit(), None);
    assert_eq!(
        answers_on(&mut pair, 2, &register),
        (Err(Dropped::Repeated), 0)
    );
    assert_eq!(pair.server.counters().registrations, 1);
}
