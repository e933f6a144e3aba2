//! What the tests of jumping clocks share.

use core::time::Duration;

use proptest::collection::vec;
use proptest::num::u8::ANY;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::script::Script;
use crate::Instant;

/// Scripts that are drawn, and their length at most.
const CASES: usize = 600;
const LENGTH: usize = 160;

/// Waits that a host may set: none, less than a clock can say, the least, the most.
pub(super) const SPANS: [Duration; 7] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    Duration::from_micros(1),
    Duration::from_millis(2),
    Duration::from_secs(3),
    Duration::from_secs(1 << 33),
    Duration::MAX,
];

/// Where machines start, and where they jump to besides powers of two.
pub(super) const MOMENTS: [Instant; 4] = [
    Instant::from_micros(0),
    Instant::from_micros(1_000_000),
    Instant::from_micros(u64::MAX - 1),
    Instant::END,
];

/// Runs scripts of any bytes, the same each time.
pub(super) fn run_scripts(mut run: impl FnMut(&mut Script<'_>)) {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    for _ in 0..CASES {
        let bytes = vec(ANY, LENGTH / 2..LENGTH).new_tree(&mut runner).unwrap();
        run(&mut Script(&bytes.current()));
    }
}
