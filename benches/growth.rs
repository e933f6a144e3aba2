//! What more clients cost: the instructions of the same work before a thousand clients and
//! before a million, counted by callgrind. A million may take half as much again.
#![allow(missing_docs, reason = "the macros make what they want")]

use std::hint::black_box;

use bytes::BytesMut;
use fedlink::Server;
use fedlink::Suite::{Bearer, Plain, Sealed};
use fedlink::identity::LocalSigner;
use fedlink_benches::counted::{
    Told, elsewhere, hear, heartbeats, look, register, register_elsewhere, reports, tick,
};
use fedlink_benches::crowd::{Crowd, answer, answer_signed};
use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};

const THOUSAND: usize = 1_000;
const MILLION: usize = 1_000_000;

/// Instructions alone: a million clients take minutes to begin with even so.
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

// Both signatures of the server's and the client's proof are in it.
#[library_benchmark]
#[bench::thousand(args = (register_elsewhere(Bearer, THOUSAND)), config = config())]
#[bench::million(args = (register_elsewhere(Bearer, MILLION)), config = grown(1_510_000))]
fn registration_key_elsewhere(
    (mut server, key, message): (Server, LocalSigner, BytesMut),
) -> (Server, BytesMut) {
    let answer = answer_signed(&mut server, &key, message);
    black_box((server, answer))
}

#[library_benchmark]
#[bench::thousand(args = (Crowd::new(THOUSAND, Bearer)), config = config())]
#[bench::million(args = (Crowd::new(MILLION, Bearer)), config = grown(2_803))]
#[bench::elsewhere_thousand(args = (elsewhere(Bearer, THOUSAND)), config = config())]
#[bench::elsewhere_million(args = (elsewhere(Bearer, MILLION)), config = grown(2_803))]
fn looks_at_the_timeout_100(crowd: Crowd) -> Crowd {
    black_box(look(crowd))
}

library_benchmark_group!(
    name = server;
    benchmarks = heartbeats_100, registration, registration_key_elsewhere, ticks_100,
        looks_at_the_timeout_100
);
main!(library_benchmark_groups = server);
