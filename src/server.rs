//! The server machine.

mod action;
mod config;
mod ledger;

pub use action::{Joined, ResultReceived, ServerAction};
pub use config::ServerConfig;
pub use ledger::{Assignee, NewTask, Sites, TaskState, TaskView};
