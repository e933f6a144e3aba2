//! A whole federation under virtual time: sites and a coordinator on the production
//! machines, with everything around them simulated. One seed is one run, bit for bit.

mod coordinator;
mod dice;
mod director;
mod disk;
mod event;
mod invariants;
mod log;
mod network;
mod plan;
mod process;
mod scene;
mod site;
mod tally;
mod truth;
mod worker;

use core::time::Duration;

use fedlink::{CloseReason, Instant};

pub use log::{Log, Transcript};
pub use plan::Plan;
pub use tally::Tally;

use crate::common::pki::Pki;
use coordinator::Coordinator;
use dice::Dice;
use event::{Event, Fault, ServerEvent, SiteEvent};
use plan::Carriage;
use process::Doom;
use scene::Scene;
use site::Site;
use tally::Case;

/// How long work may take once the network has healed.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

/// How long nothing happens before everybody quits: longer than any sign of the storm.
const REST: Duration = Duration::from_secs(150);

/// How long goodbyes may take on a network that works.
const FAREWELL: Duration = Duration::from_secs(30);

/// What a run was like.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    pub seed: u64,
    pub tally: Tally,
    pub transcript: Transcript,
    /// Time that passed in the world.
    pub lasted: Duration,
    /// Time from the healing of the network until all work was done.
    pub recovered_in: Duration,
}

/// Runs the federation of this seed from its start to its end.
///
/// # Panics
/// When a promise of the protocol is broken.
pub fn run(seed: u64, log: &mut Log) -> Run {
    let mut world = World::new(Plan::new(seed), log);
    world.storm();
    let recovered_in = world.calm();
    world.farewell();
    Run {
        seed,
        tally: world.scene.tally,
        transcript: world.scene.transcript,
        lasted: world.scene.now.since(Instant::default()),
        recovered_in,
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
    fn new(plan: Plan, log: &'a mut Log) -> Self {
        let pki = Pki::new(plan.seed);
        let lag = Duration::from_millis(plan.habits.lag);
        let server = Coordinator::new(plan.server_identity(&pki), plan.jobs.len(), lag);
        let site = |index| Site::new(index, plan.site_identity(&pki, index), lag);
        let sites = (0..plan.sites.len()).map(site).collect();
        let scene = Scene::new(plan, log);
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
        let wait = scene.dice.millis(0, 5_000);
        scene.after(wait, Event::Server(0, ServerEvent::Boot));
        for site in 0..self.sites.len() {
            if scene.plan.is_twin(site) {
                continue;
            }
            let wait = scene.dice.millis(0, 20_000);
            scene.after(wait, Event::Site(site, 0, SiteEvent::Boot));
        }
        self.plan_faults();
        let heals_at = self.scene.plan.heals_at;
        while self.step(heals_at) {}
        self.scene.line(|| "the network heals".to_owned());
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
        self.scene.line(|| "all work is done".to_owned());
        // Sessions that the storm has ended are found out, and made anew.
        let limit = self.scene.now + REST;
        while self.step(limit) {}
        recovered_in
    }

    /// Everybody quits.
    fn farewell(&mut self) {
        for site in &mut self.sites {
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
            site.has_nothing_left(2 * self.scene.plan.jobs.len());
        }
        self.server.has_nothing_left();
    }

    fn is_done(&self, since: Instant) -> bool {
        self.server.is_done() && self.sites.iter().all(|site| site.is_done(since))
    }

    fn plan_faults(&mut self) {
        let scene = &mut self.scene;
        let faults = scene.plan.faults;
        let sites = scene.plan.sites.len();
        let twin = (0..sites).find(|site| scene.plan.is_twin(*site));
        let storm = scene.plan.heals_at.since(Instant::default());
        let mut times = |times: usize, fault: &mut dyn FnMut(&mut Dice) -> Fault| {
            for _ in 0..times {
                let fault = fault(&mut scene.dice);
                let at = scene.dice.within(storm);
                scene.after(at, Event::Fault(fault));
            }
        };
        let doom = |dice: &mut Dice| match dice.below(2) {
            0 => Doom::Outputs(dice.below(12) as u32),
            _ => Doom::Records(dice.below(4) as u32),
        };
        times(faults.site_crashes, &mut |dice| {
            Fault::CrashSite(dice.below(sites), doom(dice))
        });
        times(faults.server_crashes, &mut |dice| {
            Fault::CrashServer(doom(dice))
        });
        times(faults.roamings, &mut |dice| Fault::Roam(dice.below(sites)));
        times(faults.hiccups, &mut |dice| Fault::Hiccup(dice.below(sites)));
        times(faults.site_wipes, &mut |dice| {
            Fault::WipeSite(dice.below(sites))
        });
        times(faults.server_wipes, &mut |_| Fault::WipeServer);
        times(faults.pauses, &mut |dice| {
            let (site, span) = (dice.below(sites), dice.pick(&[20_000, 70_000]));
            match dice.below(2) {
                0 => Fault::SitePauses(site, span),
                _ => Fault::SiteSuspends(site, span),
            }
        });
        times(faults.bans, &mut |dice| Fault::Disable(dice.below(sites)));
        times(faults.cuts, &mut |dice| Fault::Cut(dice.below(sites)));
        times(faults.partitions, &mut |dice| {
            Fault::Part(dice.below(sites), dice.pick(&[5_000, 30_000, 100_000]))
        });
        times(faults.snapshots, &mut |dice| match dice.below(2) {
            0 => Fault::ServerSnapshot,
            _ => Fault::SiteSnapshot(dice.below(sites)),
        });
        times(faults.farewells, &mut |dice| {
            Fault::Farewell(dice.below(sites))
        });
        times(faults.sleeps, &mut |dice| {
            let span = dice.pick(&[2_000, 30_000, 90_000]);
            match dice.below(3) {
                0 => Fault::ServerSleeps(span),
                _ => Fault::SiteSleeps(dice.below(sites), span),
            }
        });
        times(faults.reassignments, &mut |_| Fault::Reassign);
        times(usize::from(twin.is_some()), &mut |_| {
            Fault::Twin(twin.unwrap_or_default())
        });
        times(faults.withdrawals, &mut |_| Fault::Withdraw);
    }

    /// Lets the next thing happen, if one does before `limit`.
    fn step(&mut self, limit: Instant) -> bool {
        let server = self.server.next_timeout();
        let site = |(index, site): (usize, &Site)| Some((site.next_timeout()?, index));
        let first_site = self.sites.iter().enumerate().filter_map(site).min();
        let timeouts = [server, first_site.map(|(at, _)| at)];
        let timeout = timeouts.into_iter().flatten().min();
        let event = self.scene.next_event_at();
        let Some(next) = event
            .into_iter()
            .chain(timeout)
            .min()
            .filter(|at| *at < limit)
        else {
            self.scene.now = limit;
            return false;
        };
        if next > self.scene.now {
            (self.scene.now, self.steps) = (next, 0);
        }
        self.steps += 1;
        invariants::time_goes_on(self.steps, self.scene.now);
        self.scene.transcript.number(self.scene.now.as_micros());
        if event == Some(next) {
            if let Some(event) = self.scene.pop() {
                self.happen(event);
            }
        } else if server == Some(next) {
            self.server.tick(&mut self.scene);
        } else if let Some((_, index)) = first_site {
            self.sites[index].tick(&mut self.scene);
        }
        true
    }

    fn happen(&mut self, event: Event) {
        let scene = &mut self.scene;
        let awake_at = match &event {
            Event::Site(site, ..) | Event::Connected(site, _) => {
                self.sites[*site].process().asleep_until()
            }
            Event::ToSite(peer, _) | Event::CutAtSite(peer) => {
                let site = scene.network.site_of(*peer);
                self.sites[site].process().asleep_until()
            }
            Event::Server(..) | Event::ToServer(..) | Event::CutAtServer(_) => {
                self.server.process().asleep_until()
            }
            Event::Fault(_) => scene.now,
        };
        if awake_at > scene.now {
            return scene.at(awake_at, event);
        }
        match event {
            Event::ToServer(peer, message) => self.server.message(scene, peer, message),
            Event::ToSite(peer, message) => {
                let site = scene.network.site_of(peer);
                self.sites[site].message(scene, peer, message);
            }
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
            Event::Site(..) | Event::Server(..) => {}
            Event::Fault(fault) => self.strike(fault),
        }
    }

    /// A connection comes about, if the server is there and the way is open.
    fn connect(&mut self, site: usize, life: u32) {
        let scene = &mut self.scene;
        if self.sites[site].process().life() != life {
            return;
        }
        let datagram = scene.plan.carriage == Carriage::Datagram;
        let open = scene.server_is_up && !scene.network.is_parted(site, scene.now);
        if !open && !datagram {
            return self.sites[site].event(scene, SiteEvent::Refused);
        }
        let peer = scene.network.connect(site, scene.plan.carriage);
        self.server.connected(scene, peer);
        self.sites[site].connected(scene, peer);
    }

    /// A site's host takes a new way, and its old connection is found dead some time later.
    fn roam(&mut self, site: usize) {
        let scene = &mut self.scene;
        if scene.plan.carriage == Carriage::Datagram || !self.sites[site].is_online() {
            return;
        }
        scene.tally.count(Case::Roaming);
        scene.hang_up(site);
        let life = self.sites[site].process().life();
        self.connect(site, life);
    }

    fn strike(&mut self, fault: Fault) {
        let scene = &mut self.scene;
        scene.line(|| format!("fault: {fault:?}"));
        let until = |millis| scene.now + Duration::from_millis(millis);
        match fault {
            Fault::CrashSite(site, doom) => self.sites[site].doom(scene, doom),
            Fault::CrashServer(doom) => self.server.doom(scene, doom),
            Fault::Cut(site) => {
                scene.tally.count(Case::ConnectionCut);
                scene.hang_up(site);
            }
            Fault::Twin(site) => {
                scene.tally.count(Case::Twin);
                self.sites[site].boot(scene);
            }
            Fault::Roam(site) => self.roam(site),
            Fault::Hiccup(site) => self.sites[site].hiccup(scene),
            Fault::Disable(site) => self.server.disable(scene, site),
            Fault::Part(site, millis) => {
                scene.tally.count(Case::Partition);
                let until = until(millis).min(scene.plan.heals_at);
                scene.network.part(site, until);
            }
            Fault::SiteSleeps(site, millis) => {
                scene.tally.count(Case::Slept);
                self.sites[site].process().sleep(until(millis));
            }
            Fault::ServerSleeps(millis) => {
                scene.tally.count(Case::Slept);
                self.server.process().sleep(until(millis));
            }
            Fault::SiteSuspends(site, millis) => {
                self.sites[site].suspend(scene, Duration::from_millis(millis));
            }
            Fault::SitePauses(site, millis) => {
                self.sites[site].pause(scene, Duration::from_millis(millis));
            }
            Fault::WipeSite(site) => self.sites[site].wipe(scene),
            Fault::WipeServer => self.server.wipe(scene),
            Fault::SiteSnapshot(site) => self.sites[site].snapshot(scene),
            Fault::ServerSnapshot => self.server.snapshot(scene),
            Fault::Farewell(site) => self.sites[site].quit(scene, false),
            Fault::Reassign => self.server.reassign_one(scene),
            Fault::Withdraw => self.server.withdraw_one(scene),
        }
    }
}
