//! Limits of the protocol that both ends enforce on each other.

use core::time::Duration;

/// Largest payload inside a message, in bytes: with the rest it stays below 2 MiB.
pub(crate) const MAX_INLINE: usize = 1 << 20;
/// Largest context and largest headers of a registered client, in bytes.
pub(crate) const MAX_PROPERTIES: usize = 64 << 10;
/// The same before registration, so that a whole Register fits into 32 KiB.
pub(crate) const MAX_STRANGER_PROPERTIES: usize = 16 << 10;
/// Longest address, task name, label of a payload and reason of a farewell, in bytes.
pub(crate) const MAX_TEXT: usize = 255;
/// On datagrams, an answer to a stranger is at most this many times as long as what came: the
/// sender's address may be forged, and its owner must not get much more than the forger sent
/// (RFC 9000, section 8.1).
pub(crate) const MAX_AMPLIFICATION: usize = 3;
/// The longest wait that a stranger is told who comes beyond the budget. A flood must not
/// send others away for longer at a time.
pub(crate) const HORIZON: Duration = Duration::from_secs(30);
/// The longest time for which a device may say that it sleeps: a day.
pub(crate) const MAX_SUSPENSION: Duration = Duration::from_secs(86_400);

/// As much of a text as a message takes, which ends with a whole character.
pub(crate) fn cut(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
