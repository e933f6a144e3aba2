//! What a site's host does when its client wants something.

use fedlink::message::ReturnCode;
use fedlink::{CarrierWish, ClientAction, Instant, RejectReason, Rejection, RetryReason, Transmit};

use super::Site;
use crate::world::event::{Event, SiteEvent};
use crate::world::invariants;
use crate::world::network::{self, Towards};
use crate::world::scene::Scene;
use crate::world::tally::Case;

impl Site {
    pub(super) fn connect(&mut self, scene: &mut Scene<'_>) {
        if self.peer.is_some() || self.connecting || self.machine.is_none() {
            return;
        }
        if scene.network.is_parted(self.index, scene.now) {
            if scene.dice().chance(500) {
                self.connecting = true;
                let wait = scene.dice().millis(1, 3_000);
                scene.after(wait, self.mine(SiteEvent::Refused));
            }
            return;
        }
        self.connecting = true;
        let wait = scene.dice().millis(1, 200);
        scene.after(wait, Event::Connected(self.index, self.process.life()));
    }

    /// Does what the client wants of its connection.
    pub(super) fn connect_as_wished(&mut self, scene: &mut Scene<'_>) {
        let Some(client) = &self.machine else {
            return;
        };
        let wish = client.carrier_wish();
        if self.wish == wish {
            return;
        }
        self.wish = wish;
        match (wish, self.peer) {
            (CarrierWish::Connect(at), _) => {
                let at = if at <= scene.clock() {
                    scene.now + scene.dice().millis(0, 2_000)
                } else if scene.plan.habits.eager && scene.dice().chance(500) {
                    scene.now
                } else {
                    scene.host().clock.when(at)
                };
                scene.at(at, self.mine(SiteEvent::Connect));
            }
            (CarrierWish::Replace, Some(peer)) => {
                scene.tally.count(Case::ConnectionReplaced);
                scene.hang_up(self.index);
                self.disconnected(scene, peer);
            }
            (CarrierWish::Replace, None) => panic!("{} has nothing to replace", self.name),
            (CarrierWish::Keep, _) => {}
        }
    }

    pub(super) fn transmit(&mut self, scene: &mut Scene<'_>, transmit: Transmit) {
        let (refused, storm) = (scene.plan.weather.refused, scene.is_stormy());
        let luck = scene.network.dice(self.index, Towards::Server);
        if storm && luck.chance(refused) {
            scene.tally.count(Case::SendRefused);
            let wait = luck.millis(0, 50);
            scene.after(wait, self.mine(SiteEvent::SendFailed(transmit.id)));
        } else if let Some(peer) = self.peer {
            let parts: [&[u8]; 2] = [&transmit.header, &transmit.payload];
            network::send(scene, Towards::Server, peer, parts);
        } else {
            panic!("{} sends without a connection", self.name);
        }
    }

    pub(super) fn act(&mut self, scene: &mut Scene<'_>, action: ClientAction) {
        scene.asked(&action);
        if !matches!(action, ClientAction::Persist { .. }) {
            scene.line(|| format!("{}: {action:?}", self.name));
        }
        let now = scene.clock();
        match action {
            ClientAction::SetAuth(auth) => {
                scene.tally.count(Case::Registered);
                let Scene {
                    sessions,
                    model,
                    tally,
                    ..
                } = scene;
                sessions.a_token_is_new(tally, &auth);
                model
                    .server
                    .a_service_session_is_the_servers(tally, auth.ssid);
            }
            ClientAction::Retry { at, reason, .. } => self.retry(scene, at, reason),
            ClientAction::HeartbeatDue => {
                let at_once = scene.dice().chance(500);
                if let Some(client) = self.machine.as_mut().filter(|_| at_once) {
                    client.heartbeat_ready(now, None).unwrap();
                }
            }
            ClientAction::HeartbeatAnswered { elapsed } => {
                self.heard_at = scene.host().clock.first(now - elapsed);
                // Only a prompt host knows when the answer came.
                let prompt = scene.plan.habits.is_prompt();
                self.answered = prompt.then_some(self.heard_at);
            }
            ClientAction::AbortJobs(jobs) => {
                self.work(scene, |worker, shift| worker.told_to_stop(shift, &jobs));
            }
            ClientAction::StartJobs(jobs) => {
                self.work(scene, |worker, shift| worker.told_to_start(shift, &jobs));
            }
            ClientAction::TaskAssigned(task) => {
                self.work(scene, |worker, shift| worker.given(shift, &task));
            }
            ClientAction::RunEnded { job } => {
                self.work(scene, |worker, shift| {
                    worker.told_that_it_is_over(shift, job)
                });
            }
            ClientAction::ResultAccepted { task, .. } => {
                scene.model.work.accepted(task);
            }
            ClientAction::ResultRefused { task, refusal, .. } => {
                scene.tally.count(Case::ResultRefused);
                scene.model.work.a_refusal_has_a_reason(task, refusal);
            }
            ClientAction::TransferProgress { done, total, .. } => assert!(done <= total),
            ClientAction::Persist {
                record,
                header,
                payload,
            } => {
                let due = self.process.append(scene, record, [&header, &payload]);
                self.await_disk(scene, due);
            }
            ClientAction::Suspect { suspicion, .. } => {
                invariants::suspicions_are_fair(&self.name, &suspicion, scene);
                scene.tally.count(Case::Suspected);
            }
            ClientAction::Closed {
                answered, reason, ..
            } => {
                self.last_farewell = Some((answered, reason));
                if !self.leaving {
                    let wait = scene.dice().millis(100, 60_000);
                    scene.after(wait, self.mine(SiteEvent::Return));
                }
            }
            ClientAction::Sign { request, bytes } => {
                scene.tally.count(Case::Signed);
                let signature = Box::new(self.who.sign(&bytes));
                let wait = scene.dice().millis(0, 3_000);
                scene.after(wait, self.mine(SiteEvent::Signed(request, signature)));
            }
            ClientAction::Rejected(rejection) => {
                scene.tally.count(Case::Rejected);
                self.rejected(scene, &rejection);
            }
            ClientAction::ClearAuth
            | ClientAction::CertificateEnds { .. }
            | ClientAction::TryAgain { .. } => {}
            other => panic!("{} wants what nobody asked for: {other:?}", self.name),
        }
    }

    /// Comes back if it was kept out for a while; stops if another has taken its place.
    pub(super) fn rejected(&mut self, scene: &mut Scene<'_>, rejection: &Rejection) {
        let person = scene.plan.person(self.index);
        let disabled = scene.model.work.disabled.contains(&person);
        let contested = scene.plan.is_contested(self.index);
        let misdated = scene.plan.has_wrong_dates();
        invariants::rejections_are_fair(&self.name, rejection, disabled, contested, misdated);
        if rejection.reason == RejectReason::Replaced {
            scene.happens(Case::Retired, || format!("{} retires", self.name));
            self.retired = true;
            self.stop(scene);
        } else {
            let wait = scene.dice().millis(1_000, 20_000);
            scene.after(wait, self.mine(SiteEvent::Return));
        }
    }

    pub(super) fn retry(&mut self, scene: &mut Scene<'_>, at: Instant, reason: RetryReason) {
        let prompt = scene.plan.habits.is_prompt();
        assert!(
            at > scene.clock() || !prompt,
            "{} retries in the past",
            self.name
        );
        scene.tally.count(Case::Retried);
        match reason {
            RetryReason::Heartbeat(ReturnCode::ServiceUnavailable)
            | RetryReason::PullTask(ReturnCode::ServiceUnavailable)
            | RetryReason::SubmitResult(ReturnCode::ServiceUnavailable) => {
                scene.tally.count(Case::Overloaded);
            }
            RetryReason::SessionSilent => scene.tally.count(Case::SessionSilent),
            _ => {}
        }
    }

    pub(super) fn await_disk(&mut self, scene: &mut Scene<'_>, due: Instant) {
        if due > scene.now {
            scene.at(due, self.mine(SiteEvent::Stored));
        } else {
            self.settle_disk(scene);
        }
    }

    pub(super) fn settle_disk(&mut self, scene: &mut Scene<'_>) {
        if let Some(client) = &mut self.machine {
            for record in self.process.disk.settle(scene.now) {
                client.persisted(scene.clock(), record).unwrap();
            }
        }
    }
}
