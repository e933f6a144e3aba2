//! The search by chance: many short runs, each from one seed.

use alloc::sync::Arc;
use core::time::Duration;

use super::goals::{Goal, Reached, Tally};
use super::pki::Pki;
use super::world::{Nature, SITES, World};
use crate::suite::Suite;
use crate::{Sites, message::TaskId};

/// Moves of the attacker in one run: several registrations, tasks and restarts.
const MOVES: usize = 60;

/// Processes of one site at a time, in a run that has several.
const PROCESSES: usize = 3;

/// Lies in a row, where one move is one kind of lie.
const LIES: usize = 8;

/// When all is well again once the attacker has left: a client waits up to 60 s between
/// its tries, believes in a dead session for 120 s, and needs a try or two.
pub(super) const RECOVERY: Duration = Duration::from_secs(240);

/// Time in which a task that is given to a site at work comes back as a result.
const WORK: Duration = Duration::from_secs(60);

/// Seconds that the server's machine sleeps: unnoticed, long, and around the moment at
/// which silence would mean death.
const SLEEPS: [u64; 8] = [3, 12, 30, 200, 585, 595, 601, 606];

/// One run. Returns what was tried, or the goal that was reached.
pub(super) fn run(
    suite: Suite,
    pki: &Arc<Pki>,
    seed: u64,
    trace: bool,
) -> Result<Tally, (Reached, Vec<String>)> {
    // The low bits of the seed say what is special, so that each nature comes as often.
    let nature = Nature {
        suite,
        slow_signer: seed & 1 == 1,
        slow_storage: seed & 2 == 2,
        twin: seed & 4 == 4,
        old_snapshots: seed & 24 == 24,
    };
    let mut world = World::new(nature, pki, seed);
    world.trace = trace.then(Vec::new);
    world.note(|| format!("{nature:?}"));
    world.start_job(Sites::All);
    world.start_job(Sites::Named(super::world::honest().into()));
    if nature.twin {
        world.start_process(SITES[0]);
    }
    for _ in 0..MOVES {
        world.step();
        world.check();
        if world.reached.is_some() {
            break;
        }
    }
    if world.reached.is_none() {
        world.end();
    }
    match world.reached.take() {
        Some(reached) => Err((reached, world.trace.unwrap_or_default())),
        None => Ok(world.tally),
    }
}

impl World {
    fn step(&mut self) {
        match self.dice.below(26) {
            0..4 => {
                self.note(|| "the network works".to_owned());
                self.carry();
            }
            4 | 5 => {
                let span = Duration::from_secs(1 + self.dice.below(14) as u64);
                self.note(|| format!("{span:?} pass"));
                self.pass(span, true);
            }
            6 if !self.is_trusted() => {
                let span = Duration::from_secs(1 + self.dice.below(14) as u64);
                self.note(|| format!("{span:?} pass, all held back"));
                self.pass(span, false);
            }
            7 | 8 if !self.is_trusted() => {
                if let Some(flight) = self.take_flight() {
                    self.note(|| format!("late: {}", super::moves::kind(&flight.bytes)));
                    self.deliver_genuine(flight);
                }
            }
            9 if !self.is_trusted() => {
                if let Some(flight) = self.take_flight() {
                    self.note(|| format!("drops {}", super::moves::kind(&flight.bytes)));
                }
            }
            10..15 => {
                for _ in 0..6 {
                    self.forge();
                }
                self.control();
                self.repeat_register();
            }
            15 => {
                for _ in 0..LIES {
                    self.pose();
                }
            }
            16 => self.lie_to_the_server(),
            17 => {
                for _ in 0..LIES {
                    self.covet();
                }
            }
            18 => self.hang_up(),
            24 | 25 => self.cut_and_take_over(),
            19 | 20 => self.host_command(),
            21 => {
                let most = self.dice.below(4);
                self.note(|| format!("the slow answer {most} each"));
                self.answer_slow(most);
            }
            22 if self.dice.one_in(2) => self.somebody_dies(),
            23 => self.machine_sleeps(),
            _ => self.lie_to_the_server(),
        }
        self.drain();
    }

    fn lie_to_the_server(&mut self) {
        self.handshake();
        for _ in 0..LIES / 2 {
            self.enrol();
        }
    }

    /// Whether nobody can touch what the honest send.
    fn is_trusted(&self) -> bool {
        self.nature.suite != Suite::Sealed
    }

    fn host_command(&mut self) {
        let at = self.dice.below(self.jobs.len());
        match self.dice.below(8) {
            0 if self.jobs.len() > 1 => {
                self.note(|| "a job ends".to_owned());
                self.end_job(at);
            }
            1 => self.start_job(Sites::Named(super::world::honest().into())),
            2 => {
                // A client that was told that a run has ended asks no more by itself.
                let living = self.living();
                if let Some(at) = living.get(self.dice.below(living.len())) {
                    for job in &self.jobs {
                        let _ = self.sites[*at].client.pull_task(self.now, *job);
                    }
                }
            }
            _ => {
                if let Some(job) = self.jobs.get(at).copied() {
                    let site = self.dice.below(SITES.len());
                    self.note(|| format!("a task for {}", SITES[site]));
                    self.assign(site, job);
                }
            }
        }
    }

    fn somebody_dies(&mut self) {
        let living = self.living();
        let twins = living
            .iter()
            .filter(|at| self.sites[**at].name.as_str() == SITES[0]);
        if self.nature.twin && twins.count() < PROCESSES && self.dice.one_in(2) {
            self.note(|| format!("another process of {}", SITES[0]));
            self.start_process(SITES[0]);
        } else if self.dice.one_in(2) {
            self.note(|| "the server dies".to_owned());
            self.restart_server();
        } else if let Some(at) = living.get(self.dice.below(living.len())).copied() {
            self.note(|| format!("site {at} dies"));
            self.restart_process(at);
        }
    }

    fn machine_sleeps(&mut self) {
        let span = SLEEPS[self.dice.below(SLEEPS.len())];
        self.note(|| format!("the server's machine sleeps for {span} s"));
        for name in super::world::honest() {
            if self.server.is_registered(&name) {
                self.tally.tried(Goal::FleetDeadBySleep);
            }
        }
        self.asleep = true;
        self.pass(Duration::from_secs(span), true);
        self.asleep = false;
        if self.dice.one_in(2) {
            self.server.handle_timeout(self.now);
        }
        if self.dice.one_in(2) || self.is_trusted() {
            self.carry();
        }
        let rest = Duration::from_secs(self.dice.below(20) as u64);
        self.pass(rest, true);
    }

    /// The attacker leaves; what it has broken is whole again, and work arrives.
    fn end(&mut self) {
        self.note(|| "the attacker leaves".to_owned());
        self.heal(RECOVERY);
        self.check();
        self.start_job(Sites::All);
        let job = self.jobs.last().copied();
        self.pass(WORK / 2, true);
        let before: Vec<TaskId> = self.truth.tasks.keys().copied().collect();
        for site in 0..SITES.len() {
            if let Some(job) = job {
                self.assign(site, job);
            }
        }
        self.pass(WORK, true);
        let waiting = self
            .truth
            .tasks
            .iter()
            .find(|(task, truth)| !truth.received && !before.contains(task));
        if let Some((_, task)) = waiting {
            let what = format!("{} does no work any more", task.site);
            self.reached(Goal::ClientStopped, what);
        }
        self.check();
        self.no_secret_is_read();
    }
}
