//! A site that joins a project of fedlink's own.

use std::sync::Arc;

use fedlink::{ClientAction, RejectReason};
use fedlink_host::kit::{SiteKit, Transport};
use fedlink_host::tokio::Redial;
use fedlink_host::{CallError, Proxies};

use super::ending::{Peer, ending};
use super::words::Cause;
use super::{JoinError, may_be_mended};
use crate::certificates::{self, Whose};
use crate::federation::{Happened, HostedSite, SiteNews};
use crate::interrupt::Interrupt;
use crate::options::JoinOptions;
use crate::output;
use crate::parties::{self, PartyError};
use crate::reload::{self, Asked, Reloading};
use crate::training::Share;

const COORDINATOR: Peer = Peer {
    who: "coordinator",
    hint,
};

/// Runs the site until its run is over, or until Ctrl-C.
pub(super) async fn run(
    options: &JoinOptions,
    kit: &SiteKit,
    share: Share,
    interrupt: Interrupt,
) -> Result<(), JoinError> {
    let mut site = SiteProcess::open(options, kit, share, interrupt.clone()).await?;
    let ended = site.work(interrupt).await;
    let stopped = site.process.end().await;
    ended?;
    Ok(stopped?)
}

/// The site, and what people are told of it.
struct SiteProcess<'a> {
    options: &'a JoinOptions,
    name: &'a str,
    process: HostedSite,
    cause: Cause,
    way: Redial,
    proxies: Proxies,
    reloading: Reloading<'a, SiteKit>,
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

impl<'a> SiteProcess<'a> {
    async fn open(
        options: &'a JoinOptions,
        kit: &'a SiteKit,
        share: Share,
        signals: Interrupt,
    ) -> Result<Self, JoinError> {
        let wines = share.len();
        let tls = kit.config.transport != Transport::Tcp;
        let addresses = &kit.config.server.addresses;
        let proxies = parties::proxies(
            options.proxy.as_ref(),
            kit.config.proxy.as_ref(),
            tls,
            addresses,
        )
        .map_err(PartyError::from)?;
        let (host, way) = parties::client_host(kit, &proxies)?;
        let cause = Cause::new(COORDINATOR.who, host.connectivity());
        let process = HostedSite::start(host, Arc::new(share)).await?;
        let site = Self {
            options,
            name: &kit.config.name,
            process,
            cause,
            way,
            proxies,
            reloading: Reloading::new(kit, signals, options.quiet),
            leaving: Leaving::No,
        };
        site.say(format!(
            "{} of {} has {wines} wines and calls {} at {}",
            kit.config.name,
            kit.config.project,
            kit.config.server.name,
            addresses.join(", ")
        ));
        // Without TLS the same holds for all of them.
        let told = if tls { addresses.len() } else { 1 };
        for address in addresses.iter().take(told) {
            if let Some(said) = parties::proxy_on_the_way(&site.proxies, tls, address) {
                site.say(said);
            }
        }
        Ok(site)
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
                asked = self.reloading.due() => {
                    self.reload(asked).await;
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

    /// Takes up certificates and key, if they were replaced; returns whether they were.
    async fn reload(&mut self, asked: Asked) -> bool {
        let Some(kit) = self.reloading.look(asked) else {
            return false;
        };
        let client = self.process.client();
        match parties::renew_client(client, &self.way, &kit, &self.proxies).await {
            Ok(()) => {
                if let Some(changes) = reload::changes(self.reloading.in_use(), &kit) {
                    self.say(changes);
                }
                self.reloading.take_up(kit);
                self.cause.connectivity().start_over();
                true
            }
            Err(error) => {
                reload::refused(&error);
                false
            }
        }
    }

    async fn tell(&mut self, action: &ClientAction) -> Result<(), JoinError> {
        self.cause.learn(action);
        if let Some(error) = ending(COORDINATOR, action, self.cause.connectivity()) {
            if !may_be_mended(&error) || !self.reload(Asked::ByNeed).await {
                return Err(error);
            }
            // It may be trying already.
            let _ = self.process.client().register().await;
            return Ok(());
        }
        match action {
            ClientAction::SetAuth(_) => self.say("is registered"),
            ClientAction::ClearAuth => self.say("must register anew"),
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
                    self.cause.why(*reason),
                    wait.as_secs_f64()
                ));
            }
            ClientAction::CertificateEnds { owner, left, .. } => {
                let whose = match owner.as_str() == self.name {
                    true => Whose::Site,
                    false => Whose::Coordinator,
                };
                tracing::warn!("{}", certificates::ends(owner.as_str(), *left, whose));
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
            SiteNews::Finished(_) => {
                self.say("the coordinator has ended the run");
                self.leaving = Leaving::WhenIdle;
            }
            SiteNews::Aborted(_) | SiteNews::Ended(_) => {
                self.say("the coordinator does not go on with this run: waits for the next one");
            }
        }
    }

    fn say(&self, line: impl AsRef<str>) {
        output::tell(self.options.quiet, line);
    }
}

fn hint(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::Unauthenticated => {
            "ask whoever runs the project for a new kit: this one's certificate may have ended"
        }
        RejectReason::Disabled => "ask whoever runs the project to enable it again",
        RejectReason::WrongProject => {
            "this kit is for another project: correct `project` in fedlink.toml, or the address if another coordinator is meant"
        }
        RejectReason::Replaced => {
            "another process uses this kit, here or elsewhere: stop one of the two"
        }
        _ => "ask whoever runs the project why",
    }
}
