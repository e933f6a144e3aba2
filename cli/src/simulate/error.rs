//! Errors that end a simulation early.

use std::path::PathBuf;

use fedlink::error::{ConfigError, Misuse};
use fedlink::identity::NameError;

use crate::interrupt::SignalError;
use crate::options::Span;
use crate::output::PrintError;

/// Why a simulation could not run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulateError {
    /// A time that makes no sense.
    #[error("{option} is {given}: give {remedy}")]
    Time {
        /// The option.
        option: &'static str,
        /// What it was.
        given: Span,
        /// What it may be.
        remedy: &'static str,
    },
    /// More losses than a client can get through.
    #[error("--loss is {0}: give a percentage from 0 to 50")]
    Loss(f64),
    /// More workers than clients.
    #[error("--workers is {workers}, of {clients} clients: give no more than there are")]
    Workers {
        /// How many workers.
        workers: u32,
        /// How many clients.
        clients: u32,
    },
    /// Workers without anything to do.
    #[error("--rounds is 0: give 1 or more, or --workers 0")]
    NoRounds,
    /// More tasks than a server holds.
    #[error("{tasks} tasks are more than {limit}: give fewer --workers or fewer --rounds")]
    Tasks {
        /// How many tasks.
        tasks: u64,
        /// How many there may be.
        limit: usize,
    },
    /// The settings contradict each other.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A name that none can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The server refused a command.
    #[error("the server refused a command: {0}")]
    Misuse(#[from] Misuse),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Ctrl-C cannot be caught.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// The picture could not be drawn.
    #[error("{} could not be written: {reason}: give --plot another file, or free space there", .path.display())]
    Plot {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The figures could not be printed.
    #[error(transparent)]
    Output(#[from] PrintError),
}
