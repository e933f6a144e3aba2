//! The host of the server: its process, storage and connections.

mod act;

use core::time::Duration;
use std::collections::BTreeSet;

use fedlink::identity::Name;
use fedlink::message::PeerId;
use fedlink::{Instant, Server, ServerAction, ServerTimer};

use super::director::{Director, DirectorContext};
use super::event::{Event, Parcel, ServerEvent};
use super::host::{Host, HostId};
use super::network::{Towards, exporter};
use super::plan::{Carriage, Who};
use super::process::{self, Doom, Drained, Output, Process};
use super::scene::Scene;
use super::tally::{Case, Claim, Tally};
use super::wire;
use super::{invariants, meddle};

const WHO: &str = "server";

pub struct Coordinator {
    who: Who,
    process: Process,
    machine: Option<Server>,
    director: Director,
    peers: BTreeSet<PeerId>,
}

impl Coordinator {
    pub fn new(who: Who, jobs: usize, lag: Duration) -> Self {
        Self {
            who,
            process: Process::new(lag),
            machine: None,
            director: Director::new(jobs),
            peers: BTreeSet::new(),
        }
    }

    pub fn next_timeout(&self, scene: &Scene<'_>) -> Option<Instant> {
        let (at, _) = self.machine.as_ref()?.poll_timeout()?;
        let host = HostId::Server.index();
        Some(self.process.wakes(&scene.hosts[host].clock, at))
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Whether all jobs are over.
    pub fn is_done(&self) -> bool {
        self.machine.is_some() && self.director.is_done()
    }

    /// Whether a site has a session here that it has used.
    pub fn knows(&self, site: &Name) -> bool {
        let server = self.machine.as_ref();
        server.is_some_and(|server| server.is_registered(site))
    }

    /// When all jobs are over and all clients gone, nothing is kept but the service session
    /// and the names of the disabled.
    pub fn has_nothing_left(&self, tally: &mut Tally) {
        tally.held(Claim::NobodyIsStuck);
        let Some(server) = &self.machine else {
            panic!("{WHO} is down");
        };
        assert_eq!(
            server.clients().next(),
            None,
            "a session outlives its client"
        );
        let kept = server.snapshot().len();
        assert_eq!(kept, 1, "{WHO} keeps {kept} records");
        assert_eq!(server.unconfirmed_records(), 0);
        let shown = format!("{server:?}");
        assert!(shown.contains(" 0 sessions"), "sessions are left: {shown}");
    }

    pub fn complaint(&self, scene: &Scene<'_>) -> String {
        match &self.machine {
            Some(server) => self.director.complaint(server, scene),
            None => "the server is down".to_owned(),
        }
    }

    pub fn boot(&mut self, scene: &mut Scene<'_>) {
        let records = self.process.disk.records();
        if self.process.life() > 0 {
            scene.tally.count(Case::ServerRestored);
            scene.tally.held(Claim::PromisesSurvive);
        }
        let count = records.len();
        scene.line(|| format!("{WHO} starts from {count} records"));
        let mut server = Server::restore(
            scene.plan.server.clone(),
            self.who.identity.clone(),
            scene.dice().seed(),
            scene.clock(),
            records,
        )
        .unwrap();
        server.set_wall_clock(scene.clock(), scene.wall());
        scene.model.server.starts(&server, count > 0, scene.clock());
        self.machine = Some(server);
        scene.server_is_up = true;
        self.direct(scene, |director, context| director.resume(context));
        self.pump(scene);
    }

    /// Something is done to the server that it must not mind.
    pub fn suffer(&mut self, scene: &mut Scene<'_>) {
        let Host { mischief, seen, .. } = scene.host();
        if let Some(server) = &mut self.machine {
            let seen = seen.as_ref().map(|(peer, message)| (*peer, &message[..]));
            let done = meddle::server(server, mischief, seen);
            scene.meddled(done);
        }
    }

    /// Its host's wall clock was set.
    pub fn set_wall_clock(&mut self, scene: &mut Scene<'_>) {
        if let Some(server) = &mut self.machine {
            server.set_wall_clock(scene.clock(), scene.wall());
            self.pump(scene);
        }
    }

    pub fn tick(&mut self, scene: &mut Scene<'_>) {
        let Some(server) = &mut self.machine else {
            return;
        };
        let now = scene.clock();
        server.handle_timeout(now);
        invariants::timers_move_on::<ServerTimer>(
            &mut scene.tally,
            WHO,
            server.poll_timeout(),
            now,
        );
        self.pump(scene);
    }

    pub fn message(&mut self, scene: &mut Scene<'_>, parcel: Parcel) {
        let Parcel { peer, message, .. } = parcel;
        let knows = scene.plan.carriage == Carriage::Datagram || self.peers.contains(&peer);
        let Some(server) = self.machine.as_mut().filter(|_| knows) else {
            scene.tally.count(Case::MessageIntoNothing);
            return;
        };
        let len = message.len();
        let stamp = wire::stamp(&message);
        let copy = scene.manner.meddling.then(|| message.clone());
        let at = scene.glance();
        let taken = server.handle_message(at, peer, message);
        if let Some(stamp) = stamp {
            let site = scene.network.site_of(peer);
            scene.witness(Towards::Server, site, &stamp, taken.is_ok());
            if taken.is_ok() {
                let client = &scene.plan.sites[site];
                scene.model.server.hears(client, at);
            }
        }
        if let Err(dropped) = taken {
            scene.line(|| format!("{WHO} drops a message of {len} B: {dropped}"));
        } else if let Some(message) = copy {
            scene.host().seen = Some((peer, message));
        }
        self.pump(scene);
    }

    pub fn connected(&mut self, scene: &mut Scene<'_>, peer: PeerId) {
        let Some(server) = &mut self.machine else {
            return;
        };
        self.peers.insert(peer);
        server.handle_connected(scene.clock(), peer, exporter(&scene.plan, peer));
        self.pump(scene);
    }

    pub fn disconnected(&mut self, scene: &mut Scene<'_>, peer: PeerId) {
        if let Some(server) = self.machine.as_mut().filter(|_| self.peers.remove(&peer)) {
            scene.line(|| format!("{WHO} learns that {peer} is cut"));
            server.handle_disconnected(scene.clock(), peer);
            self.pump(scene);
        }
    }

    pub fn event(&mut self, scene: &mut Scene<'_>, event: ServerEvent) {
        scene.line(|| format!("{WHO}: {event:?}"));
        match event {
            ServerEvent::Boot => return self.boot(scene),
            ServerEvent::Stored => self.settle_disk(scene),
            ServerEvent::GoOn => self.process.resting = false,
            ServerEvent::Signed(request, signature) => {
                if let Some(server) = &mut self.machine {
                    // It may have taken too long.
                    let _ = server.signed(scene.clock(), request, &signature);
                }
            }
            ServerEvent::Enable(site) => self.direct(scene, |director, context| {
                director.enable(context, site);
            }),
            ServerEvent::StartJob(job) => self.direct(scene, |director, context| {
                director.start(context, job);
            }),
            ServerEvent::AbortJob(job) => self.direct(scene, |director, context| {
                director.abort(context, job);
            }),
            ServerEvent::Take(task) => self.direct(scene, |director, context| {
                director.take(context, task);
            }),
            ServerEvent::Review => self.direct(scene, |director, context| director.review(context)),
        }
        self.pump(scene);
    }

    /// The process is going to die.
    pub fn doom(&mut self, scene: &mut Scene<'_>, doom: Doom) {
        if self.machine.is_none() {
            return;
        }
        if scene.manner.whole_steps {
            self.crash(scene);
        } else {
            self.process.doom(doom);
            self.pump(scene);
        }
    }

    /// The process dies with all that it had stored.
    pub fn wipe(&mut self, scene: &mut Scene<'_>) {
        if self.machine.is_some() {
            scene.happens(Case::ServerWiped, || format!("{WHO} loses its storage"));
            self.crash(scene);
            self.process.disk.wipe();
            self.director.wipe(scene);
        }
    }

    pub fn disable(&mut self, scene: &mut Scene<'_>, site: usize) {
        self.direct(scene, |director, context| director.disable(context, site));
        self.pump(scene);
    }

    pub fn reassign_one(&mut self, scene: &mut Scene<'_>) {
        self.direct(scene, |director, context| director.reassign_one(context));
        self.pump(scene);
    }

    pub fn withdraw_one(&mut self, scene: &mut Scene<'_>) {
        self.direct(scene, |director, context| director.withdraw_one(context));
        self.pump(scene);
    }

    /// Replaces the stored records by a snapshot.
    pub fn snapshot(&mut self, scene: &mut Scene<'_>) {
        let Some(server) = &self.machine else {
            return;
        };
        scene.tally.count(Case::ServerSnapshot);
        let due = self.process.replace(scene, server.snapshot());
        self.await_disk(scene, due);
        self.pump(scene);
    }

    fn direct(
        &mut self,
        scene: &mut Scene<'_>,
        run: impl FnOnce(&mut Director, &mut DirectorContext<'_, '_>),
    ) {
        if let Some(server) = &mut self.machine {
            let mut context = DirectorContext {
                server,
                disk: &self.process.disk,
                life: self.process.life(),
                scene,
            };
            run(&mut self.director, &mut context);
        }
    }

    /// Takes outputs, in an order that changes, until there are none, the host rests, or
    /// the process dies.
    fn pump(&mut self, scene: &mut Scene<'_>) {
        if self.process.resting {
            return;
        }
        let mut drained = Drained::default();
        while let Some(server) = &mut self.machine {
            let messages_first = process::messages_first(scene);
            let (message, action) = (Server::poll_transmit, Server::poll_action);
            let Some(output) = process::next_output(server, messages_first, message, action) else {
                break;
            };
            drained.note(&output);
            if self.process.dies_before_output(scene) {
                return self.crash(scene);
            }
            let stores = matches!(output, Output::Action(ServerAction::Persist { .. }));
            match output {
                Output::Message(transmit) => Self::transmit(scene, &transmit),
                Output::Action(action) => {
                    scene.model.server_sees(&action, scene.clock());
                    self.act(scene, action);
                }
            }
            if stores && self.process.dies_with_record(scene) {
                return self.crash(scene);
            }
            if self.process.rests(scene) {
                scene.tally.count(Case::Rested);
                let wait = scene.host().order.millis(1, 3_000);
                return scene.after(wait, self.mine(ServerEvent::GoOn));
            }
        }
        drained.count(scene);
        let waited = scene.plan.server.max_waiting;
        invariants::queues_are_bounded(WHO, drained.outputs(), waited);
        if let Some(server) = &self.machine {
            let Scene {
                model, tally, plan, ..
            } = scene;
            model.compare_server(tally, server);
            invariants::tables_are_bounded(tally, server, &plan.server);
            invariants::records_add_up(server, &self.process.disk);
            model.work.an_accepted_result_is_received();
        }
    }

    fn mine(&self, event: ServerEvent) -> Event {
        Event::Server(self.process.life(), event)
    }

    fn crash(&mut self, scene: &mut Scene<'_>) {
        scene.happens(Case::ServerCrash, || format!("{WHO} crashes"));
        self.machine = None;
        scene.host().seen = None;
        scene.server_is_up = false;
        self.director.crash(&self.process.disk);
        self.process.die(scene);
        self.peers.clear();
        scene.model.server_dies();
        scene.sessions.server_dies();
        for site in 0..scene.plan.sites.len() {
            scene.hang_up(site);
        }
        let wait = scene.dice().millis(10, 30_000);
        scene.after(wait, self.mine(ServerEvent::Boot));
    }
}
