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
    Auth, ClientAction, ClientConfig, CloseReason, Direction, Mode, RejectReason, Rejection,
    RetryReason, Suspicion, Task,
};
pub use server::{
    Assignee, Joined, NewTask, ResultReceived, ServerAction, ServerConfig, Sites, TaskState,
    TaskView,
};
pub use suite::{Suite, Suites};
pub use time::Instant;
