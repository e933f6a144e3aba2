//! A program of the user's, together with the processes that it starts.

use std::collections::BTreeSet;
use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fedlink_host::trainer::Stop;

/// How often a program is looked after. Whoever stops it need not wait for that.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a program may go on after it was asked to end: enough to write a checkpoint,
/// and less than a site waits for its trainers.
const GRACE: Duration = Duration::from_secs(5);

/// The programs that run, for [`kill_all`].
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Ends all programs at once. For the last moment of this process.
pub fn kill_all() {
    for group in running().iter() {
        signal::kill(*group);
    }
}

/// A running program, with a process group of its own: Ctrl-C on the terminal does not
/// reach it, and nothing that it starts outlives it, unless it leaves the group.
#[derive(Debug)]
pub(super) struct Group {
    child: Child,
}

/// How a program ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// By itself.
    Exited(ExitStatus),
    /// Because it was told to.
    Stopped,
}

impl Group {
    /// Starts it without an input; all that it writes goes to our error output.
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(io::stderr());
        signal::own_group(command);
        // Held so that a program does not start while all are killed.
        let mut running = running();
        let child = command.spawn()?;
        running.insert(child.id());
        Ok(Self { child })
    }

    /// Waits for its end. When `stop` is set it is asked to end, and made to soon after.
    pub(super) fn wait(mut self, stop: &Stop) -> io::Result<Ended> {
        while !signal::has_ended(&mut self.child)? {
            if stop.wait(LOOK_EVERY) {
                self.end()?;
                return Ok(Ended::Stopped);
            }
        }
        self.reap().map(Ended::Exited)
    }

    fn end(&mut self) -> io::Result<()> {
        signal::terminate(self.child.id());
        let asked = Instant::now();
        while asked.elapsed() < GRACE && !signal::has_ended(&mut self.child)? {
            std::thread::sleep(LOOK_EVERY);
        }
        self.reap().map(drop)
    }

    /// Ends what is left of the group, and the program itself.
    fn reap(&mut self) -> io::Result<ExitStatus> {
        let mut running = running();
        if running.remove(&self.child.id()) {
            // The group keeps its number until its first process is waited for.
            signal::kill(self.child.id());
            // It may have ended by itself.
            let _ = self.child.kill();
        }
        self.child.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Already done, unless waiting failed.
        let _ = self.reap();
    }
}

fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Signals to the group of a child that was not waited for: its number is not in use
/// elsewhere. They fail only when nothing is left to be signalled.
#[cfg(unix)]
mod signal {
    use std::io;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

    pub(super) fn own_group(command: &mut Command) {
        command.process_group(0);
    }

    /// Does not wait for the child in the sense of the system.
    pub(super) fn has_ended(child: &mut Child) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let ended = waitid(WaitId::Pid(Pid::from_child(child)), options)?;
        Ok(ended.is_some())
    }

    pub(super) fn terminate(group: u32) {
        send(group, Signal::TERM);
    }

    pub(super) fn kill(group: u32) {
        send(group, Signal::KILL);
    }

    fn send(group: u32, signal: Signal) {
        let group = i32::try_from(group).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            let _ = kill_process_group(group, signal);
        }
    }
}

/// Without process groups: the child itself is killed where it is waited for.
#[cfg(not(unix))]
mod signal {
    use std::io;
    use std::process::{Child, Command};

    pub(super) fn own_group(_: &mut Command) {}

    pub(super) fn has_ended(child: &mut Child) -> io::Result<bool> {
        child.try_wait().map(|status| status.is_some())
    }

    pub(super) fn terminate(_: u32) {}

    pub(super) fn kill(_: u32) {}
}
