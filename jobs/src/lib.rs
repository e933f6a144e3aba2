//! Jobs of federated learning as pure machines.
//!
//! Like the core, this crate reads no clock, draws no randomness, opens no file and spawns
//! nothing: a host hands it bytes, results and the time, and does what it says.
//!
//! - [`container`]: how models travel and lie on disk: safetensors, and a tree for what is
//!   no array.
//! - [`engine`]: rounds, who is in them, and when they are over.
//! - [`job_file`]: what a job is told before it starts.
//! - [`mean`]: the mean of what sites returned, the same to the last bit in any order.

pub mod container;
pub mod engine;
pub mod job_file;
pub mod mean;
#[cfg(any(test, fuzzing))]
mod testing;

#[cfg(any(test, fuzzing))]
pub use testing::fuzzing;
