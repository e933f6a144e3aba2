//! What somebody on the way, a stranger, or an enrolled site might try. Each test names
//! the attack and shows that it fails; where the order of messages matters, the trace is
//! told before it.
//!
//! A search for attacks that nobody has named stands in `src/testing/attacker.rs`.
#![cfg(feature = "x509")]

#[path = "../common/mod.rs"]
mod common;

mod amplification;
mod availability;
mod connections;
mod crowd;
mod names;
mod registers;
mod registration;
mod sessions;
mod sleep;
mod transfers;
mod two;
mod visible;
mod ways;
mod work;

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
