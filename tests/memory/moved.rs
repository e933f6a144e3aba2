//! What a large payload takes beside itself while it moves.

use bytes::{Bytes, BytesMut};
use fedlink::message::{JobId, Outcome, Payload, Properties};
use fedlink::{Assignee, ClientAction, NewTask, ResultReceived, ServerAction, Sites, Suite, Task};

use crate::common::pair::{Pair, Setup};
use crate::common::pki::name;
use crate::{MIB, measure};

const JOB: JobId = JobId::from_bytes([1; 16]);

/// A site that runs the job.
fn at_work(suite: Suite) -> Pair {
    let mut pair = Setup::new(suite).build();
    pair.register();
    pair.server.start_job(pair.now, JOB, Sites::All).unwrap();
    pair.client.job_started(pair.now, JOB).unwrap();
    pair.drain();
    pair.take_client();
    pair.take_server();
    pair
}

fn whole(header: &Bytes, payload: &Bytes) -> BytesMut {
    let mut message = BytesMut::with_capacity(header.len() + payload.len());
    message.extend_from_slice(header);
    message.extend_from_slice(payload);
    message
}

/// Brings messages to and fro, one at a time, until nothing moves. Records are stored at
/// once, outside of the heap. Returns what the hosts were given.
fn exchange(pair: &mut Pair) -> (Option<Task>, Option<ResultReceived>) {
    let (mut task, mut result) = (None, None);
    let now = pair.now;
    loop {
        let mut moved = false;
        while let Some(action) = pair.client.poll_action() {
            match action {
                ClientAction::Persist { record, .. } => pair.client.persisted(now, record).unwrap(),
                ClientAction::TaskAssigned(given) => task = Some(given),
                _ => {}
            }
        }
        while let Some(action) = pair.server.poll_action() {
            match action {
                ServerAction::Persist { record, .. } => pair.server.persisted(now, record).unwrap(),
                ServerAction::ResultReceived(given) => result = Some(given),
                _ => {}
            }
        }
        if let Some(transmit) = pair.client.poll_transmit() {
            let message = whole(&transmit.header, &transmit.payload);
            drop(transmit);
            pair.server.handle_message(now, pair.peer, message).unwrap();
            moved = true;
        }
        if let Some(transmit) = pair.server.poll_transmit() {
            let message = whole(&transmit.header, &transmit.payload);
            drop(transmit);
            pair.client.handle_message(now, message).unwrap();
            moved = true;
        }
        if !moved {
            return (task, result);
        }
    }
}

/// Moves a payload of so many bytes down and up again, and returns how much more than its own
/// bytes was on the heap of both ends together, at the worst moment of each way.
fn beside(suite: Suite, size: u64) -> [u64; 2] {
    let mut pair = at_work(suite);
    let payload = Payload::new(vec![7; usize::try_from(size).unwrap()]);
    let work = NewTask::new("train", payload.clone());
    let to = Assignee::Site(name("site-1"));
    pair.server.assign(pair.now, JOB, to, work).unwrap();
    exchange(&mut pair);

    let mut task = None;
    let down = measure(|| {
        pair.client.pull_task(pair.now, JOB).unwrap();
        task = exchange(&mut pair).0;
    });
    let task = task.expect("a task");
    assert_eq!(task.payload.len() as u64, size);

    let mut result = None;
    let up = measure(|| {
        let none = Properties::new();
        let submitted = pair
            .client
            .submit(pair.now, task.id, Outcome::Ok, none, payload);
        submitted.unwrap();
        result = exchange(&mut pair).1;
    });
    assert_eq!(result.expect("a result").payload.len() as u64, size);
    [down.peak - size, up.peak - size]
}

fn check(size: u64) {
    for suite in [Suite::Bearer, Suite::Sealed] {
        let [down, up] = beside(suite, size);
        println!("{suite}, {size} bytes: {down} bytes more on the way down, {up} on the way up");
        assert!(down.max(up) <= 4 * MIB, "{suite}: {down} down, {up} up");
    }
}

#[test]
fn a_payload_takes_little_beside_itself_while_it_moves() {
    check(40 * MIB + 1);
}

#[test]
#[ignore = "4 GiB of memory; a smaller one runs always"]
fn a_payload_of_1_gib_takes_no_more_beside_itself() {
    check(1 << 30);
}
