//! A whole federation under virtual time: sites and a coordinator on the production
//! machines, with everything around them simulated. One seed is one run, bit for bit.

mod clock;
mod coordinator;
mod diagram;
mod dice;
mod director;
mod disk;
mod event;
mod host;
mod invariants;
mod log;
mod manner;
mod meddle;
mod model;
mod network;
mod plan;
mod process;
mod scene;
mod sessions;
mod shrink;
mod site;
mod strike;
mod tally;
mod wire;
mod worker;

use core::time::Duration;

use fedlink::{CloseReason, Instant};

pub use log::{Log, Transcript};
pub use manner::{Drain, Manner};
pub use plan::{Plan, bytes};
pub use shrink::shrink;
pub use tally::{Case, Tally};

use crate::common::pki::Pki;
use coordinator::Coordinator;
use event::{Event, ServerEvent, SiteEvent};
use host::HostId;
use network::Towards;
use plan::{Fault, Timed, Who};
use scene::Scene;
use site::Site;

/// How long work may take once the network has healed.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

/// How long nothing happens before everybody quits: longer than any sign of the storm.
const REST: Duration = Duration::from_secs(150);

/// How long goodbyes may take on a network that works.
const FAREWELL: Duration = Duration::from_secs(30);

/// What a run was like.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    pub tally: Tally,
    /// What each machine has sent, and what it has asked of its host.
    pub transcripts: Vec<[Transcript; 2]>,
    /// Time that passed in the world.
    pub lasted: Duration,
    /// Time from the healing of the network until all work was done.
    pub recovered_in: Duration,
}

/// Runs the federation of a plan from its start to its end.
///
/// # Panics
/// When a promise of the protocol is broken.
pub fn run(plan: Plan, manner: Manner, log: &mut Log) -> Run {
    let mut world = World::new(plan, manner, log);
    world.storm();
    let recovered_in = world.calm();
    world.farewell();
    let transcripts = world.scene.hosts.iter();
    Run {
        transcripts: transcripts.map(|host| [host.sent, host.asked]).collect(),
        lasted: world.scene.now.since(Instant::default()),
        recovered_in,
        tally: world.scene.tally,
    }
}

struct World<'a> {
    scene: Scene<'a>,
    server: Coordinator,
    sites: Vec<Site>,
    /// What has happened at this moment.
    steps: usize,
}

impl<'a> World<'a> {
    fn new(plan: Plan, manner: Manner, log: &'a mut Log) -> Self {
        let pki = Pki::new(plan.luck);
        let lag = Duration::from_millis(plan.habits.lag);
        let server = Coordinator::new(Who::server(&plan, &pki), plan.jobs.len(), lag);
        let site = |index| Site::new(index, Who::site(&plan, &pki, index), lag);
        let sites = (0..plan.sites.len()).map(site).collect();
        let scene = Scene::new(plan, manner, log);
        Self {
            scene,
            server,
            sites,
            steps: 0,
        }
    }

    /// Everything starts, and everything bad happens.
    fn storm(&mut self) {
        let scene = &mut self.scene;
        let wait = scene.dice().millis(0, 5_000);
        scene.after(wait, Event::Server(0, ServerEvent::Boot));
        for site in 0..self.sites.len() {
            if scene.plan.is_twin(site) {
                continue;
            }
            scene.acting = HostId::Site(site);
            let wait = scene.dice().millis(0, 20_000);
            scene.after(wait, Event::Site(site, 0, SiteEvent::Boot));
        }
        for Timed { at, fault } in scene.plan.faults.clone() {
            scene.at(at, Event::Fault(fault));
        }
        let heals_at = scene.plan.heals_at;
        while self.step(heals_at) {}
        self.scene.notice(|| "the network heals".to_owned());
        for index in 0..=self.sites.len() {
            self.set_wall_error(index, 0);
        }
    }

    /// Nothing bad happens any more: work has to come to its end.
    fn calm(&mut self) -> Duration {
        let healed = self.scene.now;
        let limit = healed + PATIENCE;
        while !self.is_done(healed) {
            if !self.step(limit) {
                let complaints: Vec<String> = self.sites.iter().map(Site::complaint).collect();
                let jobs = self.server.complaint(&self.scene);
                panic!("stuck:\n{}\n{jobs}", complaints.join("\n"));
            }
        }
        let recovered_in = self.scene.now.since(healed);
        self.scene.notice(|| "all work is done".to_owned());
        // Sessions that the storm has ended are found out, and made anew.
        let limit = self.scene.now + REST;
        while self.step(limit) {}
        // Nobody says goodbye while it has none.
        let limit = self.scene.now + REST;
        while !self.all_are_known() && self.step(limit) {}
        recovered_in
    }

    /// Everybody quits.
    fn farewell(&mut self) {
        for (index, site) in self.sites.iter_mut().enumerate() {
            self.scene.acting = HostId::Site(index);
            site.quit(&mut self.scene, true);
        }
        // The last sessions to end are those that were begun and never used.
        let window = self.scene.plan.server.registration_window;
        let limit = self.scene.now + FAREWELL + window;
        while self.step(limit) {}
        for (index, site) in self.sites.iter().enumerate() {
            if site.is_out() {
                continue;
            }
            assert_eq!(
                site.last_farewell(),
                Some((true, CloseReason::Quit)),
                "site-{index} did not close properly"
            );
            site.count(&mut self.scene);
            let jobs = 2 * self.scene.plan.jobs.len();
            site.has_nothing_left(&mut self.scene.tally, jobs);
        }
        self.server.has_nothing_left(&mut self.scene.tally);
    }

    /// Whether each site has a session that it uses.
    fn all_are_known(&self) -> bool {
        let known = |site: &Site| site.is_out() || self.server.knows(site.client());
        self.sites.iter().all(known)
    }

    fn is_done(&self, since: Instant) -> bool {
        self.server.is_done() && self.sites.iter().all(|site| site.is_done(since))
    }

    /// Lets the next thing happen, if one does before `limit`.
    fn step(&mut self, limit: Instant) -> bool {
        let event = self.scene.next_event_at();
        let timeout = self.next_timeout();
        let first = event.into_iter().chain(timeout.map(|(at, _)| at)).min();
        let Some(next) = first.filter(|at| *at < limit) else {
            self.scene.now = limit;
            return false;
        };
        if next > self.scene.now {
            (self.scene.now, self.steps) = (next, 0);
        }
        self.steps += 1;
        invariants::time_goes_on(self.steps, self.scene.now);
        match timeout {
            Some((at, host)) if event.is_none_or(|event| at < event) => self.tick(host),
            _ => {
                if let Some(event) = self.scene.pop() {
                    self.happen(event);
                }
            }
        }
        if self.scene.manner.meddling {
            self.meddle();
        }
        true
    }

    /// The machine that wants to be called first, and when.
    fn next_timeout(&self) -> Option<(Instant, HostId)> {
        let server = self.server.next_timeout(&self.scene);
        let site = |(index, site): (usize, &Site)| {
            Some((site.next_timeout(&self.scene)?, HostId::Site(index)))
        };
        let sites = self.sites.iter().enumerate().filter_map(site);
        let server = server.map(|at| (at, HostId::Server));
        sites.chain(server).min()
    }

    fn tick(&mut self, host: HostId) {
        self.scene.acting = host;
        match host {
            HostId::Server => self.server.tick(&mut self.scene),
            HostId::Site(site) => self.sites[site].tick(&mut self.scene),
        }
    }

    fn asleep_until(&mut self, host: HostId) -> Instant {
        match host {
            HostId::Server => self.server.process().asleep_until(),
            HostId::Site(site) => self.sites[site].process().asleep_until(),
        }
    }

    /// A host that sleeps does nothing that could go wrong.
    fn fault(&mut self, fault: Fault) {
        let asleep = self.asleep_until(fault.host()) > self.scene.now;
        if !(asleep && fault.needs_an_awake_host()) {
            self.strike(fault);
        }
    }

    fn happen(&mut self, event: Event) {
        let network = &self.scene.network;
        let host = match &event {
            Event::Fault(fault) => return self.fault(*fault),
            Event::AtRelay(..) => None,
            Event::Site(site, ..) | Event::Connected(site, _) => Some(HostId::Site(*site)),
            Event::CutAtSite(peer) => Some(HostId::Site(network.site_of(*peer))),
            Event::Arrival(parcel) => Some(match parcel.towards {
                Towards::Server => HostId::Server,
                Towards::Site => HostId::Site(network.site_of(parcel.peer)),
            }),
            Event::Server(..) | Event::CutAtServer(_) => Some(HostId::Server),
        };
        let awake_at = host.map(|host| self.asleep_until(host));
        let scene = &mut self.scene;
        if let Some(awake_at) = awake_at.filter(|at| *at > scene.now) {
            return scene.at(awake_at, event);
        }
        if let Some(host) = host {
            scene.acting = host;
        }
        match event {
            Event::Arrival(parcel) => match host {
                Some(HostId::Site(site)) => self.sites[site].message(scene, parcel),
                Some(HostId::Server) | None => self.server.message(scene, parcel),
            },
            Event::AtRelay(parcel, wait) => network::relay(scene, parcel, wait),
            Event::Connected(site, life) => self.connect(site, life),
            Event::CutAtSite(peer) => {
                let site = scene.network.site_of(peer);
                self.sites[site].disconnected(scene, peer);
            }
            Event::CutAtServer(peer) => self.server.disconnected(scene, peer),
            Event::Site(site, life, event) if self.sites[site].process().life() == life => {
                self.sites[site].event(scene, event);
            }
            Event::Server(life, event) if self.server.process().life() == life => {
                self.server.event(scene, event);
            }
            Event::Site(..) | Event::Server(..) | Event::Fault(_) => {}
        }
    }

    /// Now and then something is done to a machine that it must not mind.
    fn meddle(&mut self) {
        self.scene.acting = HostId::Server;
        let mischief = &mut self.scene.host().mischief;
        let host = HostId::of_index(mischief.below(1 + self.sites.len()));
        if !mischief.chance(300) {
            return;
        }
        self.scene.acting = host;
        match host {
            HostId::Server => self.server.suffer(&mut self.scene),
            HostId::Site(site) => self.sites[site].suffer(&mut self.scene),
        }
    }
}
