//! The blocking host does the same work as the one on tokio.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Federation, JOB, next_result, output, pattern, reversed, start_job, task};
use fedlink::identity::Identity;
use fedlink::message::{Outcome, Payload, Properties};
use fedlink::{Assignee, ClientAction, ClientConfig};
use fedlink_host::blocking::{BlockingClient, TcpConnect};
use fedlink_host::tokio::TcpAccept;
use tokio::net::TcpListener;

#[tokio::test]
async fn over_tcp() {
    let federation = Federation::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connect = TcpConnect::new([listener.local_addr().unwrap().to_string()]);
    whole_life(federation, connect, TcpAccept::new(listener)).await;
}

#[tokio::test]
async fn over_tls() {
    let federation = Federation::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, server) = common::tls::configs(&federation.pki);
    let connect = TcpConnect::new([listener.local_addr().unwrap().to_string()])
        .tls(client, common::tls::server_name());
    whole_life(federation, connect, TcpAccept::new(listener).tls(server)).await;
}

#[tokio::test]
async fn the_first_message_does_not_wait_for_the_applications_patience() {
    let federation = Federation::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connect = TcpConnect::new([listener.local_addr().unwrap().to_string()]);
    let coordinator = federation.coordinator(TcpAccept::new(listener));
    let (_server, _events) = coordinator.start().unwrap();
    let config = Arc::new(federation.client.clone());
    let identity = federation.site_identity("site-1");
    let first = tokio::task::spawn_blocking(move || {
        let mut host = BlockingClient::new(config, identity, connect).unwrap();
        host.call(|client, now| client.register(now)).unwrap();
        host.next_action(Duration::from_secs(3600)).unwrap()
    });
    // A message that waits longer than the client does for its answer is a failed attempt.
    let first = first.await.unwrap();
    assert!(matches!(first, Some(ClientAction::SetAuth(_))), "{first:?}");
}

/// A small task, then a large one over a second connection, then a farewell.
async fn whole_life(federation: Federation, connect: TcpConnect, accept: TcpAccept) {
    let (server, mut events) = federation.coordinator(accept).start().unwrap();
    let config = Arc::new(federation.client.clone());
    let identity = federation.site_identity("site-1");
    let site = tokio::task::spawn_blocking(move || work(config, identity, connect));

    start_job(&server, task("small")).await;
    let result = next_result(&server, &mut events).await;
    assert_eq!(result.payload.bytes(), "llams");
    server.disconnect().await.unwrap();
    let large = pattern(10 << 20);
    let assigned = server.assign(JOB, Assignee::Anyone, task(large.clone()));
    assigned.await.unwrap();
    let result = next_result(&server, &mut events).await;
    assert_eq!(result.payload.bytes()[..], reversed(&large));

    server.end_job(JOB).await.unwrap();
    let last = site.await.unwrap();
    let answered = matches!(last, ClientAction::Closed { answered: true, .. });
    assert!(answered, "{last:?}");
}

/// A site that does one job and says goodbye when it is aborted; returns its last event.
fn work(config: Arc<ClientConfig>, identity: Identity, connect: TcpConnect) -> ClientAction {
    let mut host = BlockingClient::new(config, identity, connect).unwrap();
    host.call(|client, now| client.register(now)).unwrap();
    let mut last = None;
    while !host.is_closed() {
        let action = host.next_action(Duration::from_secs(1)).unwrap();
        match &action {
            Some(ClientAction::StartJobs(jobs)) => {
                for job in jobs {
                    host.call(|client, now| client.job_started(now, *job))
                        .unwrap();
                    host.call(|client, now| client.pull_task(now, *job))
                        .unwrap();
                }
            }
            Some(ClientAction::TaskAssigned(task)) => {
                let output = Payload::new(output(task));
                host.call(|client, now| {
                    client.submit(now, task.id, Outcome::Ok, Properties::new(), output)
                })
                .unwrap();
                host.call(|client, now| client.pull_task(now, task.job))
                    .unwrap();
            }
            Some(ClientAction::AbortJobs(_)) => {
                host.call(|client, now| client.quit(now, "aborted"));
            }
            _ => {}
        }
        last = action.or(last);
    }
    last.unwrap()
}
