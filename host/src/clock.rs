//! What machines are given of the outside: time and randomness.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch, for the dates of certificates; 0 on a machine whose
/// clock stands before it.
#[must_use]
pub fn unix_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

/// Fresh randomness for one machine, from the operating system.
///
/// # Errors
/// When the operating system has none.
pub fn seed() -> Result<[u8; 32], getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(seed)
}
