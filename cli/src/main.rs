//! The program `fedlink`: it reads the command line and runs one command.

#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use fedlink_cli::options::{Command, Options};
use fedlink_cli::{check, demo, join, logging, output, provision, serve, simulate};

fn main() -> ExitCode {
    // What supervises a trainer is this executable too.
    #[cfg(unix)]
    {
        let mut words = std::env::args_os().skip(1);
        if words
            .next()
            .is_some_and(|word| word == fedlink_trainer::SUPERVISE)
        {
            return fedlink_trainer::supervise(words);
        }
    }
    let options = Options::parse();
    // Dropped last: it writes what waits.
    let _output = output::open();
    match logging::start()
        .map_err(Into::into)
        .and_then(|()| run(&options.command))
    {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            output::fail(&*error);
            ExitCode::FAILURE
        }
    }
}

/// False if the command did its work and the outcome is bad.
fn run(command: &Command) -> Result<bool, Box<dyn Error>> {
    match command {
        Command::Provision(options) => output::print(provision::run(options)?)?,
        Command::Check(options) => return Ok(check::run(options)?),
        Command::Demo(options) => return Ok(demo::run(options)?),
        Command::Serve(options) => serve::run(options)?,
        Command::Join(options) => join::run(options)?,
        #[cfg(unix)]
        Command::Try(options) => return Ok(fedlink_cli::try_job::run(options)?),
        Command::Simulate(options) => return Ok(simulate::run(options)?),
    }
    Ok(true)
}
