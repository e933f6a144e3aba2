//! Errors of hosts: why one stopped, and why a call to it failed.

use std::io;

use fedlink::error::{ConfigError, Misuse};

/// Why a host stopped although nobody asked it to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// Records could not be stored, so nothing may be promised any more.
    #[error("records cannot be stored: {0}; see to that, then start again from what is stored")]
    Storage(#[source] io::Error),
    /// The machine cannot work with its settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The operating system gave no random bytes.
    #[error("there is no randomness: {0}")]
    Entropy(#[from] getrandom::Error),
    /// The machine has refused what was done in the application's name.
    #[error("the machine refuses to go on: {0}")]
    Refused(#[source] Misuse),
    /// The task of the host was aborted, or has panicked.
    #[error("the host's task was aborted or has panicked: report it if nobody aborted it")]
    Task,
}

/// Why a call to a machine behind a handle failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The host has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The machine refused.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

/// The host has stopped: nobody is there to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host has stopped: `Events::finish` tells why; start another")]
pub struct Stopped;
