//! `fedlink check` with real processes: each thing that can be wrong is told, with a remedy.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::SystemTime;

use common::checked::{DAY, address, change, check, date, project, serve};
use common::{Process, fedlink};
use rcgen::ExtendedKeyUsagePurpose;
use tempfile::TempDir;

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
    coordinator.says("mosel checks the way here, and takes no part");
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

/// A coordinator that waits for one site does not begin with one that only looks.
#[test]
fn a_check_that_registers_is_no_site_of_a_round() {
    let (_place, server, site) = project();
    let coordinator = Process::start(&["serve", "--kit", server.to_str().unwrap(), "--sites", "1"]);
    coordinator.says("waits for");
    for _ in 0..2 {
        check(&site, &["--register"]).right("registration", "takes this site");
    }
    coordinator.says("mosel has left: it was only checked");
    let _at_work = Process::start(&["join", "--kit", site.to_str().unwrap(), "--share", "1/1"]);
    let next = coordinator.said_before("begins with 1 sites");
    assert!(
        next.iter().any(|it| it.contains("mosel has joined")),
        "{next:?}"
    );
}

/// Whoever asks whether the coordinator runs shows it nothing that it would refuse.
#[test]
fn a_check_of_the_coordinator_leaves_no_warning_with_it() {
    let (_place, server, site) = project();
    let coordinator = serve(&server);
    let found = check(&server, &[]);
    found.right("listen", "the coordinator of this kit listens");
    // A line about it would have come before.
    check(&site, &["--register"]);
    let said = coordinator.said_before("mosel checks the way");
    assert!(!said.iter().any(|it| it.contains("refused")), "{said:?}");
}

#[test]
fn another_project_than_that_of_the_root() {
    let (_place, server, site) = project();
    for kit in [&server, &site] {
        change(kit, "project = \"wine\"", "project = \"beer\"");
        check(kit, &[]).warns("project", "the root of this kit was made for wine");
    }
    change(&server, "project = \"beer\"", "project = \"wine\"");
    let _coordinator = serve(&server);
    let found = check(&site, &[]);
    assert!(found.right, "{:#?}", found.checks);
    found
        .warns("project", "correct `project` in fedlink.toml")
        .right(
            "answer",
            "whether it takes this site and its project shows --register",
        );
    check(&site, &["--register"]).wrong("registration", "project");
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

#[test]
fn the_root_of_another_project_of_that_name() {
    let (_ours, _, site) = project();
    let (_theirs, server, _) = project();
    fs::copy(server.join("roots.pem"), site.join("roots.pem")).unwrap();
    check(&site, &[]).wrong(
        "kit",
        "take certificate and root from one and the same project",
    );
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
    assert!(own.to_string().contains("--renew mosel"), "{own:#?}");
    // What the report says is not said beside it.
    let output = fedlink()
        .args(["check", "--kit"])
        .arg(&site)
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn certificates_that_soon_count_no_more() {
    let now = SystemTime::now();
    let (_place, server, site) = project();
    let ends = |from_now| [now - 30 * DAY, now + from_now];
    let [of_site, of_server] = [
        ("mosel", ExtendedKeyUsagePurpose::ClientAuth),
        ("coordinator", ExtendedKeyUsagePurpose::ServerAuth),
    ];
    date(&server, of_server.0, of_server.1, ends(13 * DAY + DAY / 2));
    date(&site, of_site.0, of_site.1, ends(DAY / 48));
    check(&server, &[]).warns("own dates", "--renew coordinator");
    let _coordinator = serve(&server);
    let found = check(&site, &[]);
    assert!(found.right, "{:#?}", found.checks);
    found
        .warns("own dates", " minutes\"")
        .warns("own dates", "--renew mosel")
        .warns("their dates", "ends in 13 days");
}

#[test]
fn a_folder_that_is_no_kit() {
    let place = TempDir::new().unwrap();
    check(place.path(), &[]).wrong("kit", "make one with `fedlink provision`");
    let (_place, server, _) = project();
    check(server.parent().unwrap(), &[]).wrong("kit", "give one of the kits in it");
    check(server.join("fedlink.toml"), &[]).wrong("kit", "give the folder that it is in");
    check(server.join("nowhere"), &[]).wrong("kit", "correct the path");
    let refused = fedlink()
        .args(["check", "--state", "folder", "--kit"])
        .arg(&server)
        .output()
        .unwrap();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && told.contains("--state is for a site of NVFlare"),
        "{told}"
    );
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
