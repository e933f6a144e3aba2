//! Attacks on the way to a session.

use std::time::Duration;

use bytes::BytesMut;
use fedlink::error::{Dropped, Misuse};
use fedlink::identity::{Revoked, Role, Signer};
use fedlink::message::PeerId;
use fedlink::{ClientAction, Phase, RetryReason, ServerAction, Suite, Suites, Suspicion};

use crate::SECOND;
use crate::common::layout::{BODY, KIND, VERSION, challenge, challenge_reply, kind, refusal};
use crate::common::pair::{Pair, Setup, server_identity};
use crate::common::pki::name;
use crate::two::Two;
use crate::ways::{until_token, with_signer};

// spec: P-58
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

/// What is remembered of a Register lasts exactly as long as its cookie: any sooner, and it
/// would make a second session.
// spec: P-58
#[test]
fn a_register_makes_one_session_up_to_the_last_moment_of_its_cookie() {
    let moment = Duration::from_micros(1);
    let mut pair = Pair::sealed();
    let register = pair.challenge_and_prove();
    let end = pair.now + pair.server_config.registration_window;
    // As late as it may come, and as early.
    for early in [moment, 59 * SECOND] {
        let mut pair = Pair::sealed();
        assert_eq!(pair.challenge_and_prove(), register);
        pair.now = end - early;
        pair.deliver_to_server(register.clone());
        let reply = pair.to_client.pop().expect("it is answered");
        while pair.now < end - moment {
            pair.now = (pair.now + 7 * SECOND).min(end - moment);
            pair.server.handle_timeout(pair.now);
            pair.deliver_to_server(register.clone());
            assert_eq!(pair.to_client.pop(), Some(reply.clone()));
        }
        assert_eq!(pair.server.counters().registrations, 1);
        assert!(pair.server_drops.is_empty());
        pair.now = end;
        pair.deliver_to_server(register.clone());
        assert_eq!(pair.server_drops, [Dropped::Cookie]);
        assert_eq!(pair.server.counters().registrations, 1);
    }
}

// spec: P-59
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

// spec: P-50
#[test]
fn a_register_cannot_be_carried_over_to_a_restarted_server() {
    let mut pair = Pair::sealed();
    let register = pair.challenge_and_prove();
    pair.restart_server();
    pair.deliver_to_server(register);
    assert_eq!(pair.server_drops, [Dropped::Cookie]);
}

// spec: P-46
#[test]
fn a_clear_refusal_from_anybody_does_not_stop_a_registration() {
    let mut pair = Pair::sealed();
    pair.connect();
    pair.client.register(pair.now).unwrap();
    pair.drain();
    let challenge = pair.to_server[0].clone();
    let mut forged = BytesMut::from(&[VERSION, kind::REFUSAL][..]);
    forged.extend_from_slice(&challenge[challenge::NONCE]);
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

/// The same while a sealed Register is out: the server has proved itself, but anybody can
/// have written what is not sealed.
///
/// ```text
/// client: Challenge, Register
/// to the client: Refusal in clear, "disabled", with the client's nonce
/// to the client: RegisterReply
/// ```
// spec: P-46
#[test]
fn a_clear_refusal_from_anybody_does_not_stop_a_register_that_is_out() {
    for suite in [Suite::Sealed, Suite::Bearer] {
        let mut pair = Setup::new(suite).build();
        let reply = pair.challenge();
        let nonce = reply[challenge_reply::NONCE].to_vec();
        pair.deliver_to_client(reply);
        let register = pair.to_server.pop().unwrap();
        let mut forged = BytesMut::from(&[VERSION, kind::REFUSAL][..]);
        forged.extend_from_slice(&nonce);
        // Clear; rejected: disabled; no message; no wait.
        forged.extend_from_slice(&[0, 0, 1, 0, 0]);
        pair.deliver_to_client(forged);
        assert!(pair.client_drops.is_empty(), "{:?}", pair.client_drops);
        let rejected = |it: &ClientAction| matches!(it, ClientAction::Rejected(_));
        let rejected = pair.take_client().iter().any(rejected);
        // In the bearer suite the carrier protects it.
        assert_eq!(rejected, suite == Suite::Bearer, "{suite}");
        pair.deliver_to_server(register);
        pair.run();
        let expected = if rejected {
            Phase::Rejected
        } else {
            Phase::Active
        };
        assert_eq!(pair.client.phase(), expected, "{suite}");
    }
}

// spec: P-39
#[test]
fn answers_to_another_exchange_are_not_looked_at() {
    let mut pair = Pair::sealed();
    let late = pair.challenge();
    pair.pass_silently(8 * SECOND);
    pair.client_drops.clear();
    pair.deliver_to_client(late);
    assert_eq!(pair.client_drops, [Dropped::Unasked]);
}

// spec: P-44
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

// spec: P-62
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

// spec: P-70
#[test]
fn a_signature_is_awaited_for_one_window() {
    let moment = Duration::from_micros(1);
    for early in [moment, Duration::ZERO] {
        let (mut pair, key) = with_signer();
        pair.client.register(pair.now).unwrap();
        let (request, bytes) = until_token(&mut pair, &key);
        pair.now = pair.now + pair.server_config.registration_window - early;
        let signed = pair.server.signed(pair.now, request, &key.sign(&bytes));
        assert_eq!(signed.is_ok(), early > Duration::ZERO);
    }
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

/// An answer to one client's challenge is given to another one under the nonce that the
/// other chose.
///
/// ```text
/// A: Challenge a        B: Challenge b
/// server to A: ChallengeReply a
/// to B: ChallengeReply a with the nonce of b
/// ```
#[test]
fn an_answer_to_somebody_elses_challenge_proves_nothing() {
    let mut two = Two::new(["site-1", "site-2"]);
    for site in 0..2 {
        two.sites[site].client.register(two.now).unwrap();
    }
    two.drain();
    // The nonce stands behind suites (2 bytes), project (32) and binding (1); in the
    // answer behind the suite.
    let nonce = two.sites[1].to_server[0][challenge::NONCE].to_vec();
    let challenge = two.sites[0].to_server[0].clone();
    two.server
        .handle_message(two.now, two.sites[0].peer, challenge)
        .unwrap();
    two.drain();
    let mut reply = two.sites[0].to_client[0].clone();
    reply[challenge_reply::NONCE].copy_from_slice(&nonce);
    let victim = &mut two.sites[1].client;
    victim.handle_message(two.now, reply).unwrap();
    two.drain();
    let seal = |it: &ClientAction| matches!(it, ClientAction::Suspect { suspicion, .. } if *suspicion == Suspicion::Seal);
    assert!(two.sites[1].actions.iter().any(seal));
    // The genuine answer still counts.
    two.pass(SECOND);
    assert_eq!(two.sites[1].client.phase(), Phase::Active);
    assert_eq!(two.sites[1].client.counters().retries, 0);
}

/// Somebody on the way strikes the better suite from what a client offers.
///
/// ```text
/// client: Challenge {bearer, sealed}
/// to the server: Challenge {bearer}
/// server: ChallengeReply {bearer}, properly signed
/// ```
// spec: P-42
#[test]
fn nobody_talks_both_ends_into_a_worse_suite() {
    let both = || Suites::new([Suite::Bearer, Suite::Sealed]).unwrap();
    let mut pair = Setup::new(Suite::Sealed)
        .client(move |config| {
            config.suites = both();
            config.trusted_path = true;
        })
        .server(move |config| {
            config.suites = both();
            config.trusted_path = true;
        })
        .build();
    pair.connect();
    pair.client.register(pair.now).unwrap();
    pair.drain();
    let challenge = pair.to_server.pop().unwrap();
    let (head, rest) = challenge.split_at(BODY);
    let rest = rest.strip_prefix(&[2, 1, 2]).unwrap();
    let worse = [head, &[1, 1], rest].concat();
    pair.deliver_to_server(BytesMut::from(&worse[..]));
    let reply = pair.to_client.pop().unwrap();
    assert_eq!(
        reply[challenge_reply::SUITE],
        1,
        "the server took the bearer suite"
    );
    pair.deliver_to_client(reply);
    let proof = |it: &ClientAction| matches!(it, ClientAction::Suspect { suspicion, .. } if *suspicion == Suspicion::Proof);
    assert!(pair.take_client().iter().any(proof));
    assert!(pair.to_server.is_empty(), "it did not say who it is");
}

// spec: P-21
#[test]
fn plain_that_is_offered_beside_another_suite_is_not_taken() {
    let mut pair = Setup::new(Suite::Plain).build();
    pair.connect();
    pair.client.register(pair.now).unwrap();
    pair.drain();
    let challenge = pair.to_server.pop().unwrap();
    assert_eq!(challenge[challenge::SUITES], [1, 0]);
    let beside = [
        &challenge[..BODY],
        &[2, 0, 1],
        &challenge[challenge::SUITES.end..],
    ]
    .concat();
    pair.deliver_to_server(BytesMut::from(&beside[..]));
    // A refusal in clear: no common suite.
    let refusal = pair.to_client.pop().unwrap();
    assert_eq!(
        (refusal[KIND], &refusal[refusal::DENIED..][..1]),
        (kind::REFUSAL, &[2][..])
    );
}

/// Somebody says in clear that the server is busy for an hour.
// spec: P-48
#[test]
fn a_wait_that_anybody_may_have_asked_for_is_a_minute_at_most() {
    let mut pair = Pair::sealed();
    let reply = pair.challenge();
    let mut forged = BytesMut::from(&[VERSION, kind::REFUSAL][..]);
    forged.extend_from_slice(&reply[challenge_reply::NONCE]);
    // Clear; busy; no message; wait for an hour.
    forged.extend_from_slice(&[0, 1, 0, 1, 0x80, 0xdd, 0xdb, 0x01]);
    pair.deliver_to_client(forged);
    pair.take_client();
    pair.now = pair.now + pair.client_config.maintenance_timeout;
    pair.tick();
    let waits = pair.take_client().into_iter().find_map(|it| match it {
        ClientAction::Retry { at, reason, .. } => Some((reason, at.since(pair.now))),
        _ => None,
    });
    let longest = pair.client_config.retry_max;
    assert_eq!(waits, Some((RetryReason::ServerBusy, longest)));
}

/// Every byte of a Register is changed on the way; the genuine one comes last.
// spec: P-12
#[test]
fn a_register_that_was_changed_anywhere_is_dropped_and_in_nobodys_way() {
    let mut pair = Setup::new(Suite::Sealed)
        .server(|config| {
            config.peer_budget = 50;
            config.register_attempts = u16::MAX;
        })
        .build();
    let register = pair.challenge_and_prove();
    for at in 0..register.len() {
        let mut changed = register.clone();
        changed[at] ^= 1 << (at % 8);
        pair.server_drops.clear();
        pair.deliver_to_server(changed);
        assert_eq!(pair.server_drops.len(), 1, "byte {at}");
        assert!(pair.to_client.is_empty(), "byte {at}");
        // Strangers have a budget, which fills up.
        pair.now = pair.now + SECOND / 50;
    }
    pair.deliver_to_server(register);
    pair.pass(SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
    assert_eq!(pair.server.counters().registrations, 1);
}

/// The same from other connections, by somebody who sees what is on its way but cannot hold
/// it up, where no more Registers than usual are worked on.
#[test]
fn changed_registers_from_elsewhere_leave_the_genuine_one_its_attempt() {
    let mut pair = Pair::sealed();
    let register = pair.challenge_and_prove();
    let (mut worked_on, mut over_budget) = (0, 0);
    for at in 0..register.len() {
        let mut changed = register.clone();
        changed[at] ^= 1 << (at % 8);
        let peer = PeerId(1000 + at as u64);
        match pair.server.handle_message(pair.now, peer, changed) {
            Err(Dropped::Unauthentic) => worked_on += 1,
            Err(Dropped::OverBudget) => over_budget += 1,
            other => assert!(other.is_err(), "byte {at}"),
        }
        assert_eq!(pair.server.poll_transmit(), None, "byte {at}");
    }
    assert!(worked_on == 1 && over_budget > 100, "{over_budget}");
    pair.deliver_to_server(register);
    pair.pass(SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
    assert_eq!(pair.client.counters().retries, 0);
}

/// Two processes of one site want its place. Whoever registers last has it, and the other
/// one is told so and stops.
// spec: P-62
#[test]
fn two_processes_of_one_site_do_not_evict_each_other_for_ever() {
    let mut two = Two::new(["site-1", "site-1"]);
    two.register();
    two.pass(600 * SECOND);
    assert_eq!(two.sites[0].client.phase(), Phase::Rejected);
    assert_eq!(two.sites[1].client.phase(), Phase::Active);
    let replaced = |it: &&ServerAction| matches!(it, ServerAction::ClientReplaced(_));
    assert_eq!(two.actions.iter().filter(replaced).count(), 1);
}

/// Somebody holds back the Register of a process until another one has its place.
///
/// ```text
/// A: Challenge, Register (held back)
/// B: Challenge, Register, Heartbeat: B stands
/// to the server: the Register of A
/// ```
// spec: P-59
#[test]
fn a_register_that_was_held_back_does_not_evict_a_newer_process() {
    let mut two = Two::new(["site-1", "site-1"]);
    two.sites[0].client.register(two.now).unwrap();
    two.drain();
    let challenge = two.sites[0].to_server.pop().unwrap();
    two.server
        .handle_message(two.now, two.sites[0].peer, challenge)
        .unwrap();
    two.drain();
    let reply = two.sites[0].to_client.pop().unwrap();
    two.sites[0].client.handle_message(two.now, reply).unwrap();
    two.drain();
    let held = two.sites[0].to_server.pop().unwrap();
    // A dies; B registers.
    two.sites[0].client.quit(two.now, "");
    two.sites[1].client.register(two.now).unwrap();
    two.pass(SECOND);
    assert_eq!(two.sites[1].client.phase(), Phase::Active);
    let peer = PeerId(99);
    let taken = two.server.handle_message(two.now, peer, held);
    assert_eq!(taken, Err(Dropped::Repeated));
    two.pass(120 * SECOND);
    assert_eq!(two.sites[1].client.phase(), Phase::Active);
    assert_eq!(two.server.counters().registrations, 1);
}

/// Processes of one site take its place from one another, eight times; then the first one
/// wants it back.
// spec: P-55
#[test]
fn a_process_that_was_replaced_stays_out_when_seven_more_were() {
    let mut pair = Pair::sealed();
    pair.register();
    let first = pair.change_client("site-1");
    pair.register();
    for _ in 0..7 {
        pair.change_client("site-1");
        pair.register();
    }
    pair.put_client(first);
    pair.connect();
    pair.pass(30 * SECOND);
    assert_eq!(pair.client.phase(), Phase::Rejected);
}

// spec: P-63
#[test]
fn a_process_that_was_replaced_comes_back_when_the_other_one_has_left() {
    let mut pair = Pair::sealed();
    pair.register();
    let first = pair.change_client("site-1");
    pair.register();
    pair.client.quit(pair.now, "done");
    pair.run();
    pair.put_client(first);
    pair.connect();
    pair.pass(30 * SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
}
