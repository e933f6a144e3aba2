//! Tokio's clock as the machines see it.

use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Counts from the moment it was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> fedlink::Instant {
        fedlink::Instant::default() + self.0.elapsed()
    }

    /// What tokio calls this time; nothing for one that lies beyond what it can say.
    pub(super) fn at(self, at: fedlink::Instant) -> Option<Instant> {
        self.0.checked_add(Duration::from_micros(at.as_micros()))
    }
}

/// A timer for a deadline that moves all the time. It is set only for an earlier one, or
/// when it is over; to set it for each would cost more than to be woken in vain.
pub(super) struct Alarm(Pin<Box<Sleep>>);

impl Alarm {
    pub(super) fn new() -> Self {
        Self(Box::pin(sleep_until(Instant::now())))
    }

    /// Waits until `deadline`; for ever if there is none. Nothing is lost if the future is
    /// dropped.
    pub(super) async fn reach(&mut self, deadline: Option<Instant>) {
        let Some(deadline) = deadline else {
            return pending().await;
        };
        loop {
            if deadline < self.0.deadline() || self.0.is_elapsed() {
                self.0.as_mut().reset(deadline);
            }
            self.0.as_mut().await;
            if self.0.deadline() >= deadline {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_alarm_rings_at_the_deadline_that_it_was_given_last() {
        const SECOND: Duration = Duration::from_secs(1);
        let begun = Instant::now();
        let mut alarm = Alarm::new();
        for (given_up, seconds) in [(5, 9), (100, 12), (13, 11), (30, 13)] {
            let other = alarm.reach(Some(begun + given_up * SECOND));
            timeout(SECOND / 2, other).await.unwrap_err();
            let before = Instant::now();
            let deadline = begun + seconds * SECOND;
            alarm.reach(Some(deadline)).await;
            assert_eq!(Instant::now(), deadline.max(before));
        }
        timeout(100 * SECOND, alarm.reach(None)).await.unwrap_err();
    }
}
