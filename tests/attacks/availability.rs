//! Attacks that would keep an honest site from its work.

use bytes::BytesMut;
use fedlink::error::{Dropped, Misuse};
use fedlink::identity::Signer;
use fedlink::message::{JobId, MessageKind, Payload, PeerId, ReturnCode};
use fedlink::{
    Assignee, Client, ClientAction, NewTask, Phase, RetryReason, ServerAction, Sites, Suite,
    Suspicion,
};

use crate::SECOND;
use crate::common::layout::{BODY, KIND, TAG, VERSION, kind, session};
use crate::common::pair::{Pair, Setup, site_identity};
use crate::common::pki::{NOW, name};
use crate::ways::{give_signer, next_heartbeat, until_sign, until_token};

// spec: P-66, P-83
#[test]
fn answers_to_unknown_sessions_are_held_to_the_budget_of_strangers() {
    let mut pair = Setup::new(Suite::Sealed)
        .server(|config| config.peer_budget = 5)
        .build();
    let mut noise = BytesMut::from(&[2, 0x10][..]);
    noise.extend_from_slice(&[7; 60]);
    for _ in 0..50 {
        pair.deliver_to_server(noise.clone());
    }
    assert_eq!(pair.to_client.len(), 5);
    assert!(pair.server_drops.iter().all(|it| *it == Dropped::NoSession));
}

/// Strangers ask for far more handshakes than the server begins, whenever a site asks.
///
/// ```text
/// strangers on 1,500 connections: 1,500 Challenges (1,000 are answered)
/// site-1: Challenge
/// server: Refusal (busy, with a time to come again)
/// this six times; then site-1: Challenge, Register
/// ```
#[test]
fn a_flood_of_challenges_sends_a_site_away_for_half_a_minute_at_a_time() {
    let mut pair = Pair::sealed();
    pair.connect();
    pair.client.register(pair.now).unwrap();
    pair.drain();
    for _ in 0..6 {
        let challenge = pair.to_server.pop().expect("it asks again");
        let mut refused = 0;
        for stranger in 0..1_500 {
            let peer = PeerId(1_000 + stranger);
            let taken = pair
                .server
                .handle_message(pair.now, peer, challenge.clone());
            refused += u32::from(taken == Err(Dropped::OverBudget));
        }
        assert_eq!(refused, 500);
        let answers = std::iter::from_fn(|| pair.server.poll_transmit());
        let refusals = answers.filter(|answer| answer.header[1] == 5).count();
        assert_eq!(refusals, 500);

        let asked = pair.now;
        pair.deliver_to_server(challenge);
        let refusal = pair.to_client.pop().expect("it is told when to come again");
        pair.deliver_to_client(refusal);
        pair.take_client();
        pair.now = asked + 5 * SECOND;
        pair.tick();
        let told = pair.take_client();
        let again = told.iter().find_map(|action| match action {
            ClientAction::Retry { at, reason, .. } => Some((*at, *reason)),
            _ => None,
        });
        // It waits for something better, and then, however often it was sent away, for no
        // more than it was told or the least that it waits.
        let at = asked + 7 * SECOND;
        assert_eq!(again, Some((at, RetryReason::ServerBusy)));
        pair.now = at;
        pair.tick();
    }
    pair.pass(SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
}

/// Who is cut off while he waits for his turn keeps it on the next connection.
// spec: P-71
#[test]
fn a_turn_outlives_the_connection_on_which_it_was_given() {
    // No stranger is to use up the budget of the client's own connection.
    let mut pair = Setup::new(Suite::Sealed)
        .server(|config| config.peer_budget = 100)
        .build();
    pair.connect();
    pair.client.register(pair.now).unwrap();
    pair.drain();
    let challenge = pair.to_server.pop().unwrap();
    for stranger in 0..15_000 {
        let peer = PeerId(1_000 + stranger);
        let copy = challenge.clone();
        let _ = pair.server.handle_message(pair.now, peer, copy);
        while pair.server.poll_transmit().is_some() {}
    }
    pair.deliver_to_server(challenge);
    let refusal = pair.to_client.pop().unwrap();
    pair.deliver_to_client(refusal);
    pair.now = pair.now + 5 * SECOND;
    pair.tick();
    let turn = pair.take_client().iter().find_map(|action| match action {
        ClientAction::Retry { at, .. } => Some(*at),
        _ => None,
    });
    let turn = turn.expect("it was told");
    assert!(turn > pair.now + 10 * SECOND);

    for _ in 0..2 {
        pair.disconnect();
        pair.connect();
        pair.drain();
        assert!(pair.to_server.is_empty());
        assert_eq!(pair.client.poll_timeout().map(|(at, _)| at), Some(turn));
    }
    pair.now = turn;
    pair.tick();
    pair.run();
    assert_eq!(pair.client.phase(), Phase::Active);
    assert_eq!(pair.server.counters().registrations, 1);
}

/// Strangers that have no cookie send Registers, and take nothing from those who have one.
///
/// ```text
/// site-1: Challenge
/// strangers on 5,000 connections: 5,000 Registers with a changed cookie
/// site-1: Register
/// ```
#[test]
fn a_flood_of_registers_without_a_cookie_stops_nobody() {
    let mut pair = Pair::sealed();
    let register = pair.challenge_and_prove();
    let mut forged = register.clone();
    // Whatever it is that the cookie's code stands for.
    let inside = forged.len() / 4;
    forged[inside] ^= 1;
    for stranger in 0..5_000 {
        let peer = PeerId(1_000 + stranger);
        let taken = pair.server.handle_message(pair.now, peer, forged.clone());
        assert_eq!(taken, Err(Dropped::Cookie));
    }
    pair.deliver_to_server(register);
    pair.run();
    assert_eq!(pair.client.phase(), Phase::Active);
}

// spec: P-66, P-69
#[test]
fn registers_are_held_to_the_budget_of_strangers_and_wait_for_a_host_that_is_behind() {
    let setup = || {
        Setup::new(Suite::Sealed).server(|config| {
            config.peer_budget = 5;
            config.max_waiting = 8;
        })
    };
    // The challenge was the first of five.
    let mut pair = setup().build();
    let register = pair.challenge_and_prove();
    let taken = |pair: &mut Pair| {
        let (now, peer) = (pair.now, pair.peer);
        pair.server.handle_message(now, peer, register.clone())
    };
    let outcomes: Vec<_> = (0..6).map(|_| taken(&mut pair)).collect();
    assert_eq!(outcomes[..4], [Ok(MessageKind::Register); 4]);
    assert_eq!(outcomes[4..], [Err(Dropped::OverBudget); 2]);

    let mut pair = setup().build();
    let register = pair.challenge_and_prove();
    for job in 0..8 {
        let job = JobId::from_bytes([job; 16]);
        pair.server.start_job(pair.now, job, Sites::All).unwrap();
    }
    let taken = pair.server.handle_message(pair.now, pair.peer, register);
    assert_eq!(taken, Err(Dropped::OverBudget));
}

/// Strangers fill the places in which handshakes wait for a slow signer.
///
/// ```text
/// site-1: Challenge (waits for the signer, is signed and answered)
/// strangers on 32 connections: 160 Challenges
/// site-1: Register (waits for the signer, is signed and answered)
/// ```
// spec: P-70
#[test]
fn strangers_leave_a_slow_signer_room_for_registrations() {
    let mut pair = Pair::sealed();
    let key = give_signer(&mut pair);
    pair.client.register(pair.now).unwrap();
    pair.drain();
    let challenge = pair.to_server[0].clone();
    let (request, bytes) = until_sign(&mut pair);
    pair.server
        .signed(pair.now, request, &key.sign(&bytes))
        .unwrap();
    pair.drain();
    let reply = pair.to_client.pop().unwrap();
    for stranger in 0..160 {
        let peer = PeerId(1000 + stranger % 32);
        pair.server
            .handle_message(pair.now, peer, challenge.clone())
            .unwrap();
    }
    pair.drain();
    let asked = pair.take_server();
    let sign = |it: &&ServerAction| matches!(it, ServerAction::Sign { .. });
    assert_eq!(asked.iter().filter(sign).count(), 32);
    pair.to_client = vec![reply];
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

/// All sites of a large federation register while the signer is slow.
// spec: P-70
#[test]
fn at_a_slow_signer_there_are_places_for_64_registrations() {
    let mut pair = Pair::sealed();
    let key = give_signer(&mut pair);
    for site in 0..65 {
        let label = format!("site-{site}");
        let identity = site_identity(&pair.pki, &label, pair.pki.roots());
        let seed = [site; 32];
        pair.client = Client::new(pair.client_config.clone(), identity, seed, pair.now).unwrap();
        pair.client.set_wall_clock(pair.now, NOW);
        pair.peer = PeerId(site.into());
        pair.connect();
        pair.client.register(pair.now).unwrap();
        let (request, bytes) = until_sign(&mut pair);
        pair.server
            .signed(pair.now, request, &key.sign(&bytes))
            .unwrap();
        pair.run();
        let asked = pair.take_server();
        let expected = if site < 64 { 1 } else { 0 };
        assert_eq!(asked.len(), expected, "{label}: {asked:?}");
    }
    assert_eq!(pair.server_drops, [Dropped::OverBudget]);
}

/// Somebody answers every challenge first, and wrongly, for ten minutes.
///
/// ```text
/// client: Challenge
/// to the client: four replies with another share, then the genuine one
/// ```
#[test]
fn who_answers_every_challenge_wrongly_stops_nobody_for_good() {
    let mut pair = Pair::sealed();
    pair.connect();
    pair.client.register(pair.now).unwrap();
    let mut wrong = 0;
    for _ in 0..600 {
        pair.drain();
        for challenge in std::mem::take(&mut pair.to_server) {
            pair.deliver_to_server(challenge);
            for reply in std::mem::take(&mut pair.to_client) {
                for byte in 0..4 {
                    let mut changed = reply.clone();
                    // Somewhere in the server's nonce.
                    changed[20 + byte] ^= 1;
                    pair.deliver_to_client(changed);
                    wrong += 1;
                }
                pair.deliver_to_client(reply);
            }
        }
        pair.now = pair.now + SECOND;
        pair.tick();
    }
    assert!(wrong >= 40, "{wrong}");
    let repeated = |it: &ClientAction| {
        matches!(
            it,
            ClientAction::Suspect {
                suspicion: Suspicion::Seal,
                repeated: true
            }
        )
    };
    assert!(pair.take_client().iter().any(repeated));
    assert_eq!(pair.client.phase(), Phase::Registering);
    pair.pass(65 * SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
}

/// A list of versions without ours is an excuse to try later, no more.
// spec: P-20
#[test]
fn a_list_of_other_versions_delays_nobody_who_is_answered() {
    let mut pair = Pair::sealed();
    pair.connect();
    pair.client.register(pair.now).unwrap();
    pair.drain();
    let versions = || BytesMut::from(&[0, 2, 7, 8][..]);
    pair.deliver_to_client(versions());
    pair.pass(SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
    assert_eq!(pair.client.counters().retries, 0);
    // It is not even that once the server has answered.
    pair.client_drops.clear();
    pair.deliver_to_client(versions());
    assert_eq!(pair.client_drops, [Dropped::Unasked]);
}

/// A relay cuts the connection again and again, then leaves.
#[test]
fn a_client_that_was_cut_off_a_hundred_times_is_at_work_within_a_minute() {
    let mut pair = Pair::sealed();
    pair.register();
    for _ in 0..100 {
        pair.disconnect();
        pair.connect();
        pair.pass(SECOND / 20);
    }
    pair.disconnect();
    let retry = pair
        .take_client()
        .into_iter()
        .rev()
        .find_map(|it| match it {
            ClientAction::Retry {
                at,
                reason: RetryReason::Disconnected,
                ..
            } => Some(at),
            _ => None,
        });
    let at = retry.expect("it wants a connection");
    assert!(at.since(pair.now) <= 60 * SECOND);
    pair.now = at;
    pair.connect();
    pair.pass(SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
    assert!(pair.server.is_registered(&name("site-1")));
}

/// Somebody says at every heartbeat that the session is unknown, and keeps the answers.
///
/// ```text
/// client: Heartbeat
/// to the client: InvalidSession, echoing it
/// client: Heartbeat, Challenge, Register, … (all answers are dropped)
/// ```
#[test]
fn a_client_whose_session_is_denied_for_an_hour_is_at_work_soon_after() {
    let mut pair = Pair::sealed();
    pair.register();
    let mut denied = 0;
    for _ in 0..3600 {
        pair.drain();
        for message in std::mem::take(&mut pair.to_server) {
            if message[KIND] == kind::SEALED {
                let mut forged = BytesMut::from(&[VERSION, kind::INVALID_SESSION][..]);
                forged.extend_from_slice(&message[BODY..session::CLEAR_PART]);
                forged.extend_from_slice(&message[message.len() - TAG..]);
                pair.deliver_to_client(forged);
                denied += 1;
            }
            pair.deliver_to_server(message);
        }
        pair.to_client.clear();
        pair.now = pair.now + SECOND;
        pair.tick();
    }
    assert!(denied >= 100, "{denied}");
    pair.pass(125 * SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
    assert!(pair.server.is_registered(&name("site-1")));
    let rejected = |it: &ClientAction| matches!(it, ClientAction::Rejected(_));
    assert!(!pair.take_client().iter().any(rejected));
    let dead = |it: &ServerAction| matches!(it, ServerAction::ClientDead { .. });
    assert!(!pair.take_server().iter().any(dead));
}

/// What the server answers to the next heartbeat while more waits for its host: whether it
/// drops it, and what the client is told.
fn answer_behind(
    pair: &mut Pair,
    wait: impl FnOnce(&mut Pair),
) -> (Result<(), Dropped>, Option<RetryReason>) {
    pair.take_client();
    let heartbeat = next_heartbeat(pair);
    wait(pair);
    let taken = pair.server.handle_message(pair.now, pair.peer, heartbeat);
    pair.run();
    let told = pair.take_client().into_iter().find_map(|it| match it {
        ClientAction::Retry { reason, .. } => Some(reason),
        _ => None,
    });
    (taken.map(drop), told)
}

const OVERLOADED: Option<RetryReason> =
    Some(RetryReason::Heartbeat(ReturnCode::ServiceUnavailable));

/// The host sends all messages, but stores nothing and takes no action.
// spec: P-87
#[test]
fn a_server_whose_host_is_behind_says_so_and_when_it_is_far_behind_nothing() {
    const WAITING: u8 = 8;
    let mut pair = Setup::new(Suite::Sealed)
        .server(|config| config.max_waiting = WAITING.into())
        .build();
    pair.register();
    for (waiting, expected) in [
        (WAITING - 1, (Ok(()), None)),
        (WAITING, (Ok(()), OVERLOADED)),
        (2 * WAITING - 1, (Ok(()), OVERLOADED)),
        (2 * WAITING, (Err(Dropped::OverBudget), None)),
    ] {
        let answer = answer_behind(&mut pair, |pair| {
            for job in 0..waiting {
                let job = JobId::from_bytes([job; 16]);
                pair.server.start_job(pair.now, job, Sites::All).unwrap();
            }
        });
        assert_eq!(answer, expected, "{waiting}");
        for job in pair.server.jobs().collect::<Vec<_>>() {
            pair.server.end_job(pair.now, job).unwrap();
        }
        pair.pass(SECOND);
    }
}

#[test]
fn a_server_whose_host_leaves_many_bytes_to_wait_says_so() {
    let mut pair = Setup::new(Suite::Sealed)
        .server(|config| config.max_waiting_bytes = 64 << 10)
        .build();
    pair.register();
    let job = JobId::from_bytes([7; 16]);
    pair.server.start_job(pair.now, job, Sites::All).unwrap();
    pair.drain();
    for (bytes, told) in [(32 << 10, None), (64 << 10, OVERLOADED)] {
        let answer = answer_behind(&mut pair, |pair| {
            let task = NewTask::new("train", Payload::new(vec![0; bytes]));
            let anyone = Assignee::Anyone;
            pair.server.assign(pair.now, job, anyone, task).unwrap();
        });
        assert_eq!(answer, (Ok(()), told), "{bytes}");
    }
}
