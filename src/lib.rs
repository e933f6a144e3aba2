//! fedlink: the communication layer of federated learning as a pure state machine.

mod digest;
mod entropy;
pub mod message;
mod time;
mod timer;
mod transfer;

pub use time::Instant;
