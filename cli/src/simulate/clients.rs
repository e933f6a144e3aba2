//! The state of each simulated client: its session, its heartbeats, and its work.

use std::collections::HashMap;

use fedlink::message::InstanceId;
use fedlink::stand_in::{Claim, StandIn};

use super::plan::{NEVER, Plan, Tick};
use super::reconnection::Reconnection;
use super::workers::Worker;
use super::{SimulateError, name_of};

/// All clients, by their numbers. What most of them do not have is kept apart.
pub(super) struct Clients {
    pub(super) all: Vec<Client>,
    /// Those without a session that is known to stand.
    reconnections: HashMap<u32, Reconnection>,
    pub(super) workers: Vec<Worker>,
    /// How many have had an answer to a heartbeat, and not lost the server since.
    pub(super) at_work: u32,
    /// How many have begun to join.
    pub(super) begun: u32,
}

/// One client, in one line of the processor's cache.
#[repr(align(64))]
#[derive(Default)]
pub(super) struct Client {
    /// With its session.
    pub(super) stand_in: StandIn,
    pub(super) beat: Beat,
}

/// The heartbeats of one client, and whether it is reconnecting.
#[derive(Clone, Copy)]
pub(super) struct Beat {
    /// When the next one goes, or the one under way is given up.
    pub(super) due: Tick,
    /// The number of the one under way; 0 if there is none.
    pub(super) asked: u32,
    /// Since when it has asked without an answer; 0 if it has not.
    pub(super) silent_since: Tick,
    /// The one before was given up.
    pub(super) again: bool,
    pub(super) at_work: bool,
    /// There is something of it in `reconnections`.
    pub(super) reconnecting: bool,
}

impl Default for Beat {
    fn default() -> Self {
        Self {
            due: NEVER,
            asked: 0,
            silent_since: 0,
            again: false,
            at_work: false,
            reconnecting: false,
        }
    }
}

impl Clients {
    pub(super) fn new(plan: &Plan) -> Self {
        let clients = plan.clients as usize;
        Self {
            all: std::iter::repeat_with(Client::default)
                .take(clients)
                .collect(),
            reconnections: HashMap::new(),
            workers: plan.workers().map(Worker::new).collect(),
            at_work: 0,
            begun: 0,
        }
    }

    /// Brings clients near. Fetched one after another they come at once; when each is looked
    /// for in its turn, memory is waited for each time.
    pub(super) fn fetch(&self, clients: impl Iterator<Item = u32>) {
        for client in clients {
            std::hint::black_box(self.all[client as usize].beat.due);
        }
    }

    /// What a client does about its session, if it is reconnecting.
    pub(super) fn reconnection(&mut self, client: u32) -> Option<&mut Reconnection> {
        if !self.all[client as usize].beat.reconnecting {
            return None;
        }
        self.reconnections.get_mut(&client)
    }

    /// The same, beginning with `new`. Returns whether there was something before.
    pub(super) fn begin_reconnection(
        &mut self,
        client: u32,
        new: Reconnection,
    ) -> (bool, &mut Reconnection) {
        let reconnecting = &mut self.all[client as usize].beat.reconnecting;
        let known = std::mem::replace(reconnecting, true);
        (known, self.reconnections.entry(client).or_insert(new))
    }

    /// It has reconnected.
    pub(super) fn end_reconnection(&mut self, client: u32) -> Option<Reconnection> {
        self.all[client as usize].beat.reconnecting = false;
        self.reconnections.remove(&client)
    }
}

impl Plan {
    /// Who a client says it is.
    pub(super) fn claim(&self, client: u32) -> Result<Claim, SimulateError> {
        let mut instance = [0; 16];
        instance[..4].copy_from_slice(&client.to_be_bytes());
        Ok(Claim {
            project: self.client.project.clone(),
            client: name_of(client)?,
            instance: InstanceId::from_bytes(instance),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_takes_one_line_of_the_cache() {
        assert_eq!(size_of::<Client>(), 64);
    }
}
