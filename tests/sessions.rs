//! Sessions of one client and one server, from challenge to goodbye.

mod common;

use std::time::Duration;

use common::pair::{Pair, Setup};
use fedlink::message::{JobId, Outcome, Payload, Properties};
use fedlink::{
    Assignee, ClientAction, CloseReason, NewTask, Phase, ServerAction, Sites, Suite, Task,
};

const JOB: JobId = JobId::from_bytes([7; 16]);

fn start(pair: &mut Pair) {
    pair.server.start_job(pair.now, JOB, Sites::All).unwrap();
    pair.client.job_started(pair.now, JOB).unwrap();
}

fn assign(pair: &mut Pair, payload: Payload) {
    let task = NewTask {
        name: "train".to_owned(),
        headers: Properties::new().with("round", "1"),
        payload,
    };
    pair.server
        .assign(pair.now, JOB, Assignee::Anyone, task)
        .unwrap();
}

fn task(actions: &[ClientAction]) -> Option<Task> {
    actions.iter().find_map(|action| match action {
        ClientAction::TaskAssigned(task) => Some(task.clone()),
        _ => None,
    })
}

#[test]
fn a_whole_session_in_every_suite() {
    for suite in [Suite::Plain, Suite::Bearer, Suite::Sealed] {
        for size in [0, 10, 3 << 20] {
            let mut pair = Setup::new(suite).build();
            pair.register();
            assert_eq!(pair.client.phase(), Phase::Active, "{suite}");
            assert_eq!(pair.client.suite(), Some(suite));
            let joined = pair.take_server();
            assert!(
                matches!(joined[..], [ServerAction::ClientJoined(_)]),
                "{joined:?}"
            );
            start(&mut pair);
            let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            assign(&mut pair, Payload::labelled(bytes.clone(), "model", "raw"));
            pair.client.pull_task(pair.now, JOB).unwrap();
            pair.run();
            let task = task(&pair.take_client()).expect("a task");
            assert_eq!(task.payload.bytes(), &bytes);
            assert_eq!(task.payload.content_type(), "model");
            assert_eq!(task.headers.get("round"), Some("1"));
            assert!(!task.again);
            let result = Payload::new(bytes.clone());
            pair.client
                .submit(pair.now, task.id, Outcome::Ok, Properties::new(), result)
                .unwrap();
            pair.run();
            let accepted = pair.take_client();
            assert!(
                accepted
                    .iter()
                    .any(|it| matches!(it, ClientAction::ResultAccepted { .. })),
                "{suite} {size} {accepted:?}"
            );
            let received: Vec<_> = pair
                .take_server()
                .into_iter()
                .filter_map(|action| match action {
                    ServerAction::ResultReceived(result) => Some(result),
                    _ => None,
                })
                .collect();
            assert_eq!(received.len(), 1);
            assert_eq!(received[0].payload.bytes(), &bytes);
            pair.client.quit(pair.now, "done");
            pair.run();
            assert!(pair.take_client().contains(&ClientAction::Closed {
                answered: true,
                message: "goodbye".to_owned(),
                reason: CloseReason::Quit,
            }));
            assert!(matches!(
                pair.take_server()[..],
                [ServerAction::ClientLeft { .. }]
            ));
            assert_eq!(pair.server.clients().count(), 0);
            assert!(pair.client_drops.is_empty() && pair.server_drops.is_empty());
        }
    }
}

#[test]
fn heartbeats_go_on_and_jobs_are_aborted_and_started() {
    let mut pair = Pair::sealed();
    pair.register();
    pair.server.start_job(pair.now, JOB, Sites::All).unwrap();
    pair.pass(Duration::from_secs(11));
    assert!(
        pair.take_client()
            .contains(&ClientAction::StartJobs(vec![JOB]))
    );
    pair.client.job_started(pair.now, JOB).unwrap();
    pair.pass(Duration::from_secs(100));
    let answered = pair
        .take_client()
        .iter()
        .filter(|it| matches!(it, ClientAction::HeartbeatAnswered { .. }))
        .count();
    assert!((10..=13).contains(&answered), "{answered}");
    pair.server.end_job(pair.now, JOB).unwrap();
    pair.pass(Duration::from_secs(40));
    let aborts = pair
        .take_client()
        .iter()
        .filter(|it| **it == ClientAction::AbortJobs(vec![JOB]))
        .count();
    assert_eq!(aborts, 1);
}
