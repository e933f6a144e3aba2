//! A client and a server with their hosts, over every carrier: register, work, abort, quit.

mod common;

use common::{
    Federation, JOB, Site, joined, next_result, pattern, reversed, start_job, task, wait_for,
};
use fedlink::message::Outcome;
use fedlink::{ClientAction, CloseReason, ServerAction, Suite, Suites};
use fedlink_host::tokio::{Accept, Dial, TcpAccept, TcpDial, memory};
use tokio::net::TcpListener;

/// A whole life: a small task, a large one, an abort, a farewell.
async fn whole_life(federation: Federation, dial: impl Dial, accept: impl Accept) {
    let (server, mut server_events) = federation.coordinator(accept).start().unwrap();
    let mut site = Site::start(federation.site("site-1", dial)).await;

    joined(&mut server_events).await;
    let first = start_job(&server, task("small")).await;
    let result = next_result(&server, &mut server_events).await;
    assert_eq!((result.task, result.outcome), (first, Outcome::Ok));
    assert_eq!(result.payload.bytes(), "llams");

    let large = pattern(10 << 20);
    let second = task(large.clone());
    server
        .assign(JOB, fedlink::Assignee::Anyone, second)
        .await
        .unwrap();
    let result = next_result(&server, &mut server_events).await;
    assert_eq!(result.payload.bytes()[..], reversed(&large));

    server.end_job(JOB).await.unwrap();
    let aborted = |event: &ClientAction| match event {
        ClientAction::AbortJobs(jobs) => Some(jobs.clone()),
        _ => None,
    };
    assert_eq!(site.wait_for(aborted).await, [JOB]);

    let last = site.quit("done").await;
    let answered = matches!(
        last,
        ClientAction::Closed {
            answered: true,
            reason: CloseReason::Quit,
            ..
        }
    );
    assert!(answered, "{last:?}");
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
    let dial = TcpDial::new([listener.local_addr().unwrap().to_string()]);
    whole_life(Federation::new(), dial, TcpAccept::new(listener)).await;
}

#[tokio::test]
async fn over_tls() {
    let (dial, accept) = tls_on_loopback(&Federation::new()).await;
    whole_life(Federation::new(), dial, accept).await;
}

#[tokio::test]
async fn over_tls_with_bearer_tokens_bound_to_the_connection() {
    let mut federation = Federation::new();
    federation.client.suites = Suites::new([Suite::Bearer]).unwrap();
    federation.server.suites = Suites::new([Suite::Bearer]).unwrap();
    let (dial, accept) = tls_on_loopback(&federation).await;
    whole_life(federation, dial, accept).await;
}

async fn tls_on_loopback(federation: &Federation) -> (TcpDial, TcpAccept) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, server) = common::tls::configs(&federation.pki);
    let dial = TcpDial::new([listener.local_addr().unwrap().to_string()])
        .tls(client, common::tls::server_name());
    (dial, TcpAccept::new(listener).tls(server))
}
