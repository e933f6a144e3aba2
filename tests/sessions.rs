//! Sessions of one client and one server, from challenge to goodbye.
#![cfg(feature = "x509")]

mod common;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use common::layout::session;
use common::pair::{Pair, Setup, server_identity, site_identity};
use common::pki::Pki;
use fedlink::error::{ConfigError, Misuse};
use fedlink::identity::{Revoked, Roots, Signer};
use fedlink::message::{
    JobId, MessageKind, Outcome, Payload, PeerId, Progress, Properties, Ssid, Token,
};
use fedlink::{
    Assignee, Auth, ClientAction, CloseReason, Instant, NewTask, Phase, Server, ServerAction,
    ServerTimer, Sites, Suite, Task, Timer,
};

const JOB: JobId = JobId::from_bytes([7; 16]);
const SECOND: Duration = Duration::from_secs(1);

fn start(pair: &mut Pair) {
    pair.server.start_job(pair.now, JOB, Sites::All).unwrap();
    pair.client.job_started(pair.now, JOB).unwrap();
}

fn assign(pair: &mut Pair, payload: Payload) {
    let task = NewTask::new("train", payload).with_headers(Properties::new().with("round", "1"));
    pair.server
        .assign(pair.now, JOB, Assignee::Anyone, task)
        .unwrap();
}

fn task(actions: &[ClientAction]) -> Option<Task> {
    actions.iter().find_map(|action| match action {
        ClientAction::TaskAssigned(task) => Some(task.clone()),
        _ => None,
    })
}

/// Nothing was lost: each side has counted what the other sent.
fn assert_counts_agree(pair: &Pair) {
    let (client, server) = (pair.client.counters(), pair.server.counters());
    let to_server = (client.messages_sent, client.bytes_sent);
    let to_client = (server.messages_sent, server.bytes_sent);
    assert!(to_server.0 > 0 && to_server.1 > to_server.0);
    assert!(to_client.0 > 0 && to_client.1 > to_client.0);
    assert_eq!(to_server, (server.messages_received, server.bytes_received));
    assert_eq!(to_client, (client.messages_received, client.bytes_received));
    assert_eq!(server.registrations, 1);
}

#[test]
fn a_whole_session_in_every_suite() {
    for suite in [Suite::Plain, Suite::Bearer, Suite::Sealed] {
        for size in [0, 10, 3 << 20] {
            let mut pair = Setup::new(suite).build();
            pair.register();
            assert_eq!(pair.client.phase(), Phase::Active, "{suite}");
            assert_eq!(pair.client.suite(), Some(suite));
            let joined = pair.take_server();
            assert!(
                matches!(joined[..], [ServerAction::ClientJoined(_)]),
                "{joined:?}"
            );
            start(&mut pair);
            let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            assign(&mut pair, Payload::labelled(bytes.clone(), "model", "raw"));
            pair.client.pull_task(pair.now, JOB).unwrap();
            pair.run();
            let task = task(&pair.take_client()).expect("a task");
            assert_eq!(task.payload.bytes(), &bytes);
            assert_eq!(task.payload.content_type(), "model");
            assert_eq!(task.headers.get("round"), Some("1"));
            assert!(!task.again);
            let result = Payload::new(bytes.clone());
            pair.client
                .submit(pair.now, task.id, Outcome::Ok, Properties::new(), result)
                .unwrap();
            pair.run();
            let accepted = pair.take_client();
            assert!(
                accepted
                    .iter()
                    .any(|it| matches!(it, ClientAction::ResultAccepted { .. })),
                "{suite} {size} {accepted:?}"
            );
            let received: Vec<_> = pair
                .take_server()
                .into_iter()
                .filter_map(|action| match action {
                    ServerAction::ResultReceived(result) => Some(result),
                    _ => None,
                })
                .collect();
            assert_eq!(received.len(), 1);
            assert_eq!(received[0].payload.bytes(), &bytes);
            pair.client.quit(pair.now, "done");
            pair.run();
            assert!(pair.take_client().contains(&ClientAction::Closed {
                answered: true,
                message: "goodbye".to_owned(),
                reason: CloseReason::Quit,
            }));
            assert!(matches!(
                pair.take_server()[..],
                [ServerAction::ClientLeft { .. }]
            ));
            assert_eq!(pair.server.clients().count(), 0);
            let names: Vec<_> = pair.taken.iter().map(MessageKind::name).collect();
            let in_parts = ["fetch", "push", "fetch_reply", "push_reply"];
            assert_eq!(in_parts.map(|it| names.contains(&it)), [size > 1 << 20; 4]);
            for name in [
                "challenge",
                "challenge_reply",
                "register",
                "register_reply",
                "heartbeat",
                "heartbeat_reply",
                "pull_task",
                "pull_reply",
                "submit_result",
                "submit_reply",
                "quit",
                "quit_reply",
            ] {
                assert!(names.contains(&name), "{name}: {names:?}");
            }
            assert!(pair.client_drops.is_empty() && pair.server_drops.is_empty());
            assert_counts_agree(&pair);
        }
    }
}

#[test]
fn a_server_that_everybody_has_left_is_not_woken_again() {
    for suite in [Suite::Plain, Suite::Bearer, Suite::Sealed] {
        let mut pair = Setup::new(suite).build();
        let window = pair.server_config.registration_window;
        assert_eq!(pair.server.poll_timeout(), None);
        // In the second round the secrets were made long before they are used.
        for age in [Duration::ZERO, window - SECOND] {
            pair.pass(age);
            pair.register();
            assert_eq!(pair.client.phase(), Phase::Active);
            pair.client.quit(pair.now, "done");
            pair.pass(2 * window - age - SECOND);
            assert!(pair.server.poll_timeout().is_some(), "there are secrets");
            pair.pass(SECOND);
            assert_eq!(pair.server.poll_timeout(), None);
        }
        let identity = server_identity(&pair.pki, "coordinator", pair.pki.roots());
        pair.server.set_identity(pair.now, identity).unwrap();
        assert!(pair.server.poll_timeout().is_some(), "there is an old key");
        pair.pass(window);
        assert_eq!(pair.server.poll_timeout(), None);
    }
}

// spec: P-94
#[test]
fn heartbeats_go_on_and_jobs_are_aborted_and_started() {
    let mut pair = Pair::sealed();
    pair.register();
    pair.server.start_job(pair.now, JOB, Sites::All).unwrap();
    pair.pass(Duration::from_secs(11));
    assert!(
        pair.take_client()
            .contains(&ClientAction::StartJobs(vec![JOB]))
    );
    pair.client.job_started(pair.now, JOB).unwrap();
    pair.pass(Duration::from_secs(100));
    let answered = pair
        .take_client()
        .iter()
        .filter(|it| matches!(it, ClientAction::HeartbeatAnswered { .. }))
        .count();
    assert!((10..=13).contains(&answered), "{answered}");
    pair.server.end_job(pair.now, JOB).unwrap();
    pair.pass(Duration::from_secs(40));
    let aborts = pair
        .take_client()
        .iter()
        .filter(|it| **it == ClientAction::AbortJobs(vec![JOB]))
        .count();
    assert_eq!(aborts, 1);
}

fn pull(pair: &mut Pair) -> Task {
    pair.client.pull_task(pair.now, JOB).unwrap();
    pair.run();
    task(&pair.take_client()).expect("a task")
}

fn submit(pair: &mut Pair, task: &Task, payload: Payload) {
    pair.client
        .submit(pair.now, task.id, Outcome::Ok, Properties::new(), payload)
        .unwrap();
}

fn results(actions: &[ServerAction]) -> Vec<bool> {
    actions
        .iter()
        .filter_map(|action| match action {
            ServerAction::ResultReceived(result) => Some(result.again),
            _ => None,
        })
        .collect()
}

/// A registered pair with one job, and one small task waiting.
fn working() -> Pair {
    let mut pair = Pair::sealed();
    pair.register();
    start(&mut pair);
    assign(&mut pair, Payload::new("in"));
    pair.take_client();
    pair.take_server();
    pair
}

#[test]
fn a_restarted_client_gets_its_task_again_and_sends_its_result_once() {
    let mut pair = working();
    let first = pull(&mut pair);
    pair.restart_client();
    let again = task(&pair.take_client()).expect("the task again");
    assert!(again.again);
    assert_eq!(again.id, first.id);
    assert_eq!(again.payload, first.payload);
    submit(&mut pair, &again, Payload::new("out"));
    pair.drain();
    pair.restart_client();
    assert_eq!(task(&pair.take_client()), None);
    assert_eq!(pair.client.outbox_len(), 1);
    pair.register();
    pair.pass(SECOND);
    let actions = pair.take_server();
    assert!(matches!(actions[0], ServerAction::ClientReplaced(_)));
    assert_eq!(results(&actions), [false]);
    assert_eq!(pair.client.outbox_len(), 0);
}

#[test]
fn a_restarted_server_knows_its_job_its_task_and_its_result() {
    let mut pair = working();
    let first = pull(&mut pair);
    pair.restart_server();
    assert_eq!(pair.server.jobs().collect::<Vec<_>>(), [JOB]);
    submit(&mut pair, &first, Payload::new("out"));
    pair.pass(30 * SECOND);
    assert_eq!(results(&pair.take_server()), [false]);
    pair.restart_server();
    let again = pair.take_server();
    assert_eq!(results(&again), [true]);
    pair.server.taken(pair.now, first.id).unwrap();
    pair.drain();
    pair.restart_server();
    assert_eq!(results(&pair.take_server()), [] as [bool; 0]);
    pair.pass(60 * SECOND);
    assert!(pair.server.is_registered(&common::pki::name("site-1")));
    assert_eq!(results(&pair.take_server()), [] as [bool; 0]);
}

// spec: P-127, P-128
#[test]
fn nothing_is_promised_before_it_is_stored() {
    let mut pair = Pair::sealed();
    pair.register();
    start(&mut pair);
    pair.hold_records = true;
    assign(&mut pair, Payload::new("in"));
    pair.client.pull_task(pair.now, JOB).unwrap();
    pair.run();
    assert_eq!(task(&pair.client_actions), None, "the task left too early");
    pair.store_held();
    pair.run();
    assert_eq!(
        task(&pair.client_actions),
        None,
        "the task was given too early"
    );
    pair.store_held();
    pair.run();
    let task = task(&pair.client_actions).expect("a task");
    submit(&mut pair, &task, Payload::new("out"));
    pair.run();
    assert!(
        results(&pair.server_actions).is_empty(),
        "the result left too early"
    );
    pair.store_held();
    pair.run();
    assert!(
        results(&pair.server_actions).is_empty(),
        "the result was given too early"
    );
    assert_eq!(
        pair.client.outbox_len(),
        1,
        "the result was accepted too early"
    );
    pair.store_held();
    pair.run();
    assert_eq!(results(&pair.server_actions), [false]);
    assert_eq!(pair.client.outbox_len(), 0);
}

#[test]
fn an_upload_goes_on_where_the_connection_was_cut() {
    let mut pair = working();
    let task = pull(&mut pair);
    let large = Payload::new(vec![5; 6 << 20]);
    submit(&mut pair, &task, large.clone());
    for _ in 0..4 {
        pair.step();
    }
    pair.disconnect();
    pair.connect();
    pair.pass(SECOND);
    assert_eq!(results(&pair.take_server()), [false]);
    let counters = pair.client.counters();
    assert_eq!(counters.resumed_uploads, 1);
    assert!(counters.bytes_sent_twice <= 2 << 20, "{counters:?}");
}

/// A server that has lost the session takes the client for a stranger, and closes the
/// connection at more than a stranger may send, 32 KiB.
// spec: P-5
#[test]
fn a_new_connection_takes_no_long_message_before_the_server_has_answered_on_it() {
    let mut pair = working();
    let task = pull(&mut pair);
    pair.disconnect();
    submit(&mut pair, &task, Payload::new(vec![5; 300_000]));
    pair.drain();
    pair.store_held();
    for _ in 0..3 {
        pair.connect();
        pair.drain();
        let sent: usize = pair.to_server.iter().map(BytesMut::len).sum();
        assert!((1..32 << 10).contains(&sent), "{sent}");
        pair.disconnect();
    }
    pair.connect();
    pair.pass(10 * SECOND);
    assert_eq!(results(&pair.take_server()), [false]);
}

// spec: P-5
#[test]
fn a_new_connection_takes_16_kib_of_requests_before_the_server_has_answered_on_it() {
    let mut pair = Pair::sealed();
    pair.register();
    let context = Properties::new().with("k", "v".repeat(4_000));
    pair.client.set_context(context).unwrap();
    for job in 0..10 {
        let job = JobId::from_bytes([job; 16]);
        pair.server.start_job(pair.now, job, Sites::All).unwrap();
        pair.client.job_started(pair.now, job).unwrap();
        pair.client.pull_task(pair.now, job).unwrap();
    }
    pair.disconnect();
    pair.connect();
    pair.drain();
    // Three of 4 KB each, and a heartbeat that brings the others on their way.
    assert_eq!(pair.to_server.len(), 3 + 1);
    pair.pass(SECOND / 2);
    let wanted = |it: &&ServerAction| matches!(it, ServerAction::TaskWanted { .. });
    assert_eq!(pair.take_server().iter().filter(wanted).count(), 10);
}

// spec: P-5
#[test]
fn a_heartbeat_on_a_new_connection_leaves_a_long_context_out() {
    let mut pair = Pair::sealed();
    pair.register();
    for (context, is_sent) in [(30_000, true), (40_000, false)] {
        pair.disconnect();
        pair.connect();
        let context = Properties::new().with("k", "v".repeat(context));
        pair.client
            .heartbeat_ready(pair.now, Some(context))
            .unwrap();
        pair.drain();
        let sent = pair.to_server.pop().expect("a heartbeat").len();
        assert_eq!(sent > 1_000, is_sent, "{sent}");
        assert!(sent <= 32 << 10);
    }
}

// spec: P-120
#[test]
fn a_session_is_renewed_before_it_expires_and_work_goes_on() {
    let mut pair = Setup::new(Suite::Sealed)
        .server(|config| config.session_lifetime = 100 * SECOND)
        .build();
    pair.register();
    start(&mut pair);
    assign(&mut pair, Payload::new("in"));
    let task = pull(&mut pair);
    pair.take_server();
    pair.pass(350 * SECOND);
    let actions = pair.take_server();
    let renewals = actions
        .iter()
        .filter(|it| matches!(it, ServerAction::ClientJoined(joined) if joined.renewed))
        .count();
    assert!((3..=4).contains(&renewals), "{actions:?}");
    assert_eq!(renewals, actions.len());
    submit(&mut pair, &task, Payload::new("out"));
    pair.run();
    assert_eq!(results(&pair.take_server()), [false]);
}

#[test]
fn sessions_are_granted_whatever_the_age_of_the_server_and_the_lifetime() {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    for lifetime in [100 * SECOND, 67 * YEAR, Duration::MAX] {
        let mut pair = Setup::new(Suite::Sealed)
            .server(move |config| config.session_lifetime = lifetime)
            .build();
        for age in [YEAR, 135 * YEAR, 137 * YEAR, 10_000 * YEAR] {
            pair.now = Instant::from_micros(1_000_000) + age;
            pair.tick();
            pair.client.set_wall_clock(pair.now, common::pki::NOW);
            pair.server.set_wall_clock(pair.now, common::pki::NOW);
            pair.change_client("site-1");
            pair.register();
            pair.pass(350 * SECOND);
            assert!(
                pair.server.is_registered(&common::pki::name("site-1")),
                "{age:?}"
            );
            assert_eq!(pair.client.phase(), Phase::Active, "{age:?}");
        }
        let renewed = 4 * 3..=4 * 4;
        let made = usize::try_from(pair.server.counters().registrations).unwrap() - 4;
        assert_eq!(renewed.contains(&made), lifetime == 100 * SECOND, "{made}");
    }
}

// spec: P-64
#[test]
fn a_revoked_certificate_ends_its_session_at_once() {
    let mut pair = working();
    let (chain, _) = pair.pki.site("site-1");
    let mut revoked = fedlink::identity::Revoked::new();
    revoked
        .insert_certificate(chain.leaf_der().unwrap())
        .unwrap();
    pair.server.set_revoked(pair.now, revoked);
    pair.drain();
    assert!(matches!(
        pair.take_server()[..],
        [ServerAction::ClientLeft { .. }]
    ));
    pair.pass(60 * SECOND);
    assert_eq!(pair.client.phase(), Phase::Rejected);
}

// spec: P-103
#[test]
fn results_of_a_lost_server_are_refused() {
    let mut pair = working();
    let task = pull(&mut pair);
    pair.server_records.0.clear();
    pair.restart_server();
    pair.pass(30 * SECOND);
    submit(&mut pair, &task, Payload::new("out"));
    pair.run();
    let refused = pair.take_client().into_iter().any(|action| {
        matches!(
            action,
            ClientAction::ResultRefused {
                refusal: fedlink::message::Refusal::OtherSsid,
                ..
            }
        )
    });
    assert!(refused);
    assert!(results(&pair.take_server()).is_empty());
}

// spec: P-90
#[test]
fn a_device_that_says_it_sleeps_keeps_its_place() {
    let mut pair = working();
    pair.client.suspend(pair.now, 3600 * SECOND).unwrap();
    assert_eq!(
        pair.client.heartbeat_at(),
        Some(pair.now + 3600 * SECOND),
        "it beats when it wakes"
    );
    pair.run();
    let told = pair.watch_server(3500 * SECOND);
    assert!(told.is_empty());
    assert!(pair.to_server.is_empty(), "it was to be silent");
    pair.client.resume_heartbeats(pair.now);
    pair.pass(SECOND);
    assert!(pair.server.is_registered(&common::pki::name("site-1")));
}

// spec: P-123
#[test]
fn a_silent_client_is_reported_dead_and_its_task_given_away() {
    let mut pair = working();
    let task = pull(&mut pair);
    pair.client.pause_heartbeats(pair.now);
    let told = pair.watch_server(700 * SECOND);
    assert!(matches!(told[..], [ServerAction::ClientDead { .. }]));
    let other = Assignee::Site(common::pki::name("site-2"));
    let moved = pair.server.reassign(pair.now, task.id, other).unwrap();
    assert_ne!(moved, task.id);
    pair.drain();
    pair.client.resume_heartbeats(pair.now);
    submit(&mut pair, &task, Payload::new("late"));
    pair.pass(60 * SECOND);
    assert!(results(&pair.take_server()).is_empty());
    let refused = pair.take_client().into_iter().any(|action| {
        matches!(
            action,
            ClientAction::ResultRefused {
                refusal: fedlink::message::Refusal::Withdrawn,
                ..
            }
        )
    });
    assert!(refused);
}

#[test]
fn a_job_that_vanished_is_told_and_a_new_process_starts_its_jobs_anew() {
    let mut pair = Pair::sealed();
    pair.register();
    start(&mut pair);
    pair.pass(11 * SECOND);
    pair.take_server();
    pair.client.job_ended(pair.now, JOB).unwrap();
    pair.pass(25 * SECOND);
    let missing = pair
        .take_server()
        .iter()
        .filter(|it| matches!(it, ServerAction::JobMissingOnClient { .. }))
        .count();
    assert_eq!(missing, 1);
    pair.restart_client();
    pair.register();
    pair.pass(11 * SECOND);
    assert!(
        pair.take_client()
            .contains(&ClientAction::StartJobs(vec![JOB]))
    );
}

#[test]
fn a_context_rides_on_every_request() {
    let mut pair = Pair::sealed();
    let context = Properties::new().with("battery", "80 %");
    pair.client.set_context(context.clone()).unwrap();
    pair.register();
    start(&mut pair);
    pair.client.pull_task(pair.now, JOB).unwrap();
    pair.run();
    assign(&mut pair, Payload::new("in"));
    pair.pass(2 * SECOND);
    let task = task(&pair.take_client()).expect("a task");
    submit(&mut pair, &task, Payload::new("out"));
    pair.run();
    pair.client.quit(pair.now, "done");
    pair.run();
    let mut seen = [false; 5];
    for action in pair.take_server() {
        let (place, found) = match action {
            ServerAction::ClientJoined(joined) => (0, joined.context),
            ServerAction::HeartbeatReceived { context, .. } => (1, context),
            ServerAction::TaskWanted { context, .. } => (2, context),
            ServerAction::ResultReceived(result) => (3, result.context),
            ServerAction::ClientLeft { context, .. } => (4, context),
            _ => continue,
        };
        assert_eq!(found, context);
        seen[place] = true;
    }
    assert_eq!(seen, [true; 5]);
}

#[test]
fn a_new_certificate_of_either_side_is_used_from_the_next_handshake_on() {
    let mut pair = working();
    let fresh = Pair::sealed();
    let roots = fresh.pki.roots();
    pair.server
        .set_identity(
            pair.now,
            common::pair::server_identity(&fresh.pki, "coordinator", roots.clone()),
        )
        .unwrap();
    pair.client
        .set_identity(
            pair.now,
            common::pair::site_identity(&fresh.pki, "site-1", roots),
        )
        .unwrap();
    pair.pass(60 * SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
    pair.client.quit(pair.now, "again");
    pair.run();
    pair.client.register(pair.now).unwrap();
    pair.pass(SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
}

// spec: P-50
#[test]
fn a_registration_goes_on_when_the_server_gets_a_new_certificate_meanwhile() {
    let mut pair = Pair::sealed();
    let register = pair.challenge_and_prove();
    let other = Pki::new(77);
    let renewed = server_identity(&other, "coordinator", pair.pki.roots());
    pair.server.set_identity(pair.now, renewed).unwrap();
    pair.now = pair.now + SECOND;
    pair.tick();
    pair.deliver_to_server(register);
    pair.run();
    assert_eq!(pair.client.phase(), Phase::Active);
}

#[test]
fn a_device_that_woke_early_and_fell_silent_counts_as_dead_in_time() {
    let mut pair = Pair::sealed();
    pair.register();
    let day = Duration::from_secs(24 * 3600);
    pair.client.suspend(pair.now, day / 2).unwrap();
    pair.pass(Duration::from_secs(1200));
    pair.client.resume_heartbeats(pair.now);
    pair.pass(Duration::from_secs(1));
    pair.take_server();
    let heard = pair.now;
    while let Some((at, _)) = pair.server.poll_timeout() {
        pair.now = pair.now.max(at);
        pair.server.handle_timeout(pair.now);
        pair.drain();
        let dead = |action: &ServerAction| matches!(action, ServerAction::ClientDead { .. });
        if pair.take_server().iter().any(dead) {
            break;
        }
    }
    assert!(pair.now.since(heard) <= pair.server_config.dead_after);
}

// spec: P-45
#[test]
fn heartbeats_that_are_paused_stay_so_in_a_new_session_but_for_its_first() {
    let mut pair = Pair::sealed();
    pair.client.pause_heartbeats(pair.now);
    pair.register();
    pair.pass(60 * SECOND);
    let answered = |pair: &mut Pair| {
        pair.take_client()
            .iter()
            .filter(|it| matches!(it, ClientAction::HeartbeatAnswered { .. }))
            .count()
    };
    assert_eq!(answered(&mut pair), 1);
    assert_eq!(pair.client.heartbeat_at(), None);
    pair.client.resume_heartbeats(pair.now);
    pair.pass(25 * SECOND);
    assert!(answered(&mut pair) >= 2);
    pair.client.pause_heartbeats(pair.now);
    assert_eq!(pair.client.heartbeat_at(), None);
}

#[test]
fn a_client_is_idle_when_no_task_is_asked_for_held_or_owed() {
    let mut pair = Pair::sealed();
    pair.register();
    start(&mut pair);
    assert!(pair.client.is_idle());
    pair.client.pull_task(pair.now, JOB).unwrap();
    assert!(!pair.client.is_idle(), "it asks");
    assign(&mut pair, Payload::new("in"));
    pair.pass(2 * SECOND);
    let task = task(&pair.take_client()).expect("a task");
    assert!(!pair.client.is_idle(), "it holds a task");
    submit(&mut pair, &task, Payload::new("out"));
    assert!(!pair.client.is_idle(), "it owes a result");
    pair.run();
    assert!(pair.client.is_idle());
}

#[test]
fn a_client_knows_its_service_session_and_tells_how_far_its_jobs_are() {
    let mut pair = Pair::sealed();
    assert_eq!(pair.client.ssid(), None);
    assert_eq!(pair.client.heartbeat_at(), None);
    pair.register();
    assert_eq!(pair.client.ssid(), Some(pair.server.ssid()));
    assert!(pair.client.heartbeat_at().is_some_and(|at| at > pair.now));
    let half = Progress::from_permille(500);
    let unknown = pair.client.report_progress(pair.now, JOB, half);
    assert_eq!(unknown, Err(Misuse::UnknownJob(JOB)));
    start(&mut pair);
    pair.client.report_progress(pair.now, JOB, half).unwrap();
    pair.take_server();
    pair.pass(11 * SECOND);
    let told = pair.take_server().into_iter().find_map(|it| match it {
        ServerAction::HeartbeatReceived { jobs, .. } => Some(jobs[0].progress),
        _ => None,
    });
    assert_eq!(told, Some(Some(half)));
}

#[test]
fn both_sides_trust_new_roots_from_the_next_handshake_on() {
    let mut pair = Pair::sealed();
    let others = Pki::new(77);
    let site = site_identity(&others, "site-1", pair.pki.roots());
    let coordinator = server_identity(&others, "coordinator", pair.pki.roots());
    pair.client.set_identity(pair.now, site).unwrap();
    pair.server.set_identity(pair.now, coordinator).unwrap();
    pair.register();
    assert_eq!(pair.client.phase(), Phase::Registering);
    let nobody = Roots::new();
    assert_eq!(
        pair.client.set_roots(nobody.clone()),
        Err(ConfigError::NoRoots)
    );
    assert_eq!(pair.server.set_roots(nobody), Err(ConfigError::NoRoots));
    pair.client.set_roots(others.roots()).unwrap();
    pair.server.set_roots(others.roots()).unwrap();
    pair.pass(60 * SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
}

#[test]
fn only_a_revoked_server_costs_a_client_its_session() {
    let mut pair = Pair::sealed();
    pair.register();
    pair.take_client();
    for (revoked, phase) in [
        ("site-1", Phase::Active),
        ("coordinator", Phase::Registering),
    ] {
        let chain = match revoked {
            "site-1" => pair.pki.site(revoked).0,
            _ => pair.pki.server(revoked).0,
        };
        let mut list = Revoked::new();
        list.insert_certificate(chain.leaf_der().unwrap()).unwrap();
        pair.client.set_revoked(pair.now, list);
        pair.drain();
        assert_eq!(pair.client.phase(), phase, "{revoked}");
        assert_eq!(pair.client.suite().is_some(), phase == Phase::Active);
        let cleared = pair.take_client().contains(&ClientAction::ClearAuth);
        assert_eq!(cleared, phase == Phase::Registering);
    }
    pair.pass(60 * SECOND);
    assert_eq!(pair.client.phase(), Phase::Registering);
}

// spec: P-120
#[test]
fn a_session_is_renewed_in_the_last_fifth_of_its_life_but_not_at_its_end() {
    let mut pair = Setup::new(Suite::Sealed)
        .server(|config| config.session_lifetime = 100 * SECOND)
        .build();
    let began = pair.now;
    pair.register();
    while !matches!(pair.client.poll_timeout(), Some((_, Timer::Renewal))) {
        pair.pass(Duration::from_millis(100));
        assert!(pair.now.since(began) < 90 * SECOND);
    }
    let (at, _) = pair.client.poll_timeout().unwrap();
    let age = at.since(began);
    assert!(age > 80 * SECOND && age <= 90 * SECOND, "{age:?}");
}

#[test]
fn a_new_session_brings_the_interval_of_its_server() {
    let mut pair = Pair::sealed();
    pair.register();
    let mut config = (*pair.server_config).clone();
    config.heartbeat_interval = SECOND;
    pair.server_config = config.into();
    pair.restart_server();
    pair.pass(60 * SECOND);
    pair.take_client();
    pair.pass(10 * SECOND);
    let beat = |it: &&ClientAction| matches!(it, ClientAction::HeartbeatAnswered { .. });
    assert!(pair.take_client().iter().filter(beat).count() >= 8);
}

#[test]
fn a_job_that_ended_before_the_server_saw_it_is_not_started_again() {
    let other = JobId::from_bytes([8; 16]);
    let mut pair = Pair::sealed();
    pair.register();
    pair.server.start_job(pair.now, JOB, Sites::All).unwrap();
    pair.pass(11 * SECOND);
    let listed = ClientAction::StartJobs(vec![JOB]);
    assert!(pair.take_client().contains(&listed));
    pair.client.job_started(pair.now, JOB).unwrap();
    pair.client.job_ended(pair.now, JOB).unwrap();
    pair.client.job_started(pair.now, other).unwrap();
    pair.pass(11 * SECOND);
    assert!(!pair.take_client().contains(&listed));
}

// spec: P-64
#[test]
fn a_server_knows_who_stands_registered_and_what_its_jobs_are_for() {
    let mut pair = Pair::sealed();
    let some = Sites::Named([common::pki::name("site-1")].into());
    pair.server.start_job(pair.now, JOB, some.clone()).unwrap();
    assert_eq!(pair.server.sites(JOB), Some(&some));
    assert_eq!(pair.server.sites(JobId::from_bytes([8; 16])), None);
    pair.register();
    pair.pass(11 * SECOND);
    pair.client.suspend(pair.now, SECOND).unwrap();
    pair.drain();
    let mut message = pair.to_server.pop().unwrap();
    assert!(
        pair.server
            .session_of(&message[..session::ID.end])
            .is_some()
    );
    message[session::ID][8] ^= 1;
    assert!(
        pair.server
            .session_of(&message[..session::ID.end])
            .is_none()
    );
    let site = common::pki::name("site-1");
    pair.take_server();
    assert!(pair.server.disable(pair.now, &site));
    assert!(!pair.server.is_registered(&site));
    pair.drain();
    let left = pair.take_server();
    assert!(
        matches!(&left[..], [ServerAction::ClientLeft { reason, .. }] if reason == "disabled"),
        "{left:?}"
    );
}

// spec: P-56
#[test]
fn a_full_server_renews_those_who_are_there_and_takes_no_other() {
    let mut pair = Setup::new(Suite::Sealed)
        .server(|config| {
            config.max_clients = 1;
            config.session_lifetime = 100 * SECOND;
        })
        .build();
    pair.register();
    pair.pass(350 * SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
    let gone = |it: &ServerAction| matches!(it, ServerAction::ClientDead { .. });
    assert!(!pair.take_server().iter().any(gone));
    pair.change_client("site-2");
    pair.register();
    assert_eq!(pair.client.phase(), Phase::Registering);
    // There is room again once the other has left.
    assert!(pair.server.disable(pair.now, &common::pki::name("site-1")));
    pair.pass(120 * SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
}

// spec: P-56
#[test]
fn a_session_that_has_not_begun_takes_a_place_until_its_window_is_over() {
    let mut pair = Setup::new(Suite::Sealed)
        .server(|config| config.max_clients = 1)
        .build();
    let register = pair.challenge_and_prove();
    pair.watch_server(40 * SECOND);
    pair.deliver_to_server(register);
    // Its registration is forgotten soon, but its session may still begin.
    for wait in [1, 30] {
        pair.watch_server(wait * SECOND);
        pair.change_client("site-2");
        pair.register();
        assert_eq!(pair.client.phase(), Phase::Registering);
    }
    pair.pass(pair.server_config.registration_window + 60 * SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
}

#[test]
fn a_client_that_renews_its_session_takes_one_place() {
    let mut pair = Setup::new(Suite::Sealed)
        .server(|config| config.max_clients = 2)
        .build();
    pair.register();
    pair.restart_client();
    let register = pair.challenge_and_prove();
    pair.deliver_to_server(register);
    pair.change_client("site-2");
    pair.register();
    assert_eq!(pair.client.phase(), Phase::Active);
    assert_eq!(pair.server.clients().count(), 2);
    pair.change_client("site-3");
    pair.register();
    assert_eq!(pair.client.phase(), Phase::Registering);
}

/// What the server's timers are for that come in `span`, in which it hears nothing.
fn timers_of_server(pair: &mut Pair, span: Duration) -> Vec<ServerTimer> {
    let end = pair.now + span;
    let mut named = Vec::new();
    while let Some((at, timer)) = pair.server.poll_timeout().filter(|(at, _)| *at <= end) {
        named.push(timer);
        pair.now = pair.now.max(at);
        pair.server.handle_timeout(pair.now);
        pair.drain();
    }
    pair.now = end;
    named
}

// spec: P-124
#[test]
fn a_server_looks_at_the_time_while_somebody_is_there_and_no_longer() {
    let mut pair = Pair::sealed();
    pair.register();
    let watches = |named: Vec<ServerTimer>| {
        let watch = |it: &&ServerTimer| **it == ServerTimer::Watch;
        named.iter().filter(watch).count()
    };
    let minute = watches(timers_of_server(&mut pair, 60 * SECOND));
    assert!((5..=6).contains(&minute), "{minute}");
    pair.client.quit(pair.now, "done");
    pair.run();
    let hour = watches(timers_of_server(&mut pair, 3600 * SECOND));
    assert!(hour <= 1, "{hour}");
}

#[test]
fn a_server_that_was_asked_for_a_challenge_wants_to_erase_its_secrets() {
    let mut pair = Pair::sealed();
    assert_eq!(pair.server.poll_timeout(), None);
    pair.challenge();
    // One window for the answer, and another one for those who were asked just before it.
    for _ in 0..2 {
        let at = pair.now + pair.server_config.registration_window;
        let timer = pair.server.poll_timeout();
        assert_eq!(timer, Some((at, ServerTimer::Window)));
        pair.now = at;
        pair.server.handle_timeout(at);
    }
}

fn auth(actions: &[ClientAction]) -> &Auth {
    let auth = actions.iter().find_map(|action| match action {
        ClientAction::SetAuth(auth) => Some(auth),
        _ => None,
    });
    auth.expect("a registration")
}

// spec: P-60
#[test]
fn a_token_is_granted_where_it_is_wanted_or_needed() {
    for (suite, wanted, granted) in [
        (Suite::Plain, true, false),
        (Suite::Bearer, false, true),
        (Suite::Sealed, true, true),
        (Suite::Sealed, false, false),
    ] {
        let mut pair = Setup::new(suite)
            .client(move |config| config.want_token = wanted)
            .build();
        pair.register();
        let token = &auth(&pair.client_actions).token;
        assert_eq!(token.is_some(), granted, "{suite} {wanted}");
    }
}

// spec: P-61
#[test]
fn without_a_wall_clock_a_session_is_dated_by_the_time_of_the_host() {
    let mut pair = Pair::sealed();
    let identity = server_identity(&pair.pki, "coordinator", pair.pki.roots());
    pair.now = Instant::from_micros(8_000_000);
    pair.server = Server::new(pair.server_config.clone(), identity, [9; 32], pair.now).unwrap();
    pair.register();
    let auth = auth(&pair.client_actions);
    let lifetime = pair.server_config.session_lifetime.as_secs();
    assert_eq!((auth.issued, auth.expires), (8, 8 + lifetime));
}

#[test]
fn a_connection_is_known_while_a_session_is_heard_on_it() {
    let mut pair = Pair::sealed();
    let peer = pair.peer;
    assert!(!pair.server.has_session_on(peer));
    pair.register();
    assert!(pair.server.has_session_on(peer));
    assert!(!pair.server.has_session_on(PeerId(peer.0 + 1)));
    pair.disconnect();
    assert!(!pair.server.has_session_on(peer));
}

#[test]
fn who_is_disabled_is_told() {
    let mut pair = Pair::sealed();
    assert_eq!(pair.server.disabled().count(), 0);
    let site = common::pki::name("site-1");
    pair.server.disable(pair.now, &site);
    assert!(pair.server.disabled().eq([&site]));
}

#[test]
fn who_has_the_servers_key_can_check_a_registration() {
    for suite in [Suite::Bearer, Suite::Sealed, Suite::Plain] {
        let mut pair = Setup::new(suite).build();
        pair.register();
        let auth = auth(&pair.client_actions).clone();
        let project = &pair.client_config.project;
        let key = |server: &str| pair.pki.server(server).1.public_key();
        let signed = suite != Suite::Plain;
        assert_eq!(auth.suite, suite);
        assert_eq!(auth.is_signed_by(&key("coordinator"), project), signed);
        assert!(!auth.is_signed_by(&key("coordinator-2"), project));
        assert!(!auth.is_signed_by(&key("coordinator"), &common::pki::name("another")));
        let changes: [fn(&mut Auth); 8] = [
            |auth| auth.token = Some(Token::from_bytes([7; 16])),
            |auth| auth.token_signature = Bytes::from_static(b"none").into(),
            |auth| auth.name = common::pki::name("site-2"),
            |auth| auth.suite = Suite::Plain,
            |auth| auth.ssid = Ssid::from_bytes([7; 16]),
            |auth| auth.issued -= 1,
            |auth| auth.expires += 1,
            |auth| auth.heartbeat_interval += SECOND,
        ];
        for change in changes {
            let mut changed = auth.clone();
            change(&mut changed);
            assert!(
                !changed.is_signed_by(&key("coordinator"), project),
                "{changed:?}"
            );
        }
    }
}

#[test]
fn a_session_is_over_when_its_time_is_up_although_the_timer_is_late() {
    let mut pair = Pair::sealed();
    pair.register();
    pair.client.suspend(pair.now, SECOND).unwrap();
    pair.drain();
    let message = pair.to_server.pop().unwrap();
    let lifetime = pair.server_config.session_lifetime;
    for (late, lasts) in [(lifetime - SECOND, true), (lifetime, false)] {
        let now = pair.now + late;
        let nonsense = BytesMut::from(&b"nonsense"[..]);
        pair.server
            .handle_message(now, pair.peer, nonsense)
            .unwrap_err();
        assert_eq!(
            pair.server
                .session_of(&message[..session::ID.end])
                .is_some(),
            lasts
        );
    }
    assert_eq!(pair.server.clients().count(), 1);
}
