//! Two honest sites, sometimes a second process of one of them, and their server, on
//! virtual time. Every message between them passes through the attacker's hands.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use core::time::Duration;

use bytes::Bytes;

use super::dice::Dice;
use super::every_change::Tamper;
use super::goals::{Goal, Reached, Tally};
use super::knowledge::Knowledge;
use super::machines::{Signed, client_config, server_config, server_identity, site_identity};
use super::mallory::Mallory;
use super::pki::{NOW, Pki, name};
use crate::client::Phase;
use crate::identity::Name;
use crate::link::native::seal::nonces;
use crate::message::{InstanceId, JobId, PeerId, RecordId, SessionId, SignatureId, TaskId};
use crate::{Carrier, Client, Instant, Server, Suite};

pub(super) const COORDINATOR: &str = "coordinator";
pub(super) const SITES: [&str; 2] = ["site-1", "site-2"];
pub(super) const MALLORY: &str = "mallory";

/// The attacker's own connections have these numbers and the following ones.
pub(super) const STRANGER: PeerId = PeerId(1 << 32);

pub(super) fn honest() -> [Name; 2] {
    SITES.map(name)
}

/// What is special about a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nature {
    pub(super) suite: Suite,
    /// Keys are elsewhere, and answer when it pleases the attacker.
    pub(super) slow_signer: bool,
    /// So does storage.
    pub(super) slow_storage: bool,
    /// `site-1` has two processes.
    pub(super) twin: bool,
    /// A server may lose its latest records when it dies, against its contract: its keys
    /// and sessions must not suffer, its jobs may.
    pub(super) old_snapshots: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Server,
    Site(usize),
}

/// A message under way.
#[derive(Clone)]
pub(super) struct Flight {
    pub(super) to: End,
    pub(super) peer: PeerId,
    pub(super) bytes: Bytes,
}

/// One process of an honest site, with its host.
pub(super) struct Site {
    pub(super) name: Name,
    pub(super) client: Client,
    pub(super) instance: InstanceId,
    pub(super) alive: bool,
    pub(super) peer: Option<PeerId>,
    pub(super) sessions: BTreeSet<SessionId>,
    pub(super) store: Store,
    /// Jobs that it was told to abort.
    pub(super) aborted: BTreeSet<JobId>,
}

/// What a host stores and signs for its machine, at once or later.
#[derive(Default)]
pub(super) struct Store {
    pub(super) records: Vec<Bytes>,
    pub(super) unstored: VecDeque<(RecordId, Bytes)>,
    pub(super) unsigned: Vec<(SignatureId, Bytes)>,
}

/// What really is so.
#[derive(Default)]
pub(super) struct Truth {
    pub(super) tasks: BTreeMap<TaskId, TaskTruth>,
    pub(super) started: BTreeSet<JobId>,
    pub(super) ended: BTreeSet<JobId>,
    /// Payloads and tokens that nobody else may know.
    pub(super) secrets: Vec<(&'static str, Vec<u8>)>,
    /// When the server, awake, last heard a site, in time without sleep.
    pub(super) heard: BTreeMap<Name, Duration>,
    /// The server's time without sleep.
    pub(super) awake: Duration,
    pub(super) rolled_back: bool,
}

pub(super) struct TaskTruth {
    pub(super) site: Name,
    pub(super) input: Bytes,
    pub(super) results: Vec<Bytes>,
    pub(super) received: bool,
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) nature: Nature,
    pub(super) dice: Dice,
    pub(super) sites: Vec<Site>,
    pub(super) server: Server,
    pub(super) server_store: Store,
    pub(super) asleep: bool,
    pub(super) flights: Vec<Flight>,
    /// Sealed messages that an end has taken.
    pub(super) taken: BTreeSet<Vec<u8>>,
    pub(super) knowledge: Knowledge,
    pub(super) mallory: Mallory,
    /// Connections that the attacker holds to the server.
    pub(super) own_peers: Vec<PeerId>,
    pub(super) truth: Truth,
    pub(super) signed: Signed,
    pub(super) tally: Tally,
    pub(super) reached: Option<Reached>,
    /// Nobody is slow any more.
    pub(super) calm: bool,
    pub(super) jobs: Vec<JobId>,
    pub(super) trace: Option<Vec<String>>,
    /// What is done about one message of a run that is honest but for it.
    pub(super) tamper: Option<Tamper>,
    /// The messages of such a run in the order in which they were to be delivered, their
    /// number, those held back, and how many were forged.
    pub(super) order: Vec<Bytes>,
    pub(super) carried: usize,
    pub(super) held: Vec<Flight>,
    pub(super) forged: usize,
    pub(super) pki: Arc<Pki>,
    next_peer: u64,
    next_seed: u64,
}

impl World {
    pub(super) fn new(nature: Nature, pki: &Arc<Pki>, seed: u64) -> Self {
        nonces::watch();
        let now = Instant::from_micros(1_000_000);
        let signed = Signed::default();
        let identity = server_identity(pki, nature, &signed);
        let server = Server::new(server_config(nature), identity, [1; 32], now);
        let mut world = Self {
            now,
            nature,
            dice: Dice::new(seed),
            sites: Vec::new(),
            server: server.expect("it can work"),
            server_store: Store::default(),
            asleep: false,
            flights: Vec::new(),
            taken: BTreeSet::new(),
            knowledge: Knowledge::default(),
            mallory: Mallory::new(pki, nature.suite),
            own_peers: (0..3).map(|i| PeerId(STRANGER.0 + i)).collect(),
            truth: Truth::default(),
            signed,
            tally: Tally::default(),
            reached: None,
            calm: false,
            jobs: Vec::new(),
            trace: None,
            tamper: None,
            order: Vec::new(),
            carried: 0,
            held: Vec::new(),
            forged: 0,
            pki: Arc::clone(pki),
            next_peer: 0,
            next_seed: seed << 8,
        };
        world.server.set_wall_clock(now, NOW);
        for site in SITES {
            world
                .knowledge
                .chains
                .push(pki.site(site).0.as_bytes().to_vec());
            world.start_process(site);
        }
        let server_chain = pki.server(COORDINATOR).0;
        world
            .knowledge
            .chains
            .push(server_chain.as_bytes().to_vec());
        world
    }

    /// A new process of a site, connected and on its way to a registration.
    pub(super) fn start_process(&mut self, site: &'static str) {
        let seed = self.seed();
        let identity = site_identity(&self.pki, site, self.nature, &self.signed);
        let client = Client::new(client_config(self.nature), identity, seed, self.now);
        self.add_process(site, client.expect("it can work"), Vec::new());
    }

    /// The process dies, and another one goes on with what it stored.
    pub(super) fn restart_process(&mut self, at: usize) {
        let Some(site) = SITES.into_iter().find(|it| name(it) == self.sites[at].name) else {
            return;
        };
        self.cut(at);
        self.sites[at].alive = false;
        let records = core::mem::take(&mut self.sites[at].store.records);
        let seed = self.seed();
        let identity = site_identity(&self.pki, site, self.nature, &self.signed);
        let config = client_config(self.nature);
        let client = Client::restore(config, identity, seed, self.now, records.clone());
        self.add_process(site, client.expect("it wrote them"), records);
    }

    fn add_process(&mut self, site: &'static str, mut client: Client, records: Vec<Bytes>) {
        client.set_wall_clock(self.now, NOW + self.now.as_micros() / 1_000_000);
        let registered = client.register(self.now);
        debug_assert_eq!(registered, Ok(()));
        self.sites.push(Site {
            name: name(site),
            instance: client.instance(),
            client,
            alive: true,
            peer: None,
            sessions: BTreeSet::new(),
            store: Store {
                records,
                ..Store::default()
            },
            aborted: BTreeSet::new(),
        });
        self.connect(self.sites.len() - 1);
        self.drain();
    }

    /// The server dies, and another process goes on with what was stored.
    pub(super) fn restart_server(&mut self) {
        let seed = self.seed();
        let identity = server_identity(&self.pki, self.nature, &self.signed);
        let config = server_config(self.nature);
        let mut store = core::mem::take(&mut self.server_store);
        if self.nature.old_snapshots && store.records.len() > 1 {
            let kept = 1 + self.dice.below(store.records.len());
            self.truth.rolled_back |= kept < store.records.len();
            store.records.truncate(kept);
        }
        let records = store.records.clone();
        let server = Server::restore(config, identity, seed, self.now, records);
        self.server = server.expect("it wrote them");
        self.server
            .set_wall_clock(self.now, NOW + self.now.as_micros() / 1_000_000);
        self.server_store.records = store.records;
        for name in honest() {
            self.truth.heard.insert(name, self.truth.awake);
        }
        for at in 0..self.sites.len() {
            self.cut(at);
        }
        self.drain();
    }

    /// The attacker, or somebody else, cuts a connection; returns the number that is free
    /// to be used again.
    pub(super) fn cut(&mut self, at: usize) -> Option<PeerId> {
        let site = &mut self.sites[at];
        let peer = site.peer.take()?;
        site.client.handle_disconnected(self.now);
        self.server.handle_disconnected(self.now, peer);
        self.flights.retain(|flight| flight.peer != peer);
        self.drain();
        Some(peer)
    }

    pub(super) fn connect(&mut self, at: usize) {
        self.next_peer += 1;
        let peer = PeerId(self.next_peer);
        let site = &mut self.sites[at];
        site.peer = Some(peer);
        // A machine that sleeps hears of nothing.
        if !self.asleep {
            self.server.handle_connected(self.now, peer, None);
        }
        let connected = site.client.handle_connected(self.now, Carrier::default());
        debug_assert_eq!(connected, Ok(()));
    }

    /// The attacker leaves. Every client is at work again within `span`.
    pub(super) fn heal(&mut self, span: Duration) {
        self.calm = true;
        self.asleep = false;
        self.flights.clear();
        self.answer_slow(usize::MAX);
        for at in 0..self.sites.len() {
            if self.sites[at].alive && self.sites[at].peer.is_none() {
                self.connect(at);
            }
        }
        self.pass(span, true);
        self.no_client_is_stopped();
        self.tally.tried(Goal::ClientStopped);
    }

    /// Living processes that have not been replaced.
    pub(super) fn living(&self) -> Vec<usize> {
        let at_work = |site: &Site| site.alive && site.client.phase() != Phase::Rejected;
        (0..self.sites.len())
            .filter(|at| at_work(&self.sites[*at]))
            .collect()
    }

    pub(super) fn note(&mut self, what: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now} {}", what()));
        }
    }

    fn seed(&mut self) -> [u8; 32] {
        self.next_seed += 1;
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&self.next_seed.to_be_bytes());
        seed
    }
}
