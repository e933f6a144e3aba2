//! What machines are given of the outside: time and randomness.

use std::time::{SystemTime, UNIX_EPOCH};

use fedlink::Seed;

/// Seconds since the Unix epoch, for the dates of certificates; 0 on a machine whose
/// clock stands before it.
#[must_use]
pub fn unix_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
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
