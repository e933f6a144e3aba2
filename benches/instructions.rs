//! Instructions that the server machine takes, counted by callgrind: the same on every run,
//! so that each may have a limit. A change that takes 5 % more fails; one that takes less
//! lowers the limit.
#![allow(missing_docs, reason = "the macros make what they want")]

use std::hint::black_box;

use bytes::BytesMut;
use fedlink::Server;
use fedlink::Suite::{Bearer, Sealed};
use fedlink_benches::counted::{
    Told, challenge, hear, heartbeats, polls, register, results, tasks, tick,
};
use fedlink_benches::crowd::{Crowd, answer};
use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};

const CLIENTS: usize = 1000;

/// Fails past 1.05 times so many instructions.
fn baseline(instructions: u64) -> LibraryBenchmarkConfig {
    let limit = instructions + instructions / 20;
    let mut callgrind = Callgrind::default();
    callgrind.hard_limits([(EventKind::Ir, limit)]);
    LibraryBenchmarkConfig::default().tool(callgrind).clone()
}

#[library_benchmark]
#[bench::bearer(args = (heartbeats(Bearer, CLIENTS)), config = baseline(324_804))]
#[bench::sealed(args = (heartbeats(Sealed, CLIENTS)), config = baseline(1_620_162))]
fn heartbeats_100(told: Told) -> Crowd {
    black_box(hear(told))
}

#[library_benchmark]
#[bench::poll(args = (polls(Bearer, CLIENTS)), config = baseline(372_704))]
#[bench::task(args = (tasks(Bearer, CLIENTS)), config = baseline(544_529))]
#[bench::submit(args = (results(Bearer, CLIENTS)), config = baseline(1_052_869))]
fn tasks_100(told: Told) -> Crowd {
    black_box(hear(told))
}

#[library_benchmark]
#[bench::idle(args = (Crowd::new(CLIENTS, Bearer)), config = baseline(57_431))]
fn ticks_100(crowd: Crowd) -> Crowd {
    black_box(tick(crowd))
}

#[library_benchmark]
#[bench::bearer_challenge(args = (challenge(Bearer)), config = baseline(364_731))]
#[bench::bearer_register(args = (register(Bearer, CLIENTS)), config = baseline(1_505_907))]
#[bench::sealed_challenge(args = (challenge(Sealed)), config = baseline(1_286_019))]
#[bench::sealed_register(args = (register(Sealed, CLIENTS)), config = baseline(2_163_151))]
fn handshake((mut server, message): (Server, BytesMut)) -> (Server, BytesMut) {
    let answer = answer(&mut server, message);
    black_box((server, answer))
}

library_benchmark_group!(
    name = server;
    benchmarks = heartbeats_100, tasks_100, ticks_100, handshake
);
main!(library_benchmark_groups = server);
