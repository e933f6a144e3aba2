//! Runs the model checker within bounds, and prints how much it explored.

use alloc::sync::Arc;

use stateright::{Checker as _, HasDiscoveries, Model as _};

use super::bounds::Bounds;
use super::model::Model;
use super::tally::Tally;
use super::trace::{self, Found};

/// What an exploration came to.
pub(super) struct Explored {
    pub(super) states: usize,
    /// Steps of the longest way to a state.
    pub(super) depth: usize,
    pub(super) tally: Arc<Tally>,
    /// A property that fails. Without one, everything within the bounds was explored.
    pub(super) found: Option<Found>,
}

/// Explores everything within the bounds, or until a property fails. Depth first, which
/// keeps few machines in memory; what it finds is not the shortest.
pub(super) fn explore(bounds: Bounds, threads: usize) -> Explored {
    let model = Model::new(bounds);
    let tally = Arc::clone(&model.tally);
    let checker = model.checker().threads(threads);
    let checker = checker.finish_when(HasDiscoveries::AnyFailures).spawn_dfs();
    let checker = checker.join();
    let found = checker.discoveries().into_iter().next();
    Explored {
        states: checker.unique_state_count(),
        depth: checker.max_depth() - 1,
        tally,
        found: found.map(|(name, path)| trace::found(checker.model(), name, path)),
    }
}

/// The shortest way to a state in which this property fails.
pub(super) fn counterexample(bounds: &Bounds, property: &'static str) -> Option<Found> {
    // The checker goes breadth first, but looks only now and then whether it is done.
    let mut shortest: Option<Found> = None;
    loop {
        let limit = shortest.as_ref().map(|found| found.steps.len());
        match shorter(bounds, property, limit) {
            Some(found) => shortest = Some(found),
            None => return shortest,
        }
    }
}

/// A way of fewer than `limit` steps to a state in which this property fails.
fn shorter(bounds: &Bounds, property: &'static str, limit: Option<usize>) -> Option<Found> {
    let checker = Model::new(bounds.clone()).checker();
    let checker = checker.finish_when(HasDiscoveries::AnyOf([property].into()));
    let checker = match limit {
        // The first state is at depth 1, and those at the given depth are left out.
        Some(steps) => checker.target_max_depth(steps + 1),
        None => checker,
    };
    let checker = checker.spawn_bfs().join();
    let path = checker.discovery(property)?;
    Some(trace::found(checker.model(), property, path))
}
