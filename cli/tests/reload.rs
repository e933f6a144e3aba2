//! Certificates and keys that are replaced on disk, and certificates that are revoked, while a
//! run goes on.
#![cfg(unix)]

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use common::{Process, fedlink, fedlink_with_signals, kit, provision};

/// A project of two sites with this transport.
struct Project {
    _place: tempfile::TempDir,
    folder: PathBuf,
}

impl Project {
    fn new(transport: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("wine");
        provision(&folder, "mosel,porto");
        for kit in ["server", "sites/mosel", "sites/porto"] {
            let file = folder.join(kit).join("fedlink.toml");
            let text = fs::read_to_string(&file).unwrap();
            let other = format!("transport = \"{transport}\"");
            fs::write(&file, text.replace("transport = \"tls\"", &other)).unwrap();
        }
        Self {
            _place: place,
            folder,
        }
    }

    /// A coordinator that is at work for as long as anybody waits.
    fn serve(&self, sites: &str) -> Process {
        let server = kit(&self.folder, "server");
        let serve = ["serve", "--kit", &server, "--rounds", "10000"];
        let waits = ["--sites", sites, "--min-results", "1"];
        Process::of(
            fedlink_with_signals()
                .args(serve)
                .args(waits)
                .stdin(Stdio::null()),
        )
    }

    fn join(&self, site: &str) -> Process {
        let kit = kit(&self.folder, &format!("sites/{site}"));
        let join = ["join", "--kit", &kit, "--share", "1/2"];
        Process::of(fedlink_with_signals().args(join).stdin(Stdio::null()))
    }

    /// What `fedlink provision` says to this.
    fn change(&self, what: &str, names: &str) -> String {
        let out = self.folder.to_str().unwrap();
        let changed = fedlink()
            .args(["provision", "--out", out, what, names])
            .output()
            .unwrap();
        assert!(changed.status.success(), "{changed:?}");
        String::from_utf8(changed.stdout).unwrap()
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap()
    }

    /// The coordinator's address.
    fn address(&self) -> String {
        let text = self.read("server/fedlink.toml");
        let start = text.find("127.0.0.1:").unwrap();
        text[start..].split('"').next().unwrap().to_owned()
    }

    /// The certificate that the coordinator shows to OpenSSL.
    fn shown(&self) -> String {
        let output = Command::new("openssl")
            .args(["s_client", "-alpn", "fedlink/1", "-showcerts"])
            .args(["-connect", &self.address()])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// The base64 of the only certificate in here.
fn body(pem: &str) -> &str {
    let start = pem.find("-----BEGIN CERTIFICATE-----").unwrap();
    let end = pem.find("-----END CERTIFICATE-----").unwrap();
    pem[start..end].trim()
}

#[test]
fn renewed_certificates_are_taken_up_and_the_run_goes_on() {
    for transport in ["tls", "tcp"] {
        let project = Project::new(transport);
        let coordinator = project.serve("1");
        let mosel = project.join("mosel");
        coordinator.says("round   2");

        let before =
            ["server", "sites/mosel"].map(|kit| project.read(&format!("{kit}/certificate.pem")));
        let keys = ["server", "sites/mosel"].map(|kit| project.read(&format!("{kit}/key.pem")));
        let said = project.change("--renew", "coordinator,mosel");
        assert!(said.contains("its key stays"), "{said}");
        let after =
            ["server", "sites/mosel"].map(|kit| project.read(&format!("{kit}/certificate.pem")));
        assert!(
            before
                .iter()
                .zip(&after)
                .all(|(before, after)| before != after)
        );
        assert_eq!(
            keys,
            ["server", "sites/mosel"].map(|kit| project.read(&format!("{kit}/key.pem")))
        );
        coordinator.signal("HUP");
        coordinator.says("takes up from its kit a certificate, which ends in 36");
        // The site looks by itself.
        mosel.says("takes up from its kit a certificate, which ends in 36");
        coordinator.says("round ");
        if transport == "tls" {
            let shown = project.shown();
            assert_eq!(body(&shown), body(&after[0]), "{shown}");
        }
        let porto = project.join("porto");
        coordinator.says("porto has joined");
        porto.says("is registered");
        coordinator.says("round ");
    }
}

#[test]
fn what_cannot_be_used_is_told_once_and_what_was_in_use_stays() {
    let project = Project::new("tls");
    let coordinator = project.serve("1");
    let mosel = project.join("mosel");
    coordinator.says("round   2");
    for kit in ["server", "sites/mosel"] {
        let file = project.folder.join(kit).join("certificate.pem");
        fs::write(&file, project.read("sites/porto/certificate.pem")).unwrap();
    }
    let refused = "are not taken up; what was in use stays in use: ";
    for process in [&coordinator, &mosel] {
        process.signal("HUP");
        process.says(refused);
    }
    // Until the look after the next one: time has to pass for what must not come. It cannot make
    // a slow machine fail.
    std::thread::sleep(std::time::Duration::from_secs(11));
    for process in [&coordinator, &mosel] {
        process.signal("TERM");
    }
    for mut process in [coordinator, mosel] {
        let rest = process.rest();
        assert!(!rest.iter().any(|line| line.contains(refused)), "{rest:#?}");
    }
}

#[test]
fn a_revoked_site_is_out_and_back_with_a_new_certificate() {
    for transport in ["tls", "tcp"] {
        let project = Project::new(transport);
        let coordinator = project.serve("2");
        let mosel = project.join("mosel");
        let porto = project.join("porto");
        coordinator.says("round   2");

        let said = project.change("--revoke", "mosel");
        assert!(said.contains("mosel is revoked"), "{said}");
        coordinator.signal("HUP");
        coordinator.says("a list of revoked certificates, with 1 in it");
        coordinator.says("mosel has left: its certificate was revoked");
        for _ in 0..3 {
            porto.says("has trained round");
        }
        let is_told = |mut site: Process| {
            let rest = site.rest();
            let told = rest.iter().any(|line| line.contains("revoked"));
            assert!(told, "{rest:#?}");
        };
        is_told(mosel);
        is_told(project.join("mosel"));

        let key = project.read("sites/mosel/key.pem");
        let said = project.change("--renew", "mosel");
        assert!(said.contains("its key is new too"), "{said}");
        assert_ne!(project.read("sites/mosel/key.pem"), key);
        let mosel = project.join("mosel");
        mosel.says("is registered");
        coordinator.says("mosel has joined");
        coordinator.says("round ");
    }
}

#[test]
fn a_site_goes_on_whose_certificate_ends_while_another_one_lies_there() {
    let project = Project::new("tls");
    let coordinator = project.serve("1");
    let mosel = project.join("mosel");
    coordinator.says("round   2");
    project.change("--revoke", "mosel");
    project.change("--renew", "mosel");
    coordinator.signal("HUP");
    coordinator.says("mosel has left: its certificate was revoked");
    mosel.says("; a key");
    coordinator.says("mosel has joined");
    coordinator.says("round ");
}

#[test]
fn every_certificate_of_a_name_is_revoked_whichever_it_has() {
    let project = Project::new("tls");
    let first = project.read("sites/mosel/certificate.pem");
    project.change("--renew", "mosel");
    let said = project.change("--revoke", "mosel,porto");
    assert!(said.contains("porto is revoked"), "{said}");
    let list = project.read("server/revoked.pem");
    assert_eq!(list.matches("BEGIN CERTIFICATE").count(), 3);
    let flat = |text: &str| text.replace(['\n', '\r'], "");
    assert!(flat(&list).contains(&flat(body(&first))), "{list}");
    project.change("--revoke", "mosel");
    assert_eq!(project.read("server/revoked.pem"), list);

    let refused = |what: &str, name: &str| {
        let out = project.folder.to_str().unwrap();
        let output = fedlink()
            .args(["provision", "--out", out, what, name])
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused("--revoke", "coordinator").contains("make a new project"));
    for what in ["--renew", "--revoke"] {
        let told = refused(what, "rioja");
        assert!(told.contains("--add-site rioja"), "{told}");
    }
}

/// What is edited in fedlink.toml while a process runs is told of: what waits for the next
/// start, and what could not be started with.
#[test]
fn settings_that_change_are_never_passed_over_in_silence() {
    let project = Project::new("tls");
    let coordinator = project.serve("1");
    let mosel = project.join("mosel");
    coordinator.says("round   2");
    let changes = [
        (
            "server",
            "heartbeat_seconds = 1",
            "heartbeat_seconds = 2",
            &coordinator,
        ),
        (
            "sites/mosel",
            "retry_max_seconds = 2",
            "retry_max_seconds = 3",
            &mosel,
        ),
    ];
    for (kit, from, to, process) in changes {
        let file = project.folder.join(kit).join("fedlink.toml");
        let before = fs::read_to_string(&file).unwrap();
        let setting = from.split(' ').next().unwrap();
        let told = format!("counts from the next start on: `timeouts.{setting}` in fedlink.toml");
        fs::write(&file, before.replace(from, to)).unwrap();
        process.signal("HUP");
        process.says(&told);
        process.signal("HUP");
        process.says(&told);
        fs::write(&file, before.replace(from, "no setting")).unwrap();
        process.signal("HUP");
        process.says("what was in use stays in use");
        fs::write(&file, &before).unwrap();
        process.signal("HUP");
        process.says("what waited for the next start is as it was");
    }
    coordinator.says("round ");
}
