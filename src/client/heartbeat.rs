//! Heartbeats: the client tells that it lives and which jobs run here, and learns which
//! should.

use alloc::format;
use core::ops::RangeInclusive;
use core::time::Duration;

use super::state::{State, Trigger};
use super::{Client, ClientAction, CloseReason, Mode, RetryReason, Timer, backoff};
use crate::Instant;
use crate::config::Check;
use crate::message::{Heartbeat, HeartbeatReply, Properties, Request, RequestId, ReturnCode};
use crate::time::millis;

/// How long a heartbeat that is due waits for the host's word.
const RELEASE: Duration = Duration::from_millis(100);

/// Bounds of the time between heartbeats, whatever the server says.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
const MAX_INTERVAL: Duration = Duration::from_secs(86_400);

/// How long after an answer the next heartbeat follows: a little early at random, so that
/// clients that started together part.
// spec: P-94
pub(crate) fn bounds(interval: Duration) -> RangeInclusive<Duration> {
    interval / 10 * 9..=interval
}

/// The heartbeats of one registration.
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Heartbeats {
    interval: Duration,
    beat: Beat,
    failures: u32,
}

/// Where the current heartbeat is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
enum Beat {
    Waiting,
    /// Due, and waiting for the host's word.
    Due,
    Asked(RequestId),
}

impl Heartbeats {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            interval: interval.clamp(MIN_INTERVAL, MAX_INTERVAL),
            beat: Beat::Waiting,
            failures: 0,
        }
    }

    // spec: P-94
    pub(crate) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval.clamp(MIN_INTERVAL, MAX_INTERVAL);
    }
}

impl Client {
    /// The next heartbeat is due, unless they are paused.
    pub(super) fn heartbeat_due(&mut self) {
        if !self.heartbeats_paused {
            self.announce_heartbeat();
        }
    }

    /// Tells the host that a heartbeat is about to go. The first of a session goes also
    /// while they are paused: the server waits for a sign that the session is used.
    pub(super) fn announce_heartbeat(&mut self) {
        let State::Active(active) = &mut self.state else {
            return;
        };
        if !self.connection.is_up() {
            return;
        }
        active.heartbeats.beat = Beat::Due;
        let at = self.now + RELEASE;
        self.timers.disarm(Timer::Heartbeat);
        self.timers.arm(Timer::HeartbeatRelease, at);
        self.tell(ClientAction::HeartbeatDue);
    }

    /// Sends the heartbeat that is due.
    pub(super) fn heartbeat_released(&mut self, context: Option<Properties>) {
        let due =
            matches!(&self.state, State::Active(active) if active.heartbeats.beat == Beat::Due);
        if due {
            self.send_heartbeat(context, None);
        }
    }

    /// Sends a heartbeat now. With `suspending`, no other follows for that time.
    pub(super) fn send_heartbeat(
        &mut self,
        context: Option<Properties>,
        suspending: Option<Duration>,
    ) {
        self.timers.disarm(Timer::HeartbeatRelease);
        self.timers.disarm(Timer::Heartbeat);
        let request = Request::Heartbeat(Heartbeat {
            jobs: self.work.reports(&self.config.binding),
            suspending: suspending.map(millis),
            context: context.unwrap_or_else(|| self.context.clone()),
        });
        let timeout = self.config.maintenance_timeout;
        let id = self.asks.send(request, bytes::Bytes::new(), timeout);
        if let State::Active(active) = &mut self.state {
            active.heartbeats.beat = Beat::Asked(id);
        }
        if let Some(span) = suspending {
            let at = self.now + span;
            self.timers.arm(Timer::Heartbeat, at);
        }
    }

    /// Whether `id` is the heartbeat under way.
    pub(super) fn is_heartbeat(&self, id: RequestId) -> bool {
        matches!(&self.state, State::Active(active) if active.heartbeats.beat == Beat::Asked(id))
    }

    /// Whether a heartbeat is under way or will be sent again, or cannot be.
    pub(super) fn expects_heartbeat(&self) -> bool {
        let State::Active(active) = &self.state else {
            return true;
        };
        matches!(active.heartbeats.beat, Beat::Asked(_)) || self.timers.is_armed(Timer::Heartbeat)
    }

    pub(super) fn heartbeat_answered(&mut self, reply: HeartbeatReply, elapsed: Duration) {
        let State::Active(active) = &mut self.state else {
            return;
        };
        let beats = &mut active.heartbeats;
        beats.beat = Beat::Waiting;
        beats.failures = 0;
        beats.set_interval(Duration::from_millis(reply.interval));
        let interval = beats.interval;
        // spec: P-92
        let newer = active
            .generation
            .is_none_or(|seen| seen <= reply.generation)
            || !self.config.enforces(Check::Generation);
        if newer {
            active.generation = Some(reply.generation);
        }
        if !self.timers.is_armed(Timer::Heartbeat) {
            let at = self.now + self.entropy.span(bounds(interval));
            self.timers.arm(Timer::Heartbeat, at);
        }
        self.actions
            .push_back(ClientAction::HeartbeatAnswered { elapsed });
        self.tell_of_ends();
        if newer {
            self.work(|work, cx| work.lists(cx, &reply.abort, &reply.start));
        }
    }

    pub(super) fn heartbeat_failed(&mut self, code: ReturnCode, retry_after: Option<Duration>) {
        let State::Active(active) = &mut self.state else {
            return;
        };
        active.heartbeats.beat = Beat::Waiting;
        active.heartbeats.failures += 1;
        let failures = active.heartbeats.failures;
        if self.config.mode == Mode::Simulate {
            self.rest();
            self.actions.push_back(ClientAction::ClearAuth);
            self.actions.push_back(ClientAction::Closed {
                answered: false,
                message: format!("a heartbeat failed: {code}"),
                reason: CloseReason::HeartbeatFailed,
            });
            self.state.change(Trigger::HeartbeatFailed, State::Closed);
            return;
        }
        let asked = backoff::at_most_longest(retry_after.unwrap_or_default());
        let wait = self.config.failed_wait.max(asked);
        self.retry(
            Timer::Heartbeat,
            wait,
            failures,
            RetryReason::Heartbeat(code),
        );
    }

    /// No heartbeat goes out until they are resumed.
    pub(super) fn set_heartbeats_paused(&mut self, paused: bool) {
        self.heartbeats_paused = paused;
        if paused {
            self.heartbeat_void();
        } else if !self.timers.is_armed(Timer::HeartbeatRelease) {
            self.heartbeat_due();
        }
    }

    /// Earlier requests are void, a heartbeat that was under way too.
    pub(super) fn heartbeat_void(&mut self) {
        if let State::Active(active) = &mut self.state {
            active.heartbeats.beat = Beat::Waiting;
        }
        self.timers.disarm(Timer::Heartbeat);
        self.timers.disarm(Timer::HeartbeatRelease);
    }

    /// When the next heartbeat is due, for the host to know.
    pub(super) fn next_heartbeat(&self) -> Option<Instant> {
        self.timers.when(Timer::Heartbeat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: P-94
    #[test]
    fn whatever_the_server_says_there_are_100_ms_and_at_most_a_day_between_heartbeats() {
        let (least, second, most) = (
            Duration::from_millis(100),
            Duration::from_secs(1),
            Duration::from_secs(24 * 3600),
        );
        for (said, taken) in [
            (Duration::ZERO, least),
            (second, second),
            (Duration::MAX, most),
        ] {
            assert_eq!(Heartbeats::new(said).interval, taken);
            let mut beats = Heartbeats::new(second);
            beats.set_interval(said);
            assert_eq!(beats.interval, taken);
        }
    }
}
