//! Whatever provisioning makes can be started: every form of host and of name.

mod common;

use std::fs;
use std::net::TcpListener as StdListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::fedlink;
use fedlink_cli::parties;
use fedlink_host::kit::{ServerKit, SiteKit};
use fedlink_host::tokio::{Accept, Dial};
use tempfile::TempDir;

fn free_port() -> u16 {
    let socket = StdListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

fn has_ipv6() -> bool {
    let has = StdListener::bind("[::1]:0").is_ok();
    if !has {
        println!("this machine has no IPv6, so it was not tested");
    }
    has
}

/// Provisions with these options; says what went wrong.
fn provision(folder: &Path, options: &[&str]) -> Result<(), String> {
    let made = fedlink()
        .args(["provision", "--project", "wine", "--sites", "site-1"])
        .args(options)
        .arg("--out")
        .arg(folder)
        .output()
        .unwrap();
    match made.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8(made.stderr).unwrap()),
    }
}

/// Starts what was made: the coordinator listens, and the site connects to it at each of
/// its addresses, with TLS if the kit says so.
async fn connects(folder: &Path, addresses: Option<Vec<String>>) {
    let server = ServerKit::load(&folder.join("server")).unwrap();
    let site = SiteKit::load(&folder.join("sites/site-1")).unwrap();
    let listeners = fedlink_host::tokio::listen(&server.config.listen)
        .await
        .unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for listener in listeners {
        let mut accept = parties::accept(&server, listener).unwrap();
        tasks.spawn(async move {
            while let Ok(accepted) = accept.accept().await {
                let _ = accepted.ready.await;
            }
        });
    }
    for address in addresses.unwrap_or_else(|| site.config.server.addresses.clone()) {
        let mut dial = parties::dial(&site, [address.clone()]).unwrap();
        let connected = dial.dial().await;
        assert!(connected.is_ok(), "{address}: {:?}", connected.err());
    }
    tasks.shutdown().await;
}

#[tokio::test]
async fn a_kit_starts_with_every_form_of_host() {
    let port = free_port();
    let mut hosts = vec![
        format!("127.0.0.1:{port}"),
        format!("127.0.0.1:{port},127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("LOCALHOST:{port},127.0.0.1:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
    ];
    if has_ipv6() {
        hosts.push(format!("127.0.0.1:{port},[::1]:{port}"));
        hosts.push(format!("[::1]:{port}"));
    }
    for hosts in hosts {
        for transport in ["tls", "tcp"] {
            let place = TempDir::new().unwrap();
            provision(place.path(), &["--host", &hosts, "--transport", transport]).unwrap();
            connects(place.path(), None).await;
        }
    }
}

#[tokio::test]
async fn a_kit_for_elsewhere_is_reached_at_all_addresses_of_the_machine() {
    let port = free_port();
    let [v4, v6] = [format!("127.0.0.1:{port}"), format!("[::1]:{port}")];
    for (hosts, both) in [
        ("192.0.2.7:P", false),
        ("192.0.2.7:P,127.0.0.1:P", false),
        ("192.0.2.7:P,[2001:db8::1]:P", true),
        ("[2001:db8::1]:P,192.0.2.7:P,localhost:P,[::1]:P", true),
        ("fl.example.org:P", true),
        ("fl.example.org:P,my_host:P,127.0.0.1:P", true),
    ] {
        if hosts.contains("::1") && !has_ipv6() {
            continue;
        }
        let place = TempDir::new().unwrap();
        let hosts = hosts.replace('P', &port.to_string());
        provision(place.path(), &["--host", &hosts]).unwrap();
        let mut reached = vec![v4.clone()];
        reached.extend(Some(v6.clone()).filter(|_| both && has_ipv6()));
        connects(place.path(), Some(reached)).await;
    }
}

#[tokio::test]
async fn a_kit_starts_with_every_name_of_a_server() {
    let host = format!("127.0.0.1:{}", free_port());
    let long = "a".repeat(63);
    for name in [
        "c",
        "coordinator",
        "Coordinator-7",
        "coord.wine",
        "7.wine",
        "a_b",
        &long,
        "192.0.2.7",
        "localhost",
    ] {
        let place = TempDir::new().unwrap();
        provision(place.path(), &["--host", &host, "--server", name]).unwrap();
        connects(place.path(), None).await;
    }
    for name in ["2025", "coord.7", "256.1.1.1"] {
        let place = TempDir::new().unwrap();
        let told = provision(place.path(), &["--host", &host, "--server", name]).unwrap_err();
        assert!(
            told.contains(&format!("{name:?} cannot be the name of a server in TLS")),
            "{told}"
        );
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        // Nobody asks for a name over TCP.
        provision(
            place.path(),
            &["--host", &host, "--server", name, "--transport", "tcp"],
        )
        .unwrap();
        connects(place.path(), None).await;
    }
}

#[test]
fn hosts_that_lead_nowhere_are_refused() {
    for host in [
        "0.0.0.0",
        "[::]",
        "::",
        "256.1.1.1",
        "1.2.3",
        "224.0.0.1",
        "fe80::1",
        "host:0",
        "host:+1",
        " host",
        "[localhost]:1",
        "::1:8443",
    ] {
        let place = TempDir::new().unwrap();
        let told = provision(place.path(), &["--host", host]).unwrap_err();
        assert!(
            told.starts_with("fedlink: --host: ") && told.contains("is no address: "),
            "{told}"
        );
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}

#[test]
fn the_folder_may_be_this_one_or_a_link() {
    let place = TempDir::new().unwrap();
    let made = |command: &mut Command| {
        let output = command
            .current_dir(place.path())
            .args([
                "--project",
                "wine",
                "--sites",
                "site-1",
                "--host",
                "127.0.0.1",
            ])
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    for folder in ["here", "linked", "below"] {
        fs::create_dir(place.path().join(folder)).unwrap();
    }
    let mut here = fedlink();
    here.current_dir(place.path().join("here"));
    let output = here
        .args([
            "provision",
            "--project",
            "wine",
            "--sites",
            "a",
            "--host",
            "127.0.0.1",
            "--out",
            ".",
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let kinds = |folder: &str| fs::read_dir(place.path().join(folder)).unwrap().count();
    assert_eq!(kinds("here"), 3);
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;

        symlink("linked", place.path().join("link")).unwrap();
        let (right, told) = made(fedlink().args(["provision", "--out", "link"]));
        assert!(right && kinds("linked") == 3, "{told}");
        symlink("nowhere", place.path().join("dangling")).unwrap();
        let (right, told) = made(fedlink().args(["provision", "--out", "dangling"]));
        assert!(
            !right && told.contains("dangling is a link that leads nowhere"),
            "{told}"
        );
    }
    let (right, told) = made(fedlink().args(["provision", "--out", "below/.."]));
    assert!(
        !right && told.contains("exists and is no empty folder"),
        "{told}"
    );
    let (right, told) = made(fedlink().args(["provision", "--out", "~/wine"]));
    assert!(
        !right && told.contains("only a shell knows what ~ is"),
        "{told}"
    );
    assert!(!place.path().join("~").exists());
}

#[test]
fn a_project_that_names_no_folder_needs_one() {
    let place = TempDir::new().unwrap();
    for project in ["..", "a/b", "/tmp/x", "~"] {
        let output = fedlink()
            .current_dir(place.path())
            .args([
                "provision",
                "--project",
                project,
                "--sites",
                "a",
                "--host",
                "127.0.0.1",
            ])
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && told.contains("say with --out"),
            "{told}"
        );
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}

#[test]
fn openssl_reads_the_keys() {
    let place = TempDir::new().unwrap();
    provision(place.path(), &["--host", "127.0.0.1"]).unwrap();
    for kit in ["authority/root-", "server/", "sites/site-1/"] {
        let key = format!("{kit}key.pem");
        match Command::new("openssl")
            .current_dir(place.path())
            .args(["pkey", "-noout", "-in", &key])
            .output()
        {
            Ok(read) => assert!(read.status.success(), "{key}: {read:?}"),
            Err(error) => println!("there is no openssl ({error}), so {key} was not read"),
        }
    }
}

/// Each refusal says what is wrong with which text, and what to write.
#[test]
fn texts_that_are_no_names_or_hosts_are_told_apart() {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("wine");
    let long = "a".repeat(64);
    let host = |host: &str| ["--host", host, "--sites", "mosel"].map(str::to_owned);
    let sites = |sites: &str| ["--host", "127.0.0.1", "--sites", sites].map(str::to_owned);
    for (options, told) in [
        (host(&format!("{long}.org")), "at most 63 characters"),
        (host("a.org."), "leave out the dot at its end"),
        (host("a.org,"), "leave out a comma"),
        (host(",a.org"), "leave out a comma"),
        (host(":99"), "a host is missing before the ':'"),
        (host("my.localhost"), "write \"localhost\" alone"),
        (sites("mosel,,nahe"), "leave out a comma"),
        (sites(&long), "it is too long; use at most 63"),
        (sites("mosel."), "leave out the dot at its end"),
        (sites(&format!("b.{}", &long[..60])), ""),
    ] {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let made = provision(&folder, &options);
        if told.is_empty() {
            made.unwrap();
            continue;
        }
        let error = made.unwrap_err();
        assert!(error.contains(told), "{options:?}: {error}");
        assert!(!folder.exists());
    }
}

/// The system's errors name what was asked for, and what to do.
#[test]
fn places_where_nothing_can_be_made() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    let too_long = place.path().join("x".repeat(250));
    for (folder, told) in [
        (
            file.join("wine"),
            "something that is no folder has this name",
        ),
        (too_long, "choose a shorter name"),
        (
            PathBuf::from("/proc/wine"),
            "see that it is there, or give another folder",
        ),
    ] {
        let error = provision(&folder, &["--host", "127.0.0.1", "--sites", "mosel"]).unwrap_err();
        assert!(error.contains(told), "{error}");
        let named = folder.parent().unwrap().to_str().unwrap();
        assert!(
            error.contains(named) && !error.contains(".partial"),
            "{error}"
        );
    }
}
