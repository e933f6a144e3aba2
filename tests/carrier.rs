//! The connection that a client wants: a host that does what it says, and looks at nothing
//! else, always works.
#![cfg(feature = "x509")]

mod common;

use std::time::Duration;

use bytes::BytesMut;
use common::pair::{Pair, Setup};
use fedlink::error::Misuse;
use fedlink::message::{JobId, PeerId};
use fedlink::{CarrierWish, ClientAction, Phase, Sites, Suite, Timer};

const JOB: JobId = JobId::from_bytes([7; 16]);
const SECOND: Duration = Duration::from_secs(1);

/// Does once what the client wants of its connection, if it is time. `refused` if none can be
/// made.
fn connect_as_wished(pair: &mut Pair, refused: bool) {
    match pair.client.carrier_wish() {
        CarrierWish::Connect(at) if at > pair.now => {
            let (next, _) = pair.client.poll_timeout().expect("it wakes the host");
            assert!(next <= at, "the host wakes too late");
        }
        CarrierWish::Connect(_) if refused => pair.client.handle_disconnected(pair.now),
        CarrierWish::Connect(_) => pair.connect(),
        CarrierWish::Replace => pair.disconnect(),
        CarrierWish::Keep => {}
    }
}

/// A host of few lines: it takes no notice of any action. `refused` says whether no connection
/// can be made in this step, `lost` whether all that is on its way on this connection is lost.
/// Returns whether the client is registered in the end.
fn registers(
    pair: &mut Pair,
    refused: impl Fn(u32) -> bool,
    lost: impl Fn(u32, PeerId) -> bool,
) -> bool {
    pair.client.register(pair.now).unwrap();
    for step in 0..200 {
        connect_as_wished(pair, refused(step));
        pair.drain();
        if lost(step, pair.peer) {
            pair.to_server.clear();
            pair.to_client.clear();
        } else {
            pair.step();
        }
        if pair.client.phase() == Phase::Active {
            return true;
        }
        if pair.to_client.is_empty() && pair.to_server.is_empty() {
            let (at, _) = pair.client.poll_timeout().expect("it goes on");
            pair.now = pair.now.max(at);
            pair.tick();
        }
    }
    false
}

/// A pair whose client tells its host only what it must not keep to itself.
fn taciturn() -> Pair {
    Setup::new(Suite::Sealed)
        .client(|config| config.max_waiting = 1)
        .build()
}

#[test]
fn a_host_that_reads_only_the_wish_registers_whatever_is_lost() {
    assert!(registers(&mut taciturn(), |_| false, |_, _| false));
    for first in 0..12 {
        for span in 1..12 {
            let hit = |step| (first..first + span).contains(&step);
            for (connections, messages) in [(true, false), (false, true), (true, true)] {
                let refused = |step| connections && hit(step);
                let lost = |step, _| messages && hit(step);
                let done = registers(&mut taciturn(), refused, lost);
                assert!(done, "{connections} {messages} {first}..+{span}");
            }
        }
    }
}

#[test]
fn connections_that_carry_nothing_are_replaced_until_one_does() {
    for dead in 1..4 {
        let mut pair = taciturn();
        let first = pair.peer.0;
        let lost = |_, peer: PeerId| peer.0 < first + dead;
        assert!(registers(&mut pair, |_| false, lost));
        assert_eq!(pair.peer.0, first + dead);
    }
}

#[test]
fn a_connection_that_takes_too_long_is_wanted_again_later() {
    let mut pair = Pair::sealed();
    pair.client.register(pair.now).unwrap();
    let mut wanted = Vec::new();
    for _ in 0..10 {
        let CarrierWish::Connect(at) = pair.client.carrier_wish() else {
            panic!("it wants a connection");
        };
        wanted.push(at);
        pair.now = pair.client.poll_timeout().unwrap().0;
        pair.tick();
    }
    wanted.dedup();
    // The first was due at once; each of the others comes due, and is waited for.
    assert_eq!(wanted.len(), 6, "{wanted:?}");
    let gaps = wanted.windows(2).map(|pair| pair[1].since(pair[0]));
    let least = pair.client_config.connect_timeout + pair.client_config.retry_min;
    assert!(gaps.min() >= Some(least), "{wanted:?}");
}

/// A client with a job, a request for a task and heartbeats, and a session that ends
/// meanwhile.
// spec: P-122
#[test]
fn a_month_without_a_connection_is_nothing_but_wishes_for_one() {
    let mut pair = Setup::new(Suite::Sealed)
        .server(|config| config.session_lifetime = 3600 * SECOND)
        .build();
    pair.register();
    pair.server.start_job(pair.now, JOB, Sites::All).unwrap();
    pair.client.job_started(pair.now, JOB).unwrap();
    pair.client.pull_task(pair.now, JOB).unwrap();
    pair.pass(SECOND);
    pair.disconnect();
    let (sent, fired) = {
        let counters = pair.client.counters();
        (counters.messages_sent, counters.timers_fired)
    };
    let end = pair.now + 30 * 86_400 * SECOND;
    let mut attempts = 0;
    while pair.now < end {
        let (at, timer) = pair.client.poll_timeout().unwrap();
        assert_eq!(timer, Timer::Connect);
        pair.now = at;
        pair.client.handle_timeout(pair.now);
        connect_as_wished(&mut pair, true);
        attempts += 1;
    }
    let counters = pair.client.counters();
    assert_eq!(counters.messages_sent, sent);
    assert_eq!(counters.timers_fired - fired, attempts);
    // From 2 to 60 s apart.
    let hourly = attempts / (30 * 24);
    assert!((100..130).contains(&hourly), "{hourly} an hour");
    // The session has long ended: another one is made on the next connection.
    pair.connect();
    pair.pass(5 * SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
    assert!(pair.server.is_registered(pair.client.name()));
}

#[test]
fn nothing_is_wanted_of_the_connection_of_a_client_at_rest() {
    let mut pair = Pair::sealed();
    assert_eq!(pair.client.carrier_wish(), CarrierWish::Keep);
    pair.register();
    assert_eq!(pair.client.carrier_wish(), CarrierWish::Keep);
    pair.disconnect();
    assert!(matches!(
        pair.client.carrier_wish(),
        CarrierWish::Connect(at) if at > pair.now
    ));
    pair.client.quit(pair.now, "enough");
    assert_eq!(pair.client.phase(), Phase::Closed);
    assert_eq!(pair.client.carrier_wish(), CarrierWish::Keep);
    assert_eq!(pair.client.poll_timeout(), None);
    pair.client.register(pair.now).unwrap();
    assert_eq!(
        pair.client.carrier_wish(),
        CarrierWish::Connect(pair.now),
        "another registration begins at once"
    );
}

#[test]
fn a_silent_connection_is_doubted_until_something_comes_on_it() {
    let mut pair = Pair::sealed();
    pair.register();
    while pair.client.carrier_wish() == CarrierWish::Keep {
        pair.pass_silently(SECOND);
    }
    assert_eq!(pair.client.carrier_wish(), CarrierWish::Replace);
    pair.pass(5 * SECOND);
    assert_eq!(pair.client.carrier_wish(), CarrierWish::Keep);
    assert_eq!(pair.client.phase(), Phase::Active);
}

/// Whether this message begins a handshake: its second byte is the kind.
fn is_challenge(message: &BytesMut) -> bool {
    message[1] == 1
}

#[test]
fn a_connection_on_which_the_session_lives_is_kept_though_no_renewal_succeeds() {
    let mut pair = Setup::new(Suite::Sealed)
        .server(|config| config.session_lifetime = 600 * SECOND)
        .build();
    pair.register();
    let end = pair.now + 590 * SECOND;
    let mut challenges = 0;
    while pair.now < end {
        pair.drain();
        let before = pair.to_server.len();
        pair.to_server.retain(|message| !is_challenge(message));
        challenges += before - pair.to_server.len();
        if pair.step() {
            continue;
        }
        let client = pair.client.poll_timeout().map(|(at, _)| at);
        let server = pair.server.poll_timeout().map(|(at, _)| at);
        pair.now = [client, server].into_iter().flatten().min().unwrap();
        pair.tick();
        assert_eq!(pair.client.carrier_wish(), CarrierWish::Keep);
    }
    assert!(challenges > 3, "{challenges}");
    assert_eq!(pair.client.phase(), Phase::Active);
    assert_eq!(pair.server.counters().registrations, 1);
}

#[test]
fn each_connection_has_its_own_handshakes_to_answer() {
    let mut pair = Pair::sealed();
    pair.client.register(pair.now).unwrap();
    for _ in 0..3 {
        pair.connect();
        let mut challenges = 0;
        while pair.client.carrier_wish() == CarrierWish::Keep {
            pair.drain();
            challenges += pair.to_server.drain(..).filter(is_challenge).count();
            pair.now = pair.client.poll_timeout().unwrap().0;
            pair.tick();
        }
        assert_eq!(pair.client.carrier_wish(), CarrierWish::Replace);
        assert_eq!(challenges, 3);
        pair.disconnect();
    }
}

#[test]
fn a_host_that_slept_waits_for_a_connection_as_long_as_any_other() {
    let mut pair = Pair::sealed();
    pair.register();
    pair.disconnect();
    pair.now = pair.now + 3600 * SECOND;
    pair.tick();
    assert!(matches!(
        pair.client.carrier_wish(),
        CarrierWish::Connect(at) if at < pair.now
    ));
    let patience = pair.client_config.connect_timeout;
    let (next, timer) = pair.client.poll_timeout().unwrap();
    assert_eq!((next, timer), (pair.now + patience, Timer::Connect));
}

#[test]
fn a_registration_after_a_rest_begins_with_the_shortest_wait() {
    let mut pair = Pair::sealed();
    pair.register();
    pair.disconnect();
    for _ in 0..10 {
        let CarrierWish::Connect(at) = pair.client.carrier_wish() else {
            panic!("it wants a connection");
        };
        pair.now = pair.now.max(at);
        pair.tick();
        pair.client.handle_disconnected(pair.now);
    }
    pair.client.quit(pair.now, "enough");
    assert_eq!(pair.client.phase(), Phase::Closed);
    pair.drain();
    pair.take_client();
    pair.client.register(pair.now).unwrap();
    pair.client.handle_disconnected(pair.now);
    pair.drain();
    let attempts = pair
        .client_actions
        .iter()
        .filter_map(|action| match action {
            ClientAction::Retry { attempt, .. } => Some(*attempt),
            _ => None,
        });
    assert_eq!(attempts.collect::<Vec<_>>(), [1]);
}

#[test]
fn who_says_twice_that_there_is_no_connection_waits_no_longer_for_the_next() {
    let mut pair = Pair::sealed();
    pair.register();
    pair.disconnect();
    let wish = pair.client.carrier_wish();
    for _ in 0..100 {
        pair.client.handle_disconnected(pair.now);
        assert_eq!(pair.client.carrier_wish(), wish);
    }
    assert_eq!(pair.client.counters().retries, 1);
}

#[test]
fn nobody_is_told_of_a_sleep_without_a_connection() {
    let mut pair = Pair::sealed();
    pair.register();
    pair.disconnect();
    let refused = pair.client.suspend(pair.now, SECOND);
    assert_eq!(refused, Err(Misuse::NotConnected));
}
