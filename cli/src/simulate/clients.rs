//! The clients: their sessions and their heartbeats.

use std::collections::HashMap;
use std::time::Duration;

use fedlink::message::InstanceId;
use fedlink::stand_in::{Answer, Guise, StandIn, waits};

use super::house::JOB;
use super::network::{Kind, ToClient};
use super::plan::{NEVER, Plan, Tick, ticks};
use super::way_in::Trouble;
use super::workers::Worker;
use super::world::{Timer, Track, World};
use super::{SimulateError, name_of};

/// All clients, by their numbers. What most of them do not have is kept apart.
pub(super) struct Clients {
    /// With the session that each has.
    pub(super) all: Vec<StandIn>,
    pub(super) beats: Vec<Beat>,
    /// Those without a session that is known to stand.
    pub(super) troubles: HashMap<u32, Trouble>,
    pub(super) workers: Vec<Worker>,
    /// How many have had an answer to a heartbeat, and not lost the server since.
    pub(super) at_work: u32,
    /// How many have begun to join.
    pub(super) begun: u32,
}

/// The heartbeats of one client.
#[derive(Clone, Copy)]
pub(super) struct Beat {
    /// When the next one goes, or the one under way is given up.
    due: Tick,
    /// The number of the one under way; 0 if there is none.
    asked: u32,
    /// Since when it has asked without an answer; 0 if it has not.
    silent_since: Tick,
    /// The one before was given up.
    again: bool,
    at_work: bool,
}

impl Default for Beat {
    fn default() -> Self {
        Self {
            due: NEVER,
            asked: 0,
            silent_since: 0,
            again: false,
            at_work: false,
        }
    }
}

impl Clients {
    pub(super) fn new(plan: &Plan) -> Self {
        let clients = plan.clients as usize;
        Self {
            all: std::iter::repeat_with(StandIn::default)
                .take(clients)
                .collect(),
            beats: vec![Beat::default(); clients],
            troubles: HashMap::new(),
            workers: plan.workers().map(Worker::new).collect(),
            at_work: 0,
            begun: 0,
        }
    }
}

impl Plan {
    /// Who a client says it is.
    pub(super) fn guise(&self, client: u32) -> Result<Guise, SimulateError> {
        let mut instance = [0; 16];
        instance[..4].copy_from_slice(&client.to_be_bytes());
        Ok(Guise {
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
        let stranger = match self.clients.troubles.get_mut(&client) {
            Some(trouble) => {
                let guise = self.plan.guise(client)?;
                let copy = self.desk.join(&message, &[]);
                trouble.stand_in.handle(&guise, copy).ok()
            }
            None => None,
        };
        let Some(answer) = stranger.or_else(|| {
            let stand_in = self.clients.all.get_mut(client as usize)?;
            stand_in.handle(&self.nobody, message).ok()
        }) else {
            self.figures.late += 1;
            return Ok(());
        };
        match answer {
            Answer::Register(register) => self.proven(client, register),
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
        let beat = &mut self.clients.beats[client as usize];
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
        let silent = self.now - beat.silent_since >= ticks(config.silence_limit);
        self.arm_beat(client, ticks(config.failed_wait));
        if silent {
            self.session_seems_gone(client);
        }
    }

    /// Sends a heartbeat, if there is a session.
    pub(super) fn send_heartbeat(&mut self, client: u32) {
        let place = client as usize;
        let jobs: &[_] = if self.plan.worker_of(client).is_some() {
            &[JOB]
        } else {
            &[]
        };
        let stand_in = &mut self.clients.all[place];
        let Some(message) = stand_in.heartbeat(jobs, &mut self.desk) else {
            return;
        };
        let number = stand_in.latest().unwrap_or_default();
        let beat = &mut self.clients.beats[place];
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
        let beat = &mut self.clients.beats[client as usize];
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
        self.clients.beats[client as usize].silent_since = 0;
        self.hint_refuted(client);
    }

    /// There is no connection any more.
    pub(super) fn silence(&mut self, client: u32) {
        let beat = &mut self.clients.beats[client as usize];
        self.clients.at_work -= u32::from(beat.at_work);
        *beat = Beat::default();
    }

    fn arm_beat(&mut self, client: u32, wait: Tick) {
        let due = self.now + wait;
        self.clients.beats[client as usize].due = due;
        self.arm(Timer::new(Track::Beat, client, due));
    }
}
