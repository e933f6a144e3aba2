//! Checks of what a host passes to a machine against the limits of the protocol.

use super::limits::{MAX_PROPERTIES, MAX_TEXT};
use super::{Payload, Properties};
use crate::error::Misuse;

/// Refuses what a host passes if it has more than `limit` bytes.
pub(crate) fn check_size(what: &'static str, size: usize, limit: usize) -> Result<(), Misuse> {
    if size > limit {
        return Err(too_large(what, limit as u64));
    }
    Ok(())
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
