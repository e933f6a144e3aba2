//! Plans that the fuzzer begins with or found worth keeping, run again.

// The core may not touch files; its tests read theirs.
#![allow(clippy::disallowed_methods)]

use std::path::PathBuf;

use crate::attempt::{attempt, explain};
use crate::world::Manner;

/// Files that there are at least.
const LEAST: usize = 30;

#[test]
fn what_the_fuzzer_knows_holds() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/world");
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        if let Err(failure) = attempt(&bytes, Manner::default()) {
            explain(&bytes, &failure);
        }
        count += 1;
    }
    assert!(count >= LEAST, "only {count} files");
}
