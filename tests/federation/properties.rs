//! Plans from any bytes, as a property test draws them.

use proptest::collection::vec;
use proptest::num::u8::ANY;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::attempt::{attempt, explain};
use crate::world::Manner;
use crate::world::bytes::{FAULT, HEAD};

/// Plans that are drawn.
const CASES: u32 = 40;

/// Most faults of each.
const MAX_FAULTS: usize = 30;

#[test]
fn any_bytes_are_a_plan_that_holds() {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let done = runner.run(&vec(ANY, 0..HEAD + MAX_FAULTS * FAULT), |bytes| {
        let run = attempt(&bytes, Manner::default());
        run.map(drop).map_err(TestCaseError::fail)
    });
    match done {
        Ok(()) => {}
        Err(TestError::Fail(reason, bytes)) => explain(&bytes, reason.message()),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}
