//! Attacks through a connection, or through the number that it had.

use fedlink::error::{Dropped, Misuse};
use fedlink::identity::Signer;
use fedlink::message::{JobId, Payload, PeerId, Properties};
use fedlink::{Assignee, Carrier, ClientAction, NewTask, Sites, Suite};

use crate::SECOND;
use crate::common::pair::Setup;
use crate::common::pki::name;
use crate::ways::{give_signer, next_heartbeat, until_token};

#[test]
fn a_bearer_token_is_worth_nothing_on_another_connection() {
    let mut pair = Setup::new(Suite::Bearer)
        .client(|config| config.trusted_path = false)
        .server(|config| config.trusted_path = false)
        .build();
    pair.server
        .handle_connected(pair.now, pair.peer, Some([1; 32]));
    let carrier = Carrier {
        host_name: None,
        tls_exporter: Some([1; 32]),
    };
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
        Ok(())
    );
}

#[test]
fn a_bearer_token_is_worth_nothing_once_its_connection_is_gone() {
    let mut pair = Setup::new(Suite::Bearer)
        .client(|config| config.trusted_path = false)
        .server(|config| config.trusted_path = false)
        .build();
    let carrier = |value| Carrier {
        host_name: None,
        tls_exporter: Some([value; 32]),
    };
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
#[test]
fn a_task_does_not_go_to_who_has_the_number_of_its_connection_next() {
    let mut pair = Setup::new(Suite::Bearer).build();
    pair.register();
    let job = JobId::from_bytes([7; 16]);
    pair.server.start_job(pair.now, job, Sites::All).unwrap();
    pair.client.job_started(pair.now, job).unwrap();
    pair.drain();
    pair.hold_records = true;
    let task = NewTask {
        name: "train".to_owned(),
        headers: Properties::new(),
        payload: Payload::new("a secret"),
    };
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
