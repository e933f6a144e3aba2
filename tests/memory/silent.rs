//! A server that never answers, or no longer.

use fedlink::message::{JobId, Outcome, Payload, Progress, Properties};
use fedlink::{Assignee, Carrier, ClientAction, NewTask, Sites, Suite};

use crate::common::pair::{Pair, Setup};
use crate::common::pki::name;
use crate::{HOUR, KIB, MIB, SECOND, measure};

/// What a client without work takes in the worst moment: a handshake, a heartbeat, their
/// timers.
const IDLE: u64 = 64 * KIB;

/// Takes all that the client wants for an hour, and answers nothing; the number of
/// messages.
fn silence(pair: &mut Pair) -> u64 {
    let end = pair.now + HOUR;
    let mut sent = 0;
    while let Some((at, _)) = pair.client.poll_timeout().filter(|(at, _)| *at <= end) {
        pair.now = at;
        pair.client.handle_timeout(at);
        while pair.client.poll_transmit().is_some() {
            sent += 1;
        }
        while let Some(action) = pair.client.poll_action() {
            if let ClientAction::Persist { record, .. } = action {
                pair.client.persisted(at, record).unwrap();
            }
        }
    }
    pair.now = end;
    sent
}

#[test]
fn a_server_that_was_never_heard_of_costs_nothing_as_time_goes_by() {
    let mut pair = Pair::sealed();
    pair.client.register(pair.now).unwrap();
    let (mut sent, mut first) = (0, 0);
    let heap = measure(|| {
        for hour in 0..24 {
            pair.client.handle_disconnected(pair.now);
            pair.client
                .handle_connected(pair.now, Carrier::default())
                .unwrap();
            let left = measure(|| sent += silence(&mut pair)).left;
            if hour == 0 {
                first = left;
            }
        }
    });
    assert!(sent >= 1000, "{sent} messages");
    assert!(heap.peak <= IDLE, "{heap:?}");
    assert!(
        heap.left <= first + 4 * KIB as i64,
        "{heap:?} after {first}"
    );
}

#[test]
fn a_server_that_falls_silent_costs_nothing_as_time_goes_by() {
    const JOBS: u8 = 16;
    /// As in the settings of a client: what is on its way, and each job and task.
    const LIMIT: u64 = 16 * MIB + JOBS as u64 * 8 * KIB + IDLE;
    let job = |number: u8| JobId::from_bytes([number + 1; 16]);
    let mut pair = Setup::new(Suite::Sealed)
        .client(|config| config.max_jobs = usize::from(JOBS))
        .build();
    pair.register();
    for number in 0..JOBS {
        pair.server
            .start_job(pair.now, job(number), Sites::All)
            .unwrap();
        let task = NewTask::new("train", Payload::new(vec![number; 100]));
        let to = Assignee::Site(name("site-1"));
        pair.server.assign(pair.now, job(number), to, task).unwrap();
        pair.client.job_started(pair.now, job(number)).unwrap();
        pair.client.pull_task(pair.now, job(number)).unwrap();
    }
    pair.pass(20 * SECOND);
    let assigned = pair
        .take_client()
        .into_iter()
        .filter_map(|action| match action {
            ClientAction::TaskAssigned(task) => Some(task.id),
            _ => None,
        });
    let assigned: Vec<_> = assigned.collect();
    assert_eq!(assigned.len(), usize::from(JOBS));
    let result = Payload::new(vec![8; 1 << 20]);
    let large = Payload::new(vec![8; 3 << 20]);

    let mut sent = 0;
    let first = measure(|| {
        for (number, task) in assigned.iter().enumerate() {
            let payload = [&result, &large][number % 2].clone();
            let headers = Properties::new();
            pair.client
                .submit(pair.now, *task, Outcome::Ok, headers, payload)
                .unwrap();
        }
        for hour in 0..2 {
            for number in 0..JOBS {
                let progress = Progress::from_permille(hour);
                pair.client
                    .report_progress(pair.now, job(number), progress)
                    .unwrap();
                pair.client.pull_task(pair.now, job(number)).unwrap();
            }
            let _ = pair.client.heartbeat_ready(pair.now, None);
            let _ = pair.client.suspend(pair.now, SECOND);
            pair.client.pause_heartbeats(pair.now);
            pair.client.resume_heartbeats(pair.now);
            if hour == 1 {
                pair.client.handle_disconnected(pair.now);
                pair.client
                    .handle_connected(pair.now, Carrier::default())
                    .unwrap();
            }
            sent += silence(&mut pair);
        }
    });
    assert!(sent >= 5_000, "{sent} messages");
    assert!(first.peak <= LIMIT, "{first:?}");
    let next = measure(|| {
        for _ in 0..2 {
            silence(&mut pair);
        }
    });
    assert!(next.left <= 4 * KIB as i64, "{next:?}");
    let end = measure(|| {
        pair.client.quit(pair.now, "nobody answers");
        silence(&mut pair);
    });
    assert!(end.left <= 0, "{end:?}");
}
