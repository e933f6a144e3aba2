//! What a sleep, true or told, makes a server believe.

use std::time::Duration;

use bytes::BytesMut;
use fedlink::message::{JobId, Payload};
use fedlink::{Assignee, NewTask, ServerAction, Sites, Suite};

use crate::SECOND;
use crate::common::pair::{Pair, Setup};
use crate::common::pki::name;

/// A task for the client, which a restored server remembers it by.
fn assign(pair: &mut Pair) {
    let job = JobId::from_bytes([7; 16]);
    pair.server.start_job(pair.now, job, Sites::All).unwrap();
    let task = NewTask::new("train", Payload::new("in"));
    let site = Assignee::Site(name("site-1"));
    pair.server.assign(pair.now, job, site, task).unwrap();
    pair.drain();
}

// spec: P-124
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
    assign(&mut pair);
    pair.take_server();
    pair.restart_server();
    pair.now = pair.now + 7200 * SECOND;
    pair.server.handle_timeout(pair.now);
    pair.drain();
    assert!(pair.take_server().is_empty());
    assert_eq!(pair.watch_server(610 * SECOND).len(), 1);
}

/// The machine sleeps soon after its restart, and not for as long as it waits.
#[test]
fn a_restored_server_does_not_count_a_short_sleep_as_waiting() {
    let mut pair = Setup::new(Suite::Sealed)
        .server(|config| {
            config.heartbeat_interval = 3 * SECOND;
            config.dead_after = 40 * SECOND;
        })
        .build();
    pair.register();
    assign(&mut pair);
    pair.take_server();
    pair.restart_server();
    let slept = 30 * SECOND;
    pair.now = pair.now + slept;
    pair.server.handle_timeout(pair.now);
    assert!(pair.watch_server(38 * SECOND).is_empty());
    assert_eq!(pair.watch_server(5 * SECOND).len(), 1);
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
                assign(&mut pair);
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

// spec: P-90
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

/// A host that is busy calls late, again and again.
#[test]
fn a_host_that_is_late_by_no_more_than_an_interval_does_not_sleep() {
    let mut pair = Pair::sealed();
    pair.register();
    pair.take_server();
    let config = pair.server_config.clone();
    let latest = pair.now + config.dead_after + config.heartbeat_interval;
    while let Some((due, _)) = pair.server.poll_timeout() {
        pair.now = due + config.heartbeat_interval;
        assert!(pair.now <= latest, "nobody was found dead");
        pair.server.handle_timeout(pair.now);
        pair.drain();
        if matches!(pair.take_server()[..], [ServerAction::ClientDead { .. }]) {
            return;
        }
    }
}
