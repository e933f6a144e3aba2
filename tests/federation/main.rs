//! Thousands of whole federations, each with everything that can go wrong between
//! processes: lost and repeated messages, broken connections, dead relays, crashes,
//! forgotten writes, clocks that drift and jump.
//!
//! A plan is some bytes; a seed stands for some. What fails is made as small as it can be,
//! and shown as a sequence diagram with the command that repeats it:
//! `FEDLINK_PLAN=00ff.. cargo test --test federation`. `FEDLINK_SEED=7` runs one seed,
//! `FEDLINK_LINES=10000` shows more of a failure, and
//! `FEDLINK_SEEDS=10000 cargo test --release --test federation` runs many.

// Nothing of a test is reachable from outside.
#![allow(unreachable_pub)]

mod attempt;
#[path = "../common/mod.rs"]
mod common;
mod compare;
#[path = "../common/world/mod.rs"]
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use attempt::{attempt, explain, number, text};
use compare::compare;
use world::bytes::{from_hex, of_seed};
use world::{Manner, Run, Tally};

/// Runs of an ordinary test.
const USUAL_RUNS: u64 = 300;

/// Runs that are compared with others.
const COMPARED_RUNS: u64 = 90;

/// Threads that run federations side by side.
const WORKERS: u64 = 2;

#[test]
fn whatever_happens_results_arrive_once_aborts_arrive_and_sessions_close() {
    let plan = text("FEDLINK_PLAN").map(|hex| from_hex(&hex));
    if let Some(bytes) = plan.or(number("FEDLINK_SEED").map(of_seed)) {
        match attempt(&bytes, Manner::default()) {
            Ok(run) => println!("{}", run.tally),
            Err(failure) => explain(&bytes, &failure),
        }
        return;
    }
    let runs = number("FEDLINK_SEEDS").unwrap_or(USUAL_RUNS);
    let (done, failed) = run_all(runs);
    let mut tally = Tally::default();
    done.values().for_each(|run| tally.absorb(&run.tally));
    let hours = done.values().map(|run| run.lasted.as_secs()).sum::<u64>() / 3600;
    println!("{runs} federations, {hours} hours of their time");
    if let Some((seed, Run { recovered_in, .. })) =
        done.iter().max_by_key(|(_, run)| run.recovered_in)
    {
        println!(
            "all work was done {recovered_in:?} after the network healed, or sooner: seed {seed}"
        );
    }
    println!("{tally}");
    if let Some((seed, failure)) = failed.first_key_value() {
        failed
            .iter()
            .for_each(|(seed, failure)| println!("seed {seed} fails: {failure}"));
        explain(&of_seed(*seed), failure);
    }
    let too_rare = tally.too_rare(runs);
    assert!(
        too_rare.is_empty(),
        "too rare (case, times, floor): {too_rare:?}"
    );
}

#[test]
fn how_hosts_drain_and_what_machines_refuse_makes_no_difference() {
    let first = number("FEDLINK_SEED");
    let seeds = first.map_or(0..COMPARED_RUNS, |seed| seed..seed + 3);
    let mut tally = Tally::default();
    for seed in seeds {
        match compare(&of_seed(seed / 3), seed) {
            Ok(runs) => runs.iter().for_each(|run| tally.absorb(&run.tally)),
            Err(failure) => panic!("seed {}: {failure}", seed / 3),
        }
    }
    println!("{tally}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [4, 5, 8] {
        let bytes = of_seed(seed);
        let first = attempt(&bytes, Manner::default());
        let second = attempt(&bytes, Manner::default());
        assert_eq!(first, second, "seed {seed} has two outcomes");
    }
}

/// Runs the seeds below `runs` side by side: what came of those that held, and how the
/// others failed.
fn run_all(runs: u64) -> (BTreeMap<u64, Run>, BTreeMap<u64, String>) {
    let next = AtomicU64::new(0);
    let work = || {
        let (mut done, mut failed) = (BTreeMap::new(), BTreeMap::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= runs {
                return (done, failed);
            }
            match attempt(&of_seed(seed), Manner::default()) {
                Ok(run) => drop(done.insert(seed, run)),
                Err(failure) => drop(failed.insert(seed, failure)),
            }
        }
    };
    let (mut done, mut failed) = (BTreeMap::new(), BTreeMap::new());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let (held, not) = worker.join().unwrap();
            done.extend(held);
            failed.extend(not);
        }
    });
    (done, failed)
}
