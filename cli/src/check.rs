//! `fedlink check`: looks at a kit and at the way to its coordinator, one thing after another,
//! and says of each that it is right, or what to do.
//!
//! Nothing is changed in the kit and its folder for state, and nothing at the other end: it is asked to prove itself, and the conversation ends
//! before this side registers, unless that is asked for.

mod dates;
mod kits;
mod report;
mod state;
mod way;

use std::io;

use fedlink_host::kit::{KitError, Role, ServerKit, SiteKit};
use fedlink_host::nvflare::Kit as NvflareKit;

use crate::options::CheckOptions;
use crate::output::{self, PrintError};
use report::{Line, Report};

/// Why nothing can be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// There are no threads.
    #[error("the process cannot start ({0}): close some programs and try again")]
    Runtime(#[source] io::Error),
    /// An option that the check of a kit of fedlink's own has not.
    #[error(
        "--state is for a site of NVFlare: give its kit with --nvflare, or leave --state out, as fedlink.toml says where the state is"
    )]
    NvflareOnly,
    /// The report cannot be written.
    #[error(transparent)]
    Print(#[from] PrintError),
}

/// Checks what the options name; false if anything is not right.
///
/// # Errors
/// When it cannot start, or its report cannot be written.
pub fn run(options: &CheckOptions) -> Result<bool, CheckError> {
    if options.state.is_some() && options.nvflare.is_none() {
        return Err(CheckError::NvflareOnly);
    }
    let runtime = tokio::runtime::Runtime::new().map_err(CheckError::Runtime)?;
    let report = runtime.block_on(check(options));
    // A name that is still being resolved would be waited for.
    runtime.shutdown_background();
    output::report(&report, options.json)?;
    Ok(report.right)
}

async fn check(options: &CheckOptions) -> Report {
    if let Some(folder) = &options.nvflare {
        return match quietly(|| NvflareKit::read(folder)) {
            Ok(kit) => kits::nvflare(&kit, options).await,
            Err(error) => no_kit(&error),
        };
    }
    match quietly(|| SiteKit::load(&options.kit)) {
        Ok(kit) => kits::site(&kit, options).await,
        Err(KitError::WrongRole {
            found: Role::Server,
            ..
        }) => match quietly(|| ServerKit::load(&options.kit)) {
            Ok(kit) => kits::coordinator(&kit, options).await,
            Err(error) => no_kit(&error),
        },
        Err(error) => no_kit(&error),
    }
}

/// Reads a kit whose warnings the report has in it.
fn quietly<T>(read: impl FnOnce() -> T) -> T {
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::new(), read)
}

fn no_kit(error: &dyn std::error::Error) -> Report {
    // Errors of kits say what to do.
    Report::of(vec![Line::wrong("kit", error.to_string(), None)])
}
