//! What more clients cost: the instructions of the same work before a thousand clients and
//! before a million, counted by callgrind. A million may take half as much again.
#![allow(missing_docs, reason = "the macros make what they want")]

use std::hint::black_box;

use bytes::BytesMut;
use fedlink::Server;
use fedlink::Suite::{Bearer, Plain, Sealed};
use fedlink_benches::counted::{Told, hear, heartbeats, register, reports, tick};
use fedlink_benches::crowd::{Crowd, answer};
use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};

const THOUSAND: usize = 1_000;
const MILLION: usize = 1_000_000;

/// Instructions alone: a million clients take minutes to seat even so.
fn counted() -> Callgrind {
    Callgrind::with_args(["--cache-sim=no"])
}

fn config() -> LibraryBenchmarkConfig {
    LibraryBenchmarkConfig::default().tool(counted()).clone()
}

/// Fails past 1.5 times what a thousand clients take.
fn grown(at_thousand: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = counted();
    callgrind.hard_limits([(EventKind::Ir, at_thousand + at_thousand / 2)]);
    LibraryBenchmarkConfig::default().tool(callgrind).clone()
}

#[library_benchmark]
#[bench::bearer_thousand(args = (heartbeats(Bearer, THOUSAND)), config = config())]
#[bench::bearer_million(args = (heartbeats(Bearer, MILLION)), config = grown(316_204))]
#[bench::sealed_thousand(args = (heartbeats(Sealed, THOUSAND)), config = config())]
#[bench::sealed_million(args = (heartbeats(Sealed, MILLION)), config = grown(1_612_462))]
#[bench::working_thousand(args = (reports(Bearer, THOUSAND)), config = config())]
#[bench::working_million(args = (reports(Bearer, MILLION)), config = grown(464_520))]
fn heartbeats_100(told: Told) -> Crowd {
    black_box(hear(told))
}

// Without cryptography, which would hide all else.
#[library_benchmark]
#[bench::thousand(args = (register(Plain, THOUSAND)), config = config())]
#[bench::million(args = (register(Plain, MILLION)), config = grown(239_770))]
fn registration((mut server, message): (Server, BytesMut)) -> (Server, BytesMut) {
    let answer = answer(&mut server, message);
    black_box((server, answer))
}

#[library_benchmark]
#[bench::thousand(args = (Crowd::new(THOUSAND, Bearer)), config = config())]
#[bench::million(args = (Crowd::new(MILLION, Bearer)), config = grown(59_331))]
fn ticks_100(crowd: Crowd) -> Crowd {
    black_box(tick(crowd))
}

library_benchmark_group!(
    name = server;
    benchmarks = heartbeats_100, registration, ticks_100
);
main!(library_benchmark_groups = server);
