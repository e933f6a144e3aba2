//! The connection's own business: pings, numbers, and what is not for the client.

use super::job::together;
use super::*;

fn pings(rig: &Rig) -> usize {
    rig.kinds.iter().filter(|kind| **kind == Kind::Ping).count()
}

/// A client whose server answers its greeting, and no ping.
fn pinging() -> Rig {
    let mut rig = Rig::new();
    rig.pongs = false;
    rig.client.register(rig.now).unwrap();
    rig.connect();
    rig
}

#[test]
fn pings_become_rare_while_the_server_is_slow() {
    let mut rig = pinging();
    rig.wait(SECOND * 5 / 2);
    assert_eq!(pings(&rig), 21);
    rig.wait(10 * SECOND);
    assert_eq!(pings(&rig), 31);
}

#[test]
fn a_ping_that_is_late_goes_all_the_same() {
    let mut rig = pinging();
    rig.kinds.clear();
    rig.now = rig.now + SECOND / 4;
    rig.client.handle_timeout(rig.now);
    rig.pump();
    assert_eq!(pings(&rig), 1);
    let next = rig.client.poll_timeout().unwrap();
    assert!(next.0 > rig.now, "{next:?}");
}

#[test]
fn nothing_is_due_once_the_connection_is_open() {
    let mut rig = Rig::new();
    rig.client.register(rig.now).unwrap();
    rig.connect();
    rig.take(topic::CHALLENGE);
    let next = rig.client.poll_timeout().unwrap();
    assert!(next.0 > rig.now, "{next:?}");
}

#[test]
fn a_server_that_was_heard_is_not_asked_for_a_sign_of_life() {
    let mut rig = Rig::active();
    rig.client.pause_heartbeats(rig.now);
    rig.kinds.clear();
    rig.wait(50 * SECOND);
    rig.send(Kind::Pong, 0, &[], b"\xc0");
    rig.wait(59 * SECOND);
    assert_eq!(rig.kinds, []);
    rig.wait(2 * SECOND);
    assert_eq!(rig.kinds, [Kind::Ping]);
}

#[test]
fn what_waits_goes_with_its_connection() {
    let mut rig = Rig::active();
    rig.send(Kind::Ping, 0, &[], b"\xc0");
    rig.client.handle_disconnected(rig.now);
    assert!(rig.client.poll_transmit().is_none());
    rig.kinds.clear();
    rig.connect();
    assert_eq!(rig.kinds[0], Kind::Hello);
    assert!(!rig.kinds.contains(&Kind::Pong));
}

#[test]
fn no_part_of_a_stream_goes_before_the_first_pong() {
    let (mut rig, _) = together();
    rig.client.handle_disconnected(rig.now);
    rig.wait(SECOND);
    rig.pongs = false;
    rig.connect();
    rig.kinds.clear();
    // A sign of life of the job is due.
    rig.wait(11 * SECOND);
    assert!(rig.kinds.iter().all(|kind| *kind == Kind::Ping));
    rig.pongs = true;
    rig.seen.clear();
    rig.wait(2 * SECOND);
    assert_eq!(rig.count(topic::JOB_HEARTBEAT), 1);
}

#[test]
fn streams_are_numbered_on_over_connections_from_anywhere() {
    let (mut rig, _) = together();
    let first = rig.last_stream;
    assert!(first > 1_000, "{first}");
    rig.client.handle_disconnected(rig.now);
    rig.wait(SECOND);
    rig.connect();
    rig.wait(11 * SECOND);
    let later = rig.last_stream;
    assert!((first + 1..first + 16).contains(&later), "{first} {later}");
}

#[test]
fn what_is_for_another_application_is_passed_over() {
    let mut rig = Rig::active();
    let headers = Headers::new()
        .with(key::MSG_TYPE, msg_type::REQUEST)
        .with(key::ORIGIN, "server")
        .with(key::DESTINATION, SITE)
        .with(key::CHANNEL, channel::CELLNET)
        .with(key::TOPIC, topic::BYE)
        .with(key::REQ_ID, "ask")
        .with(key::REPLY_EXPECTED, true);
    rig.send(Kind::Data, sfm::APP_CELL + 1, &headers.encode(), b"");
    rig.quiet();
    rig.deliver(&headers, b"");
    rig.take(topic::BYE);
}

#[test]
fn a_frame_may_be_as_long_as_the_settings_say() {
    let max_frame = 2 << 20;
    let mut rig = Rig::active_with(|config| {
        config.binding = crate::Binding::Nvflare(Settings {
            max_frame,
            ..Settings::DEFAULT
        });
    });
    rig.kinds.clear();
    let longest = vec![0; max_frame - sfm::PREFIX];
    rig.send(Kind::Ping, 0, &[], &longest);
    rig.pump();
    assert_eq!(rig.kinds, [Kind::Pong]);
    rig.send(Kind::Ping, 0, &[0], &longest);
    rig.pump();
    assert_eq!(rig.kinds, [Kind::Pong]);
}
