//! Bounds of the protocol that both sides hold each other to.

use core::time::Duration;

use super::{Payload, Properties};
use crate::error::Misuse;

/// Largest payload inside a message, in bytes: with the rest it stays below 2 MiB.
pub(crate) const MAX_INLINE: usize = 1 << 20;
/// Largest context and largest headers of a registered client, in bytes.
pub(crate) const MAX_PROPERTIES: usize = 64 << 10;
/// The same before registration, so that a whole Register fits into 32 KiB.
pub(crate) const MAX_STRANGER_PROPERTIES: usize = 16 << 10;
/// Longest address, task name, label of a payload and reason of a farewell, in bytes.
pub(crate) const MAX_TEXT: usize = 255;
/// On datagrams, an answer to a stranger is at most so many times as long as what came: the
/// sender's address may be forged, and its owner must not get much more than the forger sent
/// (RFC 9000, section 8.1).
pub(crate) const MAX_AMPLIFICATION: usize = 3;
/// The longest wait that a stranger is told who comes beyond the budget. A flood must not
/// send others away for longer at a time.
pub(crate) const HORIZON: Duration = Duration::from_secs(30);
/// The longest time for which a device may say that it sleeps: a day.
pub(crate) const MAX_SUSPENSION: Duration = Duration::from_secs(86_400);

/// Refuses what a host gives if it has more than `limit` bytes.
pub(crate) fn check_size(what: &'static str, size: usize, limit: usize) -> Result<(), Misuse> {
    if size > limit {
        return Err(too_large(what, limit as u64));
    }
    Ok(())
}

/// As much of a text as a message takes, which ends with a whole character.
pub(crate) fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Refuses headers, labels and a payload that no peer would take.
pub(crate) fn check_given(
    headers: &Properties,
    payload: &Payload,
    max_payload: u64,
) -> Result<(), Misuse> {
    check_size("the headers", headers.size(), MAX_PROPERTIES)?;
    if !payload.labels_fit() {
        return Err(too_large("a label of the payload", MAX_TEXT as u64));
    }
    if payload.len() as u64 > max_payload {
        return Err(too_large("the payload", max_payload));
    }
    Ok(())
}

fn too_large(what: &'static str, limit: u64) -> Misuse {
    Misuse::TooLarge { what, limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_itself_is_within_it() {
        assert_eq!(check_size("it", 7, 7), Ok(()));
        assert_eq!(check_size("it", 8, 7), Err(too_large("it", 7)));
    }
}
