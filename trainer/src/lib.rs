//! Trainers of a site that live as long as their job.
//!
//! A site gives each job to a program of its operator. The program is started once, so that its
//! data, its optimiser and its GPU stay, and speaks the trainer protocol over a Unix socket:
//! docs/trainers.md describes it for those who write such programs. [`Program`] is the site's
//! end of it, and [`Trainers`] is what the operator allows, read from `trainers.toml`.
//!
//! Nothing of a program outlives the site. Between them stands a small supervisor process,
//! which kills the program and all that it has started as soon as the site is gone, whatever
//! ended it. It is the site's own executable, started again: its `main` hands the words after
//! [`SUPERVISE`] to [`supervise`].
//!
//! ```no_run
//! # use std::process::ExitCode;
//! fn main() -> ExitCode {
//!     let mut words = std::env::args_os().skip(1);
//!     if words.next().is_some_and(|word| word == fedlink_trainer::SUPERVISE) {
//!         return fedlink_trainer::supervise(words);
//!     }
//!     // The site.
//! #   ExitCode::SUCCESS
//! }
//! ```

#![cfg(unix)]

mod arrays;
mod connection;
mod environment;
mod filter;
mod inbox;
mod lines;
mod metadata;
mod numbers;
mod output;
mod ping;
mod process;
mod program;
mod protocol;
mod running;
mod settings;
mod slots;
mod supervise;
mod task;

pub use arrays::{Arrays, ArraysError};
pub use output::Output;
pub use process::{Death, Supervisor};
pub use program::{Launch, Program, Stopper};
pub use protocol::Kind;
pub use settings::{Errors, Format, Life, SettingsError, Trainer, Trainers};
pub use slots::{Slot, Slots};
pub use supervise::{SUPERVISE, supervise};
pub use task::{Event, Failure, Job, Task, TaskResult};
