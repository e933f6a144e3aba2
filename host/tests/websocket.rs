//! Sites that reach the coordinator over WebSocket within TLS: whole lives, and strangers.
#![cfg(feature = "websocket")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Federation, Site, joined, next_result, pattern, reversed, start_job, task};
use fedlink::{Suite, Suites};
use fedlink_host::tokio::{Dial, Limits, ServerHost, TcpAccept, TcpDial, WEBSOCKET_PATH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;

/// A coordinator, and how a site reaches it.
async fn coordinator(federation: &Federation) -> (ServerHost, TcpDial, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (client, server) = common::tls::configs(&federation.pki);
    let accept = TcpAccept::new(listener).tls(server).websocket();
    let dial = TcpDial::new([&address]).tls(client, common::tls::server_name());
    (federation.coordinator(accept), dial.websocket(), address)
}

async fn whole_life(federation: Federation) {
    let (coordinator, dial, _) = coordinator(&federation).await;
    let (server, mut events) = coordinator.start().unwrap();
    let site = Site::start(federation.site("site-1", dial)).await;
    joined(&mut events).await;
    let large = pattern(5 << 20);
    start_job(&server, task(large.clone())).await;
    let result = next_result(&server, &mut events).await;
    assert_eq!(result.payload.bytes()[..], reversed(&large));
    server.disconnect().await.unwrap();
    let again = task("over another connection");
    let again = server.assign(common::JOB, fedlink::Assignee::Anyone, again);
    again.await.unwrap();
    next_result(&server, &mut events).await;
    let last = site.quit("done").await;
    let answered = matches!(last, fedlink::ClientAction::Closed { answered: true, .. });
    assert!(answered, "{last:?}");
    server.stop().await.unwrap();
    events.finish().await.unwrap();
}

#[tokio::test]
async fn a_site_works_over_websocket() {
    whole_life(Federation::new()).await;
}

#[tokio::test]
async fn bearer_tokens_are_bound_to_the_tls_around_it() {
    let mut federation = Federation::new();
    federation.client.suites = Suites::new([Suite::Bearer]).unwrap();
    federation.server.suites = Suites::new([Suite::Bearer]).unwrap();
    whole_life(federation).await;
}

/// TLS to the coordinator, and nothing more.
async fn tls(federation: &Federation, address: &str) -> TlsStream<TcpStream> {
    let (client, _) = common::tls::configs(&federation.pki);
    let stream = TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(client);
    let name = common::tls::server_name();
    connector.connect(name, stream).await.unwrap()
}

/// Reads until the coordinator closes the connection.
async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    String::from_utf8_lossy(&rest).into_owned()
}

#[tokio::test]
async fn who_never_asks_is_closed_with_who_never_ends_the_handshake() {
    let federation = Federation::new();
    let (coordinator, _, address) = coordinator(&federation).await;
    let limits = Limits {
        handshake_time: Duration::from_millis(200),
        time_before_registration: Duration::from_secs(600),
        ..Limits::default()
    };
    let (_server, _events) = coordinator.limits(limits).start().unwrap();
    let mut silent = TcpStream::connect(&address).await.unwrap();
    assert_eq!(rest(&mut silent).await, "");
    let mut silent = tls(&federation, &address).await;
    silent.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    assert_eq!(rest(&mut silent).await, "");
}

#[tokio::test]
async fn what_is_typed_there_is_answered() {
    let federation = Federation::new();
    let (coordinator, _, address) = coordinator(&federation).await;
    let (_server, _events) = coordinator.start().unwrap();
    let mut clear = TcpStream::connect(&address).await.unwrap();
    clear.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let answer = rest(&mut clear).await;
    assert!(answer.contains("It speaks TLS: ask by https"), "{answer}");
    let mut stream = tls(&federation, &address).await;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(
        answer.contains(&format!("by WebSocket at {WEBSOCKET_PATH}")),
        "{answer}"
    );
}

/// The limits of strangers are those of any stream.
#[tokio::test]
async fn a_stranger_sends_no_long_message_in_pieces() {
    let federation = Federation::new();
    let (coordinator, mut dial, _) = coordinator(&federation).await;
    let (_server, _events) = coordinator.start().unwrap();
    let mut stream = dial.dial().await.unwrap().stream;
    let long = 200_000u32;
    stream.write_all(&long.to_be_bytes()).await.unwrap();
    let _ = stream.write_all(&vec![7; long as usize]).await;
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_site_of_another_transport_is_told() {
    let federation = Federation::new();
    let (coordinator, websocket, address) = coordinator(&federation).await;
    let (_server, _events) = coordinator.start().unwrap();
    drop(websocket);
    let (client, _) = common::tls::configs(&federation.pki);
    let mut bare = TcpDial::new([&address]).tls(Arc::clone(&client), common::tls::server_name());
    // Without the names of protocols in TLS, the first message shows it.
    let mut stream = bare.dial().await.unwrap().stream;
    stream
        .write_all(&[0, 0, 0, 3, 1, 2, 3, 13, 10, 13, 10])
        .await
        .unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.contains("426 Upgrade Required"), "{answer}");
}

#[tokio::test]
async fn without_tls_there_is_no_websocket() {
    let mut dial = TcpDial::new(["127.0.0.1:1"]).websocket();
    let error = dial.dial().await.map(drop).unwrap_err();
    assert!(error.to_string().contains("is within TLS"), "{error}");
}
