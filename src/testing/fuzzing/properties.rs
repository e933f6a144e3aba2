//! Fuzz targets that need no network, run on bytes that a property test draws.

use proptest::collection::vec;
use proptest::num::u8::ANY;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Scripts that are drawn for each body.
const CASES: u32 = 100;

/// Bytes of the longest: it goes on for as long as a life may.
const LONGEST: usize = 400;

fn any(body: fn(&[u8])) {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let done = runner.run(&vec(ANY, 0..LONGEST), |bytes| {
        body(&bytes);
        Ok(())
    });
    if let Err(error) = done {
        panic!("{error}");
    }
}

#[test]
fn whatever_a_server_lives_through_its_records_bring_it_back() {
    any(super::server_lives);
}

#[test]
fn whatever_a_client_lives_through_its_records_bring_it_back() {
    any(super::client_lives);
}
