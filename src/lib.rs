//! The communication layer of federated learning as a pure, synchronous state machine.
//!
//! A [`Client`] is a site, a [`Server`] the coordinator of a federation. They take messages,
//! commands and the time, and give messages, actions and the moment of their next timer.
//! Sockets, clocks, randomness and storage belong to your program, their host: so they run
//! under any runtime, over any carrier of messages, and in a simulator.
//!
//! Both machines have four kinds of method:
//!
//! 1. `handle_*` takes input and finishes all the work there is.
//! 2. Verbs ([`register`](Client::register), [`submit`](Client::submit)) are commands.
//! 3. `poll_*` takes output. Call them in any order, as often as you like.
//! 4. Nouns are getters.
//!
//! # A whole client
//!
//! This loop is all that a site needs, over any carrier. The crate `fedlink-host` has such
//! loops ready for TCP, TLS and WebSocket, for one thread and for tokio.
//!
//! ```
//! use std::{error::Error, io};
//! use bytes::BytesMut;
//! use fedlink::message::{Outcome, Payload, Properties};
//! # use std::{collections::VecDeque, sync::Arc, time::Duration};
//! # use fedlink::identity::{Chain, Identity, LocalSigner, Name, Roots, Signer};
//! # use fedlink::message::{JobId, PeerId};
//! # use fedlink::{Assignee, ClientConfig, NewTask, Server, ServerAction, ServerConfig, Sites};
//! use fedlink::{Carrier, CarrierWish, Client, ClientAction, Instant};
//!
//! /// What a program lends its client.
//! trait Host {
//!     /// A clock that only goes forward.
//!     fn now(&self) -> Instant;
//!     /// The time of day, in seconds since 1970: certificates have dates.
//!     fn unix_time(&self) -> u64;
//!     fn connect(&mut self) -> io::Result<()>;
//!     fn close(&mut self);
//!     /// Sends both parts as one message. An error says that the connection is gone.
//!     fn send(&mut self, parts: [&[u8]; 2]) -> io::Result<()>;
//!     /// The next message, or `None` at `until`; without a connection too.
//!     fn receive(&mut self, until: Instant) -> io::Result<Option<BytesMut>>;
//!     /// Stores both parts as one record, which is safe on the disk afterwards.
//!     fn store(&mut self, parts: [&[u8]; 2]) -> io::Result<()>;
//!     fn train(&mut self, input: &[u8]) -> Vec<u8>;
//!     /// Whether the site is to leave.
//!     fn is_to_stop(&self) -> bool;
//! }
//!
//! fn run(client: &mut Client, host: &mut impl Host) -> Result<(), Box<dyn Error>> {
//!     // Again whenever the clock was set.
//!     client.set_wall_clock(host.now(), host.unix_time());
//!     client.register(host.now())?;
//!     loop {
//!         // 1. Tell the time, in every round: a busy connection must not delay a timer.
//!         client.handle_timeout(host.now());
//!         if host.is_to_stop() {
//!             client.quit(host.now(), "stopped");
//!         }
//!         // 2. Do what the client asks for.
//!         while let Some(action) = client.poll_action() {
//!             let now = host.now();
//!             match action {
//!                 ClientAction::Persist { record, header, payload } => {
//!                     host.store([&header, &payload])?;
//!                     client.persisted(now, record)?;
//!                 }
//!                 ClientAction::StartJobs(jobs) => {
//!                     for job in jobs {
//!                         client.job_started(now, job)?;
//!                         client.pull_task(now, job)?;
//!                     }
//!                 }
//!                 ClientAction::TaskAssigned(task) => {
//!                     let result = Payload::new(host.train(task.payload.bytes()));
//!                     let now = host.now();
//!                     client.submit(now, task.id, Outcome::Ok, Properties::new(), result)?;
//!                     client.pull_task(now, task.job)?;
//!                 }
//!                 // A job that was ended already is unknown here, which is no fault.
//!                 ClientAction::RunEnded { job } => drop(client.job_ended(now, job)),
//!                 ClientAction::AbortJobs(jobs) => {
//!                     for job in jobs {
//!                         let _ = client.job_ended(now, job);
//!                     }
//!                 }
//!                 // News alone: step 3 says when to connect.
//!                 ClientAction::Retry { attempt, reason, .. } => {
//!                     println!("try {attempt} has failed: {}", reason.name());
//!                 }
//!                 ClientAction::Rejected(why) => return Err(why.message.into()),
//!                 ClientAction::Closed { .. } => return Ok(()),
//!                 other => println!("{}", other.name()),
//!             }
//!         }
//!         // 3. Connect when the client wants it.
//!         match client.carrier_wish() {
//!             CarrierWish::Connect(at) if at <= host.now() => match host.connect() {
//!                 Ok(()) => client.handle_connected(host.now(), Carrier::default())?,
//!                 Err(_) => client.handle_disconnected(host.now()),
//!             },
//!             CarrierWish::Replace => {
//!                 host.close();
//!                 client.handle_disconnected(host.now());
//!             }
//!             CarrierWish::Connect(_) | CarrierWish::Keep => {}
//!         }
//!         // 4. Send.
//!         let mut connection = Ok(());
//!         while let Some(message) = client.poll_transmit() {
//!             connection = connection.and_then(|()| host.send([&message.header, &message.payload]));
//!         }
//!         // 5. Wait for a message, but not beyond the next timer.
//!         let until = client.poll_timeout().map_or(Instant::END, |(at, _)| at);
//!         match connection.and_then(|()| host.receive(until)) {
//!             // A refused message is counted; the session goes on.
//!             Ok(Some(message)) => drop(client.handle_message(host.now(), message)),
//!             Ok(None) => {}
//!             Err(_) => {
//!                 host.close();
//!                 client.handle_disconnected(host.now());
//!             }
//!         }
//!     }
//! }
//! # /// A coordinator in memory. Its first connection cannot be made, its second one is lost, and
//! # /// something comes on each all the time: nonsense if need be.
//! # struct Memory {
//! #     now: Instant,
//! #     server: Server,
//! #     tries: u64,
//! #     sent: u32,
//! #     connected: bool,
//! #     arriving: VecDeque<BytesMut>,
//! #     records: usize,
//! #     result: Option<Vec<u8>>,
//! # }
//! #
//! # impl Memory {
//! #     fn peer(&self) -> PeerId {
//! #         PeerId(self.tries)
//! #     }
//! #
//! #     fn serve(&mut self) {
//! #         while let Some(action) = self.server.poll_action() {
//! #             match action {
//! #                 ServerAction::Persist { record, .. } => {
//! #                     self.server.persisted(self.now, record).unwrap();
//! #                 }
//! #                 ServerAction::ResultReceived(result) => {
//! #                     self.server.taken(self.now, result.task).unwrap();
//! #                     self.server.end_job(self.now, result.job).unwrap();
//! #                     self.result = Some(result.payload.bytes().to_vec());
//! #                 }
//! #                 _ => {}
//! #             }
//! #         }
//! #         while let Some(message) = self.server.poll_transmit() {
//! #             self.arriving.push_back([&message.header[..], &message.payload].concat()[..].into());
//! #         }
//! #     }
//! # }
//! #
//! # impl Host for Memory {
//! #     fn now(&self) -> Instant {
//! #         self.now
//! #     }
//! #     fn unix_time(&self) -> u64 {
//! #         1_893_456_000
//! #     }
//! #     fn connect(&mut self) -> io::Result<()> {
//! #         self.tries += 1;
//! #         if self.tries == 1 {
//! #             return Err(io::ErrorKind::ConnectionRefused.into());
//! #         }
//! #         self.connected = true;
//! #         Ok(())
//! #     }
//! #     fn close(&mut self) {
//! #         self.connected = false;
//! #         self.arriving.clear();
//! #         self.server.handle_disconnected(self.now, self.peer());
//! #     }
//! #     fn send(&mut self, parts: [&[u8]; 2]) -> io::Result<()> {
//! #         self.sent += 1;
//! #         if self.sent == 4 {
//! #             return Err(io::ErrorKind::ConnectionReset.into());
//! #         }
//! #         let message = parts.concat()[..].into();
//! #         self.server.handle_message(self.now, self.peer(), message).unwrap();
//! #         self.serve();
//! #         Ok(())
//! #     }
//! #     fn receive(&mut self, until: Instant) -> io::Result<Option<BytesMut>> {
//! #         let passed = match self.connected {
//! #             true => self.now + Duration::from_millis(10),
//! #             false => until.max(self.now),
//! #         };
//! #         self.now = passed;
//! #         assert!(self.now < Instant::from_micros(60_000_000), "a timer starves");
//! #         self.server.handle_timeout(self.now);
//! #         self.serve();
//! #         Ok(self.connected.then(|| self.arriving.pop_front().unwrap_or_default()))
//! #     }
//! #     fn store(&mut self, _: [&[u8]; 2]) -> io::Result<()> {
//! #         self.records += 1;
//! #         Ok(())
//! #     }
//! #     fn train(&mut self, input: &[u8]) -> Vec<u8> {
//! #         input.iter().map(|it| 2 * it).collect()
//! #     }
//! #     fn is_to_stop(&self) -> bool {
//! #         self.result.is_some() && self.arriving.is_empty()
//! #     }
//! # }
//! #
//! # fn main() -> Result<(), Box<dyn Error>> {
//! #     let [site, coordinator, project] = ["site-1", "coordinator", "numbers"].map(|it| Name::new(it).unwrap());
//! #     let [of_site, of_coordinator] = [[1; 32], [2; 32]].map(|seed| LocalSigner::from_seed(&seed));
//! #     let pinned = |name: &Name, key: &LocalSigner, other: &Name, trusted: &LocalSigner| {
//! #         let roots = Roots::new().pin(other.clone(), trusted.public_key());
//! #         Identity::new(name.clone(), Chain::pinned(key.public_key()), Arc::new(key.clone()), roots)
//! #     };
//! #     let now = Instant::default();
//! #     let config = Arc::new(ServerConfig::new(project.clone()));
//! #     let identity = pinned(&coordinator, &of_coordinator, &site, &of_site)?;
//! #     let mut server = Server::new(config, identity, [3; 32], now)?;
//! #     let job = JobId::from_bytes(*b"double numbers..");
//! #     server.start_job(now, job, Sites::All)?;
//! #     let task = NewTask::new("double", Payload::new(vec![1, 2, 3]));
//! #     server.assign(now, job, Assignee::Anyone, task)?;
//! #
//! #     let mut config = ClientConfig::new(project);
//! #     config.server = Some(coordinator.clone());
//! #     let identity = pinned(&site, &of_site, &coordinator, &of_coordinator)?;
//! #     let mut client = Client::new(Arc::new(config), identity, [4; 32], now)?;
//! #     let mut host = Memory {
//! #         now,
//! #         server,
//! #         tries: 0,
//! #         sent: 0,
//! #         connected: false,
//! #         arriving: VecDeque::new(),
//! #         records: 0,
//! #         result: None,
//! #     };
//! #     run(&mut client, &mut host)?;
//! #     assert_eq!(host.result, Some(vec![2, 4, 6]));
//! #     assert_eq!((host.tries, client.outbox_len()), (3, 0));
//! #     assert!(host.records > 0);
//! #     Ok(())
//! # }
//! ```
//!
//! # Where to read on
//!
//! [`embedding`] tells what a client and a server ask of their host, what to store and how to
//! build, [`cost`] what each message costs. An [`Identity`](identity::Identity) is a certificate
//! or a pinned key, a [`Payload`](message::Payload) any bytes.
//!
//! # Features
//!
//! | feature of `fedlink` | default | what it adds |
//! |---|---|---|
//! | `std` | yes | several threads that ask for the digest of one payload wait for the one that computes it |
//! | `x509` | yes | identities by X.509 certificates, beside those by pinned keys; brings `std` |
//! | `nvflare` | no | the binding to NVIDIA FLARE 2.9; brings `x509` |
//! | `stand-in`, `unproven-sessions` | no | many clients at little cost, for simulations and benchmarks and never for a federation |

#![forbid(unsafe_code)]
#![cfg_attr(not(any(test, fuzzing)), no_std)]
#![cfg_attr(
    all(test, not(feature = "x509")),
    allow(
        dead_code,
        unused_imports,
        reason = "what only the tests with certificates use"
    )
)]
#![warn(
    clippy::alloc_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core
)]

extern crate alloc;
#[cfg(all(feature = "std", not(any(test, fuzzing))))]
extern crate std;

// The certificates of the tests outside are made in their words.
#[cfg(test)]
extern crate self as fedlink;

mod client;
mod codes;
mod config;
#[doc = include_str!("../docs/cost.md")]
pub mod cost {}
mod digest;
#[doc = include_str!("../docs/embedding.md")]
pub mod embedding {}
mod encoding;
mod entropy;
pub mod error;
pub mod frame;
pub mod identity;
mod link;
pub mod message;
#[cfg(feature = "nvflare")]
pub mod nvflare;
mod output_queue;
mod records;
mod seed;
mod server;
#[doc = include_str!("../docs/settings.md")]
pub mod settings {}
#[cfg(any(test, feature = "stand-in"))]
pub mod stand_in;
mod suite;
#[cfg(any(test, fuzzing))]
mod testing;
mod time;
mod timer;
mod transfer;
mod transmit;
mod wire;

/// Its code is tested with that of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use client::{
    Carrier, CarrierWish, Client, ClientAction, ClientCounters, CloseReason, Direction,
    FailureKind, Phase, Rejection, RetryReason, Task, Timer, Trigger,
};
pub use config::{
    Binding, ClientConfig, HEARTBEAT_INTERVAL, Mode, ServerConfig, Setting, SettingKind,
    SettingValue,
};
pub use link::{Auth, Suspicion};
pub use message::RejectReason;
pub use seed::Seed;
pub use server::{
    Assignee, Joined, NewTask, Refused, ResultReceived, Server, ServerAction, ServerCounters,
    ServerTimer, Sites, TaskState, TaskView,
};
pub use suite::{Suite, Suites};
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub use testing::fuzzing;
pub use time::Instant;
pub use transmit::{ServerTransmit, Transmit};
