//! Why something is tried again, in plain words.

use fedlink::RetryReason;

/// `who` is what the other end is called.
pub(super) fn why(reason: RetryReason, who: &str) -> String {
    match reason {
        RetryReason::NotConnected => "there is no connection".to_owned(),
        RetryReason::Disconnected => "the connection was lost".to_owned(),
        RetryReason::SendFailed => "a message could not be sent".to_owned(),
        RetryReason::ChallengeUnanswered | RetryReason::RegisterUnanswered => {
            format!("the {who} does not answer")
        }
        RetryReason::ChallengeSuspect => "the answer cannot be trusted".to_owned(),
        RetryReason::ServerBusy => format!("the {who} is busy"),
        RetryReason::NoCommonSuite => {
            format!("the {who} takes none of this site's suites: set the same in both kits")
        }
        RetryReason::ServerOlder => {
            format!("the {who} speaks an older version of the protocol: update the {who}")
        }
        RetryReason::ServerNewer => {
            format!("the {who} speaks a newer version of the protocol: update this program")
        }
        RetryReason::ChallengeTooShort => format!("the {who} wants to be asked at more length"),
        RetryReason::SignerSilent => "the key has not signed in time".to_owned(),
        RetryReason::Replaced => "another process has registered under this name".to_owned(),
        RetryReason::Heartbeat(code) => format!("a heartbeat failed ({code})"),
        RetryReason::PullTask(code) => format!("asking for a task failed ({code})"),
        RetryReason::SubmitResult(code) => format!("handing in a result failed ({code})"),
        RetryReason::Transfer(code) => format!("a part of a payload failed ({code})"),
        RetryReason::SessionSilent => format!("the {who} seems to have forgotten us"),
        _ => format!("something failed ({reason:?})"),
    }
}
