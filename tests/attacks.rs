//! What somebody on the way, a stranger, or an enrolled site might try. Each test names
//! the attack and shows that it fails.

mod common;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use common::pair::{Pair, Setup, server_identity};
use common::pki::name;
use fedlink::error::{Dropped, Misuse};
use fedlink::identity::{Identity, LocalSigner, Revoked, Role, Signer};
use fedlink::message::{JobId, Payload, PeerId, Properties, SignatureId};
use fedlink::{Assignee, Carrier, ClientAction, NewTask, Phase, ServerAction, Sites, Suite};

const SECOND: Duration = Duration::from_secs(1);

/// The next heartbeat, taken off the wire.
fn next_heartbeat(pair: &mut Pair) -> BytesMut {
    loop {
        pair.now = pair.now + SECOND;
        pair.tick();
        if let Some(message) = pair.to_server.pop() {
            return message;
        }
    }
}

#[test]
fn a_register_that_arrives_twice_gets_the_same_reply_and_one_session() {
    let mut pair = Pair::sealed();
    let register = pair.challenge_and_prove();
    pair.deliver_to_server(register.clone());
    pair.deliver_to_server(register.clone());
    assert_eq!(pair.to_client.len(), 2);
    assert_eq!(pair.to_client[0], pair.to_client[1]);
    assert_eq!(pair.server.counters().registrations, 1);
    pair.pass(SECOND);
    pair.deliver_to_server(register);
    pair.run();
    assert_eq!(pair.client.phase(), Phase::Active);
    assert_eq!(pair.server.counters().registrations, 1);
}

#[test]
fn a_register_that_arrives_after_its_window_is_dropped() {
    let mut pair = Pair::sealed();
    let register = pair.challenge_and_prove();
    pair.now = pair.now + 61 * SECOND;
    pair.server.handle_timeout(pair.now);
    pair.deliver_to_server(register);
    assert_eq!(pair.server_drops, [Dropped::Cookie]);
}

#[test]
fn an_older_register_does_not_undo_a_newer_one() {
    let mut pair = Pair::sealed();
    let older = pair.challenge_and_prove();
    pair.pass_silently(13 * SECOND);
    pair.pass(15 * SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
    pair.server_drops.clear();
    pair.deliver_to_server(older);
    assert_eq!(pair.server_drops, [Dropped::Repeated]);
    pair.pass(30 * SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
    assert!(pair.server.is_registered(&name("site-1")));
}

#[test]
fn a_register_cannot_be_carried_over_to_a_restarted_server() {
    let mut pair = Pair::sealed();
    let register = pair.challenge_and_prove();
    pair.restart_server();
    pair.deliver_to_server(register);
    assert_eq!(pair.server_drops, [Dropped::Cookie]);
}

#[test]
fn a_repeated_request_is_opened_once() {
    let mut pair = Pair::sealed();
    pair.register();
    let heartbeat = next_heartbeat(&mut pair);
    pair.server_drops.clear();
    pair.deliver_to_server(heartbeat.clone());
    pair.deliver_to_server(heartbeat);
    assert_eq!(pair.server_drops, [Dropped::Repeated]);
}

#[test]
fn a_forged_end_of_session_is_refuted_by_one_request() {
    let mut pair = Pair::sealed();
    pair.register();
    pair.pass(9 * SECOND);
    pair.take_client();
    // Somebody sees the next heartbeat, keeps it, and says that the session is unknown.
    let heartbeat = next_heartbeat(&mut pair);
    let mut forged = BytesMut::from(&[1, 6][..]);
    forged.extend_from_slice(&heartbeat[2..26]);
    forged.extend_from_slice(&heartbeat[heartbeat.len() - 16..]);
    pair.deliver_to_client(forged.clone());
    pair.run();
    pair.pass(60 * SECOND);
    let actions = pair.take_client();
    assert!(!actions.contains(&ClientAction::ClearAuth));
    assert!(
        !actions
            .iter()
            .any(|it| matches!(it, ClientAction::SetAuth(_)))
    );
    // Later it echoes nothing that is outstanding.
    pair.client_drops.clear();
    pair.deliver_to_client(forged);
    assert_eq!(pair.client_drops, [Dropped::Unasked]);
}

#[test]
fn a_clear_refusal_from_anybody_does_not_stop_a_registration() {
    let mut pair = Pair::sealed();
    pair.connect();
    pair.client.register(pair.now).unwrap();
    pair.drain();
    let challenge = pair.to_server[0].clone();
    // The nonce stands behind suites (2 bytes), project (8) and binding (1).
    let nonce = &challenge[2 + 2 + 8 + 1..][..16];
    let mut forged = BytesMut::from(&[1, 5][..]);
    forged.extend_from_slice(nonce);
    // Clear; rejected: disabled; no message; wait for an hour.
    forged.extend_from_slice(&[0, 0, 1, 0, 1, 0x80, 0xdd, 0xdb, 0x01]);
    pair.deliver_to_client(forged);
    assert!(pair.client_drops.is_empty(), "{:?}", pair.client_drops);
    pair.pass(SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
    assert!(
        !pair
            .take_client()
            .iter()
            .any(|action| matches!(action, ClientAction::Rejected(_)))
    );
}

#[test]
fn answers_to_another_exchange_are_not_looked_at() {
    let mut pair = Pair::sealed();
    let late = pair.challenge();
    pair.pass_silently(8 * SECOND);
    pair.client_drops.clear();
    pair.deliver_to_client(late);
    assert_eq!(pair.client_drops, [Dropped::Unasked]);
}

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

#[test]
fn a_server_that_is_revoked_while_it_answers_is_not_joined() {
    let mut pair = Pair::sealed();
    let register = pair.challenge_and_prove();
    pair.deliver_to_server(register);
    let server = pair.pki.seed("coordinator");
    let leaf = pair
        .pki
        .root()
        .leaf("coordinator", Role::Server, server, |_| {});
    let mut revoked = Revoked::new();
    revoked.insert_certificate(&leaf).unwrap();
    pair.client.set_revoked(pair.now, revoked);
    pair.run();
    assert_eq!(pair.client.phase(), Phase::Registering);
}

#[test]
fn an_old_list_of_jobs_undoes_nothing() {
    let mut pair = Setup::new(Suite::Plain).build();
    pair.register();
    let job = JobId::from_bytes([7; 16]);
    pair.server.start_job(pair.now, job, Sites::All).unwrap();
    pair.pass(12 * SECOND);
    assert!(
        pair.take_client()
            .contains(&ClientAction::StartJobs(vec![job]))
    );
    pair.client.job_started(pair.now, job).unwrap();
    // The answer to a heartbeat is held back, the job ends, the next answer says so.
    let heartbeat = next_heartbeat(&mut pair);
    pair.deliver_to_server(heartbeat);
    let held = pair.to_client.pop().unwrap();
    pair.server.end_job(pair.now, job).unwrap();
    pair.pass(20 * SECOND);
    assert!(
        pair.take_client()
            .contains(&ClientAction::AbortJobs(vec![job]))
    );
    pair.client.job_ended(pair.now, job).unwrap();
    pair.deliver_to_client(held);
    pair.run();
    assert!(
        !pair
            .take_client()
            .iter()
            .any(|action| matches!(action, ClientAction::StartJobs(_)))
    );
}

#[test]
fn a_server_that_slept_declares_nobody_dead() {
    let mut pair = Pair::sealed();
    pair.register();
    pair.take_server();
    // The machine sleeps for two hours, then wakes with all its timers due; messages
    // come before its host looks at the clock.
    pair.now = pair.now + 7200 * SECOND;
    for _ in 0..100 {
        pair.now = pair.now + SECOND / 100;
        pair.deliver_to_server(BytesMut::from(&b"noise"[..]));
    }
    pair.server.handle_timeout(pair.now);
    pair.drain();
    assert!(pair.take_server().is_empty());
    pair.client.handle_timeout(pair.now);
    pair.pass(30 * SECOND);
    assert!(pair.server.is_registered(&name("site-1")));
    // Silence after that counts.
    let dead = pair.watch_server(700 * SECOND);
    assert!(
        matches!(dead[..], [ServerAction::ClientDead { .. }]),
        "{dead:?}"
    );
}

#[test]
fn a_restored_server_that_slept_waits_for_its_clients_all_the_same() {
    let mut pair = Pair::sealed();
    pair.register();
    let job = JobId::from_bytes([7; 16]);
    pair.server.start_job(pair.now, job, Sites::All).unwrap();
    let task = NewTask {
        name: "train".to_owned(),
        headers: Properties::new(),
        payload: Payload::new("in"),
    };
    let site = Assignee::Site(name("site-1"));
    pair.server.assign(pair.now, job, site, task).unwrap();
    pair.drain();
    pair.take_server();
    pair.restart_server();
    pair.now = pair.now + 7200 * SECOND;
    pair.server.handle_timeout(pair.now);
    pair.drain();
    assert!(pair.take_server().is_empty());
    assert_eq!(pair.watch_server(610 * SECOND).len(), 1);
}

#[test]
fn messages_before_an_overdue_timer_do_not_count_one_sleep_again_and_again() {
    let mut pair = Pair::sealed();
    pair.register();
    pair.take_server();
    // The machine wakes after two hours and hears strangers before its host tells it the
    // time.
    pair.now = pair.now + 7200 * SECOND;
    for _ in 0..1000 {
        pair.now = pair.now + Duration::from_millis(1);
        pair.deliver_to_server(BytesMut::from(&b"noise"[..]));
    }
    let dead = pair.watch_server(700 * SECOND);
    assert!(
        matches!(dead[..], [ServerAction::ClientDead { .. }]),
        "{dead:?}"
    );
}

#[test]
fn a_session_that_nobody_uses_ends_within_a_window_and_says_nothing() {
    let mut pair = Pair::sealed();
    let register = pair.challenge_and_prove();
    pair.deliver_to_server(register);
    pair.to_client.clear();
    assert!(pair.watch_server(70 * SECOND).is_empty());
    assert!(!pair.server.is_registered(&name("site-1")));
    assert_eq!(
        format!("{:?}", pair.server),
        "Server(coordinator, 0 sessions)"
    );
}

#[test]
fn secrets_do_not_show() {
    let mut pair = Setup::new(Suite::Bearer).build();
    pair.register();
    let auth = pair
        .take_client()
        .into_iter()
        .find_map(|action| match action {
            ClientAction::SetAuth(auth) => Some(auth),
            _ => None,
        })
        .unwrap();
    let token = auth.token.clone().unwrap();
    let shown = format!("{auth:?} {:?} {:?}", pair.client, pair.server);
    let decimal = format!("{:?}", token.expose());
    let hex: String = token.expose().iter().map(|b| format!("{b:02x}")).collect();
    assert!(
        !shown.contains(&decimal) && !shown.contains(&hex),
        "{shown}"
    );
}

#[test]
fn answers_to_unknown_sessions_are_held_to_the_budget_of_strangers() {
    let mut pair = Setup::new(Suite::Sealed)
        .server(|config| config.peer_budget = 5)
        .build();
    let mut noise = BytesMut::from(&[1, 0x10][..]);
    noise.extend_from_slice(&[7; 60]);
    for _ in 0..50 {
        pair.deliver_to_server(noise.clone());
    }
    assert_eq!(pair.to_client.len(), 5);
    assert!(pair.server_drops.iter().all(|it| *it == Dropped::NoSession));
}

#[test]
fn a_late_word_of_sleep_does_not_keep_a_silent_client_alive() {
    let mut pair = Setup::new(Suite::Plain).build();
    pair.register();
    let job = JobId::from_bytes([7; 16]);
    pair.client.job_started(pair.now, job).unwrap();
    pair.take_server();
    pair.client.suspend(pair.now, 20 * 3600 * SECOND).unwrap();
    pair.drain();
    let sleep = pair.to_server.pop().unwrap();
    // The device changed its mind and works; its word of sleep arrives late.
    pair.client.pull_task(pair.now, job).unwrap();
    pair.run();
    pair.deliver_to_server(sleep);
    pair.take_server();
    assert_eq!(pair.watch_server(610 * SECOND).len(), 1);
}

#[test]
fn a_heartbeat_that_arrives_after_a_newer_one_changes_nothing() {
    let mut pair = Pair::sealed();
    pair.register();
    let job = JobId::from_bytes([7; 16]);
    pair.server.start_job(pair.now, job, Sites::All).unwrap();
    let late = next_heartbeat(&mut pair);
    pair.client.job_started(pair.now, job).unwrap();
    pair.client.resume_heartbeats(pair.now);
    pair.now = pair.now + SECOND;
    pair.tick();
    let newer = pair.to_server.pop().expect("a heartbeat");
    pair.deliver_to_server(newer);
    pair.take_server();
    pair.server_drops.clear();
    pair.deliver_to_server(late);
    assert_eq!(pair.server_drops, [Dropped::Repeated]);
    let told = pair.take_server();
    assert!(told.is_empty(), "{told:?}");
}

/// A pair whose server's key is elsewhere, and that key.
fn with_signer() -> (Pair, LocalSigner) {
    let mut pair = Pair::sealed();
    let key = give_signer(&mut pair);
    (pair, key)
}

/// The server's key is elsewhere from now on; the key. The client connects.
fn give_signer(pair: &mut Pair) -> LocalSigner {
    let (chain, key) = pair.pki.server("coordinator");
    let identity =
        Identity::with_key_elsewhere(name("coordinator"), chain, pair.pki.roots()).unwrap();
    pair.server.set_identity(pair.now, identity).unwrap();
    pair.connect();
    key
}

/// Runs until the server asks for a signature; gives what it asked.
fn until_sign(pair: &mut Pair) -> (SignatureId, Bytes) {
    loop {
        while pair.step() {}
        for action in pair.take_server() {
            if let ServerAction::Sign { request, bytes } = action {
                return (request, bytes);
            }
        }
        pair.now = pair.now + SECOND;
        pair.tick();
    }
}

/// Runs a registration until the server asks for the signature of its token.
fn until_token(pair: &mut Pair, key: &LocalSigner) -> (SignatureId, Bytes) {
    let (request, bytes) = until_sign(pair);
    pair.server
        .signed(pair.now, request, &key.sign(&bytes))
        .unwrap();
    until_sign(pair)
}

#[test]
fn a_signature_that_comes_late_does_not_undo_a_newer_registration() {
    let (mut pair, key) = with_signer();
    pair.client.register(pair.now).unwrap();
    let (older, older_bytes) = until_token(&mut pair, &key);
    let (newer, newer_bytes) = until_token(&mut pair, &key);
    pair.server
        .signed(pair.now, newer, &key.sign(&newer_bytes))
        .unwrap();
    let late = pair.server.signed(pair.now, older, &key.sign(&older_bytes));
    assert_eq!(late, Err(Misuse::UnknownSignature(older)));
    pair.pass(SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
    assert_eq!(pair.server.counters().registrations, 1);
    assert!(pair.server.is_registered(&name("site-1")));
}

#[test]
fn who_is_shut_out_while_its_token_is_signed_does_not_come_in() {
    for revoke in [false, true] {
        let (mut pair, key) = with_signer();
        pair.client.register(pair.now).unwrap();
        let (request, bytes) = until_token(&mut pair, &key);
        if revoke {
            let site = pair.pki.seed("site-1");
            let leaf = pair.pki.root().leaf("site-1", Role::Client, site, |_| {});
            let mut revoked = Revoked::new();
            revoked.insert_certificate(&leaf).unwrap();
            pair.server.set_revoked(pair.now, revoked);
        } else {
            pair.server.disable(pair.now, &name("site-1"));
        }
        pair.server
            .signed(pair.now, request, &key.sign(&bytes))
            .unwrap();
        pair.run();
        assert_eq!(pair.server.counters().registrations, 0);
        assert_eq!(pair.client.phase(), Phase::Registering);
    }
}

#[test]
fn a_new_identity_does_not_bring_back_who_was_revoked() {
    let mut pair = Pair::sealed();
    let site = pair.pki.seed("site-1");
    let leaf = pair.pki.root().leaf("site-1", Role::Client, site, |_| {});
    let mut revoked = Revoked::new();
    revoked.insert_certificate(&leaf).unwrap();
    pair.server.set_revoked(pair.now, revoked);
    let renewed = server_identity(&pair.pki, "coordinator", pair.pki.roots());
    pair.server.set_identity(pair.now, renewed).unwrap();
    pair.register();
    assert_eq!(pair.client.phase(), Phase::Rejected);
}

/// The machine sleeps for about as long as a client may be silent: it wakes shortly
/// before or after the moment of death, so that no timer seems overdue.
///
/// ```text
/// heartbeat, heartbeat, (the server sleeps 570 … 640 s), heartbeat
/// ```
#[test]
fn a_sleep_that_ends_around_the_moment_of_death_declares_nobody_dead() {
    for span in (5700..6400).step_by(7) {
        for restored in [false, true] {
            let mut pair = Pair::sealed();
            pair.register();
            if restored {
                let job = JobId::from_bytes([7; 16]);
                pair.server.start_job(pair.now, job, Sites::All).unwrap();
                let task = NewTask {
                    name: "train".to_owned(),
                    headers: Properties::new(),
                    payload: Payload::new("in"),
                };
                let site = Assignee::Site(name("site-1"));
                pair.server.assign(pair.now, job, site, task).unwrap();
                pair.drain();
                pair.restart_server();
            }
            pair.take_server();
            pair.now = pair.now + span * SECOND / 10;
            pair.server.handle_timeout(pair.now);
            pair.drain();
            // The client has been calling into the void and is about to try again.
            pair.client.handle_timeout(pair.now);
            pair.pass(15 * SECOND);
            let dead = pair.take_server();
            let died = |it: &ServerAction| matches!(it, ServerAction::ClientDead { .. });
            assert!(!dead.iter().any(died), "{span} tenths, {restored}");
        }
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

/// Strangers fill the places in which handshakes wait for a slow signer.
///
/// ```text
/// site-1: Challenge, Register (both wait for the signer in turn)
/// strangers on 16 connections: 160 Challenges
/// the signer: signs what site-1 needs
/// ```
#[test]
fn strangers_leave_a_slow_signer_room_for_registrations() {
    let mut pair = Pair::sealed();
    let key = give_signer(&mut pair);
    pair.client.register(pair.now).unwrap();
    pair.drain();
    let challenge = pair.to_server[0].clone();
    let (request, bytes) = until_sign(&mut pair);
    for stranger in 0..160 {
        let peer = PeerId(1000 + stranger % 16);
        pair.server
            .handle_message(pair.now, peer, challenge.clone())
            .unwrap();
    }
    pair.drain();
    pair.take_server();
    pair.server
        .signed(pair.now, request, &key.sign(&bytes))
        .unwrap();
    let (request, bytes) = until_sign(&mut pair);
    pair.server
        .signed(pair.now, request, &key.sign(&bytes))
        .unwrap();
    pair.pass(SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
    assert_eq!(pair.client.counters().retries, 0);
}

/// A site that registers again and again has one place at a slow signer, not all.
#[test]
fn one_site_takes_one_place_at_a_slow_signer() {
    let mut pair = Pair::sealed();
    let key = give_signer(&mut pair);
    pair.client.register(pair.now).unwrap();
    let (first, first_bytes) = until_token(&mut pair, &key);
    let (second, second_bytes) = until_token(&mut pair, &key);
    let late = pair.server.signed(pair.now, first, &key.sign(&first_bytes));
    assert_eq!(late, Err(Misuse::UnknownSignature(first)));
    pair.server
        .signed(pair.now, second, &key.sign(&second_bytes))
        .unwrap();
    pair.pass(SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
}
