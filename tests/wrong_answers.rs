//! A server that answers with something else than what was asked: nothing waits for ever.
#![cfg(feature = "x509")]

mod common;

use std::time::Duration;

use bytes::BytesMut;
use common::pair::{Pair, Setup};
use fedlink::message::{JobId, ReturnCode};
use fedlink::{ClientAction, CloseReason, Phase, RetryReason, Sites, Suite};

const SECOND: Duration = Duration::from_secs(1);
const JOB: JobId = JobId::from_bytes([7; 16]);

/// A goodbye without a message.
const GOODBYE: &[u8] = &[5, 0];
/// The end of a run.
const RUN_ENDED: &[u8] = &[1, 2];

/// A clear answer to a clear request.
fn answer(request: &BytesMut, body: &[u8]) -> BytesMut {
    // Up to the request's number; no token.
    BytesMut::from(&[&request[..26], &[0; 4], body].concat()[..])
}

/// The client's next request, taken off the wire.
fn next_request(pair: &mut Pair) -> BytesMut {
    for _ in 0..1000 {
        pair.drain();
        if let Some(request) = pair.to_server.pop() {
            return request;
        }
        pair.now = pair.now + Duration::from_millis(100);
        pair.tick();
    }
    panic!("the client asks for nothing more");
}

fn registered() -> Pair {
    let mut pair = Setup::new(Suite::Plain).build();
    pair.register();
    pair.take_client();
    pair
}

// spec: P-82
#[test]
fn heartbeats_go_on_after_an_answer_of_another_kind() {
    for wrong in [GOODBYE, RUN_ENDED] {
        let mut pair = registered();
        let heartbeat = next_request(&mut pair);
        pair.deliver_to_client(answer(&heartbeat, wrong));
        let failed = RetryReason::Heartbeat(ReturnCode::ProcessException);
        assert!(
            pair.take_client()
                .iter()
                .any(|it| matches!(it, ClientAction::Retry { reason, .. } if *reason == failed))
        );
        pair.pass(10 * SECOND);
        assert!(
            pair.take_client()
                .iter()
                .any(|it| matches!(it, ClientAction::HeartbeatAnswered { .. }))
        );
    }
}

// spec: P-82
#[test]
fn a_pull_goes_on_after_an_answer_of_another_kind() {
    let mut pair = registered();
    pair.server.start_job(pair.now, JOB, Sites::All).unwrap();
    pair.client.job_started(pair.now, JOB).unwrap();
    pair.client.pull_task(pair.now, JOB).unwrap();
    let pull = next_request(&mut pair);
    pair.deliver_to_client(answer(&pull, GOODBYE));
    pair.pass(10 * SECOND);
    assert!(
        pair.take_client()
            .iter()
            .any(|it| matches!(it, ClientAction::TryAgain { .. }))
    );
}

#[test]
fn a_farewell_ends_after_answers_of_another_kind() {
    let mut pair = registered();
    pair.client.quit(pair.now, "done");
    for _ in 0..3 {
        let farewell = next_request(&mut pair);
        pair.deliver_to_client(answer(&farewell, RUN_ENDED));
    }
    assert_eq!(pair.client.phase(), Phase::Closed);
    assert!(pair.take_client().iter().any(|it| matches!(
        it,
        ClientAction::Closed {
            answered: false,
            reason: CloseReason::NoAnswer,
            ..
        }
    )));
}

#[test]
fn one_wrong_number_does_not_silence_the_heartbeats() {
    let mut pair = registered();
    let heartbeat = next_request(&mut pair);
    // Failed: service unavailable, no message, wait for ever.
    let mut body = vec![6, 10, 0, 1];
    body.extend_from_slice(&[0xff; 9]);
    body.push(1);
    pair.deliver_to_client(answer(&heartbeat, &body));
    let hour = 3600 * SECOND;
    let next = pair.client.heartbeat_at().unwrap();
    assert!(next.since(pair.now) <= hour, "{next}");
}
