//! The program `fedlink` as a library, so that its parts can be tested.

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod bounds;
mod certificates;
pub mod check;
pub mod demo;
pub mod exec;
pub mod federation;
pub mod interrupt;
#[cfg(unix)]
pub mod jobs;
pub mod join;
pub mod logging;
mod open_files;
pub mod options;
pub mod output;
pub mod parties;
pub mod provision;
mod reload;
pub mod serve;
pub mod simulate;
pub mod training;
#[cfg(unix)]
pub mod try_job;
