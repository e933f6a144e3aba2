//! Programs for the tests, and what became of their processes.

// Each test uses some of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use fedlink_trainer::{Event, Failure, Job, Launch, Program, Supervisor, Task, TaskResult};

/// The executable that can supervise, and tries programs.
pub(crate) const TRAINER: &str = env!("CARGO_BIN_EXE_fedlink-trainer");

/// The protocol's first steps, for programs that then do something else.
const PRELUDE: &str = r#"
import json, os, signal, socket, sys, time
path = os.environ["FEDLINK_SOCKET"]
site = socket.socket(socket.AF_UNIX)
def connect():
    global lines
    site.connect(path)
    lines = site.makefile("r")
def say(what, **fields):
    site.sendall(json.dumps({"say": what, **fields}).encode() + b"\n")
def hear():
    line = lines.readline()
    return json.loads(line) if line else sys.exit("closed")
def greet():
    global job, folder
    connect()
    say("hello", versions=[1], pid=os.getpid())
    job = hear()
    folder = job["folder"]
    say("ready")
def task():
    greet()
    return hear()
"#;

/// A program in Python, without numpy.
pub(crate) fn python(script: &str) -> Launch {
    launch(&["python3", "-c", &format!("{PRELUDE}{script}")])
}

pub(crate) fn launch(words: &[&str]) -> Launch {
    let words = words.iter().map(Into::into).collect();
    let mut launch = Launch::new(Supervisor::at(TRAINER), words);
    launch.output = fedlink_trainer::Output::Inherited;
    launch
}

pub(crate) fn job() -> Job {
    Job {
        id: "job-1".to_owned(),
        kind: "plus".to_owned(),
        site: "site-1".to_owned(),
        config: [("lr".to_owned(), 0.5.into())].into_iter().collect(),
    }
}

pub(crate) fn task(id: &str) -> Task {
    Task {
        id: id.to_owned(),
        name: "train".to_owned(),
        round: Some(1),
        rounds: Some(3),
        ..Task::default()
    }
}

/// Runs one task of a program that is not used again.
pub(crate) fn run(launch: Launch) -> (Result<TaskResult, Failure>, Vec<Event>) {
    let mut program = Program::new(launch, job());
    let mut events = Vec::new();
    let result = program.run(&task("1"), &mut |event| events.push(event));
    (result, events)
}

/// The words of a failure.
pub(crate) fn failure(launch: Launch) -> String {
    run(launch).0.unwrap_err().to_string()
}

/// Waits until it is so. A test that waits for ever is ended by who runs it; ours ends itself.
pub(crate) fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if is() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{what}: not after a minute");
}

/// The numbers that programs have written into a file, once there are so many.
pub(crate) fn pids(file: &Path, many: usize) -> Vec<i32> {
    let read = || -> Vec<i32> {
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        lines.map(|line| line.trim().parse().unwrap()).collect()
    };
    wait_until("the programs run", || read().len() >= many);
    read()
}

/// False for what has ended, even if nobody has waited for it.
pub(crate) fn is_alive(pid: i32) -> bool {
    let Ok(state) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let fields = state.rsplit(')').next().unwrap_or_default();
    !fields.trim_start().starts_with(['Z', 'X'])
}

pub(crate) fn all_are_gone(pids: &[i32]) {
    wait_until("nothing is left", || !pids.iter().any(|pid| is_alive(*pid)));
}

pub(crate) fn kill_9(pid: i32) {
    let killed = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.unwrap().success());
}

/// A Python with numpy: `FEDLINK_PYTHON`, or the one that `python/run` has made.
pub(crate) fn numpy() -> Option<PathBuf> {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/python");
    let candidates = [
        std::env::var_os("FEDLINK_PYTHON").map(PathBuf::from),
        Some(made),
    ];
    let has_numpy = |python: &PathBuf| {
        let mut command = Command::new(python);
        command.args(["-c", "import numpy"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = candidates.into_iter().flatten().find(has_numpy);
    if found.is_none() {
        eprintln!("skipped: no Python with numpy; `python/run` makes one");
    }
    found
}
