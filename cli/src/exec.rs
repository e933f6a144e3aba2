//! Runs any program as a trainer: it gets the arrays of a task as an .npz file and leaves
//! those of the result as another one. docs/nvflare.md tells what it can rely on.

mod exchange;
mod headers;
mod process;

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::{Command, ExitStatus};

use fedlink::Task;
use fedlink::nvflare::npz::NpzError;
use fedlink_host::trainer::{self, Failure, Stop, Trainer, Update};

use exchange::Exchange;
pub use process::kill_all;
use process::{Ended, Group};

/// Runs a program for each task.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program, then its own arguments; at least the program.
    pub command: Vec<OsString>,
    /// The name of this site, which the program is told.
    pub site: String,
}

/// Why a program gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// The files between us and the program.
    #[error("{what} ({source}): check the space and the rights of the folder for temporary files")]
    Files {
        /// What could not be done.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The program does not start.
    #[error("`{program}` does not start ({source}): check the path after --exec")]
    Start {
        /// As it stands on the command line.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// Nobody can tell whether the program still runs.
    #[error("the program cannot be waited for: {0}")]
    Wait(#[source] io::Error),
    /// The job is over, or the site leaves.
    #[error("the program was stopped, as its result is no longer wanted")]
    Stopped,
    /// The program says that it has failed.
    #[error("the program failed ({0}): what it wrote to its error output says why")]
    Failed(ExitStatus),
    /// The program left no result.
    #[error(
        "the program ended well but left no result: it must write the .npz file that its last argument names, or metrics to {name} beside it",
        name = exchange::OUTPUT_HEADERS
    )]
    NoOutput,
    /// The result is something else.
    #[error("the program's result cannot be used: {0}")]
    NotNpz(#[source] NpzError),
    /// The result is too large.
    #[error(
        "the program's result has {size} bytes, more than the {limit} that can be sent: return less"
    )]
    TooLarge {
        /// Of the file, in bytes.
        size: u64,
        /// In bytes.
        limit: u64,
    },
    /// The file beside the result.
    #[error("the program's {name} cannot be used: {problem}", name = exchange::OUTPUT_HEADERS)]
    Headers {
        /// What is wrong, and what would be right.
        problem: String,
    },
}

impl Trainer for Program {
    fn train(&mut self, task: Task, stop: &Stop) -> Result<Update, Failure> {
        let exchange = Exchange::new(&task.payload)?;
        let mut command = self.command(&task, &exchange);
        // It may be large, and the program has it now.
        drop(task);
        let group = Group::start(&mut command).map_err(|source| ExecError::Start {
            program: command.get_program().display().to_string(),
            source,
        })?;
        match group.wait(stop).map_err(ExecError::Wait)? {
            Ended::Stopped => Err(ExecError::Stopped.into()),
            Ended::Exited(status) if !status.success() => Err(ExecError::Failed(status).into()),
            Ended::Exited(_) => Ok(exchange.update()?),
        }
    }
}

impl Program {
    /// Looks for the program where starting it does: no job should be the first to learn that
    /// it is not there.
    ///
    /// # Errors
    /// When there is none, or none that may be run.
    #[cfg(unix)]
    pub fn find(&self) -> Result<(), ExecError> {
        use std::os::unix::fs::PermissionsExt;

        let program = self.command.first().map(Path::new);
        let program = program.unwrap_or(Path::new(""));
        let is_program = |path: &Path| {
            let found = path.metadata()?;
            match found.is_file() && found.permissions().mode() & 0o111 != 0 {
                true => Ok(()),
                false => Err(io::Error::from(ErrorKind::PermissionDenied)),
            }
        };
        // What is a name alone is looked for in PATH.
        let is_path = program.as_os_str().as_encoded_bytes().contains(&b'/');
        let found = if is_path {
            is_program(program)
        } else {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let mut places = std::env::split_paths(&path);
            match places.any(|place| is_program(&place.join(program)).is_ok()) {
                true => Ok(()),
                false => Err(io::Error::new(ErrorKind::NotFound, "it is not in PATH")),
            }
        };
        found.map_err(|source| ExecError::Start {
            program: program.display().to_string(),
            source,
        })
    }

    /// Elsewhere only starting it tells.
    #[cfg(not(unix))]
    pub fn find(&self) -> Result<(), ExecError> {
        Ok(())
    }

    fn command(&self, task: &Task, exchange: &Exchange) -> Command {
        let mut words = self.command.iter();
        let mut command = Command::new(words.next().cloned().unwrap_or_default());
        command
            .args(words)
            .arg(exchange.input())
            .arg(exchange.output())
            .env("FEDLINK_SITE", &self.site)
            .env("FEDLINK_JOB", task.job.to_string())
            .env("FEDLINK_TASK", &task.name)
            .env("FEDLINK_TASK_ID", task.id.to_string())
            .env("FEDLINK_HEADERS", headers::to_json(&task.headers));
        match trainer::round(&task.headers) {
            Some(round) => command.env("FEDLINK_ROUND", round.to_string()),
            None => command.env_remove("FEDLINK_ROUND"),
        };
        command
    }
}

#[cfg(all(test, unix))]
mod tests;
