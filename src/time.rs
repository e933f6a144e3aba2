//! Time as the machines see it: a count of microseconds that the host supplies.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

/// A moment on the host's monotonic clock, in microseconds since any fixed start.
///
/// There is no clock behind it, so a simulator may run years in seconds. A machine that
/// is given a moment earlier than the latest it has seen uses the latest instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The end of time. No timer is ever due then: what would be due at or after it is
    /// never due.
    pub const END: Self = Self(u64::MAX);

    /// The moment `micros` microseconds after the start.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the start.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The first moment after this one.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at [`END`](Instant::END).
    fn add(self, span: Duration) -> Self {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// Saturates at the start of time.
    fn sub(self, span: Duration) -> Self {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(micros))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06} s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// Milliseconds of `span`, as they travel on the wire; saturates.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// From Unix time `wall` to the end of a certificate, if no more than `notice` is left.
pub(crate) fn left_until(not_after: u64, wall: u64, notice: Duration) -> Option<Duration> {
    let left = Duration::from_secs(not_after.saturating_sub(wall));
    (left <= notice).then_some(left)
}

/// The host's wall clock, tied to its monotonic one by the latest `set_wall_clock`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WallClock {
    set_at: Instant,
    unix_time: u64,
}

impl WallClock {
    pub(crate) const fn new(now: Instant, unix_time: u64) -> Self {
        Self {
            set_at: now,
            unix_time,
        }
    }

    /// Seconds since the Unix epoch at `now`.
    pub(crate) const fn unix_time(&self, now: Instant) -> u64 {
        self.unix_time
            .saturating_add(now.since(self.set_at).as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let end = Instant::END;
        assert_eq!(end + Duration::MAX, end);
        assert_eq!(end.next(), end);
        assert_eq!(Instant::default() - Duration::MAX, Instant::default());
        assert_eq!(Instant::default().since(end), Duration::ZERO);
    }
}
