//! What the benchmarks share: a server with as many clients as are wanted.

pub mod counted;
pub mod crowd;
pub mod joiners;
#[path = "../../tests/common/pki.rs"]
pub mod pki;
