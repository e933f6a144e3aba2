//! Connections that one of the two ends refuses: what each of them says, and who ends.

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use common::{Process, kit, provision};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519,
};

const DAY: i64 = 24 * 60 * 60;

/// Dates of a certificate, in days from now.
type Days = (i64, i64);

const FUTURE: Days = (30, 60);
const PAST: Days = (-60, -30);
const PRESENT: Days = (-1, 30);

fn project(folder: &Path) -> [String; 2] {
    provision(folder, "mosel");
    [kit(folder, "server"), kit(folder, "sites/mosel")]
}

/// Gives the kit another certificate of the project.
fn issue(folder: &Path, kit: &str, (from, to): Days) {
    let mut root = CertificateParams::default();
    root.distinguished_name = common_name("wine root");
    let key = fs::read_to_string(folder.join("authority/root-key.pem")).unwrap();
    let key = KeyPair::from_pkcs8_pem_and_sign_algo(&key, &PKCS_ED25519).unwrap();
    let issuer = Issuer::new(root, key);

    let server = kit.ends_with("server");
    let (name, usage) = match server {
        true => ("coordinator", ExtendedKeyUsagePurpose::ServerAuth),
        false => ("mosel", ExtendedKeyUsagePurpose::ClientAuth),
    };
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let day = |days: i64| {
        let seconds = now.checked_add_signed(days * DAY).unwrap();
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    };
    (params.not_before, params.not_after) = (day(from).into(), day(to).into());
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let kit = Path::new(kit);
    fs::write(kit.join("certificate.pem"), certificate.pem()).unwrap();
    fs::write(kit.join("key.pem"), key.serialize_pem()).unwrap();
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn set_transport(kit: &str, transport: &str) {
    let file = Path::new(kit).join("fedlink.toml");
    let mut text = fs::read_to_string(&file).unwrap();
    for other in ["tls", "tcp"] {
        text = text.replace(
            &format!("transport = \"{other}\""),
            &format!("transport = \"{transport}\""),
        );
    }
    fs::write(&file, text).unwrap();
}

fn serve(kit: &str) -> Process {
    let process = Process::start(&["serve", "--kit", kit, "--sites", "1", "--rounds", "1"]);
    process.says("waits for 1 sites");
    process
}

fn join(kit: &str) -> Process {
    Process::start(&["join", "--kit", kit, "--share", "1/1"])
}

/// What a process says until it ends.
fn until_its_end(mut process: Process) -> Vec<String> {
    let said = process.rest();
    assert!(!process.end().0, "{said:#?}");
    said
}

#[test]
fn a_site_with_an_expired_certificate_hears_so_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("wine");
    let [server, site] = project(&folder);
    issue(&folder, &site, PAST);
    let mut coordinator = serve(&server);
    for _ in 0..2 {
        let said = until_its_end(join(&site));
        let told = |words: &str| said.iter().filter(|line| line.contains(words)).count();
        assert_eq!(
            told("received fatal alert: CertificateExpired"),
            3,
            "{said:#?}"
        );
        assert_eq!(told("tries again"), 2, "{said:#?}");
        assert_eq!(
            told("fedlink: no connection can be trusted"),
            1,
            "{said:#?}"
        );
        assert!(told("have it renewed if it has expired") > 0, "{said:#?}");
        assert_eq!(told("was lost"), 0, "{said:#?}");
    }
    coordinator.says("the site's certificate has expired: renew it, or correct the clock");
    coordinator.signal("TERM");
    let said = coordinator.rest();
    let again = said.iter().any(|line| line.contains("expired"));
    assert!(!again, "told twice: {said:#?}");
}

#[test]
fn a_site_of_another_project_hears_so_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["ours", "theirs"].map(|which| folder.path().join(which));
    let ([server, _], [_, site]) = (project(&ours), project(&theirs));
    // Theirs, but it knows our root and our address.
    let root = fs::read_to_string(ours.join("authority/root.pem")).unwrap();
    common::append(&Path::new(&site).join("roots.pem"), &root);
    let settings = ours.join("sites/mosel/fedlink.toml");
    fs::copy(settings, Path::new(&site).join("fedlink.toml")).unwrap();
    let coordinator = serve(&server);
    let said = until_its_end(join(&site)).join("\n");
    assert!(said.contains("received fatal alert: "), "{said}");
    assert!(
        said.contains("the server refuses this site's certificate"),
        "{said}"
    );
    assert!(
        said.contains("fedlink: no connection can be trusted"),
        "{said}"
    );
    assert!(!said.contains("was lost"), "{said}");
    coordinator.says("another root than this kit's issued the site's certificate");
}

#[test]
fn tls_against_tcp_is_told_at_both_ends_until_it_is_mended() {
    for (of_site, of_server, at_site, at_server) in [
        (
            "tls",
            "tcp",
            "it may not speak TLS, so set the same",
            "it speaks TLS, which this kit does not",
        ),
        (
            "tcp",
            "tls",
            "one end speaks TLS and the other does not",
            "it does not speak TLS, which this kit asks for",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("wine");
        let [server, kit] = project(&folder);
        set_transport(&kit, of_site);
        set_transport(&server, of_server);
        let coordinator = serve(&server);
        let site = join(&kit);
        site.says(at_site);
        site.says("(attempt 4)");
        coordinator.says(at_server);
        coordinator.kill();
        set_transport(&server, of_site);
        let mut coordinator = serve(&server);
        site.says("is registered");
        assert!(coordinator.end().0);
    }
}

#[test]
fn dates_of_the_coordinator_that_do_not_fit_pass_on_any_carrier() {
    for transport in ["tcp", "tls"] {
        for (days, told, helps) in [
            (
                FUTURE,
                "certificate is not valid before 20",
                "correct the clock of this machine",
            ),
            (
                PAST,
                "certificate expired on 20",
                "renewed, or correct the clock",
            ),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path().join("wine");
            let [server, kit] = project(&folder);
            set_transport(&kit, transport);
            set_transport(&server, transport);
            issue(&folder, &server, days);
            let coordinator = serve(&server);
            let site = join(&kit);
            for attempt in 1..=4 {
                let line = site.line(&format!("(attempt {attempt})"));
                assert!(line.contains(told) && line.contains(helps), "{line}");
                assert!(line.contains("the clock of this machine says 20"), "{line}");
            }
            coordinator.kill();
            issue(&folder, &server, PRESENT);
            let mut coordinator = serve(&server);
            site.says("is registered");
            assert!(coordinator.end().0);
        }
    }
}

#[test]
fn a_clock_of_the_coordinator_that_is_behind_does_not_end_a_site() {
    for transport in ["tcp", "tls"] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("wine");
        let [server, kit] = project(&folder);
        set_transport(&kit, transport);
        set_transport(&server, transport);
        // By the coordinator's clock, it is not valid yet; by the site's it has not expired.
        issue(&folder, &kit, FUTURE);
        let _coordinator = serve(&server);
        let site = join(&kit);
        let line = site.line("(attempt 1)");
        assert!(line.contains("correct the clock"), "{line}");
    }
}

/// What the machine refuses is told at the coordinator as what TLS refuses is: once, with the
/// name, the reason and what helps.
#[test]
fn a_registration_that_is_refused_is_told_at_the_coordinator() {
    for transport in ["tcp", "tls"] {
        let folder = tempfile::tempdir().unwrap();
        let [server, site] = project(&folder.path().join("wine"));
        for kit in [&server, &site] {
            set_transport(kit, transport);
        }
        let file = Path::new(&site).join("fedlink.toml");
        let text = fs::read_to_string(&file).unwrap();
        let mut coordinator = serve(&server);
        for _ in 0..2 {
            fs::write(&file, text.replace("\"wine\"", "\"beer\"")).unwrap();
            let said = until_its_end(join(&site)).join("\n");
            assert!(said.contains("wrong project"), "{said}");
        }
        let told = coordinator.line("a registration of mosel at 127.0.0.1");
        assert!(
            told.contains("this server serves the project `wine`"),
            "{told}"
        );
        assert!(
            told.contains("correct `project` in its fedlink.toml"),
            "{told}"
        );
        fs::write(&file, text.replace("\"sealed\"", "\"plain\"")).unwrap();
        let waits = join(&site);
        coordinator.says("no suite that both sides accept");
        drop(waits);
        if transport == "tcp" {
            fs::write(&file, &text).unwrap();
            issue(&folder.path().join("wine"), &site, PAST);
            let expired = join(&site);
            coordinator.says("expired on ");
            drop(expired);
        }
        coordinator.signal("TERM");
        let said = coordinator.rest();
        assert!(
            !said.iter().any(|it| it.contains("wrong project")),
            "{said:#?}"
        );
    }
}
