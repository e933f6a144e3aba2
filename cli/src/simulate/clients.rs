//! The clients: their sessions and their heartbeats.

use std::collections::HashMap;
use std::time::Duration;

use fedlink::message::InstanceId;
use fedlink::stand_in::{Answer, Claim, StandIn, waits};

use super::network::{Kind, ToClient};
use super::plan::{NEVER, Plan, Tick, ticks};
use super::reconnection::Reconnection;
use super::server::JOB;
use super::workers::Worker;
use super::world::{Timer, Track, World};
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
    beat: Beat,
}

/// The heartbeats of one client, and whether it is reconnecting.
#[derive(Clone, Copy)]
struct Beat {
    /// When the next one goes, or the one under way is given up.
    due: Tick,
    /// The number of the one under way; 0 if there is none.
    asked: u32,
    /// Since when it has asked without an answer; 0 if it has not.
    silent_since: Tick,
    /// The one before was given up.
    again: bool,
    at_work: bool,
    /// There is something of it in `reconnections`.
    in_trouble: bool,
}

impl Default for Beat {
    fn default() -> Self {
        Self {
            due: NEVER,
            asked: 0,
            silent_since: 0,
            again: false,
            at_work: false,
            in_trouble: false,
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
        if !self.all[client as usize].beat.in_trouble {
            return None;
        }
        self.reconnections.get_mut(&client)
    }

    /// The same, beginning with `new`. Gives whether there was something before.
    pub(super) fn trouble_or(
        &mut self,
        client: u32,
        new: Reconnection,
    ) -> (bool, &mut Reconnection) {
        let in_trouble = &mut self.all[client as usize].beat.in_trouble;
        let known = std::mem::replace(in_trouble, true);
        (known, self.reconnections.entry(client).or_insert(new))
    }

    /// It has reconnected.
    pub(super) fn end_trouble(&mut self, client: u32) -> Option<Reconnection> {
        self.all[client as usize].beat.in_trouble = false;
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

impl World<'_> {
    /// A client hears something.
    pub(super) fn hear(&mut self, arrived: ToClient) -> Result<(), SimulateError> {
        let ToClient { client, message } = arrived;
        self.figures.heard += 1;
        let stranger = match self.clients.reconnection(client) {
            Some(reconnection) => {
                let claim = self.plan.claim(client)?;
                let copy = self.buffer.join(&message, &[]);
                reconnection.stand_in.handle(&claim, copy).ok()
            }
            None => None,
        };
        let Some(answer) = stranger.or_else(|| {
            let stand_in = &mut self.clients.all[client as usize].stand_in;
            stand_in.handle(&self.nobody, message).ok()
        }) else {
            self.figures.late += 1;
            return Ok(());
        };
        match answer {
            Answer::Register(register) => self.proven(client, register),
            Answer::Busy(wait) => self.put_off(client, wait),
            Answer::Registered => self.registered(client),
            Answer::Heartbeat { request, interval } => {
                self.heartbeat_answered(client, request, interval);
            }
            Answer::Task {
                task,
                ssid,
                payload,
            } => {
                self.alive(client);
                self.task_received(client, (task, ssid), payload.len());
            }
            Answer::Nothing(wait) => {
                self.alive(client);
                self.nothing_to_do(client, wait);
            }
            Answer::Accepted => {
                self.alive(client);
                self.result_accepted(client);
            }
            Answer::SessionUnknown => self.session_doubted(client),
            Answer::Refused => self.figures.refused += 1,
        }
        Ok(())
    }

    /// The timer of a client's heartbeats.
    pub(super) fn beat_due(&mut self, client: u32, due: Tick) {
        let config = &self.plan.client;
        let beat = &mut self.clients.all[client as usize].beat;
        if beat.due != due {
            return;
        }
        if beat.asked == 0 {
            self.send_heartbeat(client);
            return;
        }
        // No answer: another follows after a while.
        beat.asked = 0;
        beat.again = true;
        let silent =
            beat.silent_since > 0 && self.now - beat.silent_since >= ticks(config.silence_limit);
        self.arm_beat(client, ticks(config.failed_wait));
        if silent {
            self.session_seems_gone(client);
        }
    }

    /// Sends a heartbeat, if there is a session.
    pub(super) fn send_heartbeat(&mut self, client: u32) {
        let jobs: &[_] = if self.plan.worker_of(client).is_some() {
            &[JOB]
        } else {
            &[]
        };
        let Client { stand_in, beat } = &mut self.clients.all[client as usize];
        let Some(message) = stand_in.heartbeat(jobs, &mut self.buffer) else {
            return;
        };
        let number = stand_in.latest().unwrap_or_default();
        beat.asked = number as u32;
        if beat.silent_since == 0 {
            beat.silent_since = self.now;
        }
        self.figures.heartbeats_sent += 1;
        let again = std::mem::take(&mut beat.again);
        self.figures.repeated += u64::from(again);
        self.arm_beat(client, ticks(self.plan.client.maintenance_timeout));
        self.send(client, Kind::Request, message);
    }

    fn heartbeat_answered(&mut self, client: u32, request: u64, interval: Duration) {
        let beat = &mut self.clients.all[client as usize].beat;
        if beat.asked == 0 || u64::from(beat.asked) != request {
            self.figures.late += 1;
            return;
        }
        beat.asked = 0;
        let back = !std::mem::replace(&mut beat.at_work, true);
        self.clients.at_work += u32::from(back);
        self.figures.heartbeats += 1;
        self.alive(client);
        let wait = self.draw(waits::heartbeat(interval));
        self.arm_beat(client, wait);
    }

    /// Something valid has come in a session.
    fn alive(&mut self, client: u32) {
        self.clients.all[client as usize].beat.silent_since = 0;
        self.hint_refuted(client);
    }

    /// There is no connection any more.
    pub(super) fn silence(&mut self, client: u32) {
        let beat = &mut self.clients.all[client as usize].beat;
        self.clients.at_work -= u32::from(beat.at_work);
        *beat = Beat {
            in_trouble: beat.in_trouble,
            ..Beat::default()
        };
    }

    fn arm_beat(&mut self, client: u32, wait: Tick) {
        let due = self.now + wait;
        self.clients.all[client as usize].beat.due = due;
        self.arm(Timer::new(Track::Beat, client, due));
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
