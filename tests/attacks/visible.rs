//! What whoever carries the messages of the sealed suite can read in them.

use std::collections::BTreeSet;

use super::SECOND;
use super::common::pair::{Pair, Setup};
use super::common::pki::name;
use fedlink::message::{JobId, Payload, Properties};
use fedlink::{Assignee, NewTask, Phase, Sites, Suite};

const PROJECT: &str = "a study of hearts";
const JOB: JobId = JobId::from_bytes([0xfe; 16]);

fn pair() -> Pair {
    Setup::new(Suite::Sealed)
        .client(|config| config.project = name(PROJECT))
        .server(|config| config.project = name(PROJECT))
        .build()
}

/// Lets a second pass, and gives all messages that went either way.
fn overhear(pair: &mut Pair) -> Vec<Vec<u8>> {
    let end = pair.now + SECOND;
    let mut heard = Vec::new();
    while pair.now < end {
        pair.drain();
        let (up, down) = (pair.to_server.iter(), pair.to_client.iter());
        heard.extend(up.chain(down).map(|message| message.to_vec()));
        if !pair.step() {
            pair.now = pair.now + SECOND / 10;
            pair.tick();
        }
    }
    heard
}

/// Registers anew with another process, and gives all messages of that.
fn handshake(pair: &mut Pair) -> Vec<Vec<u8>> {
    pair.restart_client();
    pair.connect();
    pair.client.register(pair.now).unwrap();
    let heard = overhear(pair);
    assert_eq!(pair.client.phase(), Phase::Active);
    heard
}

fn of_kind(heard: &[Vec<u8>], kind: u8) -> &[u8] {
    heard.iter().find(|it| it[1] == kind).unwrap()
}

#[test]
fn no_name_is_in_what_is_sent() {
    let mut pair = pair();
    let mut heard = handshake(&mut pair);
    pair.server.start_job(pair.now, JOB, Sites::All).unwrap();
    let task = NewTask::new(
        "task-of-hearts",
        Payload::labelled("payload-of-hearts", "label-of-hearts", ""),
    )
    .with_headers(Properties::new().with("header-of-hearts", "1"));
    pair.server
        .assign(pair.now, JOB, Assignee::Anyone, task)
        .unwrap();
    pair.client.job_started(pair.now, JOB).unwrap();
    pair.client.pull_task(pair.now, JOB).unwrap();
    heard.extend(overhear(&mut pair));
    pair.client.quit(pair.now, "farewell-of-hearts");
    heard.extend(overhear(&mut pair));
    let heard = heard.concat();
    assert!(heard.len() > 1000);
    let ssid = pair.server.ssid();
    let secrets: [&[u8]; 6] = [
        PROJECT.as_bytes(),
        b"hearts",
        b"site-1",
        b"coordinator",
        JOB.as_bytes(),
        ssid.as_bytes(),
    ];
    for secret in secrets {
        let seen = heard.windows(secret.len()).any(|it| it == secret);
        assert!(!seen, "{:?}", String::from_utf8_lossy(secret));
    }
}

/// Nothing of one handshake shows that another is of the same project or site, how many
/// sessions or cookies there were, or what the server's clock says.
// spec: P-38
#[test]
fn two_handshakes_have_nothing_in_common() {
    const HANDSHAKES: usize = 8;
    let mut pair = pair();
    let all: Vec<Vec<Vec<u8>>> = (0..HANDSHAKES).map(|_| handshake(&mut pair)).collect();
    // Version, kind, one suite, the project (32), the binding, the nonce (16), the share.
    let projects = all.iter().map(|heard| &of_kind(heard, 1)[4..36]);
    // Behind version, kind, suite, two nonces and a share: its stamp.
    let cookies = all.iter().map(|heard| &of_kind(heard, 2)[68..84]);
    let sessions = all.iter().map(|heard| &of_kind(heard, 4)[18..34]);
    let all: Vec<&[u8]> = projects.chain(cookies).chain(sessions).collect();
    // Any four bytes in a row that two of them share would be of no chance.
    let parts: Vec<&[u8]> = all.iter().flat_map(|it| it.windows(4)).collect();
    let different: BTreeSet<&[u8]> = parts.iter().copied().collect();
    assert_eq!(different.len(), parts.len());
}
