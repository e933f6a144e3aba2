//! Errors that end a demo early.

use std::io;

use fedlink::error::{ConfigError, Misuse};
use fedlink_host::kit::KitError;
use fedlink_host::store::StoreError;
use fedlink_host::tls::TlsError;
use fedlink_host::{CallError, HostError, Stopped};

use crate::interrupt::SignalError;
use crate::output::PrintError;
use crate::parties::PartyError;
use crate::provision::ProvisionError;

/// Why a demo could not run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// There is no place for the certificates.
    #[error("no temporary folder can be made ({0}): set TMPDIR to a folder that can be written")]
    Folder(#[source] io::Error),
    /// The certificates could not be made.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// What was made cannot be read back.
    #[error(transparent)]
    Kit(Box<KitError>),
    /// Records cannot be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The settings contradict each other.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What was made cannot be put to work.
    #[error(transparent)]
    Party(#[from] PartyError),
    /// There must be somebody to train.
    #[error("a federation needs a site: give --sites 1 or more")]
    NoSites,
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is no socket.
    #[error("the loopback interface cannot be used ({0}): try --transport memory")]
    Socket(#[source] io::Error),
    /// A party's host has failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A party's host has stopped, or refused a command.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A task of the demo has panicked.
    #[error("a party has panicked: report it")]
    Panicked,
    /// A machine refused a command.
    #[error("a machine refused a command: {0}")]
    Misuse(#[from] Misuse),
    /// Nothing came to its end in a long time.
    #[error("the federation came to no end: run it again with RUST_LOG=debug and report it")]
    Stuck,
    /// The job is not among what the coordinator stored.
    #[error("the restored coordinator does not know its job: report it")]
    NotRestored,
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Ctrl-C cannot be caught.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// The result could not be printed.
    #[error(transparent)]
    Output(#[from] PrintError),
}

impl From<Stopped> for DemoError {
    fn from(stopped: Stopped) -> Self {
        Self::Call(stopped.into())
    }
}
