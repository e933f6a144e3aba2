//! The program `fedlink`.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use fedlink_cli::options::{Command, Options};
use fedlink_cli::print::line;
use fedlink_cli::{demo, join, logging, provision, serve, simulate};

fn main() -> ExitCode {
    let options = Options::parse();
    match logging::start()
        .map_err(Into::into)
        .and_then(|()| run(&options.command))
    {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let error = format!("fedlink: {error}");
            error.lines().for_each(|it| eprintln!("{}", line(it)));
            ExitCode::FAILURE
        }
    }
}

/// False if the command did its work and the outcome is bad.
fn run(command: &Command) -> Result<bool, Box<dyn Error>> {
    match command {
        Command::Provision(options) => print!("{}", provision::run(options)?),
        Command::Demo(options) => return Ok(demo::run(options)?),
        Command::Serve(options) => serve::run(options)?,
        Command::Join(options) => join::run(options)?,
        Command::Simulate(options) => return Ok(simulate::run(options)?),
    }
    Ok(true)
}
