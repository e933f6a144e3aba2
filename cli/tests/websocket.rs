//! Projects whose transport is WebSocket within TLS, with real processes and a genuine curl.

mod common;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Process, append, fedlink};
use tempfile::TempDir;

/// A project of two sites with this transport.
fn project(transport: &str) -> (TempDir, PathBuf, String) {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("wine");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let made = fedlink()
        .args(["provision", "--project", "wine", "--sites", "mosel,porto"])
        .args(["--host", &address, "--transport", transport, "--out"])
        .arg(&folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    (place, folder, address)
}

fn serve(folder: &Path) -> Process {
    let server = folder.join("server");
    let server = Process::start(&["serve", "--rounds", "2", "--kit", server.to_str().unwrap()]);
    server.says("waits for");
    server
}

fn check(kit: &Path) -> String {
    let output = fedlink().args(["check", "--kit"]).arg(kit).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

#[test]
fn sites_train_over_websocket_and_a_check_finds_the_way_right() {
    let (_place, folder, _) = project("wss");
    let toml = fs::read_to_string(folder.join("sites/mosel/fedlink.toml")).unwrap();
    assert!(toml.contains("transport = \"wss\""), "{toml}");
    let readme = fs::read_to_string(folder.join("server/README.txt")).unwrap();
    assert!(readme.contains("/fedlink"), "{readme}");
    let mut coordinator = serve(&folder);
    let report = check(&folder.join("sites/mosel"));
    assert!(report.contains("sealed, over wss"), "{report}");
    assert!(report.ends_with("all is right\n"), "{report}");
    let report = check(&folder.join("server"));
    assert!(
        report.contains("the coordinator of this kit listens"),
        "{report}"
    );
    let sites = [("mosel", "1/2"), ("porto", "2/2")].map(|(site, share)| {
        let kit = folder.join("sites").join(site);
        Process::start(&["join", "--share", share, "--kit", kit.to_str().unwrap()])
    });
    for site in &sites {
        site.says("has ended the run");
    }
    assert!(coordinator.end().0);
}

#[test]
fn a_port_of_https_is_the_one_that_is_meant_unless_given() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("wine");
    let made = fedlink()
        .args(["provision", "--project", "wine", "--sites", "mosel"])
        .args(["--host", "fl.example.org", "--transport", "wss", "--out"])
        .arg(&folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let toml = fs::read_to_string(folder.join("sites/mosel/fedlink.toml")).unwrap();
    assert!(toml.contains("fl.example.org:443"), "{toml}");
}

#[test]
fn kits_of_two_transports_are_told_at_both_ends() {
    for (server, site) in [("wss", "tls"), ("tls", "wss")] {
        let (_place, folder, _) = project(server);
        let coordinator = serve(&folder);
        let kit = folder.join("sites/mosel");
        let file = kit.join("fedlink.toml");
        let text = fs::read_to_string(&file).unwrap();
        let [from, to] = [server, site].map(|it| format!("transport = {it:?}"));
        fs::write(&file, text.replace(&from, &to)).unwrap();
        append(&file, "\n[timeouts]\nretry_min_seconds = 1\n");
        let site = Process::start(&["join", "--share", "1/2", "--kit", kit.to_str().unwrap()]);
        site.says("messages over TLS in another way: set the same at both ends");
        site.says("attempt 4");
        coordinator.says("messages over TLS in another way: if it is a site, set `transport`");
    }
}

#[test]
fn a_browser_is_told_what_this_is() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: curl is not installed (apt-get install curl)");
        return;
    }
    let (_place, folder, address) = project("wss");
    let _coordinator = serve(&folder);
    let kit = folder.join("sites/mosel");
    let certificate = kit.join("certificate.pem").to_str().unwrap().to_owned();
    let key = kit.join("key.pem").to_str().unwrap().to_owned();
    let known = ["--insecure", "--cert", &certificate, "--key", &key];
    for (scheme, options, status, told) in [
        ("http", &[][..], "400", "ask by https"),
        (
            "https",
            &["--insecure"],
            "403",
            "show the certificate in their kit",
        ),
        ("https", &known, "404", "by WebSocket at /fedlink"),
    ] {
        let output = Command::new("curl")
            .args(["--silent", "--noproxy", "*", "--write-out", "%{http_code}"])
            .args(options)
            .arg(format!("{scheme}://{address}/"))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(told), "{said}");
        assert!(said.ends_with(status), "{said}");
    }
}
