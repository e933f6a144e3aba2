//! The client machine.

mod action;
mod config;

pub use action::{
    Auth, ClientAction, CloseReason, Direction, RejectReason, Rejection, RetryReason, Suspicion,
    Task,
};
pub use config::{ClientConfig, Mode};
