//! Decides when a site gives up because only a person can help.

use fedlink::{ClientAction, FailureKind, RejectReason};
use fedlink_host::Connectivity;

use super::JoinError;

/// The other end of a site: what it is called, and what helps against its refusals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) who: &'static str,
    pub(super) hint: fn(RejectReason) -> &'static str,
}

/// Why the site has to end, if it does: this is the one place where that is decided. What
/// may pass never ends it.
pub(super) fn ending(
    peer: Peer,
    action: &ClientAction,
    connectivity: &Connectivity,
) -> Option<JoinError> {
    match action {
        ClientAction::Rejected(rejection) => Some(JoinError::Rejected {
            who: peer.who,
            rejection: rejection.clone(),
            hint: (peer.hint)(rejection.reason),
        }),
        ClientAction::Suspect {
            suspicion,
            repeated: true,
        } if suspicion.failure_kind() == FailureKind::Permanent => Some(JoinError::Suspect {
            who: peer.who,
            suspicion: suspicion.clone(),
        }),
        ClientAction::Retry { .. } => connectivity
            .refusal()
            .map(|failure| JoinError::Untrusted(failure.text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use fedlink::identity::ChainError;
    use fedlink::message::ReturnCode;
    use fedlink::{Instant, Rejection, RetryReason, Suspicion};

    use super::*;

    const PEER: Peer = Peer {
        who: "coordinator",
        hint: |_| "ask",
    };

    fn ends(action: &ClientAction) -> bool {
        ending(PEER, action, &Connectivity::default()).is_some()
    }

    fn suspect(suspicion: Suspicion, repeated: bool) -> ClientAction {
        ClientAction::Suspect {
            suspicion,
            repeated,
        }
    }

    #[test]
    fn whatever_is_tried_again_does_not_end_a_site() {
        for reason in [
            RetryReason::NotConnected,
            RetryReason::Disconnected,
            RetryReason::SendFailed,
            RetryReason::ChallengeUnanswered,
            RetryReason::ChallengeSuspect,
            RetryReason::RegisterUnanswered,
            RetryReason::ServerBusy,
            RetryReason::NoCommonSuite,
            RetryReason::ChallengeTooShort,
            RetryReason::ServerOlder,
            RetryReason::ServerNewer,
            RetryReason::CertificateDates,
            RetryReason::SignerSilent,
            RetryReason::Heartbeat(ReturnCode::Timeout),
            RetryReason::PullTask(ReturnCode::Timeout),
            RetryReason::SubmitResult(ReturnCode::Timeout),
            RetryReason::Transfer(ReturnCode::Timeout),
            RetryReason::SessionSilent,
            RetryReason::Replaced,
        ] {
            let at = Instant::default();
            let retry = ClientAction::Retry {
                at,
                attempt: 99,
                reason,
            };
            assert!(!ends(&retry), "{reason:?}");
        }
    }

    #[test]
    fn a_wrong_clock_never_ends_a_site() {
        let (position, not_before, not_after) = (0, 1, 1);
        for error in [
            ChainError::NotYetValid {
                position,
                not_before,
            },
            ChainError::Expired {
                position,
                not_after,
            },
        ] {
            assert!(!ends(&suspect(Suspicion::Chain(error), true)));
        }
    }

    #[test]
    fn another_project_ends_a_site_once_it_is_sure() {
        let foreign = Suspicion::Chain(ChainError::UnknownRoot { position: 0 });
        assert!(!ends(&suspect(foreign.clone(), false)));
        assert!(ends(&suspect(foreign, true)));
        for reason in [
            RejectReason::Unauthenticated,
            RejectReason::Disabled,
            RejectReason::WrongProject,
            RejectReason::Replaced,
        ] {
            assert!(ends(&ClientAction::Rejected(Rejection::new(reason, ""))));
        }
    }
}
