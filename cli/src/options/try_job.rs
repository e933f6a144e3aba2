//! The options of `fedlink try`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use fedlink_trainer::Errors;

use super::path;

/// More programs at a time than this are no trial any more.
const MAX_SITES: u64 = 100;

/// Options of `fedlink try`.
#[derive(Clone, Debug, Args)]
pub struct TryOptions {
    /// The job file
    #[arg(value_name = "FILE", value_parser = path())]
    pub file: PathBuf,
    /// How many sites take part: site-1, site-2 and so on
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = RangedU64ValueParser::<usize>::new().range(1..=MAX_SITES))]
    pub sites: usize,
    /// Replaces what the job file says, as in rounds=3; can be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// Where the job's folder is made
    #[arg(long, value_name = "FOLDER", default_value = ".", value_parser = path())]
    pub out: PathBuf,
    /// What is told when the program fails; its log has all of it
    #[arg(long, value_enum, default_value_t = ErrorsOption::Type)]
    pub errors: ErrorsOption,
    /// Print the result as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Show nothing but the result
    #[arg(long)]
    pub quiet: bool,
    /// The program that trains, after --
    #[arg(last = true, required = true, value_names = ["PROGRAM", "ARGUMENTS"], num_args = 1..)]
    pub command: Vec<OsString>,
}

/// What a coordinator hears of a failure, as an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ErrorsOption {
    /// The type of the exception, or how the program died, as a coordinator hears by default
    Type,
    /// The text of the exception as well
    Text,
    /// And the end of what the program has printed
    Tail,
}

impl From<ErrorsOption> for Errors {
    fn from(option: ErrorsOption) -> Self {
        match option {
            ErrorsOption::Type => Self::Type,
            ErrorsOption::Text => Self::Text,
            ErrorsOption::Tail => Self::Tail,
        }
    }
}
