//! Peers that send the largest of everything that is legal, both ways.

use std::sync::Arc;

use bytes::BytesMut;
use fedlink::identity::Name;
use fedlink::message::{JobId, Outcome, Payload, Progress, Properties, TaskId};
use fedlink::{
    Assignee, Carrier, Client, ClientAction, NewTask, Phase, ServerAction, Sites, Suite,
};

use crate::common::pair::{Pair, Setup, site_identity};
use crate::common::pki::NOW;
use crate::{KIB, MIB, SECOND, measure};

const JOBS: u16 = 1024;
/// Tasks whose payloads travel inside their message, and in parts.
const INLINE: u16 = 16;
const APART: u16 = 4;
const INLINE_SIZE: u64 = MIB;
const APART_SIZE: u64 = 12 * MIB;
/// Bytes of the headers of a task or a result, and of a client's context.
const HEADERS: u64 = 64 * KIB;
const CONTEXT: u64 = 16 * KIB;

/// A machine without clients, jobs and tasks.
const MACHINE: u64 = 256 * KIB;
/// What one byte of a context or of headers may take, when their texts are as short as can
/// be.
const TEXT: u64 = 12;
/// Each job, each site that runs it, and each task, without what it carries.
const ENTRY: u64 = KIB;
/// The longest message, as it came and as it is read.
const MESSAGE: u64 = 2 * 2 * MIB;
/// What is early in the transfer of one payload.
const EARLY: u64 = 2 * MIB;

fn job(number: u16) -> JobId {
    let mut id = [1; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    JobId::from_bytes(id)
}

/// As many entries as `size` bytes can hold.
fn properties(size: u64) -> Properties {
    /// Characters of one byte.
    const LETTERS: u64 = 94;
    let letter = |number: u64| char::from(b'!' + (number % LETTERS) as u8);
    let entry = |number| {
        let key: String = [letter(number / LETTERS), letter(number)].iter().collect();
        (key, "")
    };
    // An entry counts as its key of two letters and ten bytes for two lengths.
    (0..(size - 5) / 12).map(entry).collect()
}

fn longest() -> String {
    "x".repeat(255)
}

fn payload(size: u64, byte: u8) -> Payload {
    let bytes = vec![byte; usize::try_from(size).unwrap()];
    Payload::labelled(bytes, longest(), longest())
}

/// A server and a site of the longest name.
fn pair() -> Pair {
    let mut pair = Setup::new(Suite::Sealed).build();
    let identity = site_identity(&pair.pki, &longest(), pair.pki.roots());
    let config = Arc::clone(&pair.client_config);
    pair.client = Client::new(config, identity, [1; 32], pair.now).unwrap();
    pair.client.set_wall_clock(pair.now, NOW);
    pair.client.set_address(&longest()).unwrap();
    pair.client.set_site_info(properties(CONTEXT)).unwrap();
    pair.client.set_context(properties(CONTEXT)).unwrap();
    pair
}

/// Delivers, one message at a time, until nothing moves; the tasks that the site is given.
fn exchange(pair: &mut Pair) -> Vec<TaskId> {
    let mut tasks = Vec::new();
    loop {
        let mut moved = false;
        while let Some(action) = pair.client.poll_action() {
            match action {
                ClientAction::Persist { record, .. } => {
                    pair.client.persisted(pair.now, record).unwrap();
                }
                ClientAction::TaskAssigned(task) => tasks.push(task.id),
                ClientAction::HeartbeatDue => {
                    let context = Some(properties(HEADERS));
                    pair.client.heartbeat_ready(pair.now, context).unwrap();
                }
                _ => {}
            }
        }
        while let Some(action) = pair.server.poll_action() {
            if let ServerAction::Persist { record, .. } = action {
                pair.server.persisted(pair.now, record).unwrap();
            }
        }
        if let Some(message) = pair.client.poll_transmit() {
            let message = BytesMut::from(&message.header[..]);
            pair.server
                .handle_message(pair.now, pair.peer, message)
                .unwrap();
            moved = true;
        }
        if let Some(message) = pair.server.poll_transmit() {
            let message = BytesMut::from(&message.header[..]);
            pair.client.handle_message(pair.now, message).unwrap();
            moved = true;
        }
        if !moved {
            return tasks;
        }
    }
}

/// Lets ten seconds pass: a heartbeat.
fn pass(pair: &mut Pair) {
    for _ in 0..10 {
        pair.now = pair.now + SECOND;
        pair.client.handle_timeout(pair.now);
        pair.server.handle_timeout(pair.now);
        exchange(pair);
    }
}

fn register(pair: &mut Pair) {
    pair.client
        .handle_connected(pair.now, Carrier::default())
        .unwrap();
    pair.client.register(pair.now).unwrap();
    exchange(pair);
    assert_eq!(pair.client.phase(), Phase::Active);
}

fn give_tasks(pair: &mut Pair) -> Vec<TaskId> {
    let site = Name::new(&longest()).unwrap();
    for number in 0..JOBS {
        pair.server
            .start_job(pair.now, job(number), Sites::All)
            .unwrap();
        exchange(pair);
        pair.client.job_started(pair.now, job(number)).unwrap();
        let progress = Progress::from_permille(500);
        pair.client
            .report_progress(pair.now, job(number), progress)
            .unwrap();
    }
    let mut given = Vec::new();
    for number in 0..INLINE + APART {
        let size = if number < INLINE {
            INLINE_SIZE
        } else {
            APART_SIZE
        };
        let task =
            NewTask::new(longest(), payload(size, number as u8)).with_headers(properties(HEADERS));
        let to = Assignee::Site(site.clone());
        pair.server.assign(pair.now, job(number), to, task).unwrap();
        pair.client.pull_task(pair.now, job(number)).unwrap();
        given.extend(exchange(pair));
    }
    given
}

fn submit(pair: &mut Pair, tasks: &[TaskId]) {
    for (number, task) in (0u16..).zip(tasks) {
        let size = if number < INLINE {
            INLINE_SIZE
        } else {
            APART_SIZE
        };
        let result = payload(size, 100 + number as u8);
        let headers = properties(HEADERS);
        pair.client
            .submit(pair.now, *task, Outcome::Ok, headers, result)
            .unwrap();
    }
    exchange(pair);
}

#[test]
fn the_largest_of_everything_stays_within_the_limits() {
    let tasks = u64::from(INLINE + APART);
    let payloads = u64::from(INLINE) * INLINE_SIZE + u64::from(APART) * APART_SIZE;
    // Of what arrives in parts: results together, tasks one after another.
    let transfers = (u64::from(APART) + 1) * EARLY;
    let texts = |bytes: u64| TEXT * bytes;
    let jobs = u64::from(JOBS) * 2 * ENTRY + texts(HEADERS + 2 * CONTEXT);
    // Inputs and results; of each, headers. A client's context comes with its result.
    let server = MACHINE
        + jobs
        + 2 * payloads
        + tasks * (2 * ENTRY + texts(2 * HEADERS + CONTEXT) + 2 * HEADERS);
    let client = MACHINE + jobs + payloads + tasks * (2 * ENTRY + texts(HEADERS) + HEADERS);
    let limit = server + client + transfers + MESSAGE;

    let mut pair = pair();
    let mut given = Vec::new();
    let registered = measure(|| register(&mut pair));
    assert!(
        registered.peak <= MACHINE + 2 * texts(2 * CONTEXT),
        "{registered:?}"
    );
    let life = measure(|| {
        given = give_tasks(&mut pair);
        pass(&mut pair);
        submit(&mut pair, &given);
        pass(&mut pair);
    });
    assert_eq!(given.len() as u64, tasks);
    assert_eq!(pair.client.outbox_len(), 0);
    assert!(
        life.peak >= 2 * payloads && life.peak <= limit,
        "{life:?}, {limit}"
    );

    let end = measure(|| {
        for number in 0..JOBS {
            pair.server.end_job(pair.now, job(number)).unwrap();
            exchange(&mut pair);
        }
        pass(&mut pair);
        for number in 0..JOBS {
            pair.client.job_ended(pair.now, job(number)).unwrap();
            exchange(&mut pair);
        }
        pass(&mut pair);
        given = Vec::new();
    });
    let left = life.left + end.left;
    assert!(left <= 256 * KIB as i64, "{left} bytes are left");
    assert_eq!(pair.client.phase(), Phase::Active);
}

/// A heartbeat in clear whose context fills the longest message with the shortest entries.
fn stuffed_heartbeat(session: &[u8]) -> BytesMut {
    const LONGEST: usize = 2 << 20;
    let mut message = BytesMut::from(&[2, 0x11][..]);
    message.extend_from_slice(session);
    message.extend_from_slice(&u64::MAX.to_be_bytes());
    // No token; a heartbeat; no jobs; not suspending.
    message.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0]);
    // A key of three letters and no value, each behind its length.
    let entries = (LONGEST - message.len() - 4) / 5;
    message.extend_from_slice(&varint(entries));
    for number in 0..entries {
        let key = [number >> 14, number >> 7, number].map(|part| (part & 0x7f) as u8);
        message.extend_from_slice(&[&[3][..], &key, &[0]].concat());
    }
    assert!(message.len() <= LONGEST);
    message
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

#[test]
fn the_longest_message_takes_no_more_than_stated_while_it_is_read() {
    let mut pair = Setup::new(Suite::Plain).build();
    pair.register();
    pair.pass(10 * SECOND);
    pair.client.suspend(pair.now, SECOND).unwrap();
    let sent = pair.client.poll_transmit().unwrap();
    let message = stuffed_heartbeat(&sent.header[2..18]);
    let mut answer = None;
    let heap = measure(|| {
        pair.server
            .handle_message(pair.now, pair.peer, message)
            .unwrap();
        answer = pair.server.poll_transmit();
    });
    assert!(answer.is_some_and(|answer| answer.len() < 1000));
    assert!(heap.peak >= 16 * MIB && heap.peak <= 64 * MIB, "{heap:?}");
    assert!(heap.left <= 0, "{heap:?}");
}
