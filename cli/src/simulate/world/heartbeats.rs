//! What simulated clients hear, and their heartbeats.

use std::time::Duration;

use fedlink::stand_in::{Answer, waits};

use super::World;
use crate::simulate::SimulateError;
use crate::simulate::clients::{Beat, Client};
use crate::simulate::network::{Kind, ToClient};
use crate::simulate::plan::{Tick, ticks};
use crate::simulate::server::JOB;
use crate::simulate::timer::{Timer, Track};

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
            reconnecting: beat.reconnecting,
            ..Beat::default()
        };
    }

    fn arm_beat(&mut self, client: u32, wait: Tick) {
        let due = self.now + wait;
        self.clients.all[client as usize].beat.due = due;
        self.arm(Timer::new(Track::Beat, client, due));
    }
}
