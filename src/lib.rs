#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// The certificates of the tests outside are made in their words.
#[cfg(test)]
extern crate self as fedlink;

#[cfg(test)]
mod attacker;
#[cfg(test)]
mod checking;
mod client;
mod codes;
#[doc = include_str!("../docs/cost.md")]
pub mod cost {}
mod digest;
mod entropy;
pub mod error;
pub mod frame;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod guard;
pub mod identity;
mod link;
pub mod message;
#[cfg(feature = "nvflare")]
pub mod nvflare;
mod records;
mod seed;
mod server;
#[cfg(any(test, feature = "stand-in"))]
pub mod stand_in;
mod suite;
mod time;
mod timer;
mod transfer;
mod transmit;
mod waiting;
mod wire;

pub use client::{
    Auth, Binding, Carrier, CarrierWish, Client, ClientAction, ClientConfig, ClientCounters,
    CloseReason, Direction, FailureKind, Mode, Phase, Rejection, RetryReason, Suspicion, Task,
    Timer, Trigger,
};
pub use message::RejectReason;
pub use seed::Seed;
pub use server::{
    Assignee, HEARTBEAT_INTERVAL, Joined, NewTask, Refused, ResultReceived, Server, ServerAction,
    ServerConfig, ServerCounters, ServerTimer, Sites, TaskState, TaskView,
};
pub use suite::{Suite, Suites};
pub use time::Instant;
pub use transmit::{ServerTransmit, Transmit};
