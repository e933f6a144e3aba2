//! `fedlink join`: a site of a project, in a process of its own.

mod ending;
mod native;
mod news;
mod nvflare;
mod wines;
mod words;

pub(crate) use words::why;

use std::io;
use std::time::Duration;

use fedlink::{RejectReason, Rejection, Suspicion};
use fedlink_host::kit::{KitError, SiteKit};
use fedlink_host::nvflare::{Kit, KitError as NvflareKitError};
use fedlink_host::store::StoreError;
use fedlink_host::{CallError, HostError};

use crate::exec::ExecError;
use crate::interrupt::{Hangup, Interrupt, SignalError};
use crate::options::{JoinOptions, ReplacedOption};
use crate::output::Escaped;
use crate::parties::{self, PartyError};
use crate::training::{Dataset, Share, partition};

/// Why a site cannot run, or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The kit cannot be used.
    #[error(transparent)]
    Kit(#[from] KitError),
    /// The kit of an NVFlare federation cannot be used.
    #[error(transparent)]
    NvflareKit(#[from] NvflareKitError),
    /// The kit cannot be put to work.
    #[error(transparent)]
    Party(#[from] PartyError),
    /// The records in the folder for state.
    #[error("{0}{hint}", hint = parties::repair_hint(.0))]
    Store(#[from] StoreError),
    /// The client has failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The client has stopped, or refused a command.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The other end refuses this site.
    #[error(
        "the {who} refuses this site ({}): {}\n{hint}",
        .rejection.reason,
        Escaped(&.rejection.message)
    )]
    Rejected {
        /// What the other end is called.
        who: &'static str,
        /// What it says.
        rejection: Rejection,
        /// What to do.
        hint: &'static str,
    },
    /// Whoever answers is not the other end.
    #[error(
        "whoever answers is not the {who} of this kit: {}\nask whoever runs the project whether its address, its name and its root are still those in this kit",
        Escaped(suspicion)
    )]
    Suspect {
        /// What the other end is called.
        who: &'static str,
        /// What is wrong.
        suspicion: Suspicion,
    },
    /// One of the two ends of TLS does not trust the other.
    #[error(
        "no connection can be trusted: {}\nonly somebody's help changes that: start this site again afterwards",
        Escaped(.0)
    )]
    Untrusted(String),
    /// The server did not let the site in while it was waited for.
    #[error("not registered within {} s: {}", .waited.as_secs(), Escaped(last))]
    NotRegistered {
        /// For how long.
        waited: Duration,
        /// What was wrong last.
        last: String,
    },
    /// The program that is to train cannot be started.
    #[error(transparent)]
    Program(#[from] ExecError),
    /// The site's own privacy policy asks for something that nobody here does.
    #[error(
        "local/privacy.json of this kit prescribes the filter {}, which fedlink does not run: apply it in the training program, and say so with --accept-filters {}",
        Escaped(.0),
        Escaped(.0)
    )]
    PrivacyFilter(String),
    /// An option that a site of fedlink's own has not.
    #[error("{0} is for a site of NVFlare: give its kit with --nvflare, or leave {0} out")]
    NvflareOnly(&'static str),
    /// Ctrl-C cannot be caught.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// There are no threads.
    #[error("the process cannot start ({0}): close some programs and try again")]
    Runtime(#[source] io::Error),
}

/// An option that only goes with `--nvflare`, if one is given.
fn nvflare_option(options: &JoinOptions) -> Option<&'static str> {
    let given = [
        ("--state", options.state.is_some()),
        ("--on-replaced", options.on_replaced != ReplacedOption::Stop),
        ("--once", options.once),
        ("--json", options.json),
        ("--exec", options.exec.is_some()),
        ("--accept-executors", !options.accept_executors.is_empty()),
        ("--accept-filters", !options.accept_filters.is_empty()),
        ("--accept-changed-arrays", options.accept_changed_arrays),
    ];
    given
        .into_iter()
        .find_map(|(option, given)| given.then_some(option))
}

/// Runs a site until the run that it takes part in is over, or until Ctrl-C. A site of an
/// NVFlare federation stays for the next run.
///
/// # Errors
/// When it cannot start or go on, and when it will never be let in.
pub fn run(options: &JoinOptions) -> Result<(), JoinError> {
    if let Some(option) = nvflare_option(options).filter(|_| options.nvflare.is_none()) {
        return Err(JoinError::NvflareOnly(option));
    }
    let interrupt = Interrupt::listen(Hangup::Reloads)?;
    let runtime = tokio::runtime::Runtime::new().map_err(JoinError::Runtime)?;
    if let Some(folder) = &options.nvflare {
        let kit = Kit::read(folder)?;
        if let Some(state) = options.state.as_ref().filter(|_| options.repair) {
            parties::repair(state, &parties::nvflare_owner(&kit))?;
        }
        runtime.block_on(nvflare::run(options, &kit, interrupt))
    } else {
        let kit = SiteKit::load(&options.kit)?;
        if options.repair {
            parties::repair(&kit.state, &parties::owner(&kit))?;
        }
        runtime.block_on(native::run(options, &kit, share(options), interrupt))
    }
}

/// Whether other certificates than those in use may help.
fn may_be_mended(error: &JoinError) -> bool {
    match error {
        JoinError::Rejected { rejection, .. } => rejection.reason == RejectReason::Unauthenticated,
        JoinError::Suspect { .. } | JoinError::Untrusted(_) => true,
        _ => false,
    }
}

/// The wines that the options give to this site; none if they do not say.
fn share(options: &JoinOptions) -> Share {
    let Some(share) = options.share else {
        return Share::new();
    };
    let shares = partition(&Dataset::load(options.seed), share.of, options.seed);
    shares.into_iter().nth(share.index).unwrap_or_default()
}
