//! The clock and the randomness of the system, as machines take them.

use std::time::{SystemTime, UNIX_EPOCH};

use fedlink::Seed;

/// Seconds since the Unix epoch, for the dates of certificates; 0 on a machine whose
/// clock stands before it.
#[must_use]
pub fn unix_time() -> u64 {
    #[cfg(test)]
    if let Some(faked) = FAKED.get() {
        return faked;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

#[cfg(test)]
thread_local! {
    /// What the wall clock says to this thread instead of the truth.
    pub(crate) static FAKED: std::cell::Cell<Option<u64>> = const { std::cell::Cell::new(None) };
}

/// The wall clock, for a machine that has to be told when it is set: a system that starts
/// without the right time gets it later, while connections stand.
#[derive(Debug, Default)]
pub(crate) struct WallClock {
    told: Option<u64>,
}

impl WallClock {
    /// The Unix time, unless it is what the machine was told last.
    pub(crate) fn news(&mut self) -> Option<u64> {
        let now = unix_time();
        (self.told.replace(now) != Some(now)).then_some(now)
    }
}

/// Fresh randomness for one machine, from the operating system, which writes the only copy.
///
/// # Errors
/// When the operating system has none.
pub fn seed() -> Result<Seed, getrandom::Error> {
    Seed::fill(|bytes| getrandom::fill(bytes))
}

/// 16 random bytes to name something by, from the operating system.
///
/// # Errors
/// When the operating system has none.
pub fn random_id() -> Result<[u8; 16], getrandom::Error> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    Ok(id)
}
