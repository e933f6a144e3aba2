//! What the program does when nobody reads what it writes, with signals, and with text that
//! somebody else wrote.

#![cfg(unix)]

mod common;

use std::fs::{self, File};
use std::io::{Write, pipe};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{Process, fedlink, fedlink_with_signals, kit, provision};
use fedlink::ClientAction;
use fedlink_cli::parties;
use fedlink_host::blocking::{BlockingClient, TcpConnect};
use fedlink_host::kit::SiteKit;
use fedlink_host::tls;

/// An output whose reader has gone.
fn gone() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

/// An output that holds all that it can, whose reader reads nothing.
fn stuck() -> Stdio {
    /// What Linux lets a pipe hold (pipe(7)).
    const CAPACITY: usize = 64 << 10;
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(&[b' '; CAPACITY]).unwrap();
    std::mem::forget(reader);
    writer.into()
}

fn full() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

fn provisioning(folder: &Path) -> Command {
    let mut command = fedlink();
    command
        .args(["provision", "--project", "wine", "--sites", "mosel"])
        .args(["--host", "127.0.0.1", "--out", folder.to_str().unwrap()]);
    command
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("wine");
    let ended = provisioning(&made).stdout(gone()).output().unwrap();
    assert!(
        ended.status.success() && ended.stderr.is_empty(),
        "{ended:?}"
    );
    assert!(made.join("server/fedlink.toml").exists());
}

#[test]
fn an_output_that_takes_no_more_is_an_error_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("wine");
    let ended = provisioning(&made).stdout(full()).output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(
        said.contains("the standard output cannot be written"),
        "{said}"
    );
    assert!(said.contains("free space"), "{said}");
}

#[test]
fn an_error_that_nobody_reads_is_an_error() {
    for output in [gone, full] {
        let mut command = fedlink();
        command.args(["join", "--kit", "/nonexistent", "--share", "1/1"]);
        let ended = command.stderr(output()).output().unwrap();
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    }
}

/// Starts a coordinator and a site whose outputs are these.
fn run(folder: &Path, output: fn() -> Stdio) -> [Child; 2] {
    provision(folder, "mosel");
    let [server, mosel] = ["server", "sites/mosel"].map(|which| kit(folder, which));
    let start = |arguments: &[&str]| {
        let mut command = fedlink();
        command.args(arguments).env("RUST_LOG", "trace");
        command.stdout(output()).stderr(output()).spawn().unwrap()
    };
    [
        start(&["serve", "--kit", &server, "--sites", "1", "--rounds", "2"]),
        start(&["join", "--kit", &mosel, "--share", "1/1"]),
    ]
}

#[test]
fn a_run_goes_on_without_output() {
    for output in [gone, full] {
        let folder = tempfile::tempdir().unwrap();
        for mut child in run(&folder.path().join("wine"), output) {
            assert!(child.wait().unwrap().success());
        }
    }
}

#[test]
fn a_run_does_not_wait_for_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    for mut child in run(&folder.path().join("wine"), stuck) {
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("wine");
    provision(&folder, "mosel");
    let server = kit(&folder, "server");
    for ignored in ["HUP", "INT"] {
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(format!("trap '' {ignored}; exec \"$0\" \"$@\""));
        shell
            .arg(env!("CARGO_BIN_EXE_fedlink"))
            .args(["serve", "--kit", &server]);
        let mut coordinator = Process::of(&mut shell);
        coordinator.says("waits for");
        coordinator.signal(ignored);
        coordinator.signal(ignored);
        // It still works.
        leave(&folder, "so it is");
        coordinator.says("so it is");
        coordinator.signal("TERM");
        assert!(coordinator.end().0);
    }
}

#[test]
fn hangup_of_a_terminal_asks_to_end_however_often_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("wine");
    provision(&folder, "mosel");
    let server = kit(&folder, "server");
    let (_terminal, stdin) = terminal();
    let mut command = fedlink_with_signals();
    let mut coordinator = Process::of(command.args(["serve", "--kit", &server]).stdin(stdin));
    coordinator.says("waits for");
    coordinator.signal("HUP");
    coordinator.signal("HUP");
    assert!(coordinator.end().0);
}

/// Both ends of a terminal.
fn terminal() -> (OwnedFd, File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let options = File::options().read(true).write(true).clone();
    (terminal, options.open(name.to_str().unwrap()).unwrap())
}

/// A site joins, and leaves with these words.
fn leave(folder: &Path, words: &str) {
    let kit = SiteKit::load(&folder.join("sites/mosel")).unwrap();
    let config = parties::client_config(&kit).unwrap();
    let server = tls::server_name(&kit.config.server.name).unwrap();
    let connect = TcpConnect::new(kit.config.server.addresses.clone())
        .tls(tls::client_config(&kit.credentials).unwrap(), server);
    let identity = parties::identity(&kit).unwrap();
    let mut host = BlockingClient::new(config.into(), identity, connect).unwrap();
    host.call(|client, now| client.register(now)).unwrap();
    let wait = Duration::from_secs(1);
    while !matches!(
        host.next_action(wait).unwrap(),
        Some(ClientAction::SetAuth(_))
    ) {}
    host.call(|client, now| client.quit(now, words));
    while !host.is_closed() {
        host.next_action(wait).unwrap();
    }
}

#[test]
fn a_peer_forges_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("wine");
    provision(&folder, "mosel");
    for log in ["warn", "info", "trace"] {
        let mut command = fedlink();
        command.args(["serve", "--kit", &kit(&folder, "server")]);
        let mut coordinator = Process::of(command.env("RUST_LOG", log));
        coordinator.says(if log == "warn" {
            "waits for"
        } else {
            "stored in"
        });
        leave(&folder, "\u{1b}[2J\nb has joined\r\u{9b}2J\u{202e}");
        coordinator.says(r"\u{1b}[2J\nb has joined\r\u{9b}2J\u{202e}");
        coordinator.signal("TERM");
        let said = coordinator.rest();
        assert!(said.iter().all(|line| !line.starts_with("b has joined")));
        assert!(
            said.iter()
                .flat_map(|line| line.chars())
                .all(|it| !it.is_control())
        );
    }
}

#[test]
fn traces_say_what_happens_once_and_without_colours() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("wine");
    let written = folder.with_extension("log");
    provision(&folder, "mosel");
    let log = File::create(&written).unwrap();
    let mut command = fedlink();
    command.args([
        "serve",
        "--kit",
        &kit(&folder, "server"),
        "--sites",
        "1",
        "--rounds",
        "1",
    ]);
    command.env("RUST_LOG", "fedlink=info").stderr(log);
    let mut coordinator = command.spawn().unwrap();
    let mosel = kit(&folder, "sites/mosel");
    let joined = fedlink()
        .args(["join", "--kit", &mosel, "--share", "1/1"])
        .status();
    assert!(joined.unwrap().success() && coordinator.wait().unwrap().success());
    let log = fs::read_to_string(&written).unwrap();
    for told in [
        "starts",
        "listens at",
        "mosel has joined",
        "a result of mosel is stored",
        "round   1",
        "mosel has left",
    ] {
        assert_eq!(log.matches(told).count(), 1, "{told}: {log}");
    }
    assert!(
        log.lines().all(|line| line.contains("INFO fedlink")),
        "{log}"
    );
    assert!(!log.contains('\u{1b}'));
}
