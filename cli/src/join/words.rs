//! Reasons for a retry in plain words.

use fedlink::identity::Date;
use fedlink::{ClientAction, RetryReason, Suspicion};
use fedlink_host::{Connectivity, explain, unix_time};

/// Why the latest try failed, as far as anything is known.
#[derive(Debug)]
pub(super) struct Cause {
    /// What the other end is called.
    who: &'static str,
    connectivity: Connectivity,
    /// What was wrong with its latest answer.
    suspicion: Option<Suspicion>,
}

impl Cause {
    pub(super) fn new(who: &'static str, connectivity: Connectivity) -> Self {
        Self {
            who,
            connectivity,
            suspicion: None,
        }
    }

    pub(super) fn connectivity(&self) -> &Connectivity {
        &self.connectivity
    }

    /// Learns from an action of the client.
    pub(super) fn learn(&mut self, action: &ClientAction) {
        match action {
            ClientAction::Suspect { suspicion, .. } => self.suspicion = Some(suspicion.clone()),
            ClientAction::SetAuth(_) => self.suspicion = None,
            _ => {}
        }
    }

    /// Why something is tried again.
    pub(super) fn why(&self, reason: RetryReason) -> String {
        let words = why(reason, self.who);
        match reason {
            RetryReason::NotConnected | RetryReason::Disconnected => {
                let failure = self.connectivity.failure();
                failure.map_or(words, |failure| {
                    format!("there is no connection ({failure})")
                })
            }
            RetryReason::ChallengeSuspect => match &self.suspicion {
                Some(suspicion) => format!("{words} ({})", explain(suspicion)),
                None => words,
            },
            _ => words,
        }
    }
}

/// What failed; `who` is what the other end is called.
pub(crate) fn why(reason: RetryReason, who: &str) -> String {
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
        RetryReason::CertificateDates => format!(
            "by the {who}'s clock this site's certificate is not valid now, and the clock of this machine says {}: correct the clock that is wrong",
            Date(unix_time())
        ),
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
