//! The host of a site: its process, storage and connection.

use core::time::Duration;

use bytes::BytesMut;
use fedlink::error::Misuse;
use fedlink::message::{PeerId, ReturnCode};
use fedlink::{
    Carrier, Client, ClientAction, CloseReason, Instant, Phase, RejectReason, Rejection,
    RetryReason, Timer, Transmit,
};

use super::event::{Event, SiteEvent};
use super::invariants;
use super::network::{self, Towards, exporter};
use super::plan::Who;
use super::process::{Doom, Process};
use super::scene::Scene;
use super::tally::Case;
use super::worker::{Shift, Worker};
use crate::common::pki;

pub struct Site {
    index: usize,
    name: String,
    who: Who,
    process: Process,
    machine: Option<Client>,
    worker: Worker,
    /// The connection, as far as this host knows.
    peer: Option<PeerId>,
    connecting: bool,
    /// The last heartbeat that was answered was sent then.
    heard_at: Instant,
    /// A heartbeat that was answered in this step was sent then.
    answered: Option<Instant>,
    last_farewell: Option<(bool, CloseReason)>,
    leaving: bool,
    /// Another process with this name has taken its place.
    retired: bool,
}

impl Site {
    pub fn new(index: usize, who: Who, lag: Duration) -> Self {
        Self {
            index,
            name: format!("site-{index}"),
            who,
            process: Process::new(lag),
            machine: None,
            worker: Worker::default(),
            peer: None,
            connecting: false,
            heard_at: Instant::default(),
            answered: None,
            last_farewell: None,
            leaving: false,
            retired: false,
        }
    }

    /// When this site wants to be called, if nothing happens before.
    pub fn next_timeout(&self) -> Option<Instant> {
        let (at, _) = self.machine.as_ref()?.poll_timeout()?;
        Some(self.process.wakes(at))
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Whether nobody expects anything of this process: it was never started, or it was
    /// replaced.
    pub fn is_out(&self) -> bool {
        self.retired || (self.machine.is_none() && self.process.life() == 0)
    }

    /// Whether nothing is left to do here, and the server has answered something that was
    /// sent since then.
    pub fn is_done(&self, since: Instant) -> bool {
        let idle = self.machine.as_ref().is_some_and(|client| {
            client.phase() == Phase::Active && client.outbox_len() == 0 && self.worker.is_idle()
        });
        self.is_out() || (idle && self.heard_at > since)
    }

    pub fn last_farewell(&self) -> Option<(bool, CloseReason)> {
        self.last_farewell
    }

    /// Whoever has closed waits for nothing, and keeps nothing but the last task of each
    /// job.
    pub fn has_nothing_left(&self, jobs: usize) {
        let Some(client) = &self.machine else {
            panic!("{} is down", self.name);
        };
        assert_eq!(client.poll_timeout(), None, "{} waits", self.name);
        let kept = client.snapshot().len();
        assert!(kept <= jobs, "{} keeps {kept} records", self.name);
    }

    /// Whether this host has a connection, as far as it knows.
    pub fn is_online(&self) -> bool {
        self.peer.is_some()
    }

    /// What keeps this site busy.
    pub fn complaint(&self) -> String {
        let Some(client) = &self.machine else {
            return format!("{} is down", self.name);
        };
        format!(
            "{} is {:?}, outbox {}, idle {}, next {:?}",
            self.name,
            client.phase(),
            client.outbox_len(),
            self.worker.is_idle(),
            client.poll_timeout()
        )
    }

    /// Starts the process, from what is stored.
    pub fn boot(&mut self, scene: &mut Scene<'_>) {
        let records = self.process.disk.records();
        if self.process.life() > 0 {
            scene.tally.count(Case::SiteRestored);
        }
        let count = records.len();
        scene.line(|| format!("{} starts from {count} records", self.name));
        let mut client = Client::restore(
            scene.plan.client.clone(),
            self.who.identity.clone(),
            scene.dice.seed(),
            scene.now,
            records,
        )
        .unwrap();
        client.set_wall_clock(scene.now, pki::NOW);
        client.set_address(&self.name).unwrap();
        client.register(scene.now).unwrap();
        self.machine = Some(client);
        self.go_online(scene);
        self.pump(scene);
    }

    pub fn tick(&mut self, scene: &mut Scene<'_>) {
        let Some(client) = &mut self.machine else {
            return;
        };
        client.handle_timeout(scene.now);
        invariants::timers_move_on::<Timer>(&self.name, client.poll_timeout(), scene.now);
        self.pump(scene);
    }

    pub fn message(&mut self, scene: &mut Scene<'_>, peer: PeerId, message: BytesMut) {
        let Some(client) = self.machine.as_mut().filter(|_| self.peer == Some(peer)) else {
            scene.tally.count(Case::MessageIntoNothing);
            return;
        };
        let len = message.len();
        if let Err(dropped) = client.handle_message(scene.clock(), message) {
            scene.line(|| format!("{} drops a message of {len} B: {dropped}", self.name));
        }
        self.pump(scene);
    }

    pub fn connected(&mut self, scene: &mut Scene<'_>, peer: PeerId) {
        let Some(client) = &mut self.machine else {
            return;
        };
        self.connecting = false;
        self.peer = Some(peer);
        scene.line(|| format!("{} is connected as {peer}", self.name));
        let carrier = Carrier {
            host_name: None,
            tls_exporter: exporter(&scene.plan, peer),
        };
        client.handle_connected(scene.now, carrier).unwrap();
        self.pump(scene);
    }

    pub fn disconnected(&mut self, scene: &mut Scene<'_>, peer: PeerId) {
        if let Some(client) = self.machine.as_mut().filter(|_| self.peer == Some(peer)) {
            scene.line(|| format!("{} learns that {peer} is cut", self.name));
            self.peer = None;
            client.handle_disconnected(scene.now);
            self.pump(scene);
        }
    }

    pub fn event(&mut self, scene: &mut Scene<'_>, event: SiteEvent) {
        scene.line(|| format!("{}: {event:?}", self.name));
        let now = scene.now;
        if matches!(event, SiteEvent::GoOn) {
            self.process.resting = false;
        }
        match event {
            SiteEvent::Boot => return self.boot(scene),
            SiteEvent::Connect => return self.connect(scene),
            SiteEvent::Refused => {
                self.connecting = false;
                if let Some(client) = self.machine.as_mut().filter(|_| self.peer.is_none()) {
                    client.handle_disconnected(now);
                }
            }
            SiteEvent::Stored => self.settle_disk(scene),
            SiteEvent::GoOn => {}
            SiteEvent::Signed(request, signature) => {
                if let Some(client) = &mut self.machine {
                    // It may have taken too long.
                    let _ = client.signed(now, request, &signature);
                }
            }
            SiteEvent::SendFailed(id) => {
                if let Some(client) = &mut self.machine {
                    client.handle_send_failed(now, id);
                }
            }
            SiteEvent::Start(job) => self.work(scene, |worker, shift| worker.start(shift, job)),
            SiteEvent::Pull(job) => self.work(scene, |worker, shift| worker.pull(shift, job)),
            SiteEvent::Worked(task) => {
                self.work(scene, |worker, shift| worker.worked(shift, task));
            }
            SiteEvent::Resume => {
                if let Some(client) = &mut self.machine {
                    client.resume_heartbeats(now);
                }
            }
            SiteEvent::Return => {
                if let Some(client) = &mut self.machine {
                    match client.register(now) {
                        Ok(()) => self.go_online(scene),
                        // Whoever was rejected and quit comes back twice.
                        Err(misuse) => assert_eq!(misuse, Misuse::AlreadyRegistering),
                    }
                }
            }
        }
        self.pump(scene);
    }

    /// The process is going to die.
    pub fn doom(&mut self, scene: &mut Scene<'_>, doom: Doom) {
        if self.machine.is_some() {
            self.process.doom(doom);
            self.pump(scene);
        }
    }

    /// Replaces the stored records by a snapshot.
    pub fn snapshot(&mut self, scene: &mut Scene<'_>) {
        let Some(client) = &self.machine else {
            return;
        };
        scene.tally.count(Case::SiteSnapshot);
        let due = self.process.replace(scene, client.snapshot());
        self.await_disk(scene, due);
        self.pump(scene);
    }

    /// Says goodbye: to come back later, or for good.
    pub fn quit(&mut self, scene: &mut Scene<'_>, for_good: bool) {
        let Some(client) = &mut self.machine else {
            return;
        };
        if client.phase() == Phase::Closed {
            return;
        }
        scene.tally.count(Case::Farewell);
        scene.line(|| format!("{} quits", self.name));
        self.leaving = for_good;
        client.quit(scene.now, "enough");
        self.pump(scene);
    }

    /// The process dies with all that it had stored.
    pub fn wipe(&mut self, scene: &mut Scene<'_>) {
        if self.machine.is_some() {
            scene.happens(Case::SiteWiped, || {
                format!("{} loses its storage", self.name)
            });
            self.crash(scene);
            self.process.disk.wipe();
            scene.truth.forgotten_by(self.index);
        }
    }

    /// Says that it will sleep, and does.
    pub fn suspend(&mut self, scene: &mut Scene<'_>, span: Duration) {
        let client = self.machine.as_mut();
        if client.is_some_and(|client| client.suspend(scene.now, span).is_ok()) {
            scene.tally.count(Case::SiteSuspended);
            self.pump(scene);
            self.process.sleep(scene.now + span);
        }
    }

    /// Sends no heartbeats for a while.
    pub fn pause(&mut self, scene: &mut Scene<'_>, span: Duration) {
        if let Some(client) = &mut self.machine {
            scene.tally.count(Case::SitePaused);
            client.pause_heartbeats(scene.now);
            scene.after(span, self.mine(SiteEvent::Resume));
            self.pump(scene);
        }
    }

    /// Ends a job of its own accord, and starts it again.
    pub fn hiccup(&mut self, scene: &mut Scene<'_>) {
        self.work(scene, Worker::hiccup);
        self.pump(scene);
    }

    fn connect(&mut self, scene: &mut Scene<'_>) {
        if self.peer.is_some() || self.connecting || self.machine.is_none() {
            return;
        }
        if scene.network.is_parted(self.index, scene.now) {
            if scene.dice.chance(500) {
                self.connecting = true;
                let wait = scene.dice.millis(1, 3_000);
                scene.after(wait, self.mine(SiteEvent::Refused));
            }
            return;
        }
        self.connecting = true;
        let wait = scene.dice.millis(1, 200);
        scene.after(wait, Event::Connected(self.index, self.process.life()));
    }

    /// The host makes its first connection without being asked.
    fn go_online(&mut self, scene: &mut Scene<'_>) {
        if self.peer.is_none() {
            let wait = scene.dice.millis(0, 2_000);
            scene.after(wait, self.mine(SiteEvent::Connect));
        }
    }

    fn mine(&self, event: SiteEvent) -> Event {
        Event::Site(self.index, self.process.life(), event)
    }

    fn work(&mut self, scene: &mut Scene<'_>, run: impl FnOnce(&mut Worker, &mut Shift<'_, '_>)) {
        if let Some(client) = &mut self.machine {
            let mut shift = Shift {
                site: self.index,
                life: self.process.life(),
                client,
                scene,
            };
            run(&mut self.worker, &mut shift);
        }
    }

    /// Takes outputs, in an order that changes, until there are none, the host rests, or
    /// the process dies.
    fn pump(&mut self, scene: &mut Scene<'_>) {
        if self.process.resting {
            return;
        }
        let mut outputs = 0;
        while let Some(client) = &mut self.machine {
            let messages_first = scene.dice.chance(500);
            let mut transmit = messages_first.then(|| client.poll_transmit()).flatten();
            let action = match transmit {
                Some(_) => None,
                None => client.poll_action(),
            };
            if transmit.is_none() && action.is_none() {
                transmit = client.poll_transmit();
            }
            if transmit.is_none() && action.is_none() {
                break;
            }
            outputs += 1;
            if self.process.dies_before_output(scene) {
                return self.crash(scene);
            }
            let stores = matches!(action, Some(ClientAction::Persist { .. }));
            if let Some(transmit) = transmit {
                self.transmit(scene, transmit);
            }
            if let Some(action) = action {
                self.act(scene, action);
            }
            if stores && self.process.dies_with_record(scene) {
                return self.crash(scene);
            }
            if self.process.rests(scene) {
                scene.tally.count(Case::Rested);
                let wait = scene.dice.millis(1, 3_000);
                return scene.after(wait, self.mine(SiteEvent::GoOn));
            }
        }
        invariants::queues_are_bounded(&self.name, outputs);
        if let Some(sent) = self.answered.take() {
            invariants::aborts_arrive(&self.name, &scene.truth, self.worker.runs(), sent);
        }
    }

    fn transmit(&mut self, scene: &mut Scene<'_>, transmit: Transmit) {
        let refused = scene.plan.weather.refused;
        if scene.is_stormy() && scene.dice.chance(refused) {
            scene.tally.count(Case::SendRefused);
            let wait = scene.dice.millis(0, 50);
            scene.after(wait, self.mine(SiteEvent::SendFailed(transmit.id)));
        } else if let Some(peer) = self.peer {
            let parts: [&[u8]; 2] = [&transmit.header, &transmit.payload];
            network::send(scene, Towards::Server, peer, parts);
        } else {
            panic!("{} sends without a connection", self.name);
        }
    }

    fn act(&mut self, scene: &mut Scene<'_>, action: ClientAction) {
        if !matches!(action, ClientAction::Persist { .. }) {
            scene.line(|| format!("{}: {action:?}", self.name));
        }
        let now = scene.now;
        match action {
            ClientAction::SetAuth(_) => scene.tally.count(Case::Registered),
            ClientAction::Retry { at, reason, .. } => self.retry(scene, at, reason),
            ClientAction::HeartbeatDue => {
                if let Some(client) = self.machine.as_mut().filter(|_| scene.dice.chance(500)) {
                    client.heartbeat_ready(now, None).unwrap();
                }
            }
            ClientAction::HeartbeatAnswered { elapsed } => {
                self.heard_at = now - elapsed;
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
                scene.truth.accepted(task);
            }
            ClientAction::ResultRefused { task, refusal, .. } => {
                scene.tally.count(Case::ResultRefused);
                scene.truth.a_refusal_has_a_reason(task, refusal);
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
                let cause = scene.plan.weather.spoilt > 0;
                assert!(cause, "{} suspects without a cause: {suspicion}", self.name);
                scene.tally.count(Case::Suspected);
            }
            ClientAction::Closed {
                answered, reason, ..
            } => {
                self.last_farewell = Some((answered, reason));
                if !self.leaving {
                    let wait = scene.dice.millis(100, 60_000);
                    scene.after(wait, self.mine(SiteEvent::Return));
                }
            }
            ClientAction::Sign { request, bytes } => {
                scene.tally.count(Case::Signed);
                let signature = Box::new(self.who.sign(&bytes));
                let wait = scene.dice.millis(0, 3_000);
                scene.after(wait, self.mine(SiteEvent::Signed(request, signature)));
            }
            ClientAction::Rejected(rejection) => {
                scene.tally.count(Case::Rejected);
                self.rejected(scene, &rejection);
            }
            ClientAction::ClearAuth | ClientAction::TryAgain { .. } => {}
            other => panic!("{} wants what nobody asked for: {other:?}", self.name),
        }
    }

    /// Comes back if it was kept out for a while; stops if another has taken its place.
    fn rejected(&mut self, scene: &mut Scene<'_>, rejection: &Rejection) {
        let person = scene.plan.person(self.index);
        let disabled = scene.truth.disabled.contains(&person);
        let contested = scene.plan.is_contested(self.index);
        invariants::rejections_are_fair(&self.name, rejection, disabled, contested);
        if rejection.reason == RejectReason::Replaced {
            scene.happens(Case::Retired, || format!("{} retires", self.name));
            self.retired = true;
            self.stop(scene);
        } else {
            let wait = scene.dice.millis(1_000, 20_000);
            scene.after(wait, self.mine(SiteEvent::Return));
        }
    }

    fn retry(&mut self, scene: &mut Scene<'_>, at: Instant, reason: RetryReason) {
        let prompt = scene.plan.habits.is_prompt();
        assert!(
            at > scene.now || !prompt,
            "{} retries in the past",
            self.name
        );
        scene.tally.count(Case::Retried);
        match reason {
            RetryReason::NotConnected | RetryReason::Disconnected => {
                let at = if scene.plan.habits.eager {
                    scene.now
                } else {
                    at
                };
                scene.at(at, self.mine(SiteEvent::Connect));
            }
            RetryReason::Heartbeat(ReturnCode::ServiceUnavailable)
            | RetryReason::PullTask(ReturnCode::ServiceUnavailable)
            | RetryReason::SubmitResult(ReturnCode::ServiceUnavailable) => {
                scene.tally.count(Case::Overloaded);
            }
            RetryReason::SessionSilent => scene.tally.count(Case::SessionSilent),
            _ => {}
        }
    }

    fn await_disk(&mut self, scene: &mut Scene<'_>, due: Instant) {
        if due > scene.now {
            scene.at(due, self.mine(SiteEvent::Stored));
        } else {
            self.settle_disk(scene);
        }
    }

    fn settle_disk(&mut self, scene: &mut Scene<'_>) {
        if let Some(client) = &mut self.machine {
            for record in self.process.disk.settle(scene.now) {
                client.persisted(scene.now, record).unwrap();
            }
        }
    }

    fn crash(&mut self, scene: &mut Scene<'_>) {
        scene.happens(Case::SiteCrash, || format!("{} crashes", self.name));
        self.stop(scene);
        let wait = scene.dice.millis(10, 30_000);
        scene.after(wait, self.mine(SiteEvent::Boot));
    }

    /// The process is gone, with all that was in its memory.
    fn stop(&mut self, scene: &mut Scene<'_>) {
        if let Some(client) = self.machine.take() {
            count_transfers(scene, &client);
        }
        self.process.die(scene);
        self.worker = Worker::default();
        self.answered = None;
        self.connecting = false;
        self.peer = None;
        scene.hang_up(self.index);
    }

    /// Counts what only the machine knows.
    pub fn count(&self, scene: &mut Scene<'_>) {
        if let Some(client) = &self.machine {
            count_transfers(scene, client);
        }
    }
}

fn count_transfers(scene: &mut Scene<'_>, client: &Client) {
    let counters = client.counters();
    let (up, down) = (counters.resumed_uploads, counters.resumed_downloads);
    scene.tally.add(Case::UploadResumed, up);
    scene.tally.add(Case::DownloadResumed, down);
}
