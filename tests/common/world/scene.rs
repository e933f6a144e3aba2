//! What all hosts of a run share: time, the network, and what is true.

use core::time::Duration;
use std::collections::BTreeMap;

use fedlink::Instant;
use fedlink::identity::Name;

use super::diagram::Lane;
use super::dice::Dice;
use super::event::{Event, Order};
use super::host::{Host, HostId};
use super::log::Log;
use super::manner::Manner;
use super::meddle::Done;
use super::model::Model;
use super::network::{Network, Towards};
use super::plan::Plan;
use super::sessions::Sessions;
use super::tally::{Case, Claim, Tally};
use super::wire::Stamp;

pub struct Scene<'a> {
    pub plan: Plan,
    pub manner: Manner,
    pub now: Instant,
    pub network: Network,
    pub model: Model,
    pub sessions: Sessions,
    /// The server's process is there.
    pub server_is_up: bool,
    pub tally: Tally,
    pub hosts: Vec<Host>,
    /// The host that does something now.
    pub acting: HostId,
    queue: BTreeMap<(Instant, Order, u64), Event>,
    queued: u64,
    log: &'a mut Log,
}

impl<'a> Scene<'a> {
    pub fn new(plan: Plan, manner: Manner, log: &'a mut Log) -> Self {
        let ids = (0..=plan.sites.len()).map(HostId::of_index);
        Self {
            now: Instant::default(),
            network: Network::new(&plan),
            model: Model::new(&plan),
            sessions: Sessions::default(),
            server_is_up: false,
            tally: Tally::without(manner.forbidden),
            hosts: ids.map(|id| Host::new(&plan, id)).collect(),
            acting: HostId::Server,
            queue: BTreeMap::new(),
            queued: 0,
            log,
            plan,
            manner,
        }
    }

    /// Whether bad things still happen.
    pub fn is_stormy(&self) -> bool {
        self.now < self.plan.heals_at
    }

    /// The host that does something now.
    pub fn host(&mut self) -> &mut Host {
        &mut self.hosts[self.acting.index()]
    }

    /// Its chance.
    pub fn dice(&mut self) -> &mut Dice {
        &mut self.host().dice
    }

    /// What its clock says.
    pub fn clock(&self) -> Instant {
        self.hosts[self.acting.index()].clock.reads(self.now)
    }

    /// What its wall clock says.
    pub fn wall(&self) -> u64 {
        self.hosts[self.acting.index()].wall(self.now)
    }

    /// What it takes for the time when a message comes: now and then a moment that has
    /// passed already.
    pub fn glance(&mut self) -> Instant {
        let backwards = self.plan.habits.backwards;
        let behind = match self.dice().chance(backwards) {
            true => self.dice().millis(0, 5_000),
            false => Duration::ZERO,
        };
        self.clock() - behind
    }

    pub fn at(&mut self, at: Instant, event: Event) {
        self.queued += 1;
        let at = at.max(self.now);
        self.queue.insert((at, event.order(), self.queued), event);
    }

    pub fn after(&mut self, wait: Duration, event: Event) {
        self.at(self.now + wait, event);
    }

    pub fn next_event_at(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((at, ..), _)| *at)
    }

    pub fn pop(&mut self) -> Option<Event> {
        self.queue.pop_first().map(|(_, event)| event)
    }

    /// A site's connection breaks; both ends learn of it some time later.
    pub fn hang_up(&mut self, site: usize) {
        for (wait, event) in self.network.cut(site) {
            self.after(wait, event);
        }
    }

    /// Notes something that happens to a host or by it.
    pub fn line(&mut self, text: impl FnOnce() -> String) {
        let lane = match self.acting {
            HostId::Server => Lane::Server,
            HostId::Site(site) => Lane::Site(site),
        };
        self.log.note(self.now, lane, text);
    }

    /// Notes something that happens to all.
    pub fn notice(&mut self, text: impl FnOnce() -> String) {
        self.log.note(self.now, Lane::World, text);
    }

    /// Notes a message.
    pub fn arrow(&mut self, way: (Lane, Lane), arrives: bool, text: impl FnOnce() -> String) {
        self.log.arrow(self.now, way, arrives, text);
    }

    /// A machine has taken a message of a session, or refused it.
    pub fn witness(&mut self, towards: Towards, site: usize, stamp: &Stamp, taken: bool) {
        let (person, clock) = (self.plan.person(site), self.clock());
        let (sessions, tally) = (&mut self.sessions, &mut self.tally);
        sessions.a_message_is_accepted_once_and_in_time(tally, towards, stamp, person, taken);
        if towards == Towards::Server {
            let lifetime = self.plan.server.session_lifetime;
            sessions.a_session_has_an_end(tally, stamp, lifetime, clock, taken);
        }
    }

    /// The server has said that a client is gone, of this moment if its host is prompt.
    pub fn gone(&mut self, client: &Name) {
        let person = self.plan.sites.iter().position(|site| site == client);
        if let Some(person) = person.filter(|_| self.plan.habits.lazy == 0) {
            self.sessions.gone(person);
        }
    }

    /// Takes down what a machine asks of its host, if runs are to be compared.
    pub fn asked(&mut self, action: &impl core::fmt::Debug) {
        if self.manner.whole_steps {
            let now = self.now.as_micros();
            self.host().asked.number(now);
            self.host().asked.text(action);
        }
    }

    /// Counts what was done to a machine that it must not mind.
    pub fn meddled(&mut self, done: Done) {
        match done {
            Done::Misused => self.tally.count(Case::Misused),
            Done::Refused => self.tally.count(Case::MessageRefused),
            Done::Nothing => return,
        }
        self.tally.held(Claim::MisusesLeaveNoTrace);
    }

    /// Counts a case and notes it.
    pub fn happens(&mut self, case: Case, text: impl FnOnce() -> String) {
        self.tally.count(case);
        self.line(text);
    }
}
