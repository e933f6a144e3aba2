//! Clocks that jump in a federation of NVFlare.

use alloc::collections::BTreeSet;

use super::{ClientConfig, Server, Settings, config};
use crate::client::Timer;
use crate::testing::fuzzing::jumping::{MOMENTS, SPANS, run_scripts};
use crate::testing::fuzzing::script::Script;
use crate::{Instant, Phase};

#[test]
fn whatever_the_time_each_timer_fires_once_and_the_next_is_later() {
    let (mut phases, mut linked) = (BTreeSet::new(), 0);
    run_scripts(|script| {
        let Ok(mut server) = Server::with(any_config(script), MOMENTS[script.below(4)]) else {
            return;
        };
        if script.below(4) > 0 {
            server.register();
        }
        let mut latest = server.now;
        while let Some(step) = script.next() {
            if step % 3 > 0 {
                // Waiting would go from timer to timer, of which there may be one each moment.
                if step % 10 != 7 {
                    server.step(step, script);
                }
                server.pump();
                continue;
            }
            let to = match script.below(8) {
                0 => MOMENTS[script.below(MOMENTS.len())],
                1 => server.now - SPANS[4],
                2 => Instant::from_micros(1 << script.below(64)),
                3 | 4 => server.client.poll_timeout().map_or(latest, |(at, _)| at),
                _ => Instant::from_micros(
                    server.now.as_micros().saturating_add(1 << script.below(40)),
                ),
            };
            phases.insert(server.client.phase());
            let armed: Vec<Timer> = server.client.armed().collect();
            linked += usize::from(armed.contains(&Timer::Link));
            latest = latest.max(to);
            server.now = to;
            let before = server.client.counters().timers_fired;
            server.client.handle_timeout(to);
            let fired = server.client.counters().timers_fired - before;
            assert!(fired <= armed.len() as u64, "{fired} of {armed:?} fired");
            let next = server.client.poll_timeout();
            assert!(next.is_none_or(|(at, _)| at > latest), "one is due already");
            server.pump();
        }
    });
    let expected = [Phase::Idle, Phase::Registering, Phase::Active];
    assert!(
        expected.iter().all(|phase| phases.contains(phase)),
        "{phases:?}"
    );
    assert!(linked > 100);
}

fn any_config(script: &mut Script<'_>) -> ClientConfig {
    let mut settings = Settings {
        secure: false,
        ..Settings::DEFAULT
    };
    let mut waits = [settings.heartbeat_interval, settings.ping_after];
    for wait in &mut waits {
        if script.below(3) == 0 {
            *wait = SPANS[script.below(SPANS.len())];
        }
    }
    [settings.heartbeat_interval, settings.ping_after] = waits;
    config(settings)
}
