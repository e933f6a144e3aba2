//! The server machine.

mod action;
mod config;

pub use action::{Joined, ResultReceived, ServerAction};
pub use config::ServerConfig;
