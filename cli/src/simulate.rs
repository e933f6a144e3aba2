//! `fedlink simulate`: a million stand-ins before one real server, in simulated time.
//!
//! The server is the machine that a federation runs on, with every message through it. It
//! speaks the plain suite, so signature checks and encryption are left out. The clients are
//! stand-ins that wait and repeat by the rules of the real client.

mod clients;
mod error;
mod figures;
mod network;
mod plan;
mod plot;
mod reconnection;
mod report;
mod screen;
mod server;
mod timer;
mod wheel;
mod workers;
mod world;

pub use error::SimulateError;

use std::time::Instant;

use fedlink::identity::Name;

use crate::interrupt::{Hangup, Interrupt};
use crate::options::SimulateOptions;
use crate::output;
use plan::Plan;
use report::{Real, Report};
use screen::Screen;

/// Runs a simulation and prints its figures. False if something was not as it should be.
///
/// # Errors
/// When the options make no sense, it was interrupted, or its figures could not be written.
pub fn run(options: &SimulateOptions) -> Result<bool, SimulateError> {
    let plan = Plan::new(options)?;
    let interrupt = Interrupt::listen(Hangup::Ends)?;
    let jitter: &[bool] = match (options.storm, options.no_jitter) {
        (true, _) => &[true, false],
        (false, without) => &[!without],
    };
    let started = Instant::now();
    let mut runs = Vec::new();
    let mut real = Real::default();
    for jitter in jitter {
        let screen = Screen::new(options.quiet, *jitter);
        let (figures, took) = world::run(&plan, *jitter, &interrupt, |now, end| {
            screen.show(now, end);
        })?;
        real.server_seconds += took.as_secs_f64();
        runs.push(figures);
    }
    real.seconds = started.elapsed().as_secs_f64();
    let plotted = options
        .plot
        .as_ref()
        .map_or(Ok(()), |path| plot::draw(path, &plan, &runs));
    // A plot that cannot be drawn takes no figures with it.
    let report = Report::new(&plan, runs, real);
    output::report(&report, options.json)?;
    plotted?;
    Ok(report.ok)
}

/// The name of a client.
fn name_of(client: u32) -> Result<Name, SimulateError> {
    Ok(Name::new(&format!("site-{client:07}"))?)
}
