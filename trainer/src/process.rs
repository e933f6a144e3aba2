//! A program and its supervisor, as the site sees them.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use std::{fmt, thread};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};

use crate::environment::withheld;
use crate::inbox::Inbox;
use crate::output::{Log, Output, Tail, pump};
use crate::program::Launch;
use crate::supervise::{SUPERVISE, TERMINATE, WATCH, own_executable};

/// How long a program that has ended is waited for until all that it printed is read: it is
/// there already, unless a process that has escaped holds it open.
const PRINTED_FOR: Duration = Duration::from_secs(1);

/// The longest line of a supervisor, in bytes: a word and a number, or the system's reason.
const MAX_LINE: u64 = 4_096;

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Death {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Signal(i32),
    /// It closed its end of the socket, and was killed.
    Closed,
    /// Its supervisor is gone, and it with it.
    Unsupervised,
    /// It was never there, for this reason.
    NotStarted(String),
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(0) => f.write_str("ended without a result (exit code 0)"),
            Self::Exited(code) => write!(f, "died (exit code {code})"),
            Self::Signal(number) => write!(f, "died (signal {number})"),
            Self::Closed => f.write_str("closed its socket and was killed"),
            Self::Unsupervised => f.write_str("died (its supervisor was killed)"),
            Self::NotStarted(reason) => write!(f, "does not start ({reason})"),
        }
    }
}

/// The executable whose `main` calls [`supervise`](crate::supervise).
#[derive(Clone, Debug)]
pub struct Supervisor(PathBuf);

impl Supervisor {
    /// This process's own.
    ///
    /// # Errors
    /// When the system does not tell which it is.
    pub fn own() -> io::Result<Self> {
        own_executable().map(Self)
    }

    /// Another one.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

/// A program that was started. When dropped it is killed with all that it has started.
#[derive(Debug)]
pub(crate) struct Process {
    /// While it is open the site is there.
    orders: Option<ChildStdin>,
    supervisor: Arc<Number>,
}

/// The number of a child, until it was waited for: then it may be another's.
#[derive(Debug)]
struct Number(Mutex<Option<Pid>>);

impl Number {
    fn signal(&self, signal: Signal) {
        if let Some(pid) = *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            // It fails only when the process has ended.
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits for its end, and gives the number back.
    fn wait(&self, mut child: Child) {
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let pid = WaitId::Pid(Pid::from_child(&child));
        while let Err(rustix::io::Errno::INTR) = waitid(pid.clone(), ended) {}
        let mut number = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *number = None;
        let _ = child.wait();
    }
}

impl Process {
    /// Starts it. What it prints goes where the launch says, and its end to `tail`; how it ends
    /// is told to the inbox. Its `private` folder is removed if the site is gone.
    pub(crate) fn start(
        launch: &Launch,
        words: &[OsString],
        environment: &[(OsString, OsString)],
        private: &Path,
        tail: &Tail,
        inbox: Arc<Inbox>,
    ) -> io::Result<Self> {
        let log = match &launch.output {
            Output::File(path) => Some(Log::open(path)?),
            Output::Nowhere | Output::Inherited => None,
        };
        let mut command = Command::new(&launch.supervisor.0);
        for name in withheld() {
            command.env_remove(name);
        }
        let mut child = command
            .arg(SUPERVISE)
            .arg(WATCH)
            .arg(private)
            .args(words)
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&launch.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(match launch.output {
                Output::Inherited => Stdio::inherit(),
                Output::Nowhere | Output::File(_) => Stdio::piped(),
            })
            // Ctrl-C on the terminal is for the site alone.
            .process_group(0)
            .spawn()?;
        let supervisor = Arc::new(Number(Mutex::new(Some(Pid::from_child(&child)))));
        let orders = child.stdin.take();
        let answers = child.stdout.take();
        let (all_printed, printed) = mpsc::channel::<()>();
        if let Some(prints) = child.stderr.take() {
            let tail = tail.clone();
            thread::Builder::new()
                .name("trainer-output".to_owned())
                .spawn(move || {
                    pump(prints, log, &tail);
                    drop(all_printed);
                })?;
        }
        thread::Builder::new()
            .name("trainer-exit".to_owned())
            .spawn({
                let supervisor = Arc::clone(&supervisor);
                move || {
                    let death = watch(child, &supervisor, answers);
                    // What it has said last is in the log before its end is told.
                    let _ = printed.recv_timeout(PRINTED_FOR);
                    inbox.dead(death);
                }
            })?;
        Ok(Self { orders, supervisor })
    }

    /// Asks all its processes to end.
    pub(crate) fn terminate(&mut self) {
        if let Some(orders) = &mut self.orders {
            // It fails when the supervisor is gone, and then the program is.
            let _ = orders.write_all(&[TERMINATE]);
        }
        self.supervisor.signal(Signal::CONT);
    }

    /// Kills all its processes.
    pub(crate) fn kill(&mut self) {
        self.orders = None;
        // The program can have stopped it.
        self.supervisor.signal(Signal::CONT);
    }

    /// Kills the supervisor, which has not done its work, and the group of the program with it.
    pub(crate) fn kill_supervisor(&mut self) {
        self.supervisor.signal(Signal::KILL);
    }
}

/// Waits for the end of the program and of its supervisor.
fn watch(supervisor: Child, number: &Number, answers: Option<ChildStdout>) -> Death {
    let mut started = None;
    let mut death = Death::Unsupervised;
    let mut answers = answers.map(BufReader::new);
    let mut line = String::new();
    while let Some(answers) = &mut answers {
        line.clear();
        match answers.by_ref().take(MAX_LINE).read_line(&mut line) {
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
        let (word, rest) = line.trim_end().split_once(' ').unwrap_or_default();
        match word {
            "started" => started = rest.parse().ok().and_then(Pid::from_raw),
            "exited" => death = Death::Exited(rest.parse().unwrap_or_default()),
            "signal" => death = Death::Signal(rest.parse().unwrap_or_default()),
            "failed" => death = Death::NotStarted(rest.to_owned()),
            _ => {}
        }
    }
    // Only its end says that nothing of it is left to be waited for.
    number.wait(supervisor);
    if let (Death::Unsupervised, Some(group)) = (&death, started) {
        // Its leader died with the supervisor; the others of the group did not.
        let _ = kill_process_group(group, Signal::KILL);
    }
    death
}
