//! `fedlink demo`: a whole federation on one machine, with faults that it withstands.

mod audit;
mod director;
mod error;
mod memory;
mod report;
mod screen;
mod setup;
mod sockets;
mod stage;

pub use error::DemoError;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::interrupt::{Hangup, Interrupt};
use crate::options::{DemoOptions, DemoTransport};
use crate::output;
use report::Report;
use screen::Screen;
use setup::Setup;
use stage::Stage;

/// Runs a demo and prints how it went. False if something was not as it should be.
///
/// # Errors
/// When it could not be set up, could not go on, or was interrupted.
pub fn run(options: &DemoOptions) -> Result<bool, DemoError> {
    let started = Instant::now();
    let interrupt = Interrupt::listen(Hangup::Ends)?;
    let setup = Arc::new(Setup::new(options)?);
    let names: Vec<String> = setup.names().iter().map(ToString::to_string).collect();
    let screen = Screen::new(options.quiet, &names, options.rounds);
    let stage = Arc::new(Mutex::new(Stage::new(&setup, screen)));
    let lock = || stage.lock().unwrap_or_else(PoisonError::into_inner);
    let ran = match options.transport {
        DemoTransport::Memory => memory::run(&setup, &mut lock(), &interrupt),
        DemoTransport::Tls | DemoTransport::Tcp => sockets::run(&setup, &stage, interrupt),
    };
    let stage = lock();
    stage.screen.clear();
    ran?;
    let report = Report::new(&setup, &stage, started.elapsed().as_secs_f64());
    output::report(&report, options.json)?;
    Ok(report.ok)
}
