//! The model that is checked: its first state, and what is fixed in it.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;

use stateright::Property;

use super::bounds::{Bounds, Spent};
use super::hosts::NOW;
use super::state::{Center, Disk, Part, Site, State, Witness};
use super::step::Step;
use super::tally::Tally;
use crate::identity::{Chain, Identity, LocalSigner, Name, Roots, Signer};
use crate::message::{JobId, Payload, PeerId, Properties};
use crate::{Assignee, Client, ClientConfig, NewTask, Server, ServerConfig, Sites};

/// The seed of what a server draws but for its first service session. One that has lost
/// its storage draws the same task ids again, so that nothing but the service session tells
/// an old task from a new one.
const SERVER_DRAWS: u8 = 0x50;

pub(super) struct Model {
    pub(super) bounds: Bounds,
    pub(super) tally: Arc<Tally>,
    pub(super) jobs: Vec<JobId>,
    sites: Vec<(Arc<ClientConfig>, Identity)>,
    server: (Arc<ServerConfig>, Identity),
}

impl Model {
    pub(super) fn new(bounds: Bounds) -> Self {
        let client_config = Arc::new(ClientConfig {
            server: Some(name("server")),
            without: bounds.without.clone(),
            ..ClientConfig::new(name("project"))
        });
        let server_config = Arc::new(ServerConfig {
            without: bounds.without.clone(),
            // More than a run has messages: budgets are about time.
            challenge_budget: 1 << 20,
            peer_budget: 1 << 20,
            register_attempts: u16::MAX,
            ..ServerConfig::new(name("project"))
        });
        let server_key = LocalSigner::from_seed(&[0xff; 32]);
        let roots = Roots::new().pin(name("server"), server_key.public_key());
        let sites = (0..bounds.sites).map(|site| {
            let identity = identity(&site_name(site), site_key(site), roots.clone());
            (Arc::clone(&client_config), identity)
        });
        let known = (0..bounds.sites).fold(Roots::new(), |known, site| {
            known.pin(site_name(site), site_key(site).public_key())
        });
        Self {
            jobs: (0..bounds.jobs).map(job).collect(),
            sites: sites.collect(),
            server: (server_config, identity(&name("server"), server_key, known)),
            tally: Arc::default(),
            bounds,
        }
    }

    /// A client's process that starts from these records.
    pub(super) fn start_client(&self, site: usize, process: u8, disk: Disk) -> Site {
        let (config, identity) = self.sites[site].clone();
        let seed = [u8::try_from(site).expect("there are few") + 1, process].repeat(16);
        let seed = seed.try_into().expect("it has 32 bytes");
        let mut client = Client::restore(config, identity, seed, NOW, disk.stored.clone())
            .expect("it wrote them");
        client.make_still(seed);
        Site {
            client,
            disk,
            running: BTreeSet::new(),
        }
    }

    /// The server's process that starts from these records.
    pub(super) fn start_server(&self, process: u8, disk: Disk) -> Center {
        let (config, identity) = self.server.clone();
        let mut server = Server::restore(config, identity, [process; 32], NOW, disk.stored.clone())
            .expect("it wrote them");
        server.make_still([SERVER_DRAWS; 32]);
        let handshakes = vec![0; self.bounds.sites];
        Center {
            server,
            disk,
            handshakes,
        }
    }

    /// A server with nothing stored, which gets jobs and tasks and has stored that.
    pub(super) fn found_server(&self, process: u8) -> Center {
        let mut center = self.start_server(process, Disk::default());
        center.input(NOW, false, |server| {
            for (index, job) in self.jobs.iter().enumerate() {
                let to = if index == 0 && self.bounds.sites > 1 {
                    Assignee::Anyone
                } else {
                    Assignee::Site(site_name(index))
                };
                let sites = (index..self.bounds.sites).map(site_name).collect();
                let task = NewTask {
                    name: "train".to_owned(),
                    headers: Properties::new(),
                    payload: Payload::new(vec![0; index + 1]),
                };
                server
                    .start_job(NOW, *job, Sites::Named(sites))
                    .expect("it is new");
                server
                    .assign(NOW, *job, to, task)
                    .expect("the job runs there");
            }
        });
        center
    }
}

impl stateright::Model for Model {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let mut state = State {
            sites: Vec::new(),
            center: Part::new(self.found_server(0)),
            network: Vec::new(),
            spent: Spent::default(),
            witness: Part::new(Witness::default()),
        };
        for site in 0..self.bounds.sites {
            let client = self.start_client(site, 0, Disk::default());
            state.sites.push(Part::new(client));
            self.register(&mut state, site);
        }
        vec![state]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        self.steps(state, steps);
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut next = state.clone();
        self.take(&mut next, step);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        Self::all_properties()
    }
}

pub(super) fn site_name(site: usize) -> Name {
    name(&format!("site-{}", site + 1))
}

pub(super) fn peer(site: usize) -> PeerId {
    PeerId(site as u64)
}

fn site_key(site: usize) -> LocalSigner {
    LocalSigner::from_seed(&[u8::try_from(site).expect("there are few"); 32])
}

fn job(index: usize) -> JobId {
    JobId::from_bytes([u8::try_from(index).expect("there are few") + 1; 16])
}

fn identity(own: &Name, key: LocalSigner, roots: Roots) -> Identity {
    let chain = Chain::pinned(key.public_key());
    Identity::new(own.clone(), chain, Arc::new(key), roots).expect("it works")
}

fn name(text: &str) -> Name {
    Name::new(text).expect("it is one")
}
