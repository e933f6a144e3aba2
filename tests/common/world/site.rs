//! The host of a site: its process, storage and connection.

mod act;
mod fate;

use core::time::Duration;

use fedlink::error::Misuse;
use fedlink::identity::Name;
use fedlink::message::PeerId;
use fedlink::{Carrier, CarrierWish, Client, ClientAction, CloseReason, Instant, Phase, Timer};

use super::event::{Event, Parcel, SiteEvent};
use super::host::{Host, HostId};
use super::model::Said;
use super::network::{Towards, exporter};
use super::plan::Who;
use super::process::{self, Drained, Output, Process};
use super::scene::Scene;
use super::tally::{Case, Claim, Tally};
use super::wire;
use super::worker::{Shift, Worker};
use super::{invariants, meddle};

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
    /// What the client wanted of its connection when it was last asked.
    wish: CarrierWish,
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
            wish: CarrierWish::Keep,
            heard_at: Instant::default(),
            answered: None,
            last_farewell: None,
            leaving: false,
            retired: false,
        }
    }

    /// When this site wants to be called, if nothing happens before.
    pub fn next_timeout(&self, scene: &Scene<'_>) -> Option<Instant> {
        let (at, _) = self.machine.as_ref()?.poll_timeout()?;
        let host = HostId::Site(self.index).index();
        Some(self.process.wakes(&scene.hosts[host].clock, at))
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What the server calls it; two processes may have one name.
    pub fn client(&self) -> &Name {
        self.who.identity.name()
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
    pub fn has_nothing_left(&self, tally: &mut Tally, jobs: usize) {
        tally.held(Claim::NobodyIsStuck);
        let Some(client) = &self.machine else {
            panic!("{} is down", self.name);
        };
        assert_eq!(client.poll_timeout(), None, "{} waits", self.name);
        // The first record says how many there were.
        let kept = client.snapshot().len() - 1;
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
            scene.tally.held(Claim::PromisesSurvive);
        }
        let count = records.len();
        scene.line(|| format!("{} starts from {count} records", self.name));
        let mut client = Client::restore(
            scene.plan.client.clone(),
            self.who.identity.clone(),
            scene.dice().seed(),
            scene.clock(),
            records,
        )
        .unwrap();
        client.set_wall_clock(scene.clock(), scene.wall());
        client.set_address(&self.name).unwrap();
        client.register(scene.clock()).unwrap();
        scene.model.site_starts(self.index);
        scene.model.site_says(self.index, Said::Register);
        self.machine = Some(client);
        self.pump(scene);
    }

    /// Something is done to the client that it must not mind.
    pub fn suffer(&mut self, scene: &mut Scene<'_>) {
        let Host { mischief, seen, .. } = scene.host();
        if let Some(client) = &mut self.machine {
            let seen = seen.as_ref().map(|(_, message)| &message[..]);
            let done = meddle::client(client, mischief, seen);
            scene.meddled(done);
        }
    }

    /// Its host's wall clock was set.
    pub fn set_wall_clock(&mut self, scene: &mut Scene<'_>) {
        if let Some(client) = &mut self.machine {
            client.set_wall_clock(scene.clock(), scene.wall());
            self.pump(scene);
        }
    }

    pub fn tick(&mut self, scene: &mut Scene<'_>) {
        let Some(client) = &mut self.machine else {
            return;
        };
        let now = scene.clock();
        client.handle_timeout(now);
        invariants::timers_move_on::<Timer>(
            &mut scene.tally,
            &self.name,
            client.poll_timeout(),
            now,
        );
        self.pump(scene);
    }

    pub fn message(&mut self, scene: &mut Scene<'_>, parcel: Parcel) {
        let Parcel { peer, message, .. } = parcel;
        let Some(client) = self.machine.as_mut().filter(|_| self.peer == Some(peer)) else {
            scene.tally.count(Case::MessageIntoNothing);
            return;
        };
        let len = message.len();
        let stamp = wire::stamp(&message);
        let copy = scene.manner.meddling.then(|| message.clone());
        let taken = client.handle_message(scene.glance(), message);
        if let Some(stamp) = stamp {
            scene.witness(Towards::Site, self.index, &stamp, taken.is_ok());
        }
        if let Err(dropped) = taken {
            scene.line(|| format!("{} drops a message of {len} B: {dropped}", self.name));
        } else if let Some(message) = copy {
            scene.host().seen = Some((peer, message));
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
        let mut carrier = Carrier::default();
        carrier.tls_exporter = exporter(&scene.plan, peer);
        client.handle_connected(scene.clock(), carrier).unwrap();
        self.pump(scene);
    }

    pub fn disconnected(&mut self, scene: &mut Scene<'_>, peer: PeerId) {
        if let Some(client) = self.machine.as_mut().filter(|_| self.peer == Some(peer)) {
            scene.line(|| format!("{} learns that {peer} is cut", self.name));
            self.peer = None;
            client.handle_disconnected(scene.clock());
            self.pump(scene);
        }
    }

    pub fn event(&mut self, scene: &mut Scene<'_>, event: SiteEvent) {
        scene.line(|| format!("{}: {event:?}", self.name));
        let now = scene.clock();
        if matches!(event, SiteEvent::GoOn) {
            self.process.resting = false;
        }
        match event {
            SiteEvent::Boot => return self.boot(scene),
            SiteEvent::Connect => return self.connect(scene),
            SiteEvent::Refused => {
                self.connecting = false;
                // An early attempt changes no wish.
                self.wish = CarrierWish::Keep;
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
                        Ok(()) => {
                            scene.model.site_says(self.index, Said::Register);
                        }
                        // Whoever was rejected and quit comes back twice.
                        Err(misuse) => assert_eq!(misuse, Misuse::AlreadyRegistering),
                    }
                }
            }
        }
        self.pump(scene);
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
        let mut drained = Drained::default();
        while let Some(client) = &mut self.machine {
            let messages_first = process::messages_first(scene);
            let (message, action) = (Client::poll_transmit, Client::poll_action);
            let Some(output) = process::next_output(client, messages_first, message, action) else {
                break;
            };
            drained.note(&output);
            if self.process.dies_before_output(scene) {
                return self.crash(scene);
            }
            let stores = matches!(output, Output::Action(ClientAction::Persist { .. }));
            match output {
                Output::Message(transmit) => self.transmit(scene, transmit),
                Output::Action(action) => {
                    scene.model.site_sees(self.index, &action);
                    self.act(scene, action);
                }
            }
            if stores && self.process.dies_with_record(scene) {
                return self.crash(scene);
            }
            if self.process.rests(scene) {
                scene.tally.count(Case::Rested);
                let wait = scene.host().order.millis(1, 3_000);
                return scene.after(wait, self.mine(SiteEvent::GoOn));
            }
        }
        drained.count(scene);
        invariants::queues_are_bounded(&self.name, drained.outputs(), 0);
        if let Some(client) = &self.machine {
            let stored = self.process.disk.is_quiet();
            let Scene { model, tally, .. } = scene;
            model.compare_site(tally, self.index, client, stored);
        }
        if let Some(sent) = self.answered.take() {
            invariants::aborts_arrive(&self.name, &scene.model.work, self.worker.runs(), sent);
        }
        self.connect_as_wished(scene);
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
