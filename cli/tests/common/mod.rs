//! Processes of the program, and projects for them.

#![allow(dead_code, reason = "each file of tests needs a part")]

pub(crate) mod checked;

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Ends a test that would otherwise hang.
const PATIENCE: Duration = Duration::from_secs(120);

/// Variables of the environment that name proxies.
pub(crate) const PROXIES: [&str; 6] = [
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
];

/// The program, without the proxies of whoever runs the tests.
pub(crate) fn fedlink() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fedlink"));
    for name in PROXIES {
        command.env_remove(name);
    }
    command
}

/// The program with signals as they usually are, whatever these tests were started to ignore.
pub(crate) fn fedlink_with_signals() -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal=HUP,INT");
    command.arg(env!("CARGO_BIN_EXE_fedlink"));
    command
}

/// A process, and what it says.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::of(fedlink().args(arguments))
    }

    /// The process of this command, which becomes `fedlink`.
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// Reads on until a line has this in it.
    pub(crate) fn says(&self, what: &str) {
        self.line(what);
    }

    /// The next line that has this in it.
    pub(crate) fn line(&self, what: &str) -> String {
        self.until(what).0
    }

    /// All lines before the next one that has this in it.
    pub(crate) fn said_before(&self, what: &str) -> Vec<String> {
        self.until(what).1
    }

    fn until(&self, what: &str) -> (String, Vec<String>) {
        let mut said = Vec::new();
        let since = Instant::now();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(what) => return (line, said),
                // It may go on for ever about something else.
                Ok(line) if since.elapsed() < PATIENCE => said.push(line),
                Ok(_) => panic!("never said {what:?}, but {said:#?}"),
                Err(_) => panic!("never said {what:?}, but {said:#?}"),
            }
        }
    }

    /// Ends it without a warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn interrupt(&self) {
        self.signal("INT");
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill")
            .args([&format!("-{name}"), &id])
            .status();
        assert!(status.unwrap().success());
    }

    /// What it still says, up to its end.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        core::iter::from_fn(|| self.lines.recv_timeout(PATIENCE).ok()).collect()
    }

    /// Waits for its end; returns whether it was a success, and what it printed.
    pub(crate) fn end(&mut self) -> (bool, String) {
        while self.lines.recv_timeout(PATIENCE).is_ok() {}
        let mut printed = String::new();
        let mut stdout = self.child.stdout.take().unwrap();
        stdout.read_to_string(&mut printed).unwrap();
        (self.child.wait().unwrap().success(), printed)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A project of these sites, with waits that are short enough for a test.
pub(crate) fn provision(folder: &Path, sites: &str) {
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port();
    let made = fedlink()
        .args(["provision", "--project", "wine", "--sites", sites])
        .args(["--host", &format!("127.0.0.1:{port}")])
        .args(["--out", folder.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    append(
        &folder.join("server/fedlink.toml"),
        "\n[timeouts]\nheartbeat_seconds = 1\n",
    );
    for kit in fs::read_dir(folder.join("sites")).unwrap() {
        append(
            &kit.unwrap().path().join("fedlink.toml"),
            "\n[timeouts]\nmaintenance_seconds = 1\nretry_min_seconds = 1\nretry_max_seconds = 2\n",
        );
    }
}

pub(crate) fn append(file: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).open(file).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

pub(crate) fn kit(folder: &Path, which: &str) -> String {
    folder.join(which).to_str().unwrap().to_owned()
}
