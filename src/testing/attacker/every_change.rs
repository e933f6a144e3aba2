//! Every message of one honest run, changed in every way, with every other message.

use alloc::sync::Arc;
use core::time::Duration;

use super::change::{self, Change};
use super::goals::{Reached, Tally};
use super::moves::kind;
use super::pki::Pki;
use super::search::RECOVERY;
use super::world::{End, Flight, Nature, SITES, STRANGER, World};
use crate::Sites;
use crate::suite::Suite;

/// What the honest run takes: a registration, a job, a task and its result.
const SCRIPT: Duration = Duration::from_secs(25);

/// How many answers to a challenge a client looks at, less the one that is genuine.
const LOOKED_AT: usize = 3;

/// What is done about one message of the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tamper {
    /// Which message, counted as they are delivered.
    at: usize,
    how: How,
}

#[derive(Clone, Copy, Debug)]
enum How {
    /// Nothing: to count the messages.
    Watch,
    Drop,
    /// It arrives when the run is over.
    Hold,
    /// It arrives, and once more when the run is over.
    Repeat,
    /// The changed one arrives in its place.
    Instead(Change),
    /// It goes to where it came from, and then to where it belongs.
    Reflect,
    /// It comes on the attacker's connection.
    Elsewhere,
    /// Changed ones arrive before it, these of all that can be made of it and of what was
    /// seen before.
    Before {
        from: usize,
        to: usize,
    },
}

/// What came of all runs.
pub(super) struct Report {
    pub(super) tally: Tally,
    pub(super) messages: usize,
    pub(super) forged: usize,
    pub(super) runs: usize,
}

/// Does everything about every message.
pub(super) fn run(pki: &Arc<Pki>) -> Report {
    let watch = Tamper {
        at: usize::MAX,
        how: How::Watch,
    };
    let honest = play(pki, watch);
    let mut report = Report {
        tally: Tally::default(),
        messages: honest.carried,
        forged: 0,
        runs: 0,
    };
    let single: Vec<Change> = change::all().filter(|it| !it.takes_two()).collect();
    for at in 0..report.messages {
        let whole = [
            How::Drop,
            How::Hold,
            How::Repeat,
            How::Reflect,
            How::Elsewhere,
        ];
        let instead = single.iter().map(|change| How::Instead(*change));
        for how in whole.into_iter().chain(instead) {
            report.add(play(pki, Tamper { at, how }));
        }
        let mut from = 0;
        loop {
            let to = from + group(&honest, at);
            let how = How::Before { from, to };
            let world = play(pki, Tamper { at, how });
            let more = world.forged >= to - from;
            report.add(world);
            if !more {
                break;
            }
            from = to;
        }
    }
    report
}

/// How many changed messages may come before a genuine one without being in its way.
fn group(honest: &World, at: usize) -> usize {
    match honest.order.get(at).map(|bytes| kind(bytes)) {
        Some(kind) if kind == "ChallengeReply" => LOOKED_AT,
        _ => usize::MAX / 2,
    }
}

impl Report {
    fn add(&mut self, world: World) {
        self.tally.add(&world.tally);
        self.forged += world.forged;
        self.runs += 1;
    }
}

/// The honest run, with one thing done to it; then the attacker leaves.
fn play(pki: &Arc<Pki>, tamper: Tamper) -> World {
    let nature = Nature {
        suite: Suite::Sealed,
        slow_signer: false,
        slow_storage: false,
        twin: false,
        old_snapshots: false,
    };
    let mut world = World::new(nature, pki, 1);
    world.tamper = Some(tamper);
    world.start_job(Sites::All);
    world.carry();
    let job = world.jobs[0];
    for site in 0..SITES.len() {
        world.assign(site, job);
    }
    world.pass(SCRIPT, true);
    for flight in core::mem::take(&mut world.held) {
        world.deliver_genuine(flight);
    }
    if !matches!(tamper.how, How::Watch) {
        world.tamper = None;
        world.heal(RECOVERY);
        world.no_secret_is_read();
    }
    world.check();
    if let Some(Reached(goal, what)) = world.reached.take() {
        panic!("{tamper:?}: {goal:?}: {what}");
    }
    world
}

impl World {
    /// Delivers a message of the honest run, or does something else about it.
    pub(super) fn tampered(&mut self, flight: Flight) {
        let Some(tamper) = self.tamper else {
            return self.deliver_genuine(flight);
        };
        let number = self.carried;
        self.carried += 1;
        self.order.push(flight.bytes.clone());
        if number != tamper.at {
            return self.deliver_genuine(flight);
        }
        match tamper.how {
            How::Watch => self.deliver_genuine(flight),
            How::Drop => {}
            How::Hold => self.held.push(flight),
            How::Repeat => {
                self.held.push(flight.clone());
                self.deliver_genuine(flight);
            }
            How::Instead(change) => {
                if let Some(changed) = change.apply(&flight.bytes, &[]) {
                    self.forged += 1;
                    self.attack(&flight, &changed);
                }
            }
            How::Reflect => {
                match flight.to {
                    End::Server => {
                        let from = self.sites.iter();
                        let mut from = from.map(|it| it.peer == Some(flight.peer));
                        let at = from.position(|it| it).unwrap_or_default();
                        let _ = self.attack_site(at, &flight.bytes);
                    }
                    End::Site(_) => {
                        let _ = self.attack_server(flight.peer, &flight.bytes);
                    }
                }
                self.deliver_genuine(flight);
            }
            How::Elsewhere => {
                let _ = match flight.to {
                    End::Server => self.attack_server(STRANGER, &flight.bytes),
                    End::Site(at) => self.attack_site((at + 1) % SITES.len(), &flight.bytes),
                };
                self.deliver_genuine(flight);
            }
            How::Before { from, to } => {
                let changed = self.all_changes(&flight.bytes);
                for bytes in changed.iter().take(to).skip(from) {
                    self.forged += 1;
                    self.attack(&flight, bytes);
                    self.check();
                }
                self.deliver_genuine(flight);
            }
        }
    }

    fn attack(&mut self, flight: &Flight, bytes: &[u8]) {
        let _ = match flight.to {
            End::Server => self.attack_server(flight.peer, bytes),
            End::Site(at) => self.attack_site(at, bytes),
        };
    }

    /// Every change of a message, with every other one that was seen, in either part; and
    /// none that an honest machine wrote.
    fn all_changes(&self, message: &[u8]) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for change in change::all() {
            if !change.takes_two() {
                all.extend(change.apply(message, &[]));
                continue;
            }
            for seen in &self.knowledge.seen {
                all.extend(change.apply(message, &seen.bytes));
                all.extend(change.apply(&seen.bytes, message));
            }
        }
        all.sort_unstable();
        all.dedup();
        all.retain(|bytes| self.knowledge.seen.iter().all(|seen| seen.bytes != *bytes));
        all
    }
}
