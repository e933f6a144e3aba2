use super::bounds::Bounds;
use super::explore::{Explored, counterexample, explore};
use super::tally::Case;
use crate::config::Check;

/// Threads of the large run.
const THREADS: usize = 2;

/// One client, one job: where every counterexample below lies.
fn small() -> Bounds {
    Bounds::calm(1, 1)
}

/// One of every fault that the network and the processes have, and one wait that ends too
/// early.
fn faulty(bounds: Bounds) -> Bounds {
    Bounds {
        faults: 1,
        losses: 1,
        repeats: 1,
        stalls: 1,
        crashes: 1,
        timeouts: 1,
        ..bounds
    }
}

/// Explores it all, shows how much that was, and finds no property that fails. Cases that
/// happened less often than this show that the bounds are too narrow to say anything.
fn holds(bounds: Bounds, threads: usize, least: usize, floors: &[(Case, u64)]) {
    println!("{bounds}");
    let Explored {
        states,
        depth,
        tally,
        found,
    } = explore(bounds, threads);
    println!("{states} states, at most {depth} steps away; transitions by case:");
    println!("{}", tally.lines().join("\n"));
    assert!(found.is_none(), "{}", found.expect("there is one"));
    assert!(states >= least, "only {states} states");
    for (case, floor) in floors {
        assert!(tally.of(*case) >= *floor, "{case:?}: {}", tally.of(*case));
    }
}

#[test]
fn two_clients_whom_nobody_disturbs_do_two_jobs() {
    holds(Bounds::calm(2, 2), 1, 2_000, &[(Case::Healed, 2)]);
}

#[test]
fn one_client_does_its_job_whatever_fails_once() {
    let floors = [
        (Case::CookieAgain, 100),
        (Case::SealedAgain, 100),
        (Case::SessionGone, 100),
        (Case::AnswerTooLate, 100),
        (Case::CrashWithResult, 5),
        (Case::Healed, 100),
    ];
    holds(faulty(small()), 1, 4_000, &floors);
}

#[test]
fn one_client_comes_through_a_crash_while_something_is_stored() {
    let bounds = Bounds {
        faults: 2,
        stalls: 1,
        crashes: 1,
        ..small()
    };
    let floors = [
        (Case::CrashWhileWriting, 5),
        (Case::CrashWithResult, 5),
        (Case::ResultAgain, 1),
        (Case::Healed, 50),
    ];
    holds(bounds, 1, 1_000, &floors);
}

/// The large run: minutes, and its own command.
#[test]
#[ignore = "it takes minutes: see docs/testing.md"]
fn two_clients_do_two_jobs_whatever_fails_once() {
    let floors = [
        (Case::CookieAgain, 1_000),
        (Case::SealedAgain, 1_000),
        (Case::SessionGone, 1_000),
        (Case::AnswerTooLate, 1_000),
        (Case::CrashWithResult, 1_000),
        (Case::Healed, 1_000),
    ];
    // Waits that end too early are left to the small run: they multiply all the rest.
    let bounds = Bounds {
        timeouts: 0,
        ..faulty(Bounds::calm(2, 2))
    };
    holds(bounds, THREADS, 1_000_000, &floors);
}

/// Without these checks the property fails; with them it holds within the same bounds.
fn needs(property: &'static str, bounds: &Bounds, guards: &[Check]) {
    let whole = explore(bounds.clone(), 1);
    assert!(
        whole.found.is_none(),
        "{}",
        whole.found.expect("there is one")
    );
    let without = guards.to_vec();
    let broken = Bounds {
        without,
        ..bounds.clone()
    };
    let found = counterexample(&broken, property).expect("it fails without the check");
    println!("{found}");
}

#[test]
fn without_the_ssid_a_result_of_another_service_session_counts() {
    let bounds = Bounds {
        amnesias: 1,
        timeouts: 1,
        renewals: 1,
        ..small()
    };
    needs(
        "a result counts in its service session alone",
        &bounds,
        &[Check::ServiceSession],
    );
}

#[test]
fn a_cookie_that_counts_twice_makes_two_sessions() {
    let bounds = Bounds {
        faults: 1,
        repeats: 1,
        ..small()
    };
    needs("a cookie makes one session", &bounds, &[Check::CookieOnce]);
}

/// The number of a heartbeat keeps old lists away already, so that one has to go too.
#[test]
fn without_the_generation_old_lists_of_jobs_count() {
    let bounds = Bounds {
        extra_heartbeats: 1,
        endings: 1,
        ..small()
    };
    for one in [Check::Generation, Check::NewestHeartbeat] {
        let without = vec![one];
        let explored = explore(
            Bounds {
                without,
                ..bounds.clone()
            },
            1,
        );
        assert!(explored.found.is_none(), "the other one is enough");
    }
    let both = [Check::Generation, Check::NewestHeartbeat];
    needs("old lists of jobs do nothing", &bounds, &both);
}

#[test]
fn a_result_that_leaves_without_a_receipt_is_lost() {
    let bounds = Bounds {
        faults: 1,
        losses: 1,
        timeouts: 1,
        ..small()
    };
    needs(
        "a stored result is kept by one side",
        &bounds,
        &[Check::Receipt],
    );
}

#[test]
fn a_result_that_is_acknowledged_before_it_is_stored_is_lost() {
    let bounds = Bounds {
        faults: 2,
        stalls: 1,
        crashes: 1,
        ..small()
    };
    let whole = explore(bounds.clone(), 1);
    assert!(
        whole.found.is_none(),
        "{}",
        whole.found.expect("there is one")
    );
    let hasty = Bounds {
        hasty_host: true,
        ..bounds
    };
    let property = "a stored result is kept by one side";
    let found = counterexample(&hasty, property).expect("the server forgets what it took");
    println!("{found}");
}
