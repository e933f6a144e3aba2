//! `fedlink join`: a site of a project, in a process of its own.

use std::io;
use std::sync::Arc;

use fedlink::{ClientAction, RejectReason, Rejection, RetryReason, Suspicion};
use fedlink_host::kit::{KitError, SiteKit};
use fedlink_host::{CallError, HostError};

use crate::federation::{Happened, HostedSite, SiteNews};
use crate::interrupt::Interrupt;
use crate::options::JoinOptions;
use crate::parties::{self, PartyError};
use crate::training::{Dataset, Share, partition};

/// Why a site cannot run, or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The kit cannot be used.
    #[error(transparent)]
    Kit(#[from] KitError),
    /// The kit cannot be put to work.
    #[error(transparent)]
    Party(#[from] PartyError),
    /// The client has failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The client has stopped, or refused a command.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The coordinator refuses this site.
    #[error("the coordinator refuses this site ({}): {}\n{}", .0.reason, .0.message, hint(.0.reason))]
    Rejected(Rejection),
    /// Whoever answers is not the coordinator.
    #[error(
        "whoever answers is not the coordinator of this kit: {0}\nask whoever runs the project whether its address, its name and its root are still those in this kit"
    )]
    Suspect(Suspicion),
    /// Ctrl-C cannot be caught.
    #[error("Ctrl-C cannot be caught: {0}")]
    Signal(#[from] ctrlc::Error),
    /// There are no threads.
    #[error("the process cannot start ({0}): close some programs and try again")]
    Runtime(#[source] io::Error),
}

/// Runs a site until the run that it takes part in is over, or until Ctrl-C.
///
/// # Errors
/// When it cannot start or go on, and when it will never be let in.
pub fn run(options: &JoinOptions) -> Result<(), JoinError> {
    let interrupt = Interrupt::listen()?;
    let kit = SiteKit::load(&options.kit)?;
    let shares = partition(&Dataset::load(options.seed), options.share.of, options.seed);
    let share: Share = shares
        .into_iter()
        .nth(options.share.index)
        .unwrap_or_default();
    let runtime = tokio::runtime::Runtime::new().map_err(JoinError::Runtime)?;
    runtime.block_on(async {
        let mut seat = Seat::open(options, &kit, share).await?;
        let ended = seat.work(interrupt).await;
        let stopped = seat.process.end().await;
        ended?;
        Ok(stopped?)
    })
}

/// The site, and what people are told of it.
struct Seat<'a> {
    options: &'a JoinOptions,
    process: HostedSite,
    /// How it leaves, once it does.
    leaving: Leaving,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    No,
    /// The run is over: when all is delivered.
    WhenIdle,
    /// It has said goodbye.
    Now,
}

impl<'a> Seat<'a> {
    async fn open(
        options: &'a JoinOptions,
        kit: &SiteKit,
        share: Share,
    ) -> Result<Self, JoinError> {
        let wines = share.len();
        let process = HostedSite::start(parties::client_host(kit)?, Arc::new(share)).await?;
        let seat = Self {
            options,
            process,
            leaving: Leaving::No,
        };
        seat.say(format!(
            "{} of {} has {wines} wines and calls {} at {}",
            kit.config.name,
            kit.config.project,
            kit.config.server.name,
            kit.config.server.addresses.join(", ")
        ));
        Ok(seat)
    }

    async fn work(&mut self, mut interrupt: Interrupt) -> Result<(), JoinError> {
        loop {
            let leaving = self.leaving == Leaving::Now;
            let happened = tokio::select! {
                happened = self.process.next() => happened,
                () = interrupt.wait(), if !leaving => {
                    self.leave("its operator has stopped it").await?;
                    continue;
                }
            };
            match happened {
                Happened::Stopped => return Ok(()),
                // The client may be gone before its last actions are taken.
                Happened::Action(_) | Happened::Trained(_) if leaving => continue,
                Happened::Action(action) => {
                    self.tell(&action).await?;
                    self.process.handle(action).await?;
                }
                Happened::Trained(trained) => self.process.finished(trained).await?,
            }
            while let Some(news) = self.process.poll_news() {
                self.news(news);
            }
            if self.leaving == Leaving::WhenIdle && self.process.is_idle().await? {
                self.leave("the run is over").await?;
            }
        }
    }

    async fn leave(&mut self, reason: &str) -> Result<(), JoinError> {
        self.say(format!("leaves: {reason}"));
        self.leaving = Leaving::Now;
        let client = self.process.client();
        Ok(client.quit(reason).await.map_err(CallError::from)?)
    }

    async fn tell(&self, action: &ClientAction) -> Result<(), JoinError> {
        match action {
            ClientAction::SetAuth(_) => self.say("is registered"),
            ClientAction::ClearAuth => self.say("must register anew"),
            ClientAction::Rejected(rejection) => {
                return Err(JoinError::Rejected(rejection.clone()));
            }
            ClientAction::Suspect {
                suspicion,
                repeated: true,
            } => return Err(JoinError::Suspect(suspicion.clone())),
            ClientAction::Retry {
                at,
                attempt,
                reason,
            } => {
                let at = *at;
                let wait = self.process.client().call(move |_, now| at.since(now));
                let wait = wait.await.map_err(CallError::from)?;
                self.say(format!(
                    "{}: tries again in {:.1} s (attempt {attempt})",
                    why(*reason),
                    wait.as_secs_f64()
                ));
            }
            ClientAction::ResultRefused { refusal, .. } => {
                tracing::warn!(?refusal, "the coordinator did not take a result");
            }
            _ => {}
        }
        Ok(())
    }

    fn news(&mut self, news: SiteNews) {
        match news {
            SiteNews::Started(_) => {
                self.leaving = Leaving::No;
                self.say("takes part in a run");
            }
            SiteNews::Trained(order) => {
                self.say(format!(
                    "has trained round {} of {}",
                    order.round, order.rounds
                ));
            }
            SiteNews::Aborted(_) | SiteNews::Ended(_) => {
                self.say("the coordinator has ended the run");
                self.leaving = Leaving::WhenIdle;
            }
        }
    }

    fn say(&self, line: impl AsRef<str>) {
        if !self.options.quiet {
            eprintln!("{}", line.as_ref());
        }
    }
}

fn hint(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::Unauthenticated => {
            "ask whoever runs the project for a new kit: this one's certificate may have ended"
        }
        RejectReason::Disabled => "ask whoever runs the project to enable it again",
        RejectReason::WrongProject => {
            "this kit is for another project: check the address in fedlink.toml"
        }
        RejectReason::Replaced => {
            "another process uses this kit, here or elsewhere: stop one of the two"
        }
        _ => "ask whoever runs the project why",
    }
}

fn why(reason: RetryReason) -> String {
    match reason {
        RetryReason::NotConnected => "there is no connection".to_owned(),
        RetryReason::Disconnected => "the connection was lost".to_owned(),
        RetryReason::SendFailed => "a message could not be sent".to_owned(),
        RetryReason::ChallengeUnanswered | RetryReason::RegisterUnanswered => {
            "the coordinator does not answer".to_owned()
        }
        RetryReason::ChallengeSuspect => "the answer cannot be trusted".to_owned(),
        RetryReason::ServerBusy => "the coordinator is busy".to_owned(),
        RetryReason::NoCommonProtocol => {
            "the coordinator speaks none of this site's suites or versions".to_owned()
        }
        RetryReason::SignerSilent => "the key has not signed in time".to_owned(),
        RetryReason::Heartbeat(code) => format!("a heartbeat failed ({code})"),
        RetryReason::PullTask(code) => format!("asking for a task failed ({code})"),
        RetryReason::SubmitResult(code) => format!("handing in a result failed ({code})"),
        RetryReason::Transfer(code) => format!("a part of a payload failed ({code})"),
        RetryReason::SessionSilent => "the coordinator seems to have forgotten us".to_owned(),
        _ => format!("something failed ({reason:?})"),
    }
}
