//! The processes of the demo in memory: a machine, its store, and its application.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use fedlink::error::Misuse;
use fedlink::message::RecordId;
use fedlink::{CarrierWish, Client, ClientAction, Instant, Server, ServerAction};
use fedlink_host::store::{FileStore, StoreError};
use rand::Rng;
use rand_pcg::Pcg64;

use crate::demo::DemoError;
use crate::demo::setup::Setup;
use crate::federation::{Coordinator, Drill, Site};

/// The coordinator's process.
pub(super) struct Hub {
    pub(super) server: Server,
    pub(super) coordinator: Coordinator,
    pub(super) drill: Option<Drill>,
    records: Records,
    process: u64,
}

/// A site's process.
pub(super) struct Node {
    pub(super) client: Client,
    pub(super) site: Site,
    pub(super) process: u64,
    /// What its client wanted of its connection when it was last asked.
    wish: CarrierWish,
    records: Records,
}

/// A store, and what it was asked to keep since it was last synced.
struct Records {
    store: FileStore,
    waiting: Vec<RecordId>,
    /// Length of the store when it was last compacted.
    compacted: u64,
}

/// Stores below this many bytes are not worth compacting.
const COMPACT_ABOVE: u64 = 32 << 20;

impl Hub {
    /// The first process of the coordinator.
    pub(super) fn new(setup: &Setup, now: Instant) -> Result<Self, DemoError> {
        let (mut server, records) = open_server(setup, 0, now)?;
        let (members, all) = (setup.members(), setup.members().len());
        let coordinator = Coordinator::start(&mut server, now, setup.plan, members, all)?;
        Ok(Self {
            server,
            coordinator,
            drill: None,
            records,
            process: 0,
        })
    }

    /// Another process in the place of this one, which ends as it is.
    pub(super) fn restart(self, setup: &Setup, now: Instant) -> Result<Self, DemoError> {
        let process = self.process + 1;
        drop(self);
        let (mut server, records) = open_server(setup, process, now)?;
        let all = setup.members().len();
        let coordinator = Coordinator::resume(&mut server, now, setup.plan.job, all)?;
        Ok(Self {
            coordinator: coordinator.ok_or(DemoError::NotRestored)?,
            drill: Drill::resume(&server, setup.drill),
            server,
            records,
            process,
        })
    }

    /// The next action that is not about the store.
    pub(super) fn poll_action(&mut self) -> Result<Option<ServerAction>, StoreError> {
        while let Some(action) = self.server.poll_action() {
            match action {
                ServerAction::Persist {
                    record,
                    header,
                    payload,
                } => self.records.append(record, &[&header, &payload])?,
                action => return Ok(Some(action)),
            }
        }
        Ok(None)
    }

    /// Lets the application take an action.
    pub(super) fn handle(&mut self, now: Instant, action: &ServerAction) -> Result<(), Misuse> {
        if let Some(drill) = &mut self.drill {
            drill.handle(action);
        }
        self.coordinator.handle(&mut self.server, now, action)
    }

    /// Aborts the second job.
    pub(super) fn abort_drill(&mut self, now: Instant) -> Result<(), Misuse> {
        match &self.drill {
            Some(drill) => drill.abort(&mut self.server, now),
            None => Ok(()),
        }
    }

    /// Sites that have said that they work on the second job.
    pub(super) fn drilling(&self) -> usize {
        self.drill.as_ref().map_or(0, Drill::running)
    }

    /// Stores what waits, and says so. False if nothing did.
    pub(super) fn store(&mut self, now: Instant) -> Result<bool, DemoError> {
        let stored = self.records.sync(|| self.server.snapshot())?;
        for record in &stored {
            self.server.persisted(now, *record)?;
        }
        Ok(!stored.is_empty())
    }
}

impl Node {
    /// A process of this site, the first one or another that goes on from its records.
    pub(super) fn start(
        setup: &Setup,
        site: usize,
        process: u64,
        now: Instant,
    ) -> Result<Self, DemoError> {
        let (party, share) = (&setup.sites[site], &setup.shares[site]);
        let (records, stored) = Records::open(&party.state)?;
        let config = Arc::clone(&setup.client_config);
        let seed = seed(setup, site as u64 + 1, process);
        let mut client = Client::restore(config, party.identity.clone(), seed, now, stored)?;
        client.set_wall_clock(now, unix_time());
        client.register(now)?;
        Ok(Self {
            client,
            site: Site::new(Arc::clone(share)),
            process,
            wish: CarrierWish::Keep,
            records,
        })
    }

    /// What the client wants of its connection, if that is not what it wanted before.
    pub(super) fn connection_wanted(&mut self) -> Option<CarrierWish> {
        let wish = self.client.carrier_wish();
        let before = std::mem::replace(&mut self.wish, wish);
        Some(wish).filter(|wish| *wish != before)
    }

    /// The next action that is not about the store.
    pub(super) fn poll_action(&mut self) -> Result<Option<ClientAction>, StoreError> {
        while let Some(action) = self.client.poll_action() {
            match action {
                ClientAction::Persist {
                    record,
                    header,
                    payload,
                } => self.records.append(record, &[&header, &payload])?,
                action => return Ok(Some(action)),
            }
        }
        Ok(None)
    }

    /// Lets the application take an action, and train at once if it wants to.
    pub(super) fn handle(&mut self, now: Instant, action: ClientAction) -> Result<(), Misuse> {
        if let Some(training) = self.site.handle(&mut self.client, now, action)? {
            self.site.finished(&mut self.client, now, training.run())?;
        }
        Ok(())
    }

    /// Stores what waits, and says so. False if nothing did.
    pub(super) fn store(&mut self, now: Instant) -> Result<bool, DemoError> {
        let stored = self.records.sync(|| self.client.snapshot())?;
        for record in &stored {
            // No longer waited for if its job has ended meanwhile.
            let _ = self.client.persisted(now, *record);
        }
        Ok(!stored.is_empty())
    }

    /// Whether no job runs here and every result is delivered.
    pub(super) fn is_idle(&self) -> bool {
        self.site.is_idle() && self.client.outbox_len() == 0
    }
}

impl Records {
    fn open(directory: &Path) -> Result<(Self, Vec<Bytes>), StoreError> {
        let (store, records) = FileStore::open(directory)?;
        let records_of = Self {
            compacted: store.len_bytes(),
            store,
            waiting: Vec::new(),
        };
        Ok((records_of, records))
    }

    fn append(&mut self, record: RecordId, parts: &[&[u8]]) -> Result<(), StoreError> {
        self.waiting.push(record);
        self.store.append(parts)
    }

    /// Makes durable what was appended, or the snapshot in the place of all if that has
    /// become much shorter. Returns the records that this stored.
    fn sync(
        &mut self,
        snapshot: impl FnOnce() -> Vec<(Bytes, Bytes)>,
    ) -> Result<Vec<RecordId>, StoreError> {
        if self.waiting.is_empty() {
            return Ok(Vec::new());
        }
        let length = self.store.len_bytes();
        if length > COMPACT_ABOVE && length > 2 * self.compacted {
            let records = snapshot().into_iter();
            self.store
                .replace(records.map(|(header, payload)| [header, payload]))?;
            self.compacted = self.store.len_bytes();
        } else {
            self.store.sync()?;
        }
        Ok(std::mem::take(&mut self.waiting))
    }
}

fn open_server(setup: &Setup, process: u64, now: Instant) -> Result<(Server, Records), DemoError> {
    let (records, stored) = Records::open(&setup.server.state)?;
    let config = Arc::clone(&setup.server_config);
    let identity = setup.server.identity.clone();
    let mut server = Server::restore(config, identity, seed(setup, 0, process), now, stored)?;
    server.set_wall_clock(now, unix_time());
    Ok((server, records))
}

/// Randomness for a machine, the same in every run, so that a run can be repeated. Only
/// good for machines that no stranger can reach.
fn seed(setup: &Setup, party: u64, process: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    let stream = u128::from(party) << 64 | u128::from(process);
    Pcg64::new(setup.plan.seed.into(), stream).fill_bytes(&mut bytes);
    bytes
}

fn unix_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
