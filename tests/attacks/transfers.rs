//! Attacks on payloads that travel in chunks.

use fedlink::error::Dropped;
use fedlink::message::{JobId, Outcome, Payload, Properties, TaskId};
use fedlink::{Assignee, ClientAction, NewTask, ServerAction, Sites};

use crate::SECOND;
use crate::common::pki::name;
use crate::two::Two;

const JOB: JobId = JobId::from_bytes([7; 16]);

/// Longer than what travels inside a message.
const LEN: usize = 700;

/// Both sites at work, each with a task of its own.
fn at_work() -> (Two, [TaskId; 2]) {
    let mut two = Two::new(["site-1", "site-2"]);
    two.register();
    two.server.start_job(two.now, JOB, Sites::All).unwrap();
    let tasks = ["site-1", "site-2"].map(|site| {
        let task = NewTask::new("train", Payload::new("in"));
        let site = Assignee::Site(name(site));
        two.server.assign(two.now, JOB, site, task).unwrap()
    });
    for site in &mut two.sites {
        site.client.job_started(two.now, JOB).unwrap();
        site.client.pull_task(two.now, JOB).unwrap();
    }
    two.pass(SECOND);
    (two, tasks)
}

/// Submits a result of each site, up to its first chunk under way.
fn push(two: &mut Two, tasks: [TaskId; 2]) {
    for (at, task) in tasks.into_iter().enumerate() {
        let payload = Payload::new(vec![at as u8 + 1; LEN]);
        let headers = Properties::new();
        let client = &mut two.sites[at].client;
        client
            .submit(two.now, task, Outcome::Ok, headers, payload)
            .unwrap();
        two.drain();
        let submit = two.sites[at].to_server.pop().unwrap();
        let peer = two.sites[at].peer;
        two.server.handle_message(two.now, peer, submit).unwrap();
        two.drain();
        let reply = two.sites[at].to_client.pop().unwrap();
        let client = &mut two.sites[at].client;
        client.handle_message(two.now, reply).unwrap();
        two.drain();
        assert!(!two.sites[at].to_server.is_empty(), "chunks are under way");
    }
}

fn assert_results(two: &Two, tasks: [TaskId; 2]) {
    for (at, task) in tasks.into_iter().enumerate() {
        let expected = vec![at as u8 + 1; LEN];
        let results: Vec<_> = two
            .actions
            .iter()
            .filter_map(|it| match it {
                ServerAction::ResultReceived(it) if it.task == task => Some(it),
                _ => None,
            })
            .collect();
        assert_eq!(results.len(), 1);
        assert_eq!(results[0].payload.bytes()[..], expected);
    }
}

/// Chunks of one site's upload are sent in the session of the other, and the other way.
///
/// ```text
/// site-1: Push       site-2: Push
/// to the server: each in the other's session
/// to the server: each as it was
/// ```
#[test]
fn a_chunk_in_somebody_elses_session_spoils_no_transfer() {
    let (mut two, tasks) = at_work();
    push(&mut two, tasks);
    for (from, to) in [(0, 1), (1, 0)] {
        let mut chunk = two.sites[from].to_server[0].clone();
        let session = two.sites[to].to_server[0][2..18].to_vec();
        chunk[2..18].copy_from_slice(&session);
        let taken = two
            .server
            .handle_message(two.now, two.sites[to].peer, chunk);
        assert_eq!(taken, Err(Dropped::Unauthentic));
    }
    two.pass(30 * SECOND);
    assert_results(&two, tasks);
}

/// Chunks come backwards, twice, and changed in between.
#[test]
fn chunks_in_any_order_changed_and_repeated_make_the_same_payload() {
    let (mut two, tasks) = at_work();
    push(&mut two, tasks);
    for at in 0..2 {
        let peer = two.sites[at].peer;
        let chunks = std::mem::take(&mut two.sites[at].to_server);
        for chunk in chunks.iter().rev() {
            let mut changed = chunk.clone();
            let last = changed.len() - 20;
            changed[last] ^= 1;
            let taken = two.server.handle_message(two.now, peer, changed);
            assert_eq!(taken, Err(Dropped::Unauthentic));
            two.server
                .handle_message(two.now, peer, chunk.clone())
                .unwrap();
            let again = two.server.handle_message(two.now, peer, chunk.clone());
            assert_eq!(again, Err(Dropped::Repeated));
        }
    }
    two.pass(30 * SECOND);
    assert_results(&two, tasks);
}

/// A connection is cut in the middle of an upload, and the earlier chunks come late.
///
/// ```text
/// site-1: Push (held back)
/// the connection is cut; site-1 connects, SubmitResult, Push, …: accepted
/// to the server: the earlier Push
/// ```
#[test]
fn chunks_of_before_a_cut_do_no_harm_after_it() {
    let (mut two, tasks) = at_work();
    push(&mut two, tasks);
    let held = std::mem::take(&mut two.sites[0].to_server);
    let (now, peer) = (two.now, two.sites[0].peer);
    two.sites[0].client.handle_disconnected(now);
    two.server.handle_disconnected(now, peer);
    two.sites[0]
        .client
        .handle_connected(now, fedlink::Carrier::default())
        .unwrap();
    two.pass(30 * SECOND);
    for chunk in held {
        let _ = two.server.handle_message(two.now, peer, chunk);
    }
    two.pass(30 * SECOND);
    assert_results(&two, tasks);
    let accepted = |it: &&ClientAction| matches!(it, ClientAction::ResultAccepted { .. });
    let actions = &two.sites[0].actions;
    assert_eq!(actions.iter().filter(accepted).count(), 1);
}
