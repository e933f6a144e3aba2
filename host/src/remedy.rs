//! What a host does about its connection when its client says that it tries again.

use fedlink::RetryReason;

/// Handshakes in a row without an answer, after which the connection itself is doubted.
const MAX_UNANSWERED: u32 = 3;

/// What helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// There is no connection: make one when the client says.
    Connect,
    /// The connection seems dead, although nobody has closed it, as happens when a route
    /// is lost: close it.
    Disconnect,
    /// Nothing; the client goes on with what there is.
    Nothing,
}

impl Remedy {
    /// For what was tried `attempt` times in a row.
    pub(crate) fn of(reason: RetryReason, attempt: u32) -> Self {
        match reason {
            RetryReason::NotConnected | RetryReason::Disconnected => Self::Connect,
            RetryReason::SessionSilent => Self::Disconnect,
            RetryReason::ChallengeUnanswered | RetryReason::RegisterUnanswered
                if attempt >= MAX_UNANSWERED =>
            {
                Self::Disconnect
            }
            _ => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_of_the_server_is_held_against_the_connection_in_the_end() {
        let unanswered = RetryReason::ChallengeUnanswered;
        assert_eq!(Remedy::of(unanswered, 1), Remedy::Nothing);
        assert_eq!(Remedy::of(unanswered, 3), Remedy::Disconnect);
        assert_eq!(Remedy::of(RetryReason::Disconnected, 3), Remedy::Connect);
        assert_eq!(Remedy::of(RetryReason::ServerBusy, 9), Remedy::Nothing);
    }
}
