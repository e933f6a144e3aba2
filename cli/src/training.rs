//! The job that `demo`, `serve` and `join` run: a small model of red wines, trained by
//! federated averaging. Pure computation, without files, clocks or sockets.
//!
//! A coordinator sends every site the current [`Checkpoint`]; each site trains it on its
//! own [`Share`] and returns another one; [`average`] makes the next. What the result is
//! worth is told by [`Baselines`]: one party with all the wines, and each site alone.
//!
//! The same seed gives the same wines to the same sites, and the same model after as many
//! rounds, on the same build and machine. (Logarithms may differ in the last bit
//! elsewhere.)

mod average;
mod baseline;
mod checkpoint;
mod model;
mod share;
mod wine;

pub use average::{average, federate};
pub use baseline::Baselines;
pub use checkpoint::{Checkpoint, CheckpointError, MAX_PADDING};
pub use model::{EPOCHS, Evaluation, Model};
pub use share::{MAX_SITES, Share, partition};
pub use wine::{Dataset, Example, FEATURES};

use rand::SeedableRng;
use rand_pcg::Pcg64;

/// A generator of its own for each purpose, so that a draw added for one of them does not
/// change what the others see.
fn generator(seed: u64, purpose: &str) -> Pcg64 {
    Pcg64::seed_from_u64(fold(
        fold(FOLD_START, &seed.to_le_bytes()),
        purpose.as_bytes(),
    ))
}

/// FNV-1a: spreads bytes over a seed. Nothing here needs to withstand an attacker.
fn fold(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Where [`fold`] begins.
const FOLD_START: u64 = 0xcbf2_9ce4_8422_2325;
