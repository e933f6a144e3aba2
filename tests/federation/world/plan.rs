//! What a seed stands for: the federation, and what is going to happen to it.

mod config;
mod nature;

use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use fedlink::identity::{Chain, Identity, LocalSigner, Name, Signer};
use fedlink::message::JobId;
use fedlink::{ClientConfig, Instant, ServerConfig, Sites, Suite};

pub use nature::{Faults, Habits, Weather};

use super::dice::Dice;
use crate::common::pki::{Pki, name};

/// The longest storm. Everything bad happens in it; then the network heals.
const LONGEST_STORM: u64 = 300_000;

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carriage {
    /// Connections that break, and are made again.
    Stream,
    /// Single datagrams, from and to any process at an address.
    Datagram,
}

/// The whole plan.
#[derive(Debug)]
pub struct Plan {
    pub seed: u64,
    pub suite: Suite,
    /// Connections have a TLS exporter value.
    pub bound: bool,
    pub carriage: Carriage,
    pub weather: Weather,
    pub habits: Habits,
    pub faults: Faults,
    /// The name of each process. One that repeats is that of a twin: a second process with
    /// the identity of a site, but storage of its own.
    pub sites: Vec<Name>,
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
}

impl Plan {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let suite = match seed % 10 {
            8 => Suite::Bearer,
            4 | 9 => Suite::Sealed,
            _ => Suite::Plain,
        };
        let bound = suite != Suite::Plain && dice.chance(500);
        let carriage = if !bound && dice.chance(300) {
            Carriage::Datagram
        } else {
            Carriage::Stream
        };
        // A crowd takes its time, so there are few.
        let crowd = if seed % 100 == 63 { 30 } else { 5 };
        let mut sites: Vec<Name> = (0..1 + dice.below(crowd))
            .map(|site| name(&format!("site-{site}")))
            .collect();
        let storm = dice.millis(60_000, LONGEST_STORM);
        let jobs = (0..1 + dice.below(3))
            .map(|_| job(&mut dice, sites.len(), storm))
            .collect();
        if dice.chance(150) {
            sites.push(sites[dice.below(sites.len())].clone());
        }
        let habits = Habits::new(&mut dice, seed);
        let client = config::client(&mut dice, suite, bound, carriage);
        let server = config::server(&mut dice, suite, bound, habits.heavy);
        Self {
            seed,
            suite,
            bound,
            carriage,
            weather: Weather::new(&mut dice, suite),
            habits,
            faults: Faults::new(&mut dice),
            jobs,
            heals_at: Instant::default() + storm,
            client: Arc::new(client),
            server: Arc::new(server),
            sites,
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

    /// Who a site is.
    pub fn site_identity(&self, pki: &Pki, site: usize) -> Who {
        let name = &self.sites[site];
        self.who(name, pki, |name| pki.site(name))
    }

    /// Who the server is.
    pub fn server_identity(&self, pki: &Pki) -> Who {
        self.who(&name("coordinator"), pki, |name| pki.server(name))
    }

    fn who(&self, name: &Name, pki: &Pki, issue: impl Fn(&str) -> (Chain, LocalSigner)) -> Who {
        if self.suite == Suite::Plain {
            let identity = Identity::unproven(name.clone());
            return Who {
                identity,
                key: None,
            };
        }
        let (chain, key) = issue(name.as_str());
        let (name, roots) = (name.clone(), pki.roots());
        if self.habits.keys_elsewhere {
            let identity = Identity::with_key_elsewhere(name, chain, roots).unwrap();
            let key = Some(Arc::new(key));
            return Who { identity, key };
        }
        let identity = Identity::new(name, chain, Arc::new(key), roots).unwrap();
        Who {
            identity,
            key: None,
        }
    }
}

/// A peer's identity, and its key if that is not in it.
#[derive(Clone)]
pub struct Who {
    pub identity: Identity,
    key: Option<Arc<LocalSigner>>,
}

impl Who {
    /// What the key says, wherever it is.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        let key = self.key.as_ref().expect("only a key elsewhere is asked");
        key.sign(bytes)
    }
}

fn job(dice: &mut Dice, sites: usize, storm: Duration) -> JobPlan {
    let open = dice.chance(600);
    let mut chosen: BTreeSet<usize> = (0..sites).filter(|_| open || dice.chance(700)).collect();
    if chosen.is_empty() {
        chosen.insert(dice.below(sites));
    }
    let starts_at = Instant::default() + dice.within(storm / 2);
    JobPlan {
        id: JobId::from_bytes(dice.id()),
        sites: chosen,
        open,
        rounds: 1 + dice.below(6),
        for_anyone: dice.below(3),
        starts_at,
        aborts_at: dice.chance(250).then(|| starts_at + dice.within(storm)),
    }
}
