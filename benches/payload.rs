//! A large result, from a client over loopback TCP to the server, with the tokio hosts and
//! without a disk: until the server's application has it. Beside it, as many bytes over a
//! bare connection with SHA-256 at both ends, and sealed, opened and hashed on one core.
//! Each end has a thread of its own, as in a process of its own.
//!
//! Who receives a payload has to hold it. To write to memory that was not used before may
//! take a system as long as all else here, so the bare connection is measured twice: with
//! a receiver that forgets each chunk, and with one that keeps them in blocks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fedlink::message::{BLOCK, Outcome, Payload, Properties};
use fedlink::{Assignee, ClientAction, NewTask, ServerAction, Sites, Suite};
use fedlink_benches::crowd::{JOB, config, identity};
use fedlink_benches::joiners::Joiners;
use fedlink_host::tokio::{ClientHandle, ClientHost, Events, ServerHandle, ServerHost};
use fedlink_host::tokio::{TcpAccept, TcpDial};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

const SIZE: usize = 256 << 20;
/// What a message carries at most of a payload that travels in parts.
const CHUNK: usize = 256 << 10;

fn payload(criterion: &mut Criterion) {
    let (sending, receiving) = (thread(), thread());
    let mut group = criterion.benchmark_group("payload, 256 MiB");
    group
        .sample_size(10)
        .throughput(Throughput::Bytes(SIZE as u64));
    for suite in [Suite::Bearer, Suite::Sealed] {
        let mut federation = receiving.block_on(Federation::new(suite, &sending));
        group.bench_function(format!("upload, {suite}"), |bencher| {
            bencher.iter_custom(|times| federation.upload(&receiving, times));
        });
    }
    for (name, kept) in [("kept", true), ("forgotten", false)] {
        group.bench_function(format!("bare connection, hashed and {name}"), |bencher| {
            let once = || receiving.block_on(bare(&sending, kept));
            bencher.iter_custom(|times| (0..times).map(|_| once()).sum());
        });
    }
    group.bench_function("sealed, opened and hashed twice on one core", |bencher| {
        let mut chunk = vec![7; CHUNK];
        bencher.iter(|| (0..SIZE / CHUNK).for_each(|_| seal(&mut chunk)));
    });
    group.finish();
}

/// A runtime of one thread.
fn thread() -> Runtime {
    let mut runtime = Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build();
    runtime.expect("threads can be had")
}

/// A coordinator and a site.
struct Federation {
    server: ServerHandle,
    joined: Events<ServerAction>,
    client: ClientHandle,
    told: Events<ClientAction>,
}

impl Federation {
    async fn new(suite: Suite, sending: &Runtime) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let host = ServerHost::new(Arc::new(config(suite)), identity());
        let (server, joined) = host
            .listen(TcpAccept::new(listener))
            .start()
            .expect("it can");
        let started = server.start_job(JOB, Sites::All).await;
        started.expect("it is the first");

        let joiners = Joiners::new(suite);
        let dial = TcpDial::new([address.to_string()]);
        let host = ClientHost::new(joiners.config(), joiners.identity(), dial);
        let (client, told) = {
            let _inside = sending.enter();
            host.start().expect("it can")
        };
        client.register().await.expect("it is not yet");
        Self {
            server,
            joined,
            client,
            told,
        }
    }

    /// What as many uploads took.
    fn upload(&mut self, runtime: &Runtime, times: u64) -> Duration {
        runtime.block_on(async {
            let mut took = Duration::ZERO;
            for _ in 0..times {
                took += self.upload_once().await;
            }
            took
        })
    }

    async fn upload_once(&mut self) -> Duration {
        let task = NewTask::new("train", Payload::new(Bytes::new()));
        let assigned = self.server.assign(JOB, Assignee::Anyone, task);
        assigned.await.expect("there is room");
        let mut begun = Instant::now();
        loop {
            tokio::select! {
                told = self.told.next() => match told.expect("it runs") {
                    ClientAction::StartJobs(_) => {
                        self.client.job_started(JOB).await.expect("it is new");
                        self.client.pull_task(JOB).await.expect("it runs");
                    }
                    ClientAction::ResultAccepted { .. } => {
                        self.client.pull_task(JOB).await.expect("it runs");
                    }
                    ClientAction::TaskAssigned(task) => {
                        let result = Payload::new(vec![7; SIZE]);
                        begun = Instant::now();
                        let none = Properties::new();
                        let submitted = self.client.submit(task.id, Outcome::Ok, none, result);
                        submitted.await.expect("it is held");
                    }
                    _ => {}
                },
                joined = self.joined.next() => {
                    if let ServerAction::ResultReceived(result) = joined.expect("it runs") {
                        let took = begun.elapsed();
                        assert_eq!(result.payload.len(), SIZE);
                        let taken = self.server.taken(result.task);
                        taken.await.expect("it is done");
                        return took;
                    }
                }
            }
        }
    }
}

async fn bare(sending: &Runtime, kept: bool) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address: SocketAddr = listener.local_addr().expect("it is bound");
    let payload = vec![7; SIZE];
    let begun = Instant::now();
    let sent = sending.spawn(async move {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let hash = Sha256::digest(&payload);
        for chunk in payload.chunks(CHUNK) {
            stream.write_all(chunk).await.expect("it stands");
        }
        stream.write_all(&hash).await.expect("it stands");
    });
    let (mut stream, _) = listener.accept().await.expect("it comes");
    let (mut hasher, mut chunk, mut hash) = (Sha256::new(), vec![0; CHUNK], [0; 32]);
    let mut blocks = Vec::new();
    for _ in 0..SIZE / BLOCK {
        let mut block = Vec::with_capacity(if kept { BLOCK } else { 0 });
        for _ in 0..BLOCK / CHUNK {
            stream.read_exact(&mut chunk).await.expect("it is whole");
            hasher.update(&chunk);
            if kept {
                block.extend_from_slice(&chunk);
            }
        }
        blocks.push(block);
    }
    stream.read_exact(&mut hash).await.expect("it is whole");
    assert_eq!(hash, *hasher.finalize());
    let took = begun.elapsed();
    sent.await.expect("it ends");
    took
}

/// What both ends together do to a chunk.
fn seal(chunk: &mut [u8]) {
    let (cipher, nonce) = (ChaCha20Poly1305::new(&[1; 32].into()), [2; 12].into());
    for _ in 0..2 {
        std::hint::black_box(Sha256::digest(&*chunk));
    }
    let tag = cipher.encrypt_inout_detached(&nonce, &[], (&mut *chunk).into());
    let tag = tag.expect("it is short enough");
    let opened = cipher.decrypt_inout_detached(&nonce, &[], chunk.into(), &tag);
    opened.expect("nobody has changed it");
}

criterion_group!(benches, payload);
criterion_main!(benches);
