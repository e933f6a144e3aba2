//! A bounded attacker in the manner of Dolev and Yao, against the production machines.
//!
//! It carries every message between two honest sites and their server: it sees, drops,
//! delays, reorders, repeats, splits, joins and changes them. It builds messages from all
//! that it knows: what it saw, what its keys open, the certificates of everybody, the
//! names of sessions, jobs and tasks, and its own enrolled site, whose key, session and
//! token it holds. It cuts connections and takes over their numbers. It decides when slow
//! signers and storage answer, when processes die, and when the server's machine sleeps.
//! Keys and signatures of others it cannot make or guess.
//!
//! In the sealed suite all this is in its power. In the bearer suite the carrier is
//! trusted, so of honest connections it can only cut them; all the rest is as before. The
//! plain suite claims nothing and is not attacked.
//!
//! What it must never reach is in [`goals`]. [`search`] tries moves by chance,
//! [`every_change`] changes every message of one honest run in every way.

mod change;
mod dice;
mod every_change;
mod goals;
mod hosts;
mod knowledge;
mod lies;
mod machines;
mod mallory;
mod moves;
mod network;
#[allow(dead_code, unreachable_pub, reason = "the tests outside use the rest")]
#[path = "../../tests/common/pki.rs"]
pub(crate) mod pki;
mod search;
mod world;

use alloc::sync::Arc;

use goals::{ALL, Goal, Reached, Tally};
use pki::Pki;

use crate::suite::Suite;

/// Runs of each suite in the ordinary test. `FEDLINK_ATTACKS` asks for another number.
const RUNS: u64 = 640;

/// What each goal must have been tried in them, so that a test which tries nothing fails.
const FLOOR: u64 = 1000;

/// Messages of the honest run that is changed, and what is made of them, at least.
const MESSAGES: usize = 20;
const FORGED: usize = 10_000;

/// Runs `seeds` and returns what was tried; a goal that was reached ends the test with the
/// moves that led to it.
fn search(suite: Suite, seeds: core::ops::Range<u64>) -> Tally {
    let pki = Arc::new(Pki::new(1));
    let mut tally = Tally::default();
    for seed in seeds {
        match search::run(suite, &pki, seed, false) {
            Ok(tried) => tally.add(&tried),
            Err(_) => {
                let again = search::run(suite, &pki, seed, true);
                let (Reached(goal, what), trace) = again.expect_err("a seed is one run");
                let moves = trace.join("\n");
                panic!("{suite}, seed {seed}: {goal:?}: {what}\n{moves}");
            }
        }
    }
    tally
}

#[allow(
    clippy::disallowed_methods,
    reason = "how long to search is for whoever runs the test to say"
)]
fn runs() -> u64 {
    let asked = std::env::var("FEDLINK_ATTACKS").ok();
    asked.map_or(RUNS, |runs| runs.parse().expect("a number of runs"))
}

/// Goals that the bearer suite leaves to its carrier, since nobody can touch what is under
/// way; it seals nothing itself.
fn left_to_carrier(suite: Suite, goal: Goal) -> bool {
    use Goal::{
        ActiveWithoutTheServer, ChangedContentAccepted, ClientStopped, JobsForgedOrUndone,
        MessageTakenTwice, NonceTwice,
    };
    let by_carrier = [
        ActiveWithoutTheServer,
        ChangedContentAccepted,
        ClientStopped,
        JobsForgedOrUndone,
        MessageTakenTwice,
        NonceTwice,
    ];
    suite == Suite::Bearer && by_carrier.contains(&goal)
}

fn assert_tried(suite: Suite, tally: &Tally) {
    println!("{suite}: {tally:?}");
    assert!(tally.results >= FLOOR, "only {} results", tally.results);
    for goal in ALL {
        let tried = tally.of(goal);
        let enough = tried >= FLOOR || left_to_carrier(suite, goal);
        assert!(enough, "{suite}: {goal:?} was tried {tried} times only");
    }
}

#[test]
fn no_attack_on_the_sealed_suite_by_chance() {
    assert_tried(Suite::Sealed, &search(Suite::Sealed, 0..runs()));
}

#[test]
fn no_attack_on_the_bearer_suite_by_chance() {
    assert_tried(Suite::Bearer, &search(Suite::Bearer, 0..runs()));
}

#[test]
fn no_change_of_one_message_is_an_attack() {
    let report = every_change::run(&Arc::new(Pki::new(1)));
    let (messages, forged, runs) = (report.messages, report.forged, report.runs);
    println!(
        "{messages} messages, {forged} forged, {runs} runs: {:?}",
        report.tally
    );
    assert!(messages >= MESSAGES && forged >= FORGED);
}
