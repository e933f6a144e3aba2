//! The program behind an HTTP proxy: what it says, and what it keeps to itself.

mod common;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;

use common::{Process, fedlink, provision};
use tempfile::TempDir;

const CREDENTIALS: &str = "fred:s3cr%65t@";

/// The end of a request that shows fred's password.
const KNOWN: &str = "Proxy-Authorization: Basic ZnJlZDpzM2NyZXQ=\r\n\r\n";

/// A proxy that connects those whom it knows, and its address.
fn proxy() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || tunnel(stream?));
        }
    });
    address
}

fn tunnel(mut near: TcpStream) -> io::Result<()> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        near.read_exact(&mut byte)?;
        request.extend(byte);
    }
    let request = String::from_utf8_lossy(&request);
    if !request.ends_with(KNOWN) {
        return near.write_all(b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=x\r\n\r\n");
    }
    let to = request.split(' ').nth(1).unwrap_or_default();
    let Ok(far) = TcpStream::connect(to) else {
        return near.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n");
    };
    near.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    let (mut from_near, mut to_far) = (near.try_clone()?, far.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_near, &mut to_far);
        to_far.shutdown(Shutdown::Write)
    });
    let (mut from_far, mut to_near) = (far, near);
    io::copy(&mut from_far, &mut to_near)?;
    to_near.shutdown(Shutdown::Write)
}

fn project() -> (TempDir, PathBuf, PathBuf) {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("wine");
    provision(&folder, "mosel,porto");
    (place, folder.join("server"), folder.join("sites/mosel"))
}

fn serve(server: &Path) -> Process {
    let coordinator =
        Process::start(&["serve", "--kit", server.to_str().unwrap(), "--rounds", "2"]);
    coordinator.says("waits for");
    coordinator
}

/// Puts a line before the first section of the kit.
fn set(kit: &Path, line: &str) {
    let file = kit.join("fedlink.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.replacen("[server]", &format!("{line}\n\n[server]"), 1),
    )
    .unwrap();
}

fn change(kit: &Path, from: &str, to: &str) {
    let file = kit.join("fedlink.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replace(from, to)).unwrap();
}

/// All that is said, without the password, as it is written or as it is meant.
#[track_caller]
fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8(both).unwrap();
    assert!(!text.contains("s3cr") && !text.contains("ZnJl"), "{text}");
    text
}

/// The report about this kit, with these options and this environment.
#[track_caller]
fn check(kit: &Path, options: &[&str], env: &[(&str, &str)]) -> String {
    let mut command = fedlink();
    command.args(["check", "--kit"]).arg(kit).args(options);
    said(&command.envs(env.iter().copied()).output().unwrap())
}

#[test]
fn two_sites_train_through_a_proxy_and_nobody_says_its_password() {
    let (place, server, mosel) = project();
    let proxy = proxy();
    let url = format!("http://{CREDENTIALS}{proxy}");
    let mut coordinator = serve(&server);
    let porto = place.path().join("wine/sites/porto");
    set(&porto, &format!("proxy = {url:?}"));
    let mut sites = [(&mosel, "1/2"), (&porto, "2/2")].map(|(kit, share)| {
        let mut command = fedlink();
        command.args(["join", "--share", share, "--kit"]).arg(kit);
        command.env("RUST_LOG", "trace");
        if *kit == mosel {
            command.env("HTTPS_PROXY", &url);
        }
        Process::of(&mut command)
    });
    for (site, origin) in sites
        .iter_mut()
        .zip(["HTTPS_PROXY", "`proxy` in fedlink.toml"])
    {
        site.says(&format!(
            "is reached through the proxy http://{proxy} ({origin})"
        ));
        let rest = site.rest();
        assert!(
            rest.iter().any(|line| line.contains("has ended the run")),
            "{rest:#?}"
        );
        assert!(
            rest.iter()
                .all(|line| !line.contains("s3cr") && !line.contains("ZnJl"))
        );
    }
    assert!(coordinator.end().0);
}

#[test]
fn a_check_goes_through_the_proxy_and_says_so() {
    let (_place, server, site) = project();
    let proxy = proxy();
    let known = format!("http://{CREDENTIALS}{proxy}");
    let away = check(&site, &[], &[("HTTPS_PROXY", &known)]);
    assert!(
        away.contains("does not get through to 127.0.0.1:"),
        "{away}"
    );
    let _coordinator = serve(&server);
    let report = check(&site, &["--register"], &[("https_proxy", &known)]);
    assert!(report.contains(&format!(
        "http://{proxy} (https_proxy) gets through to 127.0.0.1:"
    )));
    assert!(report.ends_with("all is right\n"), "{report}");
    assert!(!report.contains("takes connections"), "{report}");

    let unknown = format!("http://{proxy}");
    let env = [("ALL_PROXY", unknown.as_str())];
    let report = check(&site, &[], &env);
    assert!(
        report.contains("write name and password into ALL_PROXY"),
        "{report}"
    );
    // The option counts for more than the environment.
    let report = check(&site, &["--proxy", &known], &env);
    assert!(report.contains("(--proxy) gets through"), "{report}");
    let report = check(&site, &["--proxy", "none"], &env);
    assert!(report.contains("takes connections"), "{report}");
    // What is exempt is reached without.
    let report = check(&site, &[], &[env[0], ("NO_PROXY", "127.0.0.0/8")]);
    assert!(
        report.contains("NO_PROXY exempts it from ALL_PROXY"),
        "{report}"
    );
    assert!(report.ends_with("all is right\n"), "{report}");
    // The kit counts for more than the environment.
    set(&site, &format!("proxy = {known:?}"));
    let report = check(&site, &[], &[env[0], ("NO_PROXY", "*")]);
    assert!(
        report.contains("(`proxy` in fedlink.toml) gets through"),
        "{report}"
    );
    let report = check(&server, &["--proxy", &known], &[]);
    assert!(
        report.contains("a coordinator connects to nobody"),
        "{report}"
    );
}

#[test]
fn what_cannot_be_a_proxy_is_refused_at_the_start() {
    let (_place, _server, site) = project();
    let join = |option: &[&str], env: &[(&str, &str)]| {
        let mut command = fedlink();
        command.args(["join", "--share", "1/2", "--kit"]).arg(&site);
        let output = command.args(option).envs(env.iter().copied()).output();
        let output = output.unwrap();
        assert!(!output.status.success());
        said(&output)
    };
    let socks = format!("socks5h://{CREDENTIALS}127.0.0.1:1");
    let told = join(&[], &[("ALL_PROXY", &socks)]);
    assert!(
        told.contains("ALL_PROXY names no proxy that can be used: SOCKS"),
        "{told}"
    );
    let told = join(&["--proxy", "http://fred:s3cret/x@p:1"], &[]);
    assert!(
        told.contains("--proxy names no proxy that can be used"),
        "{told}"
    );
    set(&site, &format!("proxy = \"https://{CREDENTIALS}p:1\""));
    let told = join(&[], &[]);
    assert!(
        told.contains("fedlink.toml: proxy: it names no proxy"),
        "{told}"
    );
    // The line that is wrong is not shown.
    change(&site, "p:1\"", "p:1");
    join(&[], &[]);
}

#[test]
fn without_tls_no_proxy_counts_and_that_is_told() {
    let (_place, server, site) = project();
    for kit in [&server, &site] {
        change(kit, "transport = \"tls\"", "transport = \"tcp\"");
    }
    let _coordinator = serve(&server);
    let report = check(&site, &[], &[("HTTPS_PROXY", "http://nobody.invalid:1")]);
    assert!(
        report.contains("HTTPS_PROXY does not count: without TLS"),
        "{report}"
    );
    assert!(report.ends_with("all is right\n"), "{report}");
    let report = check(&site, &["--proxy", "http://p:1"], &[]);
    assert!(report.contains("leave --proxy out"), "{report}");
    set(&site, "proxy = \"http://p:1\"");
    let report = check(&site, &[], &[]);
    assert!(
        report.contains("transport tcp goes through no proxy"),
        "{report}"
    );
}
