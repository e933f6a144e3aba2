#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(not(any(test, fuzzing)), no_std)]
#![cfg_attr(
    all(test, not(feature = "x509")),
    allow(
        dead_code,
        unused_imports,
        reason = "what only the tests with certificates use"
    )
)]
#![warn(
    clippy::alloc_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core
)]

extern crate alloc;
#[cfg(all(feature = "std", not(any(test, fuzzing))))]
extern crate std;

// The certificates of the tests outside are made in their words.
#[cfg(test)]
extern crate self as fedlink;

mod client;
mod codes;
mod config;
#[doc = include_str!("../docs/cost.md")]
pub mod cost {}
mod digest;
mod encoding;
mod entropy;
pub mod error;
pub mod frame;
pub mod identity;
mod link;
pub mod message;
#[cfg(feature = "nvflare")]
pub mod nvflare;
mod output_queue;
mod records;
mod seed;
mod server;
#[doc = include_str!("../docs/settings.md")]
pub mod settings {}
#[cfg(any(test, feature = "stand-in"))]
pub mod stand_in;
mod suite;
#[cfg(any(test, fuzzing))]
mod testing;
mod time;
mod timer;
mod transfer;
mod transmit;
mod wire;

pub use client::{
    Carrier, CarrierWish, Client, ClientAction, ClientCounters, CloseReason, Direction,
    FailureKind, Phase, Rejection, RetryReason, Task, Timer, Trigger,
};
pub use config::{
    Binding, ClientConfig, HEARTBEAT_INTERVAL, Mode, ServerConfig, Setting, SettingKind,
    SettingValue,
};
pub use link::{Auth, Suspicion};
pub use message::RejectReason;
pub use seed::Seed;
pub use server::{
    Assignee, Joined, NewTask, Refused, ResultReceived, Server, ServerAction, ServerCounters,
    ServerTimer, Sites, TaskState, TaskView,
};
pub use suite::{Suite, Suites};
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub use testing::fuzzing;
pub use time::Instant;
pub use transmit::{ServerTransmit, Transmit};
