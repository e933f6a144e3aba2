//! Instructions that the server machine takes, counted by callgrind: the same on every run,
//! so that a change for the worse is seen. `LIMITS` holds what they may be.

use std::hint::black_box;

use bytes::BytesMut;
use fedlink::{Server, Suite};
use fedlink_benches::crowd::{Crowd, START, answer, send, server};
use fedlink_benches::joiners::Joiners;
use gungraun::prelude::*;

const CLIENTS: usize = 1000;
/// Messages that are counted together.
const MESSAGES: usize = 100;

/// A crowd and what it sends.
fn heartbeats(suite: Suite) -> (Crowd, Vec<(usize, BytesMut)>) {
    let mut crowd = Crowd::new(CLIENTS, suite);
    let messages = (0..MESSAGES).map(|_| crowd.clients.heartbeat()).collect();
    (crowd, messages)
}

#[library_benchmark]
#[bench::bearer(heartbeats(Suite::Bearer))]
#[bench::sealed(heartbeats(Suite::Sealed))]
fn heartbeat((mut crowd, messages): (Crowd, Vec<(usize, BytesMut)>)) -> Crowd {
    for (client, message) in messages {
        send(&mut crowd.server, crowd.now, client, message);
    }
    black_box(crowd)
}

/// A server and a challenge that it has not heard.
fn challenge(suite: Suite) -> (Server, BytesMut) {
    let (_, challenge) = Joiners::new(suite).knock(START);
    (server(suite), challenge)
}

/// A server and a register that it has not heard.
fn register(suite: Suite) -> (Server, BytesMut) {
    let mut server = server(suite);
    let (mut client, challenge) = Joiners::new(suite).knock(START);
    let reply = answer(&mut server, challenge);
    (server, Joiners::register(&mut client, START, reply))
}

#[library_benchmark]
#[bench::bearer_challenge(challenge(Suite::Bearer))]
#[bench::bearer_register(register(Suite::Bearer))]
#[bench::sealed_challenge(challenge(Suite::Sealed))]
#[bench::sealed_register(register(Suite::Sealed))]
fn handshake((mut server, message): (Server, BytesMut)) -> (Server, BytesMut) {
    let answer = answer(&mut server, message);
    black_box((server, answer))
}

library_benchmark_group!(name = server; benchmarks = heartbeat, handshake);
main!(library_benchmark_groups = server);
