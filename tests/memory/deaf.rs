//! Hosts that take nothing of what their machine wants.

use bytes::BytesMut;
use fedlink::error::Dropped;
use fedlink::message::{JobId, Outcome, Payload, PeerId, Properties, TaskId};
use fedlink::{Assignee, Carrier, Client, ClientAction, NewTask, Phase, Sites, Suite};

use crate::common::pair::{Pair, Setup, site_identity};
use crate::common::pki::name;
use crate::{HOUR, KIB, MIB, SECOND, measure};

const JOBS: u8 = 32;
/// An output that waits, without what it carries.
const OUTPUT: u64 = KIB;
/// What one message may bring about: a block of an upload, or a payload that is sealed.
const ONE_STEP: u64 = 12 * MIB;
/// What a client has on its way at once, sealed: eight results, each with a window.
const MOVING: u64 = 16 * MIB + 8 * OUTPUT;
/// What a client holds of a job that runs, and of a task that it asks for or holds.
const JOB: u64 = 4 * KIB;

fn job(number: u8) -> JobId {
    JobId::from_bytes([number + 1; 16])
}

fn task(payload: &Payload) -> NewTask {
    NewTask::new("train", payload.clone())
}

/// A site that runs many jobs, each with a task for it of 1 MiB.
fn at_work(setup: Setup) -> Pair {
    let mut pair = setup.build();
    pair.register();
    let model = Payload::new(vec![7; 1 << 20]);
    for number in 0..JOBS {
        pair.server
            .start_job(pair.now, job(number), Sites::All)
            .unwrap();
        let to = Assignee::Site(name("site-1"));
        pair.server
            .assign(pair.now, job(number), to, task(&model))
            .unwrap();
    }
    pair.pass(20 * SECOND);
    for number in 0..JOBS {
        pair.client.job_started(pair.now, job(number)).unwrap();
    }
    pair.take_client();
    pair
}

/// The first message of another client.
fn hello_of_a_stranger(pair: &Pair) -> BytesMut {
    let identity = site_identity(&pair.pki, "site-2", pair.pki.roots());
    let config = pair.client_config.clone();
    let mut client = Client::new(config, identity, [9; 32], pair.now).unwrap();
    client.register(pair.now).unwrap();
    client
        .handle_connected(pair.now, Carrier::default())
        .unwrap();
    BytesMut::from(&client.poll_transmit().unwrap().header[..])
}

/// Gets every task.
fn tasks(pair: &mut Pair) -> Vec<TaskId> {
    for number in 0..JOBS {
        pair.client.pull_task(pair.now, job(number)).unwrap();
    }
    pair.pass(SECOND);
    let tasks: Vec<_> = pair
        .take_client()
        .into_iter()
        .filter_map(|action| match action {
            ClientAction::TaskAssigned(task) => Some(task.id),
            _ => None,
        })
        .collect();
    assert_eq!(tasks.len(), usize::from(JOBS));
    tasks
}

#[test]
fn a_server_whose_host_takes_nothing_stops_at_its_limits() {
    const WAITING: u64 = 1000;
    const WAITING_BYTES: u64 = 8 * MIB;
    let mut pair = at_work(Setup::new(Suite::Sealed).server(|config| {
        config.max_waiting = WAITING as usize;
        config.max_waiting_bytes = WAITING_BYTES as usize;
    }));
    let hello = hello_of_a_stranger(&pair);
    for number in 0..JOBS {
        pair.client.pull_task(pair.now, job(number)).unwrap();
    }
    let context = Properties::new().with("", "x".repeat(8 << 10));
    pair.client.set_context(context).unwrap();
    let mut sent = 0u64;
    let deaf = measure(|| {
        for step in 0..2000 {
            pair.now = pair.now + SECOND;
            pair.client.handle_timeout(pair.now);
            while let Some(message) = pair.client.poll_transmit() {
                sent += 1;
                let message = BytesMut::from(&message.header[..]);
                let _ = pair.server.handle_message(pair.now, pair.peer, message);
            }
            while pair.client.poll_action().is_some() {}
            for stranger in 0..4 {
                let peer = PeerId(1000 + 4 * step + stranger);
                let _ = pair.server.handle_message(pair.now, peer, hello.clone());
            }
        }
    });
    assert!(sent >= 1000, "{sent} messages of the client");
    let limit = WAITING_BYTES + ONE_STEP + 2 * WAITING * OUTPUT;
    assert!(deaf.peak >= WAITING_BYTES && deaf.peak <= limit, "{deaf:?}");

    let taken = measure(|| {
        while pair.server.poll_transmit().is_some() {}
        while pair.server.poll_action().is_some() {}
    });
    let left = deaf.left + taken.left;
    assert!(left <= 64 * KIB as i64, "{left} bytes are left");
    pair.pass(120 * SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
    assert_eq!(pair.client.held_len(), usize::from(JOBS));
}

#[test]
fn a_carrier_that_stands_still_is_not_buried() {
    for suite in [Suite::Plain, Suite::Bearer, Suite::Sealed] {
        let mut pair = at_work(Setup::new(suite));
        let tasks = tasks(&mut pair);
        let result = Payload::new(vec![8; 1 << 20]);
        let large = Payload::new(vec![8; 3 << 20]);
        for (number, task) in tasks.iter().enumerate() {
            let payload = [&result, &large][number % 2].clone();
            let headers = Properties::new();
            pair.client
                .submit(pair.now, *task, Outcome::Ok, headers, payload)
                .unwrap();
        }
        let mut retries = 0;
        let heap = measure(|| {
            let end = pair.now + 2 * HOUR;
            while let Some((at, _)) = pair.client.poll_timeout().filter(|(at, _)| *at <= end) {
                pair.now = at;
                pair.client.handle_timeout(at);
                while let Some(action) = pair.client.poll_action() {
                    match action {
                        ClientAction::Persist { record, .. } => {
                            pair.client.persisted(pair.now, record).unwrap();
                        }
                        ClientAction::Retry { .. } => retries += 1,
                        _ => {}
                    }
                }
            }
        });
        assert!(retries >= 1000, "{retries} retries");
        let limit = MOVING + u64::from(JOBS) * JOB;
        assert!(heap.peak <= limit, "{suite:?}: {heap:?}");
    }
}

#[test]
fn a_client_whose_host_takes_no_actions_stops_at_its_limit() {
    const WAITING: u64 = 200;
    let mut pair = at_work(Setup::new(Suite::Sealed).client(|config| {
        config.max_waiting = WAITING as usize;
    }));
    tasks(&mut pair);
    for number in 0..JOBS {
        pair.client.pull_task(pair.now, job(number)).unwrap();
    }
    let heap = measure(|| {
        let end = pair.now + 2 * HOUR;
        while let Some((at, _)) = pair.client.poll_timeout().filter(|(at, _)| *at <= end) {
            pair.now = at;
            pair.client.handle_timeout(at);
            while let Some(message) = pair.client.poll_transmit() {
                let message = BytesMut::from(&message.header[..]);
                let _ = pair.server.handle_message(at, pair.peer, message);
            }
            while let Some(message) = pair.server.poll_transmit() {
                let message = BytesMut::from(&message.header[..]);
                pair.client_drops
                    .extend(pair.client.handle_message(at, message).err());
            }
            while pair.server.poll_action().is_some() {}
            pair.server.handle_timeout(at);
            pair.client_drops.truncate(1);
        }
    });
    assert_eq!(pair.client_drops, [Dropped::OverBudget]);
    assert!(
        heap.peak <= WAITING * OUTPUT + u64::from(JOBS) * JOB,
        "{heap:?}"
    );

    let mut waited = 0;
    while pair.client.poll_action().is_some() {
        waited += 1;
    }
    assert_eq!(waited, WAITING);
    pair.pass(120 * SECOND);
    assert_eq!(pair.client.phase(), Phase::Active);
}
