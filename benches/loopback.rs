//! Heartbeats over loopback TCP, beside the bare exchange of as many bytes: round trips,
//! both ends in one process of two threads. With the tokio host at the server's end, and
//! with the blocking host at the client's.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fedlink::frame::{Framing, Splitter, frame_header};
use fedlink::message::PeerId;
use fedlink::stand_in::{MessageBuffer, StandIn};
use fedlink::{ClientAction, Suite};
use fedlink_benches::crowd::{START, config, identity, server};
use fedlink_benches::joiners::Joiners;
use fedlink_benches::pki::name;
use fedlink_host::blocking::{BlockingClient, TcpConnect};
use fedlink_host::tokio::{ServerHost, TcpAccept};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// Bytes of a heartbeat in the bearer suite without jobs, and of its answer.
const HEARTBEAT: usize = 50;
const ANSWER: usize = 36;

fn tokio_host(criterion: &mut Criterion) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads can be had");
    for connections in [1, 16] {
        let mut group = criterion.benchmark_group(format!("loopback, {connections} connections"));
        group.throughput(Throughput::Elements(1));
        let mut heartbeats = runtime.block_on(heartbeats(connections));
        group.bench_function("heartbeat, tokio host", |bencher| {
            bencher.iter_custom(|times| round_trips(&runtime, &mut heartbeats, times));
        });
        let mut bare = runtime.block_on(bare(connections));
        group.bench_function("bare exchange", |bencher| {
            bencher.iter_custom(|times| round_trips(&runtime, &mut bare, times));
        });
        group.finish();
    }
}

/// One end of a connection, and who speaks there; nobody sends bare bytes.
struct Connection {
    stream: TcpStream,
    client: Option<(StandIn, MessageBuffer)>,
}

impl Connection {
    async fn round_trip(&mut self) {
        let message = match &mut self.client {
            Some((client, buffer)) => client.heartbeat(&[], buffer).expect("it is inside"),
            None => BytesMut::from(&[7; HEARTBEAT][..]),
        };
        assert_eq!(message.len(), HEARTBEAT);
        let framed = [&frame_header(message.len())[..], &message].concat();
        let mut answer = [0; 4 + ANSWER];
        self.stream.write_all(&framed).await.expect("it stands");
        let read = self.stream.read_exact(&mut answer).await;
        assert_eq!(read.expect("it is answered"), answer.len());
    }
}

/// As many round trips, spread over the connections.
fn round_trips(runtime: &Runtime, connections: &mut Vec<Connection>, times: u64) -> Duration {
    runtime.block_on(async {
        let begun = Instant::now();
        let (count, mut running) = (connections.len() as u64, JoinSet::new());
        for (number, mut connection) in (0..).zip(connections.drain(..)) {
            running.spawn(async move {
                for _ in 0..(times + number) / count {
                    connection.round_trip().await;
                }
                connection
            });
        }
        connections.extend(running.join_all().await);
        begun.elapsed()
    })
}

/// Connections to a server of fedlink.
async fn heartbeats(connections: usize) -> Vec<Connection> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let host = ServerHost::new(Arc::new(config(Suite::Bearer)), identity());
    let (handle, mut events) = host
        .listen(TcpAccept::new(listener))
        .start()
        .expect("it can");
    tokio::spawn(async move { while events.next().await.is_some() {} });
    let mut all = Vec::new();
    for number in 0..connections {
        let site = name(&format!("site-{number}"));
        let seated =
            handle.call(move |server, now| server.unproven_session(now, site, Suite::Bearer));
        all.push(Connection {
            stream: connect(address).await,
            client: Some((seated.await.expect("it runs"), MessageBuffer::default())),
        });
    }
    // The host ends with the last handle.
    std::mem::forget(handle);
    all
}

/// Connections to somebody who answers as many bytes with as many.
async fn bare(connections: usize) -> Vec<Connection> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let mut all = Vec::new();
    for _ in 0..connections {
        all.push(Connection {
            stream: connect(address).await,
            client: None,
        });
        let (mut stream, _) = listener.accept().await.expect("it comes");
        stream.set_nodelay(true).expect("it can");
        tokio::spawn(async move {
            let mut message = [0; 4 + HEARTBEAT];
            while stream.read_exact(&mut message).await.is_ok() {
                let answered = stream.write_all(&[7; 4 + ANSWER]).await;
                answered.expect("it stands");
            }
        });
    }
    all
}

async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("it listens");
    stream.set_nodelay(true).expect("it can");
    stream
}

fn blocking_host(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("loopback, blocking host");
    group.throughput(Throughput::Elements(1));
    let mut client = at_work();
    group.bench_function("heartbeat, blocking host", |bencher| {
        bencher.iter(|| heartbeat(&mut client));
    });
    let mut bare = bare_blocking();
    let mut answer = [0; 4 + ANSWER];
    group.bench_function("bare exchange", |bencher| {
        bencher.iter(|| {
            bare.write_all(&[7; 4 + HEARTBEAT]).expect("it stands");
            bare.read_exact(&mut answer).expect("it is answered");
        });
    });
    group.finish();
}

/// A client whose heartbeats go when they are asked for, before a server that has a thread.
fn at_work() -> BlockingClient {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || serve(accept(&listener)));
    let joiners = Joiners::new(Suite::Bearer);
    let connect = TcpConnect::new([address.to_string()]);
    let client = BlockingClient::new(joiners.config(), joiners.identity(), connect);
    let mut client = client.expect("it can");
    let registered = client.call(|client, now| client.register(now));
    registered.expect("it is idle");
    wait_for(&mut client, |it| matches!(it, ClientAction::HeartbeatDue));
    let mut moved = || {
        heartbeat(&mut client);
        client.call(|client, _| {
            (
                client.counters().bytes_sent,
                client.counters().bytes_received,
            )
        })
    };
    let (before, after) = (moved(), moved());
    assert_eq!(after.0 - before.0, HEARTBEAT as u64);
    assert_eq!(after.1 - before.1, ANSWER as u64);
    client
}

/// Lets one heartbeat go, and takes its answer.
fn heartbeat(client: &mut BlockingClient) {
    client.call(|client, now| client.resume_heartbeats(now));
    let released = client.call(|client, now| client.heartbeat_ready(now, None));
    released.expect("it is active");
    wait_for(client, |it| {
        matches!(it, ClientAction::HeartbeatAnswered { .. })
    });
    client.call(|client, now| client.pause_heartbeats(now));
}

fn wait_for(client: &mut BlockingClient, wanted: impl Fn(&ClientAction) -> bool) {
    loop {
        let action = client.next_action(Duration::from_secs(10)).expect("it can");
        if wanted(&action.expect("it comes")) {
            return;
        }
    }
}

/// A server on one connection.
fn serve(mut stream: std::net::TcpStream) {
    let (mut server, begun) = (server(Suite::Bearer), Instant::now());
    let mut frames = Splitter::new(Framing::Native);
    let mut read = [0; 4096];
    while let Ok(len @ 1..) = stream.read(&mut read) {
        frames.buffer().extend_from_slice(&read[..len]);
        while let Some(message) = frames.next_frame().expect("it is short") {
            let taken = server.handle_message(START + begun.elapsed(), PeerId(1), message);
            taken.expect("it is well formed");
        }
        while let Some(answer) = server.poll_transmit() {
            let length = frame_header(answer.header.len());
            let framed = [&length[..], &answer.header].concat();
            stream.write_all(&framed).expect("it stands");
        }
        while server.poll_action().is_some() {}
    }
}

/// A connection to a thread that answers as many bytes with as many.
fn bare_blocking() -> std::net::TcpStream {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        let (mut stream, mut message) = (accept(&listener), [0; 4 + HEARTBEAT]);
        while stream.read_exact(&mut message).is_ok() {
            let answered = stream.write_all(&[7; 4 + ANSWER]);
            answered.expect("it stands");
        }
    });
    let stream = std::net::TcpStream::connect(address).expect("it listens");
    stream.set_nodelay(true).expect("it can");
    stream
}

fn accept(listener: &std::net::TcpListener) -> std::net::TcpStream {
    let (stream, _) = listener.accept().expect("it comes");
    stream.set_nodelay(true).expect("it can");
    stream
}

criterion_group!(benches, tokio_host, blocking_host);
criterion_main!(benches);
