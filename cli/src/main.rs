//! The program `fedlink`.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use fedlink_cli::logging;
use fedlink_cli::options::{Command, Options};
use fedlink_cli::provision;

fn main() -> ExitCode {
    let options = Options::parse();
    match logging::start()
        .map_err(Into::into)
        .and_then(|()| run(&options.command))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fedlink: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Provision(options) => print!("{}", provision::run(options)?),
        Command::Demo(_) | Command::Serve(_) | Command::Join(_) => {
            return Err("this command is not there yet".into());
        }
    }
    Ok(())
}
