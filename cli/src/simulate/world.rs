//! A run of a simulation: time goes on, and whatever is due happens.
//!
//! What clients do then is in the modules below: their heartbeats, how they come by a session,
//! and their work.

mod heartbeats;
mod reconnecting;
mod working;

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::BytesMut;
use fedlink::stand_in::{Claim, MessageBuffer};

use super::SimulateError;
use super::clients::Clients;
use super::figures::{Figures, Second, StormFigures};
use super::network::{Kind, Network, ToClient, ToServer};
use super::plan::{Plan, Tick, ticks};
use super::server::{Answer, SimulatedServer};
use super::timer::{Timer, Track};
use super::wheel::Timers;
use crate::interrupt::Interrupt;

/// Most timers are no longer than this; those that are come up once on the way.
const HORIZON: Tick = 65_000;

/// The longest that a run goes on for what is not done at its end.
const PATIENCE: Tick = 600_000;

/// All there is in a run.
pub(super) struct World<'a> {
    pub(super) plan: &'a Plan,
    jitter: bool,
    pub(super) now: Tick,
    pub(super) clients: Clients,
    pub(super) server_host: SimulatedServer,
    pub(super) network: Network,
    timers: Timers<Timer>,
    buckets: Buckets,
    pub(super) buffer: MessageBuffer,
    /// Who says nothing of itself.
    pub(super) nobody: Claim,
    pub(super) figures: Figures,
}

/// What happens in one tick; empty between ticks.
#[derive(Default)]
struct Buckets {
    due: Vec<Timer>,
    to_server: Vec<ToServer>,
    to_clients: Vec<ToClient>,
    answers: Vec<Answer>,
}

/// Runs a plan to its end and returns what was counted, and the real time that the server
/// took. `progress` is told how many of how many milliseconds are over.
pub(super) fn run(
    plan: &Plan,
    jitter: bool,
    interrupt: &Interrupt,
    progress: impl Fn(Tick, Tick),
) -> Result<(Figures, Duration), SimulateError> {
    let mut figures = Figures::default();
    let mut world = World {
        plan,
        jitter,
        now: 0,
        clients: Clients::new(plan),
        server_host: SimulatedServer::new(plan, &mut figures)?,
        network: Network::new(plan),
        timers: Timers::new(HORIZON),
        buckets: Buckets::default(),
        buffer: MessageBuffer::default(),
        nobody: plan.claim(0)?,
        figures,
    };
    let end = plan.end();
    while world.now < end || (!world.is_done() && world.now < end + PATIENCE) {
        world.turn()?;
        if world.now.is_multiple_of(1000) {
            progress(world.now.min(end), end);
            if interrupt.is_set() {
                return Err(SimulateError::Interrupted);
            }
        }
    }
    Ok(world.finish())
}

impl Plan {
    /// When the server is lost.
    fn lost_at(&self) -> Option<Tick> {
        self.storm.map(|_| self.join + self.work)
    }

    /// When a run ends if all is done.
    fn end(&self) -> Tick {
        let after = |storm: super::plan::Storm| storm.downtime + AFTER_STORM;
        self.join + self.work + self.storm.map_or(0, after)
    }

    /// When a round of tasks begins.
    fn round_at(&self, round: u32) -> Tick {
        let share = u64::from(self.end() - self.join) * u64::from(round) / u64::from(self.rounds);
        self.join + share as Tick
    }
}

/// How long a run goes on after the server is back.
const AFTER_STORM: Tick = 60_000;

impl World<'_> {
    /// The next millisecond.
    fn turn(&mut self) -> Result<(), SimulateError> {
        self.now += 1;
        self.begin()?;
        let mut buckets = std::mem::take(&mut self.buckets);
        self.timers.turn(&mut buckets.due);
        let of_beats = buckets.due.iter().filter(|it| it.track() == Track::Beat);
        self.clients.fetch(of_beats.map(|it| it.of()));
        for timer in buckets.due.drain(..) {
            self.fire(timer);
        }
        self.network
            .turn(&mut buckets.to_server, &mut buckets.to_clients);
        self.clients
            .fetch(buckets.to_clients.iter().map(|it| it.client));
        for message in buckets.to_clients.drain(..) {
            self.hear(message)?;
        }
        self.server_host.turn(
            self.now,
            &mut buckets.to_server,
            &mut buckets.answers,
            &mut self.figures,
        )?;
        for Answer { at, transmit } in buckets.answers.drain(..) {
            let client = transmit.peer.0 as u32;
            let message = self.buffer.join(&transmit.header, &transmit.payload);
            self.figures.answered += 1;
            if !self.network.answer(at, ToClient { client, message }) {
                self.figures.lost_to_clients += 1;
            }
        }
        self.buckets = buckets;
        self.figures.second(self.now).at_work = self.clients.at_work;
        self.note_who_is_back();
        Ok(())
    }

    /// What the plan says of this millisecond.
    fn begin(&mut self) -> Result<(), SimulateError> {
        let plan = self.plan;
        let due = u64::from(self.now) * u64::from(plan.clients) / u64::from(plan.join);
        while u64::from(self.clients.begun) < due.min(plan.clients.into()) {
            self.join(self.clients.begun);
            self.clients.begun += 1;
        }
        if self.figures.rounds_begun < plan.rounds
            && self.now >= plan.round_at(self.figures.rounds_begun)
            && self.server_host.is_up()
        {
            self.server_host.assign(self.now, plan, &mut self.figures)?;
            self.figures.rounds_begun += 1;
        }
        if plan.lost_at() == Some(self.now) {
            self.lose_server();
        }
        if let Some(storm) = plan.storm
            && plan.lost_at().map(|at| at + storm.downtime) == Some(self.now)
        {
            self.server_host.restore(self.now, &mut self.figures)?;
        }
        Ok(())
    }

    fn fire(&mut self, timer: Timer) {
        let (of, due) = (timer.of(), timer.due());
        if due > self.now {
            return self.timers.put(due, timer);
        }
        match timer.track() {
            Track::Beat => self.beat_due(of, due),
            Track::Reconnection => self.reconnection_due(of, due),
            Track::Work => self.work_due(of, due),
        }
    }

    fn lose_server(&mut self) {
        self.figures.storm = Some(StormFigures {
            lost_at: self.now,
            ..StormFigures::default()
        });
        self.figures.unheard += self.server_host.lose() + self.network.cut();
        for client in 0..self.clients.begun {
            self.disconnected(client);
        }
    }

    fn note_who_is_back(&mut self) {
        let Some(storm) = &mut self.figures.storm else {
            return;
        };
        let (back, all) = (self.clients.at_work, self.plan.clients);
        let after = self.now - storm.lost_at;
        for (share, noted) in [
            (0.5, &mut storm.half_after),
            (0.99, &mut storm.most_after),
            (1.0, &mut storm.all_after),
        ] {
            if noted.is_none() && f64::from(back) >= share * f64::from(all) {
                *noted = Some(after);
            }
        }
    }

    /// Whether nothing is missing at the end.
    fn is_done(&self) -> bool {
        self.clients.at_work == self.plan.clients && self.server_host.tasks().1 == 0
    }

    fn finish(mut self) -> (Figures, Duration) {
        let figures = &mut self.figures;
        figures.ended_at = self.now;
        figures.at_work = self.clients.at_work;
        figures.unheard += self.network.on_their_way() + self.server_host.waiting() as u64;
        (figures.tasks_assigned, figures.results_lost) = self.server_host.tasks();
        figures.server = self.server_host.figures();
        if let Some(storm) = &mut figures.storm {
            let since = &figures.series[storm.lost_at as usize / 1000..];
            let most = |of: fn(&Second) -> u64| since.iter().map(of).max().unwrap_or_default();
            storm.longest_queue = most(|it| it.queue as u64);
            storm.peak_load = most(|it| it.busy) as f64 / 1e6;
            storm.peak_messages = most(|it| it.messages.into());
        }
        (self.figures, self.server_host.took)
    }

    /// A client sends a message.
    pub(super) fn send(&mut self, client: u32, kind: Kind, message: BytesMut) {
        self.figures.sent += 1;
        match kind {
            Kind::Challenge => self.figures.challenges += 1,
            Kind::Register => self.figures.registers += 1,
            Kind::Request => {}
        }
        let message = ToServer {
            client,
            kind,
            message,
        };
        if !self.network.send(self.now, message) {
            self.figures.lost_to_server += 1;
        }
    }

    pub(super) fn arm(&mut self, timer: Timer) {
        self.timers.put(timer.due(), timer);
    }

    /// A wait within these bounds, or without jitter the longest.
    pub(super) fn draw(&mut self, bounds: RangeInclusive<Duration>) -> Tick {
        let (least, most) = (ticks(*bounds.start()), ticks(*bounds.end()));
        if self.jitter {
            self.network.between(least, most)
        } else {
            most
        }
    }
}
