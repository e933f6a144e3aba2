//! A heartbeat of one of a million registered clients, in random order: what the server
//! machine does from the message to the answer.
//!
//! The floor beside it is the same message taken apart, its client's 120 bytes found and
//! changed, and the same answer written: no more than any server has to do.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use fedlink::message::PeerId;
use fedlink::{Instant, Server, Suite};
use fedlink_benches::crowd::{Clients, Crowd, send};
use serde::{Deserialize, Serialize};

const CLIENTS: usize = 1_000_000;
const AT_ONCE: usize = 64;

fn heartbeat(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("heartbeat, 1,000,000 clients");
    for suite in [Suite::Bearer, Suite::Sealed] {
        let mut crowd = Crowd::new(CLIENTS, suite);
        group.bench_function(suite.to_string(), |bencher| {
            bencher.iter_batched(
                || crowd.clients.heartbeat(),
                |(client, message)| send(&mut crowd.server, crowd.now, client, message),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(format!("{suite}, {AT_ONCE} at once"), |bencher| {
            bencher.iter_batched(
                || heartbeats(&mut crowd.clients),
                |messages| hear(&mut crowd.server, crowd.now, messages),
                BatchSize::SmallInput,
            );
        });
        if suite == Suite::Bearer {
            let mut floor = Floor::of(&mut crowd.clients);
            group.bench_function("bearer, floor", |bencher| {
                bencher.iter_batched(
                    || crowd.clients.heartbeat(),
                    |(_, message)| black_box(floor.answer(&message)),
                    BatchSize::SmallInput,
                );
            });
            group.bench_function(format!("bearer, floor, {AT_ONCE} at once"), |bencher| {
                bencher.iter_batched(
                    || heartbeats(&mut crowd.clients),
                    |messages| {
                        for (_, message) in messages {
                            black_box(floor.answer(&message));
                        }
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

/// Heartbeats that wait together.
fn heartbeats(clients: &mut Clients) -> Vec<(PeerId, BytesMut)> {
    let heartbeat = |_| {
        let (client, message) = clients.heartbeat();
        (PeerId(client as u64), message)
    };
    (0..AT_ONCE).map(heartbeat).collect()
}

fn hear(server: &mut Server, now: Instant, messages: Vec<(PeerId, BytesMut)>) {
    assert_eq!(server.handle_batch(now, messages), 0);
    for _ in 0..AT_ONCE {
        black_box(server.poll_transmit().expect("it is answered"));
    }
}

/// The least that a server can do.
struct Floor(Vec<Slot>);

/// What it keeps of a client, in as many bytes as the real server.
#[derive(Clone, Default)]
struct Slot {
    session: [u8; 16],
    token: [u8; 16],
    request: u64,
    alive_at: u64,
    _rest: [u64; 9],
}

/// What of a heartbeat stands behind its clear part.
#[derive(Serialize, Deserialize)]
struct Heartbeat {
    kind: u8,
    jobs: Vec<[u8; 16]>,
    suspending: Option<u64>,
    context: Vec<(String, Vec<u8>)>,
}

/// What of its answer does.
#[derive(Serialize, Deserialize)]
struct Reply {
    kind: u8,
    generation: u64,
    abort: Vec<[u8; 16]>,
    start: Vec<[u8; 16]>,
    interval: u64,
}

impl Floor {
    fn of(clients: &mut Clients) -> Self {
        let count = clients.count();
        let slot = |client| {
            let message = clients.heartbeat_of(client);
            let (session, _, token) = clear(&message);
            Slot {
                session,
                token,
                ..Slot::default()
            }
        };
        Self((0..count).map(slot).collect())
    }

    /// Answers a heartbeat.
    fn answer(&mut self, message: &BytesMut) -> ([u8; 64], usize) {
        let (session, request, token) = clear(message);
        let place = u32::from_be_bytes(session[..4].try_into().unwrap());
        let slot = &mut self.0[place as usize];
        assert!(slot.session == session && slot.token == token);
        let heartbeat: Heartbeat = postcard::from_bytes(&message[46..]).unwrap();
        assert!(heartbeat.jobs.is_empty() && heartbeat.context.is_empty());
        slot.request = request;
        slot.alive_at += 1;
        let mut answer = [0; 64];
        answer[..18].copy_from_slice(&message[..18]);
        answer[18..26].copy_from_slice(&request.to_be_bytes());
        let reply = Reply {
            kind: 0,
            generation: 1,
            abort: Vec::new(),
            start: Vec::new(),
            interval: 10_000,
        };
        let len = postcard::to_slice(&reply, &mut answer[30..]).unwrap().len();
        (answer, 30 + len)
    }
}

/// The session, the request and the token of a clear message: behind two bytes that say
/// what it is, and with the token's length before it.
fn clear(message: &[u8]) -> ([u8; 16], u64, [u8; 16]) {
    let session = message[2..18].try_into().unwrap();
    let request = message[18..26].try_into().unwrap();
    let token = message[30..46].try_into().unwrap();
    (session, u64::from_be_bytes(request), token)
}

criterion_group!(benches, heartbeat);
criterion_main!(benches);
