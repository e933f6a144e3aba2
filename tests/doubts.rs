//! What a client does when its connection, its session or a reply is in doubt.
#![cfg(feature = "x509")]

mod common;

use std::time::Duration;

use bytes::BytesMut;
use common::layout::{BODY, TAG, VERSION, kind, session};
use common::pair::{Pair, Setup};
use common::pki::name;
use fedlink::error::{Dropped, Misuse};
use fedlink::message::{JobId, ReturnCode};
use fedlink::{
    Carrier, ClientAction, ClientConfig, CloseReason, Phase, RetryReason, ServerAction, Sites,
    Suite, Timer,
};

const JOB: JobId = JobId::from_bytes([7; 16]);
const SECOND: Duration = Duration::from_secs(1);
const EXPORTED: [u8; 32] = [3; 32];

fn registered() -> Pair {
    let mut pair = Pair::sealed();
    pair.register();
    pair.take_client();
    pair
}

/// The job runs on both sides, and the client asks for a task. There is none.
fn start_and_pull(pair: &mut Pair) {
    pair.server.start_job(pair.now, JOB, Sites::All).unwrap();
    pair.client.job_started(pair.now, JOB).unwrap();
    pair.client.pull_task(pair.now, JOB).unwrap();
    pair.drain();
}

/// Why the client tried something again.
fn retries(pair: &mut Pair) -> Vec<RetryReason> {
    pair.take_client()
        .iter()
        .filter_map(|action| match action {
            ClientAction::Retry { reason, .. } => Some(*reason),
            _ => None,
        })
        .collect()
}

/// How many requests for a task have reached the server.
fn pulls(pair: &mut Pair) -> usize {
    let wanted = |it: &&ServerAction| matches!(it, ServerAction::TaskWanted { .. });
    pair.take_server().iter().filter(wanted).count()
}

fn answered(pair: &mut Pair) -> usize {
    let answered = |it: &&ClientAction| matches!(it, ClientAction::HeartbeatAnswered { .. });
    pair.take_client().iter().filter(answered).count()
}

/// The timers that the client names while `span` passes and nothing reaches anybody.
fn timers_named(pair: &mut Pair, span: Duration) -> Vec<Timer> {
    let end = pair.now + span;
    let mut named = Vec::new();
    while let Some((at, timer)) = pair.client.poll_timeout().filter(|(at, _)| *at <= end) {
        named.push(timer);
        pair.now = pair.now.max(at);
        pair.tick();
        pair.to_server.clear();
    }
    pair.now = end;
    named
}

/// A server that has lost the session may close each connection, instead of saying so.
// spec: P-121
#[test]
fn connections_that_are_lost_unanswered_put_the_session_in_doubt() {
    for answered in [false, true] {
        let mut pair = registered();
        for lost in 1..=4 {
            pair.disconnect();
            pair.connect();
            if answered {
                pair.pass(SECOND);
            } else {
                pair.pass_silently(SECOND);
            }
            let doubted = retries(&mut pair).contains(&RetryReason::SessionSilent);
            // The first connection was answered, so the fourth loss is the third in doubt.
            assert_eq!(doubted, !answered && lost == 4, "{lost}");
        }
        pair.pass(30 * SECOND);
        assert_eq!(pair.client.phase(), Phase::Active);
        let registrations = if answered { 1 } else { 2 };
        assert_eq!(pair.server.counters().registrations, registrations);
    }
}

mod a_session_in_doubt {
    use super::*;

    /// What anybody who saw this sealed request can say: that its session is unknown.
    fn denial(request: &BytesMut) -> BytesMut {
        let tag = &request[request.len() - TAG..];
        let clear = &request[BODY..session::CLEAR_PART];
        BytesMut::from(&[&[VERSION, kind::INVALID_SESSION], clear, tag].concat()[..])
    }

    /// A registered pair whose latest heartbeat is on its way, and the heartbeat.
    fn with_heartbeat() -> (Pair, BytesMut) {
        let mut pair = registered();
        pair.client.resume_heartbeats(pair.now);
        pair.client.heartbeat_ready(pair.now, None).unwrap();
        pair.drain();
        let heartbeat = pair.to_server.pop().unwrap();
        pair.take_client();
        (pair, heartbeat)
    }

    // spec: P-84
    #[test]
    fn a_denial_of_another_session_or_request_is_nothing() {
        let (mut pair, heartbeat) = with_heartbeat();
        let right = denial(&heartbeat);
        for place in [
            session::ID.start,
            session::NUMBER.end - 1,
            right.len() - TAG,
        ] {
            let mut wrong = right.clone();
            wrong[place] ^= 1;
            pair.deliver_to_client(wrong);
        }
        assert_eq!(pair.client_drops, [Dropped::Unasked; 3]);
        assert!(pair.to_server.is_empty());
    }

    // spec: P-85
    #[test]
    fn a_second_denial_causes_no_second_heartbeat() {
        let (mut pair, heartbeat) = with_heartbeat();
        for _ in 0..3 {
            pair.deliver_to_client(denial(&heartbeat));
        }
        assert!(pair.client_drops.is_empty());
        assert_eq!(pair.to_server.len(), 1);
    }

    #[test]
    fn a_denial_is_given_time_to_be_refuted() {
        let (mut pair, heartbeat) = with_heartbeat();
        pair.deliver_to_client(denial(&heartbeat));
        let fresh = pair.to_server.pop().unwrap();
        pair.now = pair.now + SECOND;
        pair.tick();
        assert_eq!(retries(&mut pair), []);
        pair.deliver_to_server(fresh);
        pair.pass(60 * SECOND);
        assert_eq!(retries(&mut pair), []);
        assert_eq!(pair.server.counters().registrations, 1);
    }

    // spec: P-85
    #[test]
    fn a_denial_that_nothing_refutes_leads_to_a_new_session() {
        let (mut pair, heartbeat) = with_heartbeat();
        pair.deliver_to_client(denial(&heartbeat));
        pair.pass_silently(pair.client_config.maintenance_timeout);
        assert!(retries(&mut pair).contains(&RetryReason::SessionSilent));
        pair.pass(60 * SECOND);
        assert_eq!(pair.server.counters().registrations, 2);
    }

    // spec: P-80
    #[test]
    fn the_answer_to_an_older_heartbeat_is_dropped() {
        let (mut pair, older) = with_heartbeat();
        pair.deliver_to_client(denial(&older));
        let newer = pair.to_server.pop().unwrap();
        pair.take_client();
        pair.deliver_to_server(older);
        pair.run();
        assert_eq!(answered(&mut pair), 0);
        assert_eq!(pair.client.counters().dropped[&Dropped::Unasked], 1);
        pair.deliver_to_server(newer);
        pair.run();
        assert_eq!(answered(&mut pair), 1);
    }
}

mod a_connection_in_doubt {
    use super::*;

    /// Connects over a carrier that both ends can bind to.
    fn connect_bound(pair: &mut Pair) {
        pair.server
            .handle_connected(pair.now, pair.peer, Some(EXPORTED));
        let carrier = Carrier::default().with_tls_exporter(EXPORTED);
        pair.client.handle_connected(pair.now, carrier).unwrap();
    }

    /// The sessions that a client of this suite needs for two connections.
    fn sessions_over_two_connections(suite: Suite, connect: impl Fn(&mut Pair)) -> u64 {
        let mut pair = Setup::new(suite).build();
        connect(&mut pair);
        pair.client.register(pair.now).unwrap();
        pair.pass(SECOND);
        assert_eq!(pair.server.counters().registrations, 1);
        pair.disconnect();
        connect(&mut pair);
        pair.pass(SECOND);
        assert_eq!(pair.client.phase(), Phase::Active);
        pair.server.counters().registrations
    }

    #[test]
    fn a_bearer_session_without_a_binding_outlives_its_connection() {
        let sessions = sessions_over_two_connections(Suite::Bearer, Pair::connect);
        assert_eq!(sessions, 1);
    }

    // spec: P-74
    #[test]
    fn a_bearer_session_with_a_binding_ends_with_its_connection() {
        let sessions = sessions_over_two_connections(Suite::Bearer, connect_bound);
        assert_eq!(sessions, 2);
    }

    // spec: P-74
    #[test]
    fn a_sealed_session_outlives_its_connection_even_with_a_binding() {
        let sessions = sessions_over_two_connections(Suite::Sealed, connect_bound);
        assert_eq!(sessions, 1);
    }

    #[test]
    fn an_idle_client_asks_for_no_connection() {
        let mut pair = Pair::sealed();
        pair.connect();
        pair.disconnect();
        assert_eq!(pair.take_client(), []);
        assert_eq!(pair.client.poll_timeout(), None);
    }

    #[test]
    fn the_host_has_time_to_connect_before_it_is_asked_again() {
        let mut pair = registered();
        pair.disconnect();
        assert_eq!(retries(&mut pair), [RetryReason::Disconnected]);
        let given = pair.client_config.retry_min + pair.client_config.connect_timeout;
        let moment = Duration::from_millis(1);
        pair.pass(given - moment);
        assert_eq!(retries(&mut pair), []);
        pair.pass(moment);
        assert_eq!(retries(&mut pair), [RetryReason::NotConnected]);
    }

    // spec: P-122
    #[test]
    fn no_request_times_out_without_a_connection() {
        let mut pair = registered();
        pair.client.resume_heartbeats(pair.now);
        pair.client.heartbeat_ready(pair.now, None).unwrap();
        start_and_pull(&mut pair);
        assert_eq!(pair.to_server.len(), 2);
        pair.disconnect();
        let named = timers_named(&mut pair, 60 * SECOND);
        assert!(named.len() >= 2);
        assert!(
            named.iter().all(|it| *it == Timer::Connect),
            "{named:?} without a connection"
        );
    }

    #[test]
    fn a_registration_stands_still_without_a_connection() {
        for wait in [SECOND, 6 * SECOND] {
            let mut pair = Pair::sealed();
            pair.connect();
            pair.client.register(pair.now).unwrap();
            // The answer is awaited, or has been given up.
            pair.pass_silently(wait);
            pair.disconnect();
            let named = timers_named(&mut pair, 60 * SECOND);
            assert!(
                named.iter().all(|it| *it == Timer::Connect),
                "{named:?} without a connection"
            );
        }
    }

    #[test]
    fn what_was_not_sent_on_a_connection_is_not_sent_on_the_next() {
        let mut pair = Pair::sealed();
        pair.connect();
        pair.client.register(pair.now).unwrap();
        pair.client.handle_disconnected(pair.now);
        assert!(pair.client.poll_transmit().is_none());
    }

    // spec: P-80
    #[test]
    fn an_answer_that_comes_on_the_next_connection_is_dropped() {
        let mut pair = registered();
        pair.client.resume_heartbeats(pair.now);
        pair.client.heartbeat_ready(pair.now, None).unwrap();
        pair.step();
        let answer = pair.to_client.pop().unwrap();
        pair.disconnect();
        pair.connect();
        pair.deliver_to_client(answer);
        assert_eq!(pair.client_drops, [Dropped::Unasked]);
    }

    #[test]
    fn a_connection_that_stands_still_finds_one_try_of_a_message() {
        let mut pair = Pair::sealed();
        pair.connect();
        pair.client.register(pair.now).unwrap();
        for _ in 0..60 {
            pair.now = pair.now + SECOND;
            pair.client.handle_timeout(pair.now);
        }
        assert!(pair.client.counters().retries >= 2);
        pair.drain();
        assert_eq!(pair.to_server.len(), 1);
    }

    // spec: P-108
    #[test]
    fn a_client_that_quits_without_a_connection_is_done() {
        let mut pair = registered();
        pair.disconnect();
        pair.client.quit(pair.now, "done");
        pair.drain();
        assert_eq!(pair.client.phase(), Phase::Closed);
        assert_eq!(pair.client.poll_timeout(), None);
    }

    #[test]
    fn a_request_that_could_not_be_sent_is_sent_again() {
        let mut pair = registered();
        pair.client.pause_heartbeats(pair.now);
        pair.server.start_job(pair.now, JOB, Sites::All).unwrap();
        pair.client.job_started(pair.now, JOB).unwrap();
        pair.client.pull_task(pair.now, JOB).unwrap();
        let transmit = pair.client.poll_transmit().unwrap();
        pair.client.handle_send_failed(pair.now, transmit.id - 1);
        pair.drain();
        assert_eq!(retries(&mut pair), []);
        pair.client.handle_send_failed(pair.now, transmit.id);
        pair.drain();
        let failed = RetryReason::PullTask(ReturnCode::CommError);
        assert_eq!(retries(&mut pair), [failed]);
        pair.pass(10 * SECOND);
        assert!(pulls(&mut pair) > 0);
    }

    #[test]
    fn a_task_is_asked_for_once_there_is_a_connection() {
        let mut pair = registered();
        pair.disconnect();
        start_and_pull(&mut pair);
        pair.pass_silently(10 * SECOND);
        assert_eq!(retries(&mut pair), [RetryReason::Disconnected]);
        pair.take_server();
        pair.connect();
        pair.run();
        assert_eq!(pulls(&mut pair), 1);
    }

    #[test]
    fn a_plain_client_needs_no_name_of_its_server() {
        let mut pair = Setup::new(Suite::Plain)
            .client(|config| config.server = None)
            .build();
        pair.register();
        assert_eq!(pair.client.phase(), Phase::Active);
    }
}

mod before_and_after_a_session {
    use super::*;

    #[test]
    fn a_task_is_asked_for_once_there_is_a_session() {
        let mut pair = Pair::sealed();
        pair.connect();
        pair.client.register(pair.now).unwrap();
        start_and_pull(&mut pair);
        pair.pass_silently(10 * SECOND);
        let asked = |reason: &RetryReason| matches!(reason, RetryReason::PullTask(_));
        assert!(!retries(&mut pair).iter().any(asked));
        while pair.client.phase() == Phase::Registering {
            pair.now = pair.now + SECOND;
            pair.tick();
            pair.run();
        }
        assert_eq!(pulls(&mut pair), 1);
    }

    #[test]
    fn a_list_of_versions_with_the_one_that_is_spoken_is_no_answer() {
        let mut pair = Pair::sealed();
        pair.challenge();
        pair.deliver_to_client(BytesMut::from(&[0, 2, 9, 2][..]));
        assert_eq!(pair.client_drops, [Dropped::Unasked]);
    }

    #[test]
    fn nobody_is_told_of_a_sleep_before_there_is_a_session() {
        let mut pair = Pair::sealed();
        pair.connect();
        pair.client.register(pair.now).unwrap();
        let refused = pair.client.suspend(pair.now, SECOND);
        assert_eq!(refused, Err(Misuse::NotRegistered));
    }

    /// A pair whose session would soon be renewed, and whose silence soon be noticed.
    fn hasty() -> Pair {
        let mut pair = Setup::new(Suite::Sealed)
            .client(|config| config.silence_limit = 2 * SECOND)
            .server(|config| {
                config.session_lifetime = 4 * SECOND;
                config.heartbeat_interval = SECOND;
            })
            .build();
        pair.register();
        pair
    }

    // spec: P-108
    #[test]
    fn a_client_that_quits_does_nothing_else() {
        let mut pair = hasty();
        start_and_pull(&mut pair);
        pair.to_server.clear();
        pair.take_client();
        pair.client.quit(pair.now, "done");
        let named = timers_named(&mut pair, 60 * SECOND);
        assert_eq!(named.len(), 3, "{named:?}");
        let farewell = |it: &Timer| matches!(it, Timer::Request(_));
        assert!(named.iter().all(farewell), "{named:?} while quitting");
        let actions = pair.take_client();
        assert!(
            matches!(
                actions[..],
                [
                    ClientAction::ClearAuth,
                    ClientAction::Closed {
                        reason: CloseReason::NoAnswer,
                        ..
                    }
                ]
            ),
            "{actions:?}"
        );
    }
}

mod a_reply_in_doubt {
    use super::*;

    /// Failed: the server does not believe who asks.
    const REFUSED: &[u8] = &[6, 9, 0, 0];

    /// The client's next request for a task, taken off the wire. Nothing else is sent.
    fn next_pull(pair: &mut Pair) -> BytesMut {
        while pair.to_server.is_empty() {
            let (at, _) = pair.client.poll_timeout().unwrap();
            pair.now = at;
            pair.tick();
        }
        pair.to_server.pop().unwrap()
    }

    /// A plain pair whose requests for a task were refused this many times.
    fn refused(times: usize) -> Pair {
        let mut pair = Setup::new(Suite::Plain).build();
        pair.register();
        pair.client.pause_heartbeats(pair.now);
        start_and_pull(&mut pair);
        for _ in 0..times {
            let pull = next_pull(&mut pair);
            // Up to the request's number; no token.
            let refusal = [&pull[..26], &[0; 4], REFUSED].concat();
            pair.deliver_to_client(BytesMut::from(&refusal[..]));
        }
        assert!(pair.client_drops.is_empty());
        pair.take_server();
        pair.run();
        pair
    }

    #[test]
    fn two_refusals_are_borne() {
        let pair = refused(2);
        assert_eq!(pair.server.counters().registrations, 1);
    }

    // spec: P-88
    #[test]
    fn the_third_refusal_in_a_row_leads_to_a_new_session() {
        let mut pair = refused(3);
        assert_eq!(pair.server.counters().registrations, 2);
        let renewed =
            |it: &ServerAction| matches!(it, ServerAction::ClientJoined(joined) if joined.renewed);
        assert!(pair.take_server().iter().any(renewed));
        assert!(pair.server.is_registered(&name("site-1")));
    }

    // spec: P-88
    #[test]
    fn who_is_told_to_register_first_does() {
        // The session is not known; the sender must register first.
        for code in [11, 13] {
            let mut pair = Setup::new(Suite::Plain).build();
            pair.register();
            pair.client.pause_heartbeats(pair.now);
            start_and_pull(&mut pair);
            pair.take_client();
            let pull = next_pull(&mut pair);
            let told = [&pull[..26], &[0; 4], &[6, code, 0, 0]].concat();
            pair.deliver_to_client(BytesMut::from(&told[..]));
            assert!(pair.take_client().contains(&ClientAction::ClearAuth));
            pair.run();
            assert_eq!(pair.client.phase(), Phase::Active);
            assert_eq!(pair.server.counters().registrations, 2);
        }
    }
}

/// What a client makes of the answer to a heartbeat while its host leaves one action to
/// wait.
fn hears_behind(limit: fn(&mut ClientConfig)) -> Result<(), Dropped> {
    let mut pair = Setup::new(Suite::Sealed).client(limit).build();
    pair.register();
    pair.take_client();
    let heartbeat = loop {
        let (due, _) = pair.client.poll_timeout().expect("a heartbeat");
        pair.now = due;
        pair.client.handle_timeout(due);
        if let Some(transmit) = pair.client.poll_transmit() {
            break [&transmit.header[..], &transmit.payload].concat();
        }
    };
    let message = BytesMut::from(&heartbeat[..]);
    pair.server
        .handle_message(pair.now, pair.peer, message)
        .unwrap();
    let answer = pair.server.poll_transmit().expect("an answer");
    let answer = [&answer.header[..], &answer.payload].concat();
    let heard = pair
        .client
        .handle_message(pair.now, BytesMut::from(&answer[..]))
        .map(drop);
    assert_eq!(pair.client.poll_action(), Some(ClientAction::HeartbeatDue));
    heard
}

// spec: P-87
#[test]
fn a_client_whose_host_is_behind_hears_nothing() {
    assert_eq!(hears_behind(|_| {}), Ok(()));
    let behind = Err(Dropped::OverBudget);
    assert_eq!(hears_behind(|config| config.max_waiting = 1), behind);
    assert_eq!(hears_behind(|config| config.max_waiting_bytes = 1), behind);
}
