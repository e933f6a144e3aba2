//! How simulated clients get a session, and another one when the server has lost it.

use std::time::Duration;

use bytes::Bytes;
use fedlink::stand_in::waits;

use super::World;
use crate::simulate::network::Kind;
use crate::simulate::plan::{Tick, ticks};
use crate::simulate::reconnection::{Reconnection, Step};
use crate::simulate::timer::{Timer, Track};

impl World<'_> {
    /// A client comes for the first time.
    pub(super) fn join(&mut self, client: u32) {
        let new = Reconnection::new(Step::Challenged);
        self.clients.begin_reconnection(client, new);
        self.challenge(client);
    }

    /// The server is gone, and every connection with it.
    pub(super) fn disconnected(&mut self, client: u32) {
        self.silence(client);
        let new = Reconnection::new(Step::Connecting);
        let (_, reconnection) = self.clients.begin_reconnection(client, new);
        reconnection.under_way = matches!(
            reconnection.step,
            Step::Challenged | Step::Registering(_) | Step::BackingOff
        ) || (reconnection.under_way
            && reconnection.step == Step::Connecting);
        reconnection.step = Step::Connecting;
        reconnection.hinted_until = 0;
        self.connect_later(client);
    }

    /// The timer of a client that is on its way.
    pub(super) fn reconnection_due(&mut self, client: u32, due: Tick) {
        let Some(reconnection) = self.clients.reconnection(client) else {
            return;
        };
        if reconnection.due != due {
            return;
        }
        match reconnection.step {
            Step::Connecting if self.server_host.is_up() => self.connected(client),
            Step::Connecting => self.connect_later(client),
            Step::Hinted => self.session_seems_gone(client),
            Step::Spreading | Step::BackingOff => self.challenge(client),
            Step::Registering(copies) if copies < waits::REGISTER_COPIES => {
                let copy = self.buffer.join(&reconnection.register, &[]);
                self.figures.repeated += 1;
                self.step(client, Step::Registering(copies + 1), self.patience());
                self.send(client, Kind::Register, copy);
            }
            Step::Challenged | Step::Registering(_) => {
                reconnection.failures += 1;
                let (failures, put_off) = (reconnection.failures, reconnection.put_off);
                let in_a_row = if put_off > 0 { 1 } else { failures };
                let wait = self.draw(waits::retry(&self.plan.client, in_a_row));
                self.step(client, Step::BackingOff, wait.max(put_off));
            }
        }
    }

    /// The server has no time for a challenge. Anybody may have said so: it counts only if
    /// nothing better comes.
    pub(super) fn put_off(&mut self, client: u32, wait: Duration) {
        let most = self.plan.client.retry_max;
        if let Some(reconnection) = self.clients.reconnection(client)
            && reconnection.step == Step::Challenged
        {
            reconnection.put_off = ticks(wait.min(most));
        }
    }

    /// The server has answered a challenge.
    pub(super) fn proven(&mut self, client: u32, register: Bytes) {
        let Some(reconnection) = self.clients.reconnection(client) else {
            return;
        };
        reconnection.register = register.clone();
        let message = self.buffer.join(&register, &[]);
        self.step(client, Step::Registering(1), self.patience());
        self.send(client, Kind::Register, message);
    }

    /// A session stands.
    pub(super) fn registered(&mut self, client: u32) {
        let Some(reconnection) = self.clients.end_reconnection(client) else {
            return;
        };
        self.clients.all[client as usize].stand_in = reconnection.stand_in;
        self.figures.joins += 1;
        self.session_stands(client);
    }

    /// The server says that it does not know the session: one heartbeat will show it.
    pub(super) fn session_doubted(&mut self, client: u32) {
        let hinted_until = self.now + self.patience();
        let now = self.now;
        let new = Reconnection::new(Step::Hinted);
        let (known, reconnection) = self.clients.begin_reconnection(client, new);
        if now < reconnection.hinted_until {
            return;
        }
        reconnection.hinted_until = hinted_until;
        if !known {
            self.figures.unknown_sessions += 1;
            self.step(client, Step::Hinted, self.patience());
        }
        self.send_heartbeat(client);
    }

    /// The session stands after all.
    pub(super) fn hint_refuted(&mut self, client: u32) {
        let reconnection = self.clients.reconnection(client);
        if reconnection.is_some_and(|it| it.step == Step::Hinted) {
            self.clients.end_reconnection(client);
        }
    }

    /// A new session is needed, but not for all at the same time.
    pub(super) fn session_seems_gone(&mut self, client: u32) {
        let new = Reconnection::new(Step::Hinted);
        let (_, reconnection) = self.clients.begin_reconnection(client, new);
        if reconnection.step == Step::Hinted {
            let wait = self.draw(waits::renewal());
            self.step(client, Step::Spreading, wait);
        }
    }

    /// Whether requests can go out.
    pub(super) fn is_ready(&mut self, client: u32) -> bool {
        let reconnection = self.clients.reconnection(client);
        reconnection.is_none_or(|it| it.step != Step::Connecting)
            && self.clients.all[client as usize].stand_in.is_inside()
    }

    fn connected(&mut self, client: u32) {
        let inside = self.clients.all[client as usize].stand_in.is_inside();
        let reconnection = self.clients.reconnection(client);
        if !inside || reconnection.is_some_and(|it| it.under_way) {
            self.challenge(client);
        } else {
            self.clients.end_reconnection(client);
        }
        if inside {
            self.session_stands(client);
        }
    }

    /// There is a session and a connection: all that waited goes out.
    fn session_stands(&mut self, client: u32) {
        self.send_heartbeat(client);
        self.resume_work(client);
    }

    fn connect_later(&mut self, client: u32) {
        let Some(reconnection) = self.clients.reconnection(client) else {
            return;
        };
        reconnection.unconnected += 1;
        let unconnected = reconnection.unconnected;
        let wait = self.draw(waits::retry(&self.plan.client, unconnected));
        // It hears that the connection is gone, or was not made, and makes another.
        let way = self.network.latency() + self.network.latency();
        self.step(client, Step::Connecting, wait + way);
    }

    fn challenge(&mut self, client: u32) {
        let Ok(claim) = self.plan.claim(client) else {
            return;
        };
        let nonce = self.network.nonce();
        let Some(reconnection) = self.clients.reconnection(client) else {
            return;
        };
        self.figures.repeated += u64::from(reconnection.failures > 0);
        reconnection.put_off = 0;
        let challenge = reconnection.stand_in.challenge(&claim, nonce);
        let message = self.buffer.join(&challenge, &[]);
        self.step(client, Step::Challenged, self.patience());
        self.send(client, Kind::Challenge, message);
    }

    /// How long a client waits for an answer.
    fn patience(&self) -> Tick {
        ticks(self.plan.client.maintenance_timeout)
    }

    fn step(&mut self, client: u32, step: Step, wait: Tick) {
        let due = self.now + wait;
        if let Some(reconnection) = self.clients.reconnection(client) {
            reconnection.step = step;
            reconnection.due = due;
            self.arm(Timer::new(Track::Reconnection, client, due));
        }
    }
}
