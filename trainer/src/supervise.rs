//! The process between a site and its program. It holds the reading end of a pipe whose other
//! end only the site has: when the pipe closes the site is gone, whatever ended it, and the
//! program is killed with all that it has started, and its folder removed.
//!
//! The site says one byte for each signal to the group, [`TERMINATE`]; the supervisor answers
//! with lines: `started PID`, then `exited CODE` or `signal NUMBER` once nothing is left of the
//! program, or `failed TEXT` if it does not start.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, getppid, kill_process_group, setsid, waitid,
};

/// The word after which an executable's arguments belong to [`supervise`].
pub const SUPERVISE: &str = "__supervise";

/// Asks the program to end.
pub(crate) const TERMINATE: u8 = b't';

/// Begins the words of the process that becomes the program.
const LAUNCH: &str = "launch";
/// Begins the words of the supervisor itself.
pub(crate) const WATCH: &str = "watch";

/// The longest reason that is read from a process that cannot become the program, in bytes.
const MAX_REASON: u64 = 1_024;

/// The supervisor of one program: the whole life of a process that a site has started for it.
/// `words` are those after [`SUPERVISE`].
pub fn supervise(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut words = words.into_iter();
    let mode = words.next().unwrap_or_default();
    let outcome = if mode == LAUNCH {
        launch(words)
    } else if mode == WATCH {
        watch(words)
    } else {
        Err(io::Error::other(
            "it is started by a site, for its trainers",
        ))
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Who reads it has started us; if nobody does, nothing is lost.
            let _ = writeln!(io::stdout(), "failed {error}");
            ExitCode::FAILURE
        }
    }
}

/// Becomes the program, in a session of its own, and dies with the supervisor.
fn launch(mut words: impl Iterator<Item = OsString>) -> io::Result<()> {
    let supervisor = words.next().unwrap_or_default();
    let program = words.next().unwrap_or_default();
    setsid()?;
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have died before the system knew what that means for us.
    let parent = getppid().map(|pid| pid.as_raw_nonzero().to_string());
    if parent.is_none_or(|parent| *parent != *supervisor) {
        return Err(io::Error::other("the supervisor is gone"));
    }
    // Our standard output tells the supervisor why we failed; it closes when we have not. It is
    // replaced before the attempt, so a copy is kept that closes with it.
    let mut report = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let error = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .exec();
    writeln!(report, "failed {error}")
}

fn watch(mut words: impl Iterator<Item = OsString>) -> io::Result<()> {
    let folder = words.next().unwrap_or_default();
    // The program can stop us. When the site is gone nobody else wakes us.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::CONT))?;
    // What loses its parent becomes our child, so that it can be found.
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(getpid()))?;
    let mut child = Command::new(own_executable()?)
        .arg(SUPERVISE)
        .arg(LAUNCH)
        .arg(getpid().as_raw_nonzero().to_string())
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut reason = String::new();
    if let Some(output) = child.stdout.take() {
        output.take(MAX_REASON).read_to_string(&mut reason)?;
    }
    if !reason.is_empty() {
        child.wait()?;
        let reason = reason.trim_end().trim_start_matches("failed ");
        return Err(io::Error::other(reason.to_owned()));
    }
    let leader = Pid::from_child(&child);
    tell(&format!("started {}", leader.as_raw_nonzero()));
    let group = Arc::new(Group(Mutex::new(State {
        leader: Some(leader),
        site_is_there: true,
    })));
    std::thread::spawn({
        let group = Arc::clone(&group);
        move || obey(&group)
    });
    wait_for(leader)?;
    let site_is_there = group.end();
    let status = child.wait()?;
    #[cfg(target_os = "linux")]
    orphans::kill();
    if !site_is_there {
        // Nobody else removes the arrays that the program had.
        let _ = fs::remove_dir_all(folder);
    }
    match (status.code(), status.signal()) {
        (_, Some(signal)) => tell(&format!("signal {signal}")),
        (code, None) => tell(&format!("exited {}", code.unwrap_or_default())),
    }
    Ok(())
}

/// The executable of this process, even if its file was replaced since.
pub(crate) fn own_executable() -> io::Result<std::path::PathBuf> {
    match cfg!(target_os = "linux") {
        true => Ok("/proc/self/exe".into()),
        false => std::env::current_exe(),
    }
}

/// Does what the site asks for. When the site is gone that is to kill.
fn obey(group: &Group) {
    let mut order = [0];
    loop {
        match io::stdin().read(&mut order) {
            Ok(1..) if order == [TERMINATE] => group.signal(Signal::TERM),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return group.abandon(),
        }
    }
}

/// Waits until the program has ended, and leaves it to be waited for; what else has become our
/// child and ended is taken off the system's list.
fn wait_for(leader: Pid) -> io::Result<()> {
    loop {
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(leader), ended | WaitIdOptions::NOHANG) {
            Ok(Some(_)) => return Ok(()),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        #[cfg(target_os = "linux")]
        if orphans::reap(leader)? {
            continue;
        }
        match waitid(WaitId::All, ended) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The group of the program, while its number belongs to it: until its first process was
/// waited for.
struct Group(Mutex<State>);

struct State {
    leader: Option<Pid>,
    site_is_there: bool,
}

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.lock().leader {
            // It fails only when nothing is left to be signalled.
            let _ = kill_process_group(leader, signal);
        }
    }

    /// Kills all of it, as the site is gone.
    fn abandon(&self) {
        self.lock().site_is_there = false;
        self.signal(Signal::KILL);
    }

    /// Kills what is left of it, for the last time. False if the site is gone.
    fn end(&self) -> bool {
        self.signal(Signal::KILL);
        let mut group = self.lock();
        group.leader = None;
        group.site_is_there
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The site may be gone; then nobody has to hear.
fn tell(line: &str) {
    let mut output = io::stdout();
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

/// What the program has started and left: on Linux it becomes our child.
#[cfg(target_os = "linux")]
mod orphans {
    use std::{fs, io};

    use rustix::io::Errno;
    use rustix::process::{
        Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process, kill_process_group, waitid,
    };

    /// Takes those that have ended off the system's list. True if there was one.
    pub(super) fn reap(leader: Pid) -> io::Result<bool> {
        let mut any = false;
        for orphan in children() {
            if orphan != leader {
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
                any |= matches!(waitid(WaitId::Pid(orphan), options), Ok(Some(_)));
            }
        }
        Ok(any)
    }

    /// Kills all, and what becomes our child when they die.
    pub(super) fn kill() {
        loop {
            for orphan in children() {
                // A number is not in use elsewhere before we have waited for it.
                let _ = kill_process(orphan, Signal::KILL);
                let _ = kill_process_group(orphan, Signal::KILL);
            }
            match waitid(WaitId::All, WaitIdOptions::EXITED) {
                Ok(_) | Err(Errno::INTR) => {}
                // Nothing is left.
                Err(_) => return,
            }
        }
    }

    /// All children of this process, those that have ended included.
    fn children() -> Vec<Pid> {
        let own = getpid();
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let mut found: Vec<Pid> = numbers.filter_map(Pid::from_raw).collect();
        found.retain(|pid| parent(*pid) == Some(own));
        found
    }

    /// The fourth field of its state; the second is a name in parentheses that may hold any.
    fn parent(pid: Pid) -> Option<Pid> {
        let state = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        let name_end = state.iter().rposition(|byte| *byte == b')')?;
        let fields = str::from_utf8(state.get(name_end + 1..)?).ok()?;
        Pid::from_raw(fields.split_ascii_whitespace().nth(1)?.parse().ok()?)
    }
}
