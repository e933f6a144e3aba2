//! A project as people run it: one process for the coordinator and for each site.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Ends a test that would otherwise hang.
const PATIENCE: Duration = Duration::from_secs(120);

fn fedlink() -> Command {
    Command::new(env!("CARGO_BIN_EXE_fedlink"))
}

/// A process, and what it says.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(arguments: &[&str]) -> Self {
        let mut child = fedlink()
            .args(arguments)
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
    fn says(&self, what: &str) {
        let mut said = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(what) => return,
                Ok(line) => said.push(line),
                Err(_) => panic!("never said {what:?}, but {said:#?}"),
            }
        }
    }

    /// Ends it without a warning.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    #[cfg(unix)]
    fn interrupt(&self) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-INT", &id]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end; gives whether it was a success, and what it printed.
    fn end(&mut self) -> (bool, String) {
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
fn provision(folder: &Path, sites: &str) {
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

fn append(file: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).open(file).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn kit(folder: &Path, which: &str) -> String {
    folder.join(which).to_str().unwrap().to_owned()
}

#[test]
fn a_run_outlives_the_death_of_a_site_and_of_the_coordinator() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("wine");
    provision(&folder, "mosel,porto");
    let [server, mosel, porto] =
        ["server", "sites/mosel", "sites/porto"].map(|which| kit(&folder, which));
    let serve = [
        "serve",
        "--kit",
        &server,
        "--rounds",
        "6",
        "--payload-mib",
        "2",
    ];
    let join_mosel = ["join", "--kit", &mosel, "--share", "1/2"];
    let join_porto = ["join", "--kit", &porto, "--share", "2/2"];

    let coordinator = Process::start(&serve);
    coordinator.says("waits for 2 sites");
    let mut mosel = Process::start(&join_mosel);
    let porto = Process::start(&join_porto);
    coordinator.says("begins with 2 sites");

    coordinator.says("round   2");
    porto.kill();
    let mut porto = Process::start(&join_porto);
    coordinator.says("porto has joined");

    coordinator.says("round   4");
    coordinator.kill();
    let mut coordinator = Process::start(&serve);
    coordinator.says("goes on in round");
    coordinator.says("round   6");

    let (ok, printed) = coordinator.end();
    assert!(
        ok && printed.starts_with("the federation's model: loss"),
        "{printed}"
    );
    assert!(mosel.end().0 && porto.end().0);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_each_properly_and_the_run_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("wine");
    provision(&folder, "mosel");
    let [server, mosel] = ["server", "sites/mosel"].map(|which| kit(&folder, which));
    let serve = ["serve", "--kit", &server, "--sites", "1", "--rounds", "4"];
    let join = ["join", "--kit", &mosel, "--share", "1/1"];

    let mut coordinator = Process::start(&serve);
    let mut site = Process::start(&join);
    coordinator.says("round   1");
    site.interrupt();
    assert!(site.end().0);
    coordinator.says("mosel has left: its operator has stopped it");
    coordinator.interrupt();
    assert!(coordinator.end().0);

    let mut coordinator = Process::start(&serve);
    coordinator.says("goes on in round");
    let mut site = Process::start(&join);
    coordinator.says("round   4");
    assert!(coordinator.end().0);
    assert!(site.end().0);
}

#[test]
fn a_site_gives_up_on_a_stranger_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["ours", "theirs"].map(|which| folder.path().join(which));
    provision(&ours, "mosel");
    provision(&theirs, "mosel");
    // Their coordinator, at the address of ours, over a carrier that proves nothing.
    for kit in [ours.join("sites/mosel"), theirs.join("server")] {
        let file = kit.join("fedlink.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(
            &file,
            text.replace("transport = \"tls\"", "transport = \"tcp\""),
        )
        .unwrap();
    }
    let address = |kit: std::path::PathBuf| {
        let text = fs::read_to_string(kit.join("fedlink.toml")).unwrap();
        let start = text.find("127.0.0.1:").or(text.find("0.0.0.0:")).unwrap();
        text[start..].split('"').next().unwrap().to_owned()
    };
    let [at, expected] = [theirs.join("server"), ours.join("sites/mosel")].map(address);
    let file = theirs.join("server/fedlink.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(&at, &expected)).unwrap();

    let coordinator = Process::start(&["serve", "--kit", theirs.join("server").to_str().unwrap()]);
    coordinator.says("waits for");
    let kit = ours.join("sites/mosel");
    let site = Process::start(&["join", "--kit", kit.to_str().unwrap(), "--share", "1/1"]);
    site.says("whoever answers is not the coordinator of this kit");
    site.says("ask whoever runs the project");
}

/// What this command says when it fails.
fn failure(arguments: &[&str]) -> String {
    let output = fedlink().args(arguments).output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn records_that_are_damaged_or_gone_are_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("wine");
    provision(&folder, "mosel");
    let [server, mosel] = ["server", "sites/mosel"].map(|which| kit(&folder, which));
    let serve = ["serve", "--kit", &server, "--sites", "1", "--rounds", "3"];
    let join = ["join", "--kit", &mosel, "--share", "1/1"];

    let coordinator = Process::start(&serve);
    let site = Process::start(&join);
    coordinator.says("round   1");
    site.kill();
    coordinator.kill();
    for (command, kit) in [(&serve[..], &server), (&join[..], &mosel)] {
        let store = Path::new(kit).join("state/records");
        let mut damaged = fs::read(&store).unwrap();
        damaged[8192] ^= 1;
        fs::write(&store, &damaged).unwrap();
        let told = failure(command);
        assert!(told.contains("the record at byte 8192"), "{told}");
        assert!(told.contains("the option --repair"), "{told}");
        assert_eq!(fs::read(&store).unwrap(), damaged);
        fs::rename(&store, store.with_file_name("moved")).unwrap();
        let told = failure(command);
        assert!(told.contains("is gone, although a store was"), "{told}");
        assert!(told.contains("the option --repair"), "{told}");
        fs::rename(store.with_file_name("moved"), &store).unwrap();
    }

    let mut coordinator = Process::start(&[&serve[..], &["--repair"]].concat());
    coordinator.says("repaired the store");
    coordinator.says("waits for 1 sites");
    let mut site = Process::start(&[&join[..], &["--repair"]].concat());
    site.says("repaired the store");
    coordinator.says("round   3");
    assert!(coordinator.end().0);
    assert!(site.end().0);
    let aside = Path::new(&server).join("state/records.set-aside-1");
    assert!(aside.exists());
}
