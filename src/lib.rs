//! fedlink: the communication layer of federated learning as a pure state machine.

#![forbid(unsafe_code)]

mod client;
mod digest;
mod entropy;
pub mod error;
pub mod identity;
pub mod message;
mod server;
mod suite;
mod time;
mod timer;
mod transfer;

pub use client::{
    Auth, ClientAction, ClientConfig, ClientCounters, CloseReason, Direction, Mode, RejectReason,
    Rejection, RetryReason, Suspicion, Task, Timer,
};
pub use server::{Joined, ResultReceived, ServerAction, ServerConfig};
pub use suite::{Suite, Suites};
pub use time::Instant;
