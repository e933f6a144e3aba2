//! Thousands of whole federations, each with everything that can go wrong between
//! processes: lost and repeated messages, broken connections, dead relays, crashes,
//! forgotten writes, clocks that drift and jump.
//!
//! A plan is some bytes; a seed stands for some. What fails is made as small as it can be,
//! and shown as a sequence diagram with the command that repeats it:
//! `FEDLINK_PLAN=00ff.. cargo test --test federation`. `FEDLINK_SEED=7` runs one seed,
//! `FEDLINK_LINES=10000` shows more of a failure, and
//! `FEDLINK_SEEDS=10000 cargo test --release --test federation` runs many.
#![cfg(feature = "x509")]
// Nothing of a test is reachable from outside.
#![allow(unreachable_pub)]

mod attempt;
#[path = "../common/mod.rs"]
mod common;
mod compare;
mod corpus;
mod many;
mod properties;
#[path = "../common/world/mod.rs"]
mod world;

use attempt::{attempt, explain, number, text};
use many::Outcome;
use world::Manner;
use world::bytes::{from_hex, of_seed};

/// Runs of an ordinary test.
const USUAL_RUNS: u64 = 440;

#[test]
fn whatever_happens_every_claim_holds() {
    let plan = text("FEDLINK_PLAN").map(|hex| from_hex(&hex));
    if let Some(bytes) = plan.or(number("FEDLINK_SEED").map(of_seed)) {
        return one(&bytes);
    }
    let runs = number("FEDLINK_SEEDS").unwrap_or(USUAL_RUNS);
    let Outcome {
        tally,
        hours,
        slowest,
        failed,
    } = many::run(runs);
    println!("{runs} federations, {hours} hours of their time");
    println!("all work was done {slowest:?} after the network healed, or sooner");
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
    let untested = tally.untested();
    assert!(
        untested.is_empty() || runs < USUAL_RUNS,
        "put to the test too rarely (claim, times): {untested:?}"
    );
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

/// Runs one plan, and shows how it went.
fn one(bytes: &[u8]) {
    match many::try_plan(bytes, true) {
        Ok(runs) => runs.iter().for_each(|run| println!("{}", run.tally)),
        Err(failure) => explain(bytes, &failure),
    }
}
