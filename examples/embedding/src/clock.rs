//! What a machine is given of the outside: time and randomness.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fedlink::{Instant, Seed};

/// A clock that starts with the program and only goes forward.
#[derive(Clone, Copy)]
pub struct Clock(std::time::Instant);

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    /// The time, as machines are told it.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::default() + self.0.elapsed()
    }

    /// How long it is until a machine's next timer; for ever, if there is none.
    #[must_use]
    pub fn until<T>(&self, timeout: Option<(Instant, T)>) -> Duration {
        timeout.map_or(Duration::MAX, |(at, _)| at.since(self.now()))
    }
}

/// The time of day, in seconds since 1970: certificates have dates.
#[must_use]
pub fn unix_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// Fresh randomness for one machine.
///
/// # Errors
/// When the operating system has none.
pub fn seed() -> Result<Seed, getrandom::Error> {
    Seed::fill(|bytes| getrandom::fill(bytes))
}
