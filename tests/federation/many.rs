//! Runs many seeds side by side.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::attempt::attempt;
use crate::compare::compare;
use crate::world::bytes::of_seed;
use crate::world::{Manner, Run, Tally};

/// Threads that run federations.
const WORKERS: u64 = 2;

/// One of so many seeds is run in other manners, too.
const COMPARED: u64 = 4;

/// What came of many seeds.
#[derive(Default)]
pub struct Outcome {
    pub tally: Tally,
    /// Time that passed in all the worlds.
    pub hours: u64,
    /// The longest time that work took once a network had healed.
    pub slowest: Duration,
    /// How those failed that did.
    pub failed: BTreeMap<u64, String>,
}

impl Outcome {
    fn absorb(&mut self, other: Self) {
        self.tally.absorb(&other.tally);
        self.hours += other.hours;
        self.slowest = self.slowest.max(other.slowest);
        self.failed.extend(other.failed);
    }
}

/// Runs the seeds below `runs`.
pub fn run(runs: u64) -> Outcome {
    let next = AtomicU64::new(0);
    let work = || {
        let mut outcome = Outcome::default();
        let mut lasted = Duration::ZERO;
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= runs {
                outcome.hours = lasted.as_secs() / 3600;
                return outcome;
            }
            match try_plan(&of_seed(seed), seed.is_multiple_of(COMPARED)) {
                Ok(done) => {
                    for run in done {
                        outcome.tally.absorb(&run.tally);
                        outcome.slowest = outcome.slowest.max(run.recovered_in);
                        lasted += run.lasted;
                    }
                }
                Err(failure) => drop(outcome.failed.insert(seed, failure)),
            }
        }
    };
    let mut outcome = Outcome::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            outcome.absorb(worker.join().unwrap());
        }
    });
    outcome
}

/// Runs a plan; in other manners too, if it is to be compared.
///
/// # Errors
/// When one of the runs fails, or they differ.
pub fn try_plan(bytes: &[u8], compared: bool) -> Result<Vec<Run>, String> {
    let mut runs = vec![attempt(bytes, Manner::default())?];
    if compared {
        runs.extend(compare(bytes)?);
    }
    Ok(runs)
}
