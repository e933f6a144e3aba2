//! A client and a server with their hosts, over every carrier: register, work, abort, quit.

mod common;

use common::{Federation, JOB, joined, next_result, pattern, reversed, start_job, wait_for, work};
use fedlink::message::Outcome;
use fedlink::{ClientAction, CloseReason, ServerAction};
use fedlink_host::tokio::{Accept, Dial, TcpAccept, TcpDial, memory};
use tokio::net::TcpListener;

/// A whole life: a small task, a large one, an abort, a farewell.
async fn whole_life(federation: Federation, dial: impl Dial, accept: impl Accept) {
    let (server, mut server_events) = federation.coordinator(accept).start().unwrap();
    let (client, client_events) = federation.site("site-1", dial).start().unwrap();
    let site = tokio::spawn(work(client.clone(), client_events));

    joined(&mut server_events).await;
    let first = start_job(&server, "small").await;
    let result = next_result(&server, &mut server_events).await;
    assert_eq!((result.task, result.outcome), (first, Outcome::Ok));
    assert_eq!(result.payload.bytes(), "llams");

    let large = pattern(10 << 20);
    let second = common::task(large.clone());
    server
        .assign(JOB, fedlink::Assignee::Anyone, second)
        .await
        .unwrap();
    let result = next_result(&server, &mut server_events).await;
    assert_eq!(result.payload.bytes()[..], reversed(&large));

    server.end_job(JOB).await.unwrap();
    let idle = client.clone();
    let quitting = tokio::spawn(async move {
        // Only after the abort is there nothing left to report.
        while idle.call(|client, _| client.outbox_len()).await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    });
    quitting.await.unwrap();
    let aborted = |seen: &[ClientAction]| {
        seen.iter().any(|event| {
            matches!(event, ClientAction::AbortJobs(jobs) if *jobs == [JOB])
                || matches!(event, ClientAction::RunEnded { job } if *job == JOB)
        })
    };
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    client.quit("done").await.unwrap();
    let seen = site.await.unwrap();
    assert!(aborted(&seen), "{seen:?}");
    let last = seen.last().unwrap();
    assert!(
        matches!(
            last,
            ClientAction::Closed {
                answered: true,
                reason: CloseReason::Quit,
                ..
            }
        ),
        "{last:?}"
    );
    let reason = wait_for(&mut server_events, |event| match event {
        ServerAction::ClientLeft { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason.await, "done");
    server.stop().await.unwrap();
    server_events.finish().await.unwrap();
}

#[tokio::test]
async fn over_memory() {
    let (dial, accept) = memory();
    whole_life(Federation::new(), dial, accept).await;
}

#[tokio::test]
async fn over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let dial = TcpDial::new("127.0.0.1", port);
    whole_life(Federation::new(), dial, TcpAccept::new(listener)).await;
}
