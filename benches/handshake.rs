//! Challenge and registration: what the server machine does, from each message to its
//! answer, beside the sum of the cryptographic operations that the suite asks for.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use criterion::{Criterion, criterion_group, criterion_main};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use fedlink::message::PeerId;
use fedlink::{Server, Suite};
use fedlink_benches::crowd::{START, server};
use fedlink_benches::joiners::Joiners;
use x25519_dalek::{PublicKey, StaticSecret};

const PEER: PeerId = PeerId(1);
const STORM: usize = 256;

fn handshake(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake");
    for suite in [Suite::Bearer, Suite::Sealed] {
        let mut server = server(suite);
        let mut joiners = Joiners::new(suite);
        group.bench_function(suite.to_string(), |bencher| {
            bencher.iter_custom(|times| (0..times).map(|_| join(&mut server, &mut joiners)).sum());
        });
        let floor = Floor::new(suite);
        group.bench_function(format!("{suite}, floor"), |bencher| {
            bencher.iter(|| black_box(&floor).run());
        });
    }
    group.finish();
}

/// Many clients at once: the server answers all challenges and then all registrations.
fn storm(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("registration storm, each of 256");
    for suite in [Suite::Bearer, Suite::Sealed] {
        for met in ["new", "known"] {
            let mut joiners = Joiners::new(suite);
            let mut known = server(suite);
            storm_of(&mut known, &mut joiners);
            group.bench_function(format!("{suite}, {met}"), |bencher| {
                bencher.iter_custom(|times| {
                    let storms = times.div_ceil(STORM as u64);
                    let mut took = Duration::ZERO;
                    for _ in 0..storms {
                        let mut fresh = (met == "new").then(|| server(suite));
                        took += storm_of(fresh.as_mut().unwrap_or(&mut known), &mut joiners);
                    }
                    took.mul_f64(times as f64 / (storms * STORM as u64) as f64)
                });
            });
        }
    }
    group.finish();
}

/// What it takes the server to let in many clients.
fn storm_of(server: &mut Server, joiners: &mut Joiners) -> Duration {
    let (mut clients, challenges): (Vec<_>, Vec<_>) =
        (0..STORM).map(|_| joiners.challenge(START)).unzip();
    let (replies, first) = ask_all(server, challenges);
    let registers = clients.iter_mut().zip(replies);
    let registers = registers.map(|(client, reply)| Joiners::register(client, START, reply));
    let (_, second) = ask_all(server, registers.collect());
    while server.poll_action().is_some() {}
    first + second
}

/// The server's answers to messages that came at once, and what they took.
fn ask_all(server: &mut Server, messages: Vec<BytesMut>) -> (Vec<BytesMut>, Duration) {
    let messages: Vec<_> = (0..).map(PeerId).zip(messages).collect();
    let mut answers = Vec::with_capacity(messages.len());
    let begun = Instant::now();
    let dropped = server.handle_batch(START, messages);
    while let Some(answer) = server.poll_transmit() {
        answers.push(answer.header);
    }
    let took = begun.elapsed();
    assert_eq!((dropped, answers.len()), (0, STORM));
    let answers = answers.iter().map(|answer| BytesMut::from(&answer[..]));
    (answers.collect(), took)
}

/// What it takes the server to let a client in.
fn join(server: &mut Server, joiners: &mut Joiners) -> Duration {
    let (mut client, challenge) = joiners.challenge(START);
    let (reply, first) = ask(server, challenge);
    let register = Joiners::register(&mut client, START, reply);
    let (_, second) = ask(server, register);
    while server.poll_action().is_some() {}
    first + second
}

/// The server's answer, and what it took.
fn ask(server: &mut Server, message: BytesMut) -> (BytesMut, Duration) {
    let begun = Instant::now();
    let taken = server.handle_message(START, PEER, message);
    let answer = server.poll_transmit();
    let took = begun.elapsed();
    taken.expect("it is well formed");
    let answer = answer.expect("it is answered");
    (BytesMut::from(&answer.header[..]), took)
}

/// The cryptographic operations of one handshake at the server, with keys that are ready.
struct Floor {
    suite: Suite,
    key: SigningKey,
    public: VerifyingKey,
    signature: Signature,
    share: PublicKey,
}

impl Floor {
    fn new(suite: Suite) -> Self {
        let key = SigningKey::from_bytes(&[1; 32]);
        Self {
            suite,
            public: key.verifying_key(),
            signature: key.sign(&[0; 56]),
            share: PublicKey::from(&StaticSecret::from([3; 32])),
            key,
        }
    }

    fn run(&self) {
        // The server's proof and the token.
        black_box(self.key.sign(&[1; 56]));
        black_box(self.key.sign(&[2; 56]));
        // The client's key, its certificate and its proof.
        black_box(VerifyingKey::from_bytes(black_box(self.public.as_bytes())).is_ok());
        for _ in 0..2 {
            let verified = self.public.verify_strict(&[0; 56], &self.signature);
            black_box(verified.is_ok());
        }
        if self.suite == Suite::Sealed {
            // The server's share, and the secret in common: at the challenge and, since
            // nothing is kept, at the registration.
            let secret = StaticSecret::from([2; 32]);
            black_box(PublicKey::from(&secret));
            black_box(secret.diffie_hellman(&self.share));
            black_box(secret.diffie_hellman(&self.share));
        }
    }
}

criterion_group!(benches, handshake, storm);
criterion_main!(benches);
