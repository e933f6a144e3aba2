//! The client machine.

mod action;
mod backoff;
mod config;
mod counters;
mod cx;
mod work;

pub use action::{
    Auth, ClientAction, CloseReason, Direction, RejectReason, Rejection, RetryReason, Suspicion,
    Task,
};
pub use config::{ClientConfig, Mode};
pub use counters::ClientCounters;
pub use cx::Timer;
