//! What some bytes stand for: a federation, and what is going to happen to it. Any bytes
//! are a plan.

pub mod bytes;
mod config;
mod fault;
mod nature;
mod who;

use core::fmt;
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use fedlink::identity::Name;
use fedlink::message::JobId;
use fedlink::{ClientConfig, Instant, ServerConfig, Sites, Suite};

use fault::FAR;
pub use fault::{Fault, Timed};
pub use nature::{Habits, Weather};
pub use who::Who;

use super::dice::Dice;
use crate::common::pki::name;
use bytes::{Draw, FAULT, HEAD};

/// Milliseconds of the shortest and the longest storm. Everything bad happens in it; then
/// the network heals.
const STORM: (u64, u64) = (60_000, 300_000);

/// Jobs that have a place among the bytes.
const MAX_JOBS: usize = 3;

/// Most sites of a federation, and of one of the rare larger ones.
const FEW: usize = 5;
const CROWD: usize = 30;

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriage {
    /// Connections that break, and are made again.
    Stream,
    /// Single datagrams, from and to any process at an address.
    Datagram,
}

/// The whole plan.
pub struct Plan {
    /// The seed of all that is not planned: the luck of single messages, of names and keys.
    pub luck: u64,
    pub suite: Suite,
    /// Connections have a TLS exporter value.
    pub bound: bool,
    pub carriage: Carriage,
    pub weather: Weather,
    pub habits: Habits,
    /// In the order of their times.
    pub faults: Vec<Timed>,
    /// The name of each process. One that repeats is that of a twin: a second process with
    /// the identity of a site, but storage of its own.
    pub sites: Vec<Name>,
    /// Hosts between the sites and the server; without any, connections are direct.
    pub relays: usize,
    pub jobs: Vec<JobPlan>,
    /// When the network heals and nothing crashes any more.
    pub heals_at: Instant,
    pub client: Arc<ClientConfig>,
    pub server: Arc<ServerConfig>,
}

/// One job of the coordinator.
#[derive(Clone, Debug)]
pub struct JobPlan {
    pub id: JobId,
    /// The sites that take part, by index.
    pub sites: BTreeSet<usize>,
    /// Also sites that nobody named.
    pub open: bool,
    pub rounds: usize,
    /// Tasks of each round that are for whoever asks.
    pub for_anyone: usize,
    pub starts_at: Instant,
    /// Ended under way.
    pub aborts_at: Option<Instant>,
}

impl JobPlan {
    pub fn meant_for(&self, names: &[Name]) -> Sites {
        if self.open {
            return Sites::All;
        }
        Sites::Named(self.sites.iter().map(|site| names[*site].clone()).collect())
    }

    fn draw(draw: &mut Draw<'_>, id: [u8; 16], sites: usize, storm: u64) -> Self {
        let open = !draw.chance(400);
        let chosen = draw.long();
        let mut chosen: BTreeSet<usize> = (0..sites)
            .filter(|site| open || chosen >> (site % 64) & 1 == 1)
            .collect();
        if chosen.is_empty() {
            chosen.insert(0);
        }
        let starts_at = millis(draw.within(storm / 2));
        let (aborted, after) = (draw.chance(250), draw.within(storm));
        Self {
            id: JobId::from_bytes(id),
            sites: chosen,
            open,
            rounds: 1 + draw.below(6),
            for_anyone: draw.below(3),
            starts_at,
            aborts_at: aborted.then(|| starts_at + Duration::from_millis(after)),
        }
    }
}

impl Plan {
    /// The plan of any bytes.
    pub fn decode(bytes: &[u8]) -> Self {
        let (head, tail) = bytes.split_at(bytes.len().min(HEAD));
        let draw = &mut Draw::new(head);
        let luck = draw.long();
        let suite = draw.pick(&SUITES);
        let bound = draw.chance(500) && suite != Suite::Plain;
        let carriage = match draw.chance(300) && !bound {
            true => Carriage::Datagram,
            false => Carriage::Stream,
        };
        // A crowd takes its time, so there are few.
        let crowd = if draw.chance(8) { CROWD } else { FEW };
        let mut sites: Vec<Name> = (0..1 + draw.below(crowd))
            .map(|site| name(&format!("site-{site}")))
            .collect();
        let persons = sites.len();
        let relays = draw.below(4);
        let storm = STORM.0 + draw.within(STORM.1 - STORM.0);
        let count = 1 + draw.below(MAX_JOBS);
        let mut ids = Dice::stream(luck, "jobs");
        // Each job has its place, whether it is there or not.
        let mut jobs: Vec<JobPlan> = (0..MAX_JOBS)
            .map(|_| JobPlan::draw(draw, ids.id(), persons, storm))
            .collect();
        jobs.truncate(count);
        let (has_twin, of, at) = (
            draw.chance(150),
            draw.below(persons),
            draw.within(storm * 1000),
        );
        let mut habits = Habits::draw(draw);
        // A crowd with large models moves gigabytes.
        habits.heavy &= persons <= FEW;
        let weather = Weather::draw(draw, suite);
        let client = config::client(draw, suite, bound, carriage);
        let server = config::server(draw, suite, bound, carriage, habits.heavy, persons, count);
        let mut faults: Vec<Timed> = tail
            .chunks(FAULT)
            .map(|bytes| Timed::draw(&mut Draw::new(bytes), storm, persons, relays))
            .collect();
        if has_twin {
            let fault = Fault::Twin(sites.len());
            let at = Instant::from_micros(at);
            faults.push(Timed { at, fault });
            sites.push(sites[of].clone());
        }
        faults.sort_by_key(|it| it.at);
        Self {
            luck,
            suite,
            bound,
            carriage,
            weather,
            habits,
            faults,
            sites,
            relays,
            jobs,
            heals_at: millis(storm),
            client: Arc::new(client),
            server: Arc::new(server),
        }
    }

    /// The site whose name a process has: itself, unless it is a twin.
    pub fn person(&self, site: usize) -> usize {
        let name = &self.sites[site];
        self.sites.iter().position(|it| it == name).unwrap_or(site)
    }

    pub fn is_twin(&self, site: usize) -> bool {
        self.person(site) != site
    }

    /// Whether another process has the same name.
    pub fn is_contested(&self, site: usize) -> bool {
        let name = &self.sites[site];
        self.sites.iter().filter(|it| *it == name).count() > 1
    }
}

impl Plan {
    /// Whether certificates seem to be out of date to somebody at some time.
    pub fn has_wrong_dates(&self) -> bool {
        let wrong = |it: &Timed| matches!(it.fault, Fault::WallJumps(_, FAR));
        self.suite != Suite::Plain && self.faults.iter().any(wrong)
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sites: Vec<&str> = self.sites.iter().map(Name::as_str).collect();
        let (carriage, relays) = (self.carriage, self.relays);
        let bound = if self.bound { "bound " } else { "" };
        let suite = self.suite;
        writeln!(
            f,
            "{sites:?} by {bound}{carriage:?} over {relays} relays, {suite}"
        )?;
        writeln!(f, "{:?}", self.weather)?;
        writeln!(f, "{:?}", self.habits)?;
        for job in &self.jobs {
            writeln!(f, "{job:?}")?;
        }
        for Timed { at, fault } in &self.faults {
            writeln!(f, "{at:>16}  {fault:?}")?;
        }
        write!(f, "{:>16}  the network heals", self.heals_at)
    }
}

/// Suites by how often they are drawn. Signatures take their time.
const SUITES: [Suite; 10] = [
    Suite::Plain,
    Suite::Plain,
    Suite::Plain,
    Suite::Plain,
    Suite::Plain,
    Suite::Plain,
    Suite::Plain,
    Suite::Bearer,
    Suite::Sealed,
    Suite::Sealed,
];

fn millis(millis: u64) -> Instant {
    Instant::from_micros(millis * 1000)
}
