//! Which clients a server may count as dead.

use core::time::Duration;
use std::collections::BTreeMap;

use fedlink::identity::Name;
use fedlink::{Instant, ServerConfig};

use crate::world::tally::{Claim, Tally};

/// How late a host that rests again and again may hear of what its server did.
const REST: Duration = Duration::from_secs(30);

/// What the server has heard of its clients, and when it could not listen. All moments are
/// those of its own clock.
pub struct Silence {
    interval: Duration,
    dead_after: Duration,
    lifetime: Duration,
    /// How long a session may wait to begin, before its host hears that it has.
    wait: Duration,
    started: Instant,
    heard: BTreeMap<Name, Instant>,
    /// When those spoke again who had been silent for long enough to count as dead.
    back: BTreeMap<Name, Instant>,
    /// Since when their sessions may have counted.
    entered: BTreeMap<Name, Instant>,
    /// When its machine slept, or its clock jumped over time.
    naps: Vec<(Instant, Instant)>,
}

impl Silence {
    pub fn new(config: &ServerConfig) -> Self {
        Self {
            interval: config.heartbeat_interval,
            dead_after: config.dead_after,
            lifetime: config.session_lifetime,
            wait: config.registration_window + REST,
            started: Instant::default(),
            heard: BTreeMap::new(),
            back: BTreeMap::new(),
            entered: BTreeMap::new(),
            naps: Vec::new(),
        }
    }

    pub fn starts(&mut self, at: Instant) {
        self.started = at;
        self.heard.clear();
        self.back.clear();
        self.entered.clear();
    }

    /// A message of a client's session was taken.
    pub fn hears(&mut self, client: &Name, at: Instant) {
        if self.silence_of(client, at) >= self.dead_after {
            self.back.insert(client.clone(), at);
        }
        self.heard.insert(client.clone(), at);
    }

    /// A client's session has begun. It may have waited for that through a nap: one that
    /// has waited too long begins all the same if its first message is taken before the
    /// server looks.
    pub fn joins(&mut self, client: &Name, at: Instant) {
        let mut entered = at - self.wait;
        for (from, to) in self.naps.iter().rev() {
            if *to > entered {
                entered = entered.min(*from - self.wait);
            }
        }
        self.entered.insert(client.clone(), entered);
    }

    /// The server listens to nobody for a while, with some clients at work.
    pub fn naps(&mut self, tally: &mut Tally, clients: usize, from: Instant, to: Instant) {
        let from = self.naps.last().map_or(from, |(_, last)| from.max(*last));
        if to > from {
            self.naps.push((from, to));
            (0..clients).for_each(|_| tally.held(Claim::DeathsAreDeserved));
        }
    }

    /// Who counts as dead was silent for long enough while the server listened, be it before
    /// a message that was taken while the news waited for the host, or has not renewed its
    /// session.
    pub fn a_death_is_deserved(&mut self, client: &Name, at: Instant) {
        let silent = self.silence_of(client, at);
        self.heard.insert(client.clone(), at);
        let entered = self.entered.remove(client);
        let expired = entered.is_some_and(|entered| at.since(entered) >= self.lifetime);
        let back = self.back.remove(client);
        let told_late = back.is_some_and(|back| at.since(back) <= REST);
        assert!(
            silent >= self.dead_after || expired || told_late,
            "{client} counts as dead after {silent:?} of silence"
        );
    }

    /// How long nothing of the client's was heard while the server listened. A nap shorter
    /// than two intervals may pass for listening: the server looks at the time once an
    /// interval, and may do so an interval late.
    fn silence_of(&self, client: &Name, at: Instant) -> Duration {
        let heard = *self.heard.get(client).unwrap_or(&self.started);
        let slept = self.naps.iter().filter(|(_, end)| *end > heard);
        let slept =
            slept.map(|(from, to)| to.since(heard.max(*from)).saturating_sub(2 * self.interval));
        at.since(heard).saturating_sub(slept.sum())
    }
}
