//! The bytes of whole sessions, and the records of one, pinned by files in `tests/vectors/`.
//! `docs/protocol.md` describes them, `tests/protocol/decode.py` reads them.
//!
//! A change that makes this fail changes the protocol: it needs a new version. To write
//! the files anew, run with `FEDLINK_WRITE_VECTORS=1` and `--test-threads 1`, then the tests
//! called `vectors` of the library, which write what is behind them.
#![cfg(feature = "x509")]
// The core may not touch files; its tests read theirs.
#![allow(clippy::disallowed_methods)]

mod common;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use common::pair::{Pair, Setup};
use common::pki::{NOW, name};
use fedlink::identity::{Chain, Identity, Roots};
use fedlink::message::{JobId, Outcome, Payload, Progress, Properties};
use fedlink::{Assignee, Carrier, Client, ClientAction, NewTask, Phase, Server, Sites, Suite};

const JOB: JobId = JobId::from_bytes([7; 16]);

/// The certificates that the vectors were made with: the issuing tool may change its
/// encoding, the protocol does not.
struct Certificates {
    root: Vec<u8>,
    server: Vec<u8>,
    site: Vec<u8>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn writes() -> bool {
    std::env::var_os("FEDLINK_WRITE_VECTORS").is_some()
}

fn certificate(file: &str, make: impl Fn() -> Vec<u8>) -> Vec<u8> {
    let path = folder().join(file);
    if writes() {
        std::fs::create_dir_all(folder()).unwrap();
        std::fs::write(&path, make()).unwrap();
    }
    std::fs::read(path).unwrap()
}

fn certificates(pair: &Pair) -> Certificates {
    let leaf = |chain: Chain| chain.leaf_der().unwrap().to_vec();
    Certificates {
        root: certificate("root.der", || pair.pki.root().der().to_vec()),
        server: certificate("server.der", || leaf(pair.pki.server("coordinator").0)),
        site: certificate("site.der", || leaf(pair.pki.site("site-1").0)),
    }
}

/// A session, and what is special about it.
#[derive(Clone, Copy)]
struct Session {
    name: &'static str,
    suite: Suite,
    /// The channel binding of the connection.
    binding: Option<[u8; 32]>,
    /// Payloads of more bytes travel apart.
    inline_limit: Option<usize>,
    /// The server has disabled the site.
    disabled: bool,
}

impl Session {
    const fn of(name: &'static str, suite: Suite) -> Self {
        Self {
            name,
            suite,
            binding: None,
            inline_limit: None,
            disabled: false,
        }
    }
}

const PLAIN: Session = Session::of("plain", Suite::Plain);
const BEARER: Session = Session::of("bearer", Suite::Bearer);
const SEALED: Session = Session::of("sealed", Suite::Sealed);
/// Bearer on a connection with a channel binding.
const BOUND: Session = Session {
    binding: Some([9; 32]),
    ..Session::of("bound", Suite::Bearer)
};
/// Task and result travel in chunks.
const APART: Session = Session {
    inline_limit: Some(4),
    ..Session::of("apart", Suite::Plain)
};
/// The site has proved itself and is refused.
const REFUSED: Session = Session {
    disabled: true,
    ..Session::of("refused", Suite::Sealed)
};

/// A pair whose certificates come from the files.
fn pinned_pair(session: Session) -> Pair {
    let Session {
        binding,
        inline_limit,
        ..
    } = session;
    let mut pair = Setup::new(session.suite)
        .client(move |config| {
            config.trusted_path &= binding.is_none();
            config.inline_limit = inline_limit.unwrap_or(config.inline_limit);
        })
        .server(move |config| {
            config.trusted_path &= binding.is_none();
            config.inline_limit = inline_limit.unwrap_or(config.inline_limit);
        })
        .build();
    let files = certificates(&pair);
    let roots = Roots::new().certificate(&files.root).unwrap();
    let identity = |label: &str, der: &[u8], key| {
        let chain = Chain::from_der(vec![der]).unwrap();
        Identity::new(name(label), chain, Arc::new(key), roots.clone()).unwrap()
    };
    let site = identity("site-1", &files.site, pair.pki.site("site-1").1);
    let server = identity(
        "coordinator",
        &files.server,
        pair.pki.server("coordinator").1,
    );
    pair.client = Client::new(pair.client_config.clone(), site, [1; 32], pair.now).unwrap();
    pair.server = Server::new(pair.server_config.clone(), server, [2; 32], pair.now).unwrap();
    pair.client.set_wall_clock(pair.now, NOW);
    pair.server.set_wall_clock(pair.now, NOW);
    pair
}

/// Delivers everything and writes it down.
fn deliver(pair: &mut Pair, transcript: &mut String) {
    loop {
        pair.drain();
        let to_server = std::mem::take(&mut pair.to_server);
        let to_client = std::mem::take(&mut pair.to_client);
        if to_server.is_empty() && to_client.is_empty() {
            return;
        }
        for message in to_server {
            writeln!(transcript, "client {}", hex(&message)).unwrap();
            pair.deliver_to_server(message);
        }
        for message in to_client {
            writeln!(transcript, "server {}", hex(&message)).unwrap();
            pair.deliver_to_client(message);
        }
    }
}

/// What is sent, a line each, and what is stored.
fn run(session: Session) -> (String, String) {
    let mut pair = pinned_pair(session);
    let mut transcript = String::new();
    pair.client.set_address("192.0.2.1").unwrap();
    pair.client
        .set_site_info(Properties::new().with("gpu", "none"))
        .unwrap();
    pair.server.start_job(pair.now, JOB, Sites::All).unwrap();
    let input = NewTask::new("train", Payload::labelled("model", "text/plain", ""))
        .with_headers(Properties::new().with("round", "1"));
    pair.server
        .assign(pair.now, JOB, Assignee::Anyone, input)
        .unwrap();
    if session.disabled {
        pair.server.disable(pair.now, &name("site-1"));
    }
    pair.server
        .handle_connected(pair.now, pair.peer, session.binding);
    let mut carrier = Carrier::default();
    carrier.tls_exporter = session.binding;
    pair.client.handle_connected(pair.now, carrier).unwrap();
    pair.client.register(pair.now).unwrap();
    deliver(&mut pair, &mut transcript);
    if session.disabled {
        assert_eq!(pair.client.phase(), Phase::Rejected);
        return (transcript, records(&pair));
    }
    pair.now = pair.now + Duration::from_millis(100);
    pair.tick();
    deliver(&mut pair, &mut transcript);
    pair.client.job_started(pair.now, JOB).unwrap();
    pair.client
        .report_progress(pair.now, JOB, Progress::from_permille(250))
        .unwrap();
    pair.client.pull_task(pair.now, JOB).unwrap();
    deliver(&mut pair, &mut transcript);
    let task = pair
        .take_client()
        .into_iter()
        .find_map(|action| match action {
            ClientAction::TaskAssigned(task) => Some(task.id),
            _ => None,
        })
        .expect("a task");
    let headers = Properties::new().with("loss", "0.5");
    let result = Payload::labelled("update", "text/plain", "");
    pair.client
        .submit(pair.now, task, Outcome::Ok, headers, result)
        .unwrap();
    deliver(&mut pair, &mut transcript);
    pair.client.quit(pair.now, "done");
    deliver(&mut pair, &mut transcript);
    assert_eq!(pair.client.phase(), Phase::Closed);
    assert!(pair.client_drops.is_empty() && pair.server_drops.is_empty());
    (transcript, records(&pair))
}

/// The records of both machines, a line each.
fn records(pair: &Pair) -> String {
    let mut lines = String::new();
    for (whose, records) in [
        ("server", &pair.server_records),
        ("client", &pair.client_records),
    ] {
        for record in &records.0 {
            writeln!(lines, "{whose} {}", hex(record)).unwrap();
        }
    }
    lines
}

fn check_file(file: &str, lines: &str) {
    let path = folder().join(file);
    if writes() {
        std::fs::write(&path, lines).unwrap();
    }
    let pinned = std::fs::read_to_string(&path).unwrap();
    for (number, (is, was)) in lines.lines().zip(pinned.lines()).enumerate() {
        assert_eq!(is, was, "line {number} of {file}");
    }
    assert_eq!(lines.lines().count(), pinned.lines().count());
}

fn check(session: Session) {
    let (transcript, _) = run(session);
    check_file(&format!("{}.txt", session.name), &transcript);
}

#[test]
fn plain() {
    check(PLAIN);
}

#[test]
fn bearer() {
    check(BEARER);
}

#[test]
fn bearer_with_a_channel_binding() {
    check(BOUND);
}

#[test]
fn sealed() {
    check(SEALED);
}

// spec: P-57
#[test]
fn sealed_and_refused() {
    check(REFUSED);
}

#[test]
fn payloads_apart() {
    check(APART);
}

#[test]
fn records_of_both_machines() {
    let (_, records) = run(APART);
    check_file("records.txt", &records);
}

#[test]
fn the_same_seeds_and_inputs_give_the_same_bytes() {
    assert_eq!(run(SEALED), run(SEALED));
}
