use std::sync::Arc;

use stateright::{Checker, Model as _};

use super::bounds::Bounds;
use super::model::Model;
use super::tally::{Case, Tally};
use super::trace::story;
use crate::guard::Guard;

/// Threads that check; one finds the shortest counterexample.
fn explore(bounds: Bounds, threads: usize) -> (usize, usize, Arc<Tally>, Option<String>) {
    let model = Model::new(bounds.clone());
    let tally = Arc::clone(&model.tally);
    let checker = model.checker().threads(threads).spawn_bfs().join();
    let found = checker
        .discoveries()
        .into_iter()
        .min_by_key(|(_, path)| path.clone().into_actions().len());
    let found = found.map(|(name, path)| format!("{name}:\n{}", story(checker.model(), path)));
    (
        checker.unique_state_count(),
        checker.max_depth(),
        tally,
        found,
    )
}

#[test]
#[ignore]
#[allow(clippy::disallowed_methods)]
fn probe() {
    let spec = std::env::var("CHECK").unwrap_or_default();
    let mut b = Bounds::calm(2, 2);
    let mut threads = 2;
    for part in spec.split(',').filter(|it| !it.is_empty()) {
        let (key, value) = part.split_once('=').unwrap();
        let n: u8 = value.parse().unwrap();
        match key {
            "sites" => b.sites = n.into(),
            "jobs" => b.jobs = n.into(),
            "losses" => b.losses = n,
            "repeats" => b.repeats = n,
            "timeouts" => b.timeouts = n,
            "renewals" => b.renewals = n,
            "polls" => b.polls = n,
            "crashes" => b.crashes = n,
            "amnesias" => b.amnesias = n,
            "deaths" => b.deaths = n,
            "endings" => b.endings = n,
            "hurry" => b.extra_heartbeats = n,
            "flight" => b.in_flight = n.into(),
            "threads" => threads = n.into(),
            "hasty" => b.hasty_host = true,
            "without" => b.without.push(
                [
                    Guard::ServiceSession,
                    Guard::CookieOnce,
                    Guard::Generation,
                    Guard::NewestHeartbeat,
                    Guard::Receipt,
                ][usize::from(n)],
            ),
            _ => panic!(),
        }
    }
    let start = std::time::SystemTime::now();
    println!("{b}");
    let (n, depth, tally, found) = explore(b, threads);
    println!("{n} states, depth {depth}, {:?}", start.elapsed());
    tally.lines().iter().for_each(|l| println!("{l}"));
    if let Some(found) = found {
        println!("{found}");
    }
}
