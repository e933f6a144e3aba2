//! What all hosts of a run share: time, chance, the network, and what is true.

use core::time::Duration;
use std::collections::BTreeMap;

use fedlink::Instant;

use super::dice::Dice;
use super::event::Event;
use super::log::{Log, Transcript};
use super::network::{self, Network};
use super::plan::{Carriage, Plan};
use super::tally::{Case, Tally};
use super::truth::Truth;

pub struct Scene<'a> {
    pub plan: Plan,
    pub now: Instant,
    pub dice: Dice,
    pub network: Network,
    pub truth: Truth,
    /// The server's process is there.
    pub server_is_up: bool,
    pub tally: Tally,
    pub transcript: Transcript,
    queue: BTreeMap<(Instant, u64), Event>,
    queued: u64,
    log: &'a mut Log,
}

impl<'a> Scene<'a> {
    pub fn new(plan: Plan, log: &'a mut Log) -> Self {
        Self {
            now: Instant::default(),
            dice: Dice::new(plan.seed.wrapping_mul(3) ^ 0x5eed),
            network: Network::new(&plan),
            truth: Truth::default(),
            server_is_up: false,
            tally: Tally::default(),
            transcript: Transcript::default(),
            queue: BTreeMap::new(),
            queued: 0,
            log,
            plan,
        }
    }

    /// Whether bad things still happen.
    pub fn is_stormy(&self) -> bool {
        self.now < self.plan.heals_at
    }

    /// What a host's clock says: now and then a moment that has passed already.
    pub fn clock(&mut self) -> Instant {
        let behind = match self.dice.chance(self.plan.habits.backwards) {
            true => self.dice.millis(0, 5_000),
            false => Duration::ZERO,
        };
        self.now - behind
    }

    pub fn at(&mut self, at: Instant, event: Event) {
        self.queued += 1;
        self.queue.insert((at.max(self.now), self.queued), event);
    }

    pub fn after(&mut self, wait: Duration, event: Event) {
        self.at(self.now + wait, event);
    }

    pub fn next_event_at(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    pub fn pop(&mut self) -> Option<Event> {
        self.queue.pop_first().map(|(_, event)| event)
    }

    /// A site's connection breaks; both ends learn of it some time later.
    pub fn hang_up(&mut self, site: usize) {
        if self.plan.carriage == Carriage::Datagram {
            return;
        }
        if let Some(peer) = self.network.cut(site) {
            for event in [Event::CutAtSite(peer), Event::CutAtServer(peer)] {
                let wait = network::notice(self);
                self.after(wait, event);
            }
        }
    }

    pub fn line(&mut self, line: impl FnOnce() -> String) {
        self.log.line(self.now, line);
    }

    /// Counts a case and writes a line.
    pub fn happens(&mut self, case: Case, line: impl FnOnce() -> String) {
        self.tally.count(case);
        self.line(line);
    }
}
