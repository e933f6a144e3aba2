//! `fedlink check` with real processes: each thing that can be wrong is told, with a remedy.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use common::{Process, fedlink, provision};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::Value;
use tempfile::TempDir;

/// What a check found, and whether all of it is right.
struct Found {
    right: bool,
    checks: Vec<Value>,
}

fn check(kit: impl AsRef<Path>, more: &[&str]) -> Found {
    let option = if more.contains(&"--nvflare") {
        "--nvflare"
    } else {
        "--kit"
    };
    let more = more.iter().filter(|it| **it != "--nvflare");
    let output = fedlink()
        .args(["check", "--json", option])
        .arg(kit.as_ref())
        .args(more)
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["right"], output.status.success());
    Found {
        right: output.status.success(),
        checks: report["checks"].as_array().unwrap().clone(),
    }
}

impl Found {
    /// This check is right, and found something like this.
    #[track_caller]
    fn right(&self, check: &str, found: &str) -> &Self {
        let line = self.checks.iter().find(|it| {
            it["check"] == check
                && it["right"] == true
                && it["found"].as_str().unwrap().contains(found)
        });
        assert!(line.is_some(), "{check}, {found}: {:#?}", self.checks);
        self
    }

    /// Only this check is wrong; what was found or its remedy has this in it.
    #[track_caller]
    fn wrong(&self, check: &str, told: &str) {
        assert!(!self.right);
        for line in self.checks.iter().filter(|it| it["right"] == false) {
            assert_eq!(line["check"], check, "{line:#?}");
            assert!(line.to_string().contains(told), "{told}: {line:#?}");
        }
    }
}

/// A project with one site, and its folders.
fn project() -> (TempDir, PathBuf, PathBuf) {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("wine");
    provision(&folder, "mosel");
    (place, folder.join("server"), folder.join("sites/mosel"))
}

fn change(kit: &Path, from: &str, to: &str) {
    let file = kit.join("fedlink.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replace(from, to)).unwrap();
}

/// Where the site of this kit connects to.
fn address(site: &Path) -> String {
    let text = fs::read_to_string(site.join("fedlink.toml")).unwrap();
    let at = text.find("127.0.0.1:").unwrap();
    text[at..].split('"').next().unwrap().to_owned()
}

fn serve(server: &Path) -> Process {
    let coordinator = Process::start(&["serve", "--kit", server.to_str().unwrap()]);
    coordinator.says("waits for");
    coordinator
}

#[test]
fn all_is_right_while_the_coordinator_runs() {
    let (_place, server, site) = project();
    check(&server, &[]).right("listen", "is free");
    let coordinator = serve(&server);
    let found = check(&site, &[]);
    assert!(found.right, "{:#?}", found.checks);
    found
        .right("kit", "mosel of wine")
        .right("own dates", "counts until 20")
        .right("clock", "UTC on this machine")
        .right("suite", "sealed, over tls")
        .right("tcp", "takes connections")
        .right("tls", "shows a certificate that this kit trusts")
        .right("their dates", "counts until 20")
        .right("answer", "the coordinator proves itself");
    check(&site, &["--register"])
        .right("registration", "takes this site")
        .right("both clocks", "0 s behind");
    coordinator.says("mosel has left: it was only checked");
    let found = check(&server, &[]);
    assert!(found.right, "{:#?}", found.checks);
    found.right("listen", "the coordinator of this kit listens");

    // For people: a line each, without colours where there is no terminal.
    let output = fedlink()
        .args(["check", "--kit"])
        .arg(&site)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.ends_with("\nall is right\n"), "{printed}");
    assert!(
        printed
            .lines()
            .rev()
            .skip(1)
            .all(|line| line.starts_with("right  ")),
        "{printed}"
    );
    assert!(!printed.contains('\u{1b}'), "{printed}");
}

#[test]
fn a_check_does_not_disturb_the_site_at_work() {
    let (_place, server, site) = project();
    let coordinator = serve(&server);
    let at_work = Process::start(&["join", "--kit", site.to_str().unwrap(), "--share", "1/1"]);
    coordinator.says("mosel has joined");
    assert!(check(&site, &[]).right);
    at_work.interrupt();
    coordinator.says("mosel has left");
}

#[test]
fn nothing_listens() {
    let (_place, _, site) = project();
    check(&site, &[]).wrong("tcp", "start the coordinator there, or correct the address");
}

#[test]
fn something_else_listens() {
    let (_place, server, site) = project();
    let listener = TcpListener::bind(address(&site)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    check(&site, &[]).wrong("tls", "transport");
    check(&server, &[]).wrong(
        "listen",
        "nothing proves that it is the coordinator of this kit",
    );
    change(&site, "\"tls\"", "\"tcp\"");
    check(&site, &[]).wrong("answer", "transport");
}

#[test]
fn tls_against_tcp_and_the_other_way_round() {
    let (_place, server, site) = project();
    let coordinator = serve(&server);
    change(&site, "\"tls\"", "\"tcp\"");
    check(&site, &[]).wrong("answer", "transport");
    coordinator.kill();
    change(&site, "\"tcp\"", "\"tls\"");
    change(&server, "\"tls\"", "\"tcp\"");
    let _coordinator = serve(&server);
    check(&site, &[]).wrong("tls", "transport");
}

#[test]
fn another_suite() {
    let (_place, server, site) = project();
    change(&server, "\"sealed\"", "\"bearer\"");
    let _coordinator = serve(&server);
    check(&site, &[]).wrong("answer", "set the same in both kits");
}

#[test]
fn a_name_without_an_address() {
    let (_place, _, site) = project();
    change(&site, &address(&site), "nobody.invalid:8443");
    check(&site, &[]).wrong("name", "correct the name in the kit");
}

#[test]
fn a_coordinator_of_another_project_of_that_name() {
    let (_ours, _, site) = project();
    let (_theirs, server, their_site) = project();
    change(&site, &address(&site), &address(&their_site));
    let coordinator = serve(&server);
    check(&site, &[]).wrong("tls", "another root than this kit's issued it");
    for kit in [&site, &server] {
        change(kit, "\"tls\"", "\"tcp\"");
    }
    drop(coordinator);
    let _coordinator = serve(&server);
    check(&server, &[]).right("listen", "the coordinator of this kit listens");
    check(&site, &[]).wrong(
        "answer",
        "take the kit of the project that this address belongs to",
    );
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Gives the party of this kit a certificate with other dates.
fn date(kit: &Path, name: &str, usage: ExtendedKeyUsagePurpose, [from, to]: [SystemTime; 2]) {
    let authority = kit
        .ancestors()
        .find(|it| it.join("authority").exists())
        .unwrap()
        .join("authority");
    let key = fs::read_to_string(authority.join("root-key.pem")).unwrap();
    let mut root = CertificateParams::default();
    root.distinguished_name = rcgen::DistinguishedName::new();
    root.distinguished_name
        .push(DnType::CommonName, "wine root");
    let issuer = Issuer::new(root, KeyPair::from_pem(&key).unwrap());
    let own = KeyPair::from_pem(&fs::read_to_string(kit.join("key.pem")).unwrap()).unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    (params.not_before, params.not_after) = (from.into(), to.into());
    let certificate = params.signed_by(&own, &issuer).unwrap();
    fs::write(kit.join("certificate.pem"), certificate.pem()).unwrap();
}

#[test]
fn certificates_that_do_not_count_now() {
    let now = SystemTime::now();
    let (past, future) = ([now - 9 * DAY, now - DAY], [now + DAY, now + 9 * DAY]);
    for (dates, told) in [(past, "expired"), (future, "valid")] {
        let (_place, server, site) = project();
        date(
            &server,
            "coordinator",
            ExtendedKeyUsagePurpose::ServerAuth,
            dates,
        );
        check(&server, &[]).wrong("own dates", "correct the clock");
        let coordinator = serve(&server);
        check(&site, &[]).wrong("tls", told);
        coordinator.kill();
        // Over TCP the conversation itself shows them.
        for kit in [&site, &server] {
            change(kit, "\"tls\"", "\"tcp\"");
        }
        let _coordinator = serve(&server);
        check(&site, &[]).wrong("answer", "correct the clock");
    }
    let (_place, _, site) = project();
    date(&site, "mosel", ExtendedKeyUsagePurpose::ClientAuth, past);
    let found = check(&site, &[]);
    let own = found
        .checks
        .iter()
        .find(|it| it["check"] == "own dates")
        .unwrap();
    assert!(own["right"] == false && own["found"].as_str().unwrap().contains("correct the clock"));
}

#[test]
fn a_folder_that_is_no_kit() {
    let place = TempDir::new().unwrap();
    check(place.path(), &[]).wrong("kit", "make one with `fedlink provision`");
    check(place.path(), &["--nvflare"])
        .wrong("kit", "give the folder that `nvflare provision` made");
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt;

    let (_place, server, _) = project();
    fs::set_permissions(server.join("key.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    check(&server, &[]).wrong("key", "run `chmod 600` on it");
}

#[test]
fn a_site_of_nvidia_flare_without_certificates() {
    let place = TempDir::new().unwrap();
    let startup = place.path().join("startup");
    fs::create_dir(&startup).unwrap();
    let settings = r#"{
        "servers": [{"name": "wine", "service": {"target": "127.0.0.1:PORT", "scheme": "tcp"}, "identity": "server"}],
        "client": {"connection_security": "clear"}
    }"#;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    fs::write(
        startup.join("fed_client.json"),
        settings.replace("PORT", &port),
    )
    .unwrap();
    fs::write(
        startup.join("sub_start.sh"),
        "exec python3 --set uid=site-1\n",
    )
    .unwrap();
    let answers = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let _ = stream.read(&mut [0; 512]);
    });
    drop(answers);
    check(place.path(), &["--nvflare"])
        .right("tcp", "takes connections")
        .wrong("answer", "whether it is the server of this kit");
}
