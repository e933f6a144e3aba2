//! What a seed stands for: the federation, and what is going to happen to it.

use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use fedlink::identity::{Identity, Name};
use fedlink::message::JobId;
use fedlink::{ClientConfig, Instant, ServerConfig, Sites, Suite, Suites};

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
    pub sites: Vec<Name>,
    pub jobs: Vec<JobPlan>,
    /// When the network heals and nothing crashes any more.
    pub heals_at: Instant,
    pub client: Arc<ClientConfig>,
    pub server: Arc<ServerConfig>,
}

/// What the network does to a message in the storm, in thousandths.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub lost: u32,
    pub doubled: u32,
    pub spoilt: u32,
    /// It takes many seconds.
    pub late: u32,
    /// The carrier says that it could not send.
    pub refused: u32,
    /// Usual milliseconds on the way.
    pub delay: (u64, u64),
}

/// What the hosts are like.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Most milliseconds that a write takes; 0 for storage that answers at once.
    pub write: u64,
    /// Connects at once instead of waiting until the client says.
    pub eager: bool,
    /// Most milliseconds that work on a task takes.
    pub work: u64,
    /// Thousandths of tasks that fail, and that are given up.
    pub failed: u32,
    pub aborted: u32,
}

/// How often what happens in the storm.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub site_crashes: usize,
    pub server_crashes: usize,
    pub cuts: usize,
    pub partitions: usize,
    pub snapshots: usize,
    pub farewells: usize,
    pub sleeps: usize,
    pub reassignments: usize,
    pub withdrawals: usize,
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
        let sites: Vec<Name> = (0..1 + dice.below(5))
            .map(|site| name(&format!("site-{site}")))
            .collect();
        let storm = dice.millis(60_000, LONGEST_STORM);
        let jobs = (0..1 + dice.below(3))
            .map(|_| job(&mut dice, sites.len(), storm))
            .collect();
        Self {
            seed,
            suite,
            bound,
            carriage,
            weather: weather(&mut dice, suite),
            habits: habits(&mut dice),
            faults: faults(&mut dice),
            jobs,
            heals_at: Instant::default() + storm,
            client: Arc::new(client_config(&mut dice, suite, bound, carriage)),
            server: Arc::new(server_config(&mut dice, suite, bound)),
            sites,
        }
    }

    /// Who a site is.
    pub fn identity(&self, pki: &Pki, site: usize) -> Identity {
        let name = self.sites[site].clone();
        if self.suite == Suite::Plain {
            return Identity::unproven(name);
        }
        let (chain, key) = pki.site(name.as_str());
        Identity::new(name, chain, Arc::new(key), pki.roots()).unwrap()
    }

    /// Who the server is.
    pub fn server_identity(&self, pki: &Pki) -> Identity {
        if self.suite == Suite::Plain {
            return Identity::unproven(name("coordinator"));
        }
        let (chain, key) = pki.server("coordinator");
        Identity::new(name("coordinator"), chain, Arc::new(key), pki.roots()).unwrap()
    }
}

fn weather(dice: &mut Dice, suite: Suite) -> Weather {
    let slowest = dice.pick(&[20, 200, 2_000]);
    Weather {
        lost: dice.pick(&[0, 10, 50, 200]),
        doubled: dice.pick(&[0, 20, 200]),
        // Only the sealed suite claims to notice.
        spoilt: match suite {
            Suite::Sealed => dice.pick(&[0, 10, 50]),
            Suite::Plain | Suite::Bearer => 0,
        },
        late: dice.pick(&[0, 5, 30]),
        refused: dice.pick(&[0, 0, 20]),
        delay: (1, slowest),
    }
}

fn habits(dice: &mut Dice) -> Habits {
    Habits {
        write: dice.pick(&[0, 5, 100, 3_000]),
        eager: dice.chance(300),
        work: dice.pick(&[500, 5_000, 30_000]),
        failed: dice.pick(&[0, 100]),
        aborted: dice.pick(&[0, 0, 150]),
    }
}

fn faults(dice: &mut Dice) -> Faults {
    Faults {
        site_crashes: dice.below(5),
        server_crashes: dice.below(3),
        cuts: dice.below(8),
        partitions: dice.below(4),
        snapshots: dice.below(6),
        farewells: dice.below(2),
        sleeps: dice.below(2),
        reassignments: dice.pick(&[0, 0, 3]),
        withdrawals: dice.pick(&[0, 0, 2]),
    }
}

fn job(dice: &mut Dice, sites: usize, storm: Duration) -> JobPlan {
    let open = dice.chance(600);
    let mut chosen: BTreeSet<usize> = (0..sites).filter(|_| open || dice.chance(700)).collect();
    if chosen.is_empty() {
        chosen.insert(dice.below(sites));
    }
    let starts_at = Instant::default() + dice.within(storm / 3);
    JobPlan {
        id: JobId::from_bytes(dice.id()),
        sites: chosen,
        open,
        rounds: 1 + dice.below(3),
        for_anyone: dice.below(3),
        starts_at,
        aborts_at: dice.chance(250).then(|| starts_at + dice.within(storm)),
    }
}

fn client_config(dice: &mut Dice, suite: Suite, bound: bool, carriage: Carriage) -> ClientConfig {
    let mut config = ClientConfig::new(name("world"));
    config.server = Some(name("coordinator"));
    config.suites = Suites::new([suite]).unwrap();
    config.trusted_path = suite == Suite::Bearer && !bound;
    config.datagram = carriage == Carriage::Datagram;
    config.want_token = dice.chance(500);
    config.inline_limit = 1 << 10;
    config.retry_max = Duration::from_secs(dice.pick(&[10, 60]));
    config.silence_limit = Duration::from_secs(dice.pick(&[30, 120]));
    config
}

fn server_config(dice: &mut Dice, suite: Suite, bound: bool) -> ServerConfig {
    let mut config = ServerConfig::new(name("world"));
    config.suites = Suites::new([suite]).unwrap();
    config.trusted_path = suite == Suite::Bearer && !bound;
    config.inline_limit = 1 << 10;
    config.poll_interval = Duration::from_secs(dice.pick(&[1, 3, 10]));
    config.dead_after = Duration::from_secs(dice.pick(&[40, 120, 600]));
    config.session_lifetime = Duration::from_secs(dice.pick(&[90, 600, 86_400]));
    config
}
