//! What a machine may take of the heap, whatever its peer and its host do. Every
//! allocation of the thread that runs a test is counted; limits are the ones that the
//! settings' documentation states.
#![cfg(feature = "x509")]

#[path = "../common/mod.rs"]
mod common;
mod deaf;
mod dice;
mod flood;
mod idle;
mod largest;
mod moved;
mod silent;

use std::time::Duration;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Bytes on the heap, more than there were before.
#[derive(Clone, Copy, Debug)]
struct Heap {
    /// At the end.
    left: i64,
    /// At the worst moment.
    peak: u64,
}

/// Counts what `run` takes of the heap.
fn measure(run: impl FnOnce()) -> Heap {
    let counted = allocation_counter::measure(run);
    Heap {
        left: counted.bytes_current,
        peak: counted.bytes_max,
    }
}
