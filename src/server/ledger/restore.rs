//! Restoring a ledger from its records, and the snapshot that takes their place.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use super::assign::labels;
use super::record::{self, Record};
use super::state::State;
use super::task::{Phase, Task};
use super::{Ledger, LedgerOutput};
use crate::error::ConfigError;
use crate::message::Ssid;
use crate::records::{Damaged, IN_SNAPSHOT, Records};
use crate::server::{ServerAction, ServerConfig};

impl Ledger {
    /// The ledger that these records describe: the latest snapshot, then every record
    /// given after it, each as its header followed by its payload. Payloads are shared
    /// with the records. Results that were not taken are given again. When there is no
    /// record at all, a new ledger under `fresh`.
    ///
    /// # Errors
    /// When a record cannot be read, or contradicts those before it.
    // spec: P-103, P-126
    pub(crate) fn restore(
        config: Arc<ServerConfig>,
        fresh: Ssid,
        records: impl IntoIterator<Item = Bytes>,
        out: &mut LedgerOutput<'_>,
    ) -> Result<Self, ConfigError> {
        let mut state = None;
        for (index, stored) in records.into_iter().enumerate() {
            ConfigError::of_version(index, &stored, record::VERSION)?;
            replay(&mut state, &stored).map_err(|_| ConfigError::Record { index })?;
        }
        let Some(mut state) = state else {
            return Ok(Self::new(config, fresh, out));
        };
        state.inputs.drop_unused();
        for task in in_order(&state) {
            if let Some(result) = task.result_received(task.entry.task, true) {
                out.actions.push_back(ServerAction::ResultReceived(result));
            }
        }
        Ok(Self::with(config, state))
    }

    /// The shortest list of records, each as header and payload, that restores what is
    /// durable or on its way to be. It takes the place of all records given so far.
    pub(crate) fn snapshot(&self) -> Vec<(Bytes, Bytes)> {
        let state = &self.state;
        let mut records = Vec::new();
        let mut add = |record: Record, payload: Bytes| {
            records.push((record.encode(IN_SNAPSHOT), payload));
        };
        let head = Record::Snapshot {
            ssid: state.ssid,
            last: state.records.last(),
            next_order: state.next_order,
        };
        add(head, Bytes::new());
        for client in &state.disabled {
            let client = client.clone();
            add(Record::Disabled { client }, Bytes::new());
        }
        for (job, it) in &state.jobs {
            let sites = it.sites.clone();
            add(Record::JobStarted { job: *job, sites }, Bytes::new());
        }
        for (id, payload) in state.inputs.iter() {
            let labels = labels(payload);
            add(Record::Payload { id: *id, labels }, payload.bytes().clone());
        }
        for task in in_order(state) {
            let entry = task.entry.clone();
            let id = entry.task;
            match &task.phase {
                Phase::Open(input) => {
                    let input = input.id;
                    add(Record::Task { entry, input }, Bytes::new());
                }
                Phase::Done(input, done) => {
                    let input = input.id;
                    add(Record::Task { entry, input }, Bytes::new());
                    let result = done.head.clone();
                    let blocks = done.blocks();
                    for block in blocks.iter().flatten() {
                        add(Record::block(id, block), block.bytes.clone());
                    }
                    let payload = match blocks {
                        Some(_) => Bytes::new(),
                        None => done.payload.bytes().clone(),
                    };
                    add(Record::Result { task: id, result }, payload);
                }
                Phase::Taken => add(Record::Closed { entry, taken: true }, Bytes::new()),
                Phase::Withdrawn => add(
                    Record::Closed {
                        entry,
                        taken: false,
                    },
                    Bytes::new(),
                ),
            }
        }
        for (task, block) in state.uploads.blocks() {
            add(Record::block(task, &block), block.bytes);
        }
        records
    }
}

/// Applies a record, unless a snapshot before it holds its effect. A snapshot takes the
/// place of all before it.
fn replay(state: &mut Option<State>, stored: &Bytes) -> Result<(), Damaged> {
    let (number, record, payload) = Record::decode(stored).ok_or(Damaged)?;
    if let Record::Ssid(ssid) | Record::Snapshot { ssid, .. } = &record
        && state.as_ref().is_some_and(|state| state.ssid != *ssid)
    {
        return Err(Damaged);
    }
    let state = match record {
        Record::Snapshot {
            ssid,
            last,
            next_order,
        } => {
            *state = Some(State {
                records: Records::up_to(last),
                next_order,
                ..State::new(ssid)
            });
            return Ok(());
        }
        Record::Ssid(ssid) => state.get_or_insert_with(|| State::new(ssid)),
        // Every store begins with its service session.
        _ => state.as_mut().ok_or(Damaged)?,
    };
    if state.records.replay(number)? {
        state.apply(record, payload)?;
    }
    Ok(())
}

/// All tasks, job by job, in the order of their creation.
fn in_order(state: &State) -> impl Iterator<Item = &Task> {
    let ids = state.jobs.values().flat_map(|job| job.tasks());
    ids.filter_map(|id| state.tasks.get(&id))
}
