//! What goes wrong, when it does.

use core::time::Duration;

use super::World;
use super::event::{Event, SiteEvent};
use super::host::HostId;
use super::plan::{Carriage, Fault};
use super::tally::Case;

impl World<'_> {
    /// A connection comes about, if the server is there and the way is open. While the
    /// server sleeps, nobody completes its handshake.
    pub(super) fn connect(&mut self, site: usize, life: u32) {
        let scene = &mut self.scene;
        if self.sites[site].process().life() != life {
            return;
        }
        let awake_at = self.server.process().asleep_until();
        if awake_at > scene.now {
            return scene.at(awake_at, Event::Connected(site, life));
        }
        let datagram = scene.plan.carriage == Carriage::Datagram;
        let open = scene.server_is_up && scene.network.is_open(site, scene.now);
        if !open && !datagram {
            if scene.dice().chance(500) {
                scene.tally.count(Case::RelayChanged);
                scene.network.move_on(site);
            }
            return self.sites[site].event(scene, SiteEvent::Refused);
        }
        let peer = scene.network.connect(site);
        scene.acting = HostId::Server;
        self.server.connected(scene, peer);
        scene.acting = HostId::Site(site);
        self.sites[site].connected(scene, peer);
    }

    /// A site's host takes a new way, and its old connection is found dead some time later.
    fn roam(&mut self, site: usize) {
        let scene = &mut self.scene;
        if self.sites[site].is_online() {
            scene.tally.count(Case::Roaming);
            scene.hang_up(site);
            let life = self.sites[site].process().life();
            self.connect(site, life);
        }
    }

    pub(super) fn strike(&mut self, fault: Fault) {
        let scene = &mut self.scene;
        scene.notice(|| format!("fault: {fault:?}"));
        let until = |millis| scene.now + Duration::from_millis(millis);
        let calm = scene.plan.heals_at;
        scene.acting = fault.host();
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
            Fault::Roam(site) => {
                if scene.plan.carriage == Carriage::Stream {
                    self.roam(site);
                }
            }
            Fault::Move(site) => {
                scene.tally.count(Case::RelayChanged);
                scene.network.move_on(site);
                self.roam(site);
            }
            Fault::RelayDies(relay, millis) => {
                let until = until(millis).min(calm);
                for site in scene.network.relay_dies(relay, until) {
                    scene.tally.count(Case::CutByRelay);
                    scene.hang_up(site);
                }
            }
            Fault::RelayIsSlow(relay, span, millis) => {
                let (until, delay) = (until(span).min(calm), Duration::from_millis(millis));
                scene.network.relay_is_slow(relay, until, delay);
            }
            Fault::ClockJumps(host, millis) => {
                scene.tally.count(Case::ClockJumped);
                let clock = &mut scene.hosts[host].clock;
                let before = clock.reads(scene.now);
                clock.jump(scene.now, millis * 1000);
                if host == HostId::Server.index() {
                    let after = clock.reads(scene.now);
                    scene.model.server.naps(&mut scene.tally, before, after);
                }
            }
            Fault::WallJumps(host, seconds) => {
                scene.tally.count(Case::WallJumped);
                self.set_wall_error(host, seconds);
            }
            Fault::Hiccup(site) => self.sites[site].hiccup(scene),
            Fault::Disable(site) => self.server.disable(scene, site),
            Fault::Part(site, millis) => {
                scene.tally.count(Case::Partition);
                let until = until(millis).min(calm);
                scene.network.part(site, until);
            }
            Fault::SiteSleeps(site, millis) => {
                scene.tally.count(Case::Slept);
                self.sites[site].process().sleep(until(millis));
            }
            Fault::ServerSleeps(millis) => {
                scene.tally.count(Case::Slept);
                let until = until(millis);
                let clock = &scene.hosts[HostId::Server.index()].clock;
                let (from, to) = (clock.reads(scene.now), clock.reads(until));
                scene.model.server.naps(&mut scene.tally, from, to);
                self.server.process().sleep(until);
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

    /// The wall clock of a host is set, and wrong by so many seconds.
    pub(super) fn set_wall_error(&mut self, index: usize, seconds: i64) {
        let scene = &mut self.scene;
        let host = HostId::of_index(index);
        scene.acting = host;
        if !scene.host().set_wall_error(seconds) {
            return;
        }
        match host {
            HostId::Server => self.server.set_wall_clock(scene),
            HostId::Site(site) => self.sites[site].set_wall_clock(scene),
        }
    }
}
