//! Tokio's clock as the machines see it.

use std::time::Duration;

use fedlink::Instant;

/// Counts from the moment it was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(tokio::time::Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(tokio::time::Instant::now())
    }

    pub(super) fn now(self) -> Instant {
        Instant::default() + self.0.elapsed()
    }

    /// Waits until `at`; for ever if there is nothing to wait for.
    pub(super) async fn reach(self, at: Option<Instant>) {
        match at {
            Some(at) => {
                let since = Duration::from_micros(at.as_micros());
                // Beyond what the clock can say lies never.
                match self.0.checked_add(since) {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            }
            None => std::future::pending().await,
        }
    }
}
