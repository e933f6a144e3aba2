//! The observers of a demo: director, audit and screen.

use fedlink::identity::Name;
use fedlink::{ClientAction, ClientCounters, Direction, ServerAction};

use super::audit::Audit;
use super::director::{Director, Fault};
use super::screen::Screen;
use super::setup::Setup;
use crate::federation::{News, SiteNews, names};
use crate::training::Model;

/// Sees every action before the application does.
pub(super) struct Stage {
    pub(super) director: Director,
    pub(super) audit: Audit,
    pub(super) screen: Screen,
    names: Vec<Name>,
    model: Option<Model>,
}

impl Stage {
    pub(super) fn new(setup: &Setup, screen: Screen) -> Self {
        let plan = &setup.plan;
        let names = setup.names();
        Self {
            director: Director::new(plan.job, setup.drill, names.len(), plan.rounds),
            audit: Audit::new(plan.job, names.iter().map(Name::to_string)),
            screen,
            names,
            model: None,
        }
    }

    /// Looks at an action of a site's client; returns the fault that is due.
    pub(super) fn site(&mut self, site: usize, action: &ClientAction) -> Option<Fault> {
        match action {
            ClientAction::TransferProgress {
                direction: Direction::Up,
                done,
                total,
                ..
            } => self.screen.upload(site, *done, *total),
            ClientAction::Retry {
                attempt, reason, ..
            } => {
                tracing::info!(site = %self.names[site], attempt, ?reason, "tries again");
            }
            _ => {}
        }
        let fault = self.director.site(site, action);
        self.tell(fault);
        fault
    }

    /// Looks at an action of the server; returns the fault that is due.
    pub(super) fn server(&mut self, action: &ServerAction, drilling: usize) -> Option<Fault> {
        self.audit.server(action);
        match action {
            ServerAction::ClientJoined(joined) if !joined.renewed => {
                self.screen.say(format!("{} has joined", joined.client));
            }
            ServerAction::ClientReplaced(joined) => {
                let again = "is back: a new process in the place of the one before";
                self.screen.say(format!("{} {again}", joined.client));
            }
            _ => {}
        }
        let fault = self.director.server(action, drilling);
        self.tell(fault);
        fault
    }

    pub(super) fn news(&mut self, news: News) {
        self.director.news(&news);
        match news {
            News::Round {
                round,
                evaluation,
                results,
            } => self.screen.round(round, evaluation, results),
            News::Failed { site, error } => {
                self.screen.say(format!("{site} could not train: {error}"));
            }
            News::Waiting { round, missing, .. } => {
                let missing = names(&missing);
                self.screen
                    .say(format!("round {round} waits for {missing}"));
            }
            News::Skipped { site, round } => {
                self.screen
                    .say(format!("round {round} goes on without {site}"));
            }
            News::Finished(model) => self.model = Some(model),
        }
    }

    pub(super) fn site_news(&mut self, site: usize, news: SiteNews) {
        self.director.site_news(site, news);
        if let SiteNews::Trained(order) = news {
            self.screen.trained(site, order.round);
        }
    }

    pub(super) fn client_gone(&mut self, site: usize, counters: &ClientCounters) {
        self.audit.client_gone(site, counters);
    }

    /// The model after the last round, once that is over.
    pub(super) fn model(&self) -> Option<Model> {
        self.model
    }

    /// Whether the training is over and every fault has been lived through.
    pub(super) fn is_done(&self) -> bool {
        self.model.is_some() && self.director.is_done()
    }

    fn tell(&self, fault: Option<Fault>) {
        let said = match fault {
            None => return,
            Some(Fault::Cut(site)) => {
                let name = &self.names[site];
                format!("✂ {name} will be cut off in the middle of its upload")
            }
            Some(Fault::DropSite(site)) => format!(
                "✂ dropped {} without shutdown; it starts again from what it stored",
                self.names[site]
            ),
            Some(Fault::DropServer) => {
                "✂ dropped the coordinator without shutdown; it starts again from what it stored"
                    .to_owned()
            }
            Some(Fault::StartDrill) => "✂ started a second job".to_owned(),
            Some(Fault::AbortDrill) => {
                "✂ aborted the second job, which all sites are running".to_owned()
            }
        };
        self.screen.say(said);
    }
}
