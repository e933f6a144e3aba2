//! The waits of a stand-in, by the rules of the real client.
//!
//! Each wait is drawn anew within bounds, so that clients that were struck together part.

use core::ops::RangeInclusive;
use core::time::Duration;

use crate::ClientConfig;
use crate::client::{backoff, heartbeat, registration};

/// Before something is tried again that has failed `failures` times in a row.
#[must_use]
pub fn retry(config: &ClientConfig, failures: u32) -> RangeInclusive<Duration> {
    backoff::bounds(config, failures)
}

/// From the answer to a heartbeat, which named the interval, to the next.
#[must_use]
pub fn heartbeat(interval: Duration) -> RangeInclusive<Duration> {
    heartbeat::bounds(interval)
}

/// Before a session that seems gone is made anew. A session seems gone when nothing valid
/// has come in it for `maintenance_timeout` after the server said that it does not know it.
#[must_use]
pub fn renewal() -> RangeInclusive<Duration> {
    registration::RENEWAL
}

/// How often a Register goes out, each `maintenance_timeout` after the one before, until a
/// new challenge is asked for.
pub const REGISTER_COPIES: u32 = registration::REGISTER_COPIES;
