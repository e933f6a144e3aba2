//! The bytes of a whole session in every suite, pinned by files in `tests/vectors/`.
//!
//! A change that makes this fail changes the protocol: it needs a new version. To write
//! the files anew, run with `FEDLINK_WRITE_VECTORS=1` and `--test-threads 1`.

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
use fedlink::{Assignee, Client, ClientAction, NewTask, Phase, Server, Sites, Suite};

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

/// A pair whose certificates come from the files.
fn pinned_pair(suite: Suite) -> Pair {
    let mut pair = Setup::new(suite).build();
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

fn session(suite: Suite) -> String {
    let mut pair = pinned_pair(suite);
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
    pair.connect();
    pair.client.register(pair.now).unwrap();
    deliver(&mut pair, &mut transcript);
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
    transcript
}

fn check(suite: Suite) {
    let transcript = session(suite);
    let path = folder().join(format!("{suite}.txt"));
    if writes() {
        std::fs::write(&path, &transcript).unwrap();
    }
    let pinned = std::fs::read_to_string(&path).unwrap();
    for (number, (is, was)) in transcript.lines().zip(pinned.lines()).enumerate() {
        assert_eq!(is, was, "message {number} of the {suite} session");
    }
    assert_eq!(transcript.lines().count(), pinned.lines().count());
}

#[test]
fn plain() {
    check(Suite::Plain);
}

#[test]
fn bearer() {
    check(Suite::Bearer);
}

#[test]
fn sealed() {
    check(Suite::Sealed);
}

#[test]
fn the_same_seeds_and_inputs_give_the_same_bytes() {
    assert_eq!(session(Suite::Sealed), session(Suite::Sealed));
}
