//! Clocks that jump: whatever the time is next, the work of a machine is bounded by the timers
//! that it has armed.

use alloc::collections::BTreeSet;
use core::time::Duration;

use super::{Federation, Side, configs};
use crate::client::Timer;
use crate::server::ServerTimer;
use crate::testing::fuzzing::jumping::{MOMENTS, SPANS, run_scripts};
use crate::testing::fuzzing::script::Script;
use crate::{ClientConfig, Instant, Phase, ServerConfig, Suite};

/// What was armed, or the case, when time jumped.
#[derive(Default)]
struct Seen {
    phases: BTreeSet<Phase>,
    client: BTreeSet<&'static str>,
    server: BTreeSet<&'static str>,
    holding: usize,
    sending: usize,
}

#[test]
fn whatever_the_time_each_timer_fires_once_and_the_next_is_later() {
    let mut seen = Seen::default();
    run_scripts(|script| {
        let suite = [Suite::Sealed, Suite::Plain, Suite::Bearer][script.below(3)];
        let federation = if script.below(2) == 0 {
            at_work(suite)
        } else {
            let mut configs = configs(suite);
            set_waits(&mut configs, script);
            let start = MOMENTS[script.below(MOMENTS.len())];
            // Some waits are refused together.
            let Ok(federation) = Federation::with(configs, Side::Server, start) else {
                return;
            };
            federation
        };
        Traveller::new(federation, &mut seen).wander(script);
    });
    let phases = [
        Phase::Idle,
        Phase::Registering,
        Phase::Active,
        Phase::Closed,
    ];
    assert!(phases.iter().all(|phase| seen.phases.contains(phase)));
    let client = [
        "Backoff",
        "Connect",
        "Handshake",
        "Heartbeat",
        "HeartbeatRelease",
        "Hint",
        "Outbox",
        "Pull",
        "Renewal",
        "Request",
        "Silence",
    ];
    assert_eq!(seen.client, BTreeSet::from(client));
    let server = ["Restored", "Session", "Watch", "Window"];
    assert_eq!(seen.server, BTreeSet::from(server));
    assert!(seen.holding > 100 && seen.sending > 100);
}

#[test]
fn a_host_that_does_what_the_timers_say_is_not_kept_busy() {
    /// A client has a dozen timers here, none of which comes more than once in 2 s, and a
    /// server three, the shortest of which is 10 s.
    const ROUNDS: usize = 12 * 3600 / 2;
    run_scripts(|script| {
        let federation = Federation::new(Suite::Sealed, Side::Server);
        let mut seen = Seen::default();
        let mut traveller = Traveller::new(federation, &mut seen);
        traveller.wander(script);
        let end = traveller.latest + Duration::from_secs(3600);
        let mut rounds = 0;
        while let Some(at) = traveller.federation.next_timer().filter(|at| *at <= end) {
            traveller.jump(at);
            // Nothing arrives.
            traveller.federation.to_client.clear();
            traveller.federation.to_server.clear();
            rounds += 1;
            assert!(rounds < ROUNDS, "it is woken again and again");
        }
    });
}

/// A client that holds a task, with waits as they are by default.
fn at_work(suite: Suite) -> Federation {
    /// Assigns a task, asks for one, and lets time pass until it is there.
    const STEPS: &[u8] = b"\x0a\x05\x00\x02\x09\x0c\x00\x08\x03";
    let mut federation = Federation::new(suite, Side::Server);
    federation.begin();
    let mut script = Script(STEPS);
    while let Some(step) = script.next() {
        federation.step(step, &mut script);
    }
    assert_eq!(federation.client.held_len(), 1);
    federation
}

fn set_waits((client, server): &mut (ClientConfig, ServerConfig), script: &mut Script<'_>) {
    let waits = [
        &mut client.connect_timeout,
        &mut client.retry_min,
        &mut client.retry_max,
        &mut client.maintenance_timeout,
        &mut client.task_timeout,
        &mut client.failed_wait,
        &mut client.silence_limit,
        &mut server.registration_window,
        &mut server.session_lifetime,
        &mut server.heartbeat_interval,
        &mut server.dead_after,
        &mut server.poll_interval,
        &mut server.min_task_timeout,
    ];
    for wait in waits {
        if script.below(4) == 0 {
            *wait = SPANS[script.below(SPANS.len())];
        }
    }
}

/// A federation whose time goes anywhere.
struct Traveller<'a> {
    federation: Federation,
    /// The latest moment that its machines were told.
    latest: Instant,
    seen: &'a mut Seen,
}

impl<'a> Traveller<'a> {
    fn new(federation: Federation, seen: &'a mut Seen) -> Self {
        Self {
            latest: federation.now,
            federation,
            seen,
        }
    }

    /// Registers, works, breaks and jumps.
    fn wander(&mut self, script: &mut Script<'_>) {
        while let Some(step) = script.next() {
            let federation = &mut self.federation;
            match step % 8 {
                0 => drop(federation.client.register(federation.now)),
                1 => federation.client_command(script),
                2 => federation.server_command(script),
                3 => {
                    // A process that starts again has the time of the others.
                    federation.now = self.latest;
                    match script.below(6) {
                        0 => federation.disconnect(),
                        1 => federation.restart_client(),
                        2 => federation.restart_server(),
                        _ => federation.connect(),
                    }
                }
                4 | 5 => {
                    federation.drain();
                    for _ in 0..script.below(24) {
                        federation.deliver(Side::Server);
                        federation.deliver(Side::Client);
                    }
                }
                6 => {
                    let next = federation.next_timer();
                    self.jump(next.unwrap_or(self.latest));
                }
                _ => {
                    let to = match script.below(8) {
                        0 => MOMENTS[script.below(MOMENTS.len())],
                        1 => federation.now - Duration::from_secs(1),
                        2 => Instant::from_micros(1 << script.below(64)),
                        _ => federation.now + Duration::from_micros(1 << script.below(40)),
                    };
                    self.jump(to);
                }
            }
            self.federation.drain();
        }
    }

    /// Time is `to`, whatever it was.
    fn jump(&mut self, to: Instant) {
        self.seen.see(&self.federation);
        self.latest = self.latest.max(to);
        let federation = &mut self.federation;
        federation.now = to;

        let armed = federation.client.armed().count();
        let before = federation.client.counters().timers_fired;
        federation.client.handle_timeout(to);
        let fired = federation.client.counters().timers_fired - before;
        assert!(fired <= armed as u64, "{fired} of {armed} timers fired");

        let armed = federation.server.armed().count();
        let before = federation.server.counters().timers_fired;
        federation.server.handle_timeout(to);
        let fired = federation.server.counters().timers_fired - before;
        assert!(fired <= armed as u64, "{fired} of {armed} timers fired");

        let next = federation.next_timer();
        assert!(
            next.is_none_or(|next| next > self.latest),
            "one is due already"
        );
        federation.drain();
    }
}

impl Seen {
    fn see(&mut self, federation: &Federation) {
        let (client, server) = (&federation.client, &federation.server);
        self.phases.insert(client.phase());
        self.client.extend(client.armed().map(|timer| match timer {
            Timer::Connect => "Connect",
            Timer::Handshake => "Handshake",
            Timer::Backoff => "Backoff",
            Timer::Heartbeat => "Heartbeat",
            Timer::HeartbeatRelease => "HeartbeatRelease",
            Timer::Renewal => "Renewal",
            Timer::Silence => "Silence",
            Timer::Hint => "Hint",
            Timer::Link => "Link",
            Timer::Request(_) => "Request",
            Timer::Pull(_) => "Pull",
            Timer::Outbox(_) => "Outbox",
        }));
        self.server.extend(server.armed().map(|timer| match timer {
            ServerTimer::Session => "Session",
            ServerTimer::Window => "Window",
            ServerTimer::Restored => "Restored",
            ServerTimer::Watch => "Watch",
        }));
        self.holding += client.held_len();
        self.sending += client.outbox_len();
    }
}
