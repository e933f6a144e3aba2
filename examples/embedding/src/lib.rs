//! What the examples share: who takes part, what they work on, and what a machine is given of
//! the outside. How messages travel is in the programs of `src/bin`, and for a coordinator
//! over TCP in [`tcp`].

pub mod average;
pub mod clock;
pub mod parties;
pub mod tcp;

/// Whatever ends an example early.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
