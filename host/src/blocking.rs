//! A host for a client without a runtime: one thread, one connection, one loop.
//!
//! It does all that a host has to do and nothing else, so it is also a template for a
//! host of your own. [`BlockingClient::next_action`] goes round in six steps:
//!
//! 1. Take what the client wants. Store its records, one `sync` for all, and confirm them.
//! 2. Give the application the next action that is for it.
//! 3. If there is no connection and it is time for one, connect and tell the client.
//! 4. Send what the client wants to send.
//! 5. Wait for a message, but not beyond the client's next timer; hand it to the client.
//! 6. Tell the client the time.
//!
//! ```no_run
//! # use std::{sync::Arc, time::Duration};
//! # use fedlink::{Client, ClientAction, ClientConfig, identity::Identity, message::*};
//! # use fedlink_host::blocking::{BlockingClient, TcpConnect};
//! # use fedlink_host::hash_ahead;
//! # fn train(input: &[u8]) -> Vec<u8> { input.to_vec() }
//! # fn run(config: Arc<ClientConfig>, identity: Identity) -> Result<(), Box<dyn std::error::Error>> {
//! let connect = TcpConnect::new(["fl.example.org:8002"]);
//! let mut host = BlockingClient::new(config, identity, connect)?;
//! host.call(|client, now| client.register(now))?;
//! while !host.is_closed() {
//!     match host.next_action(Duration::from_secs(1))? {
//!         Some(ClientAction::StartJobs(jobs)) => {
//!             for job in jobs {
//!                 host.call(|client, now| client.job_started(now, job))?;
//!                 host.call(|client, now| client.pull_task(now, job))?;
//!             }
//!         }
//!         Some(ClientAction::TaskAssigned(task)) => {
//!             let result = Payload::new(train(task.payload.bytes()));
//!             hash_ahead(&result);
//!             host.call(|client, now| {
//!                 client.submit(now, task.id, Outcome::Ok, Properties::new(), result)
//!             })?;
//!             host.call(|client, now| client.pull_task(now, task.job))?;
//!         }
//!         Some(ClientAction::AbortJobs(jobs)) => {
//!             for job in jobs {
//!                 host.call(|client, now| client.job_ended(now, job))?;
//!             }
//!         }
//!         _ => {}
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! Nothing happens between two calls. Work that takes longer than a heartbeat belongs into
//! another thread; look between calls whether it has finished. A large result is hashed
//! before it is handed in, and sooner with all cores
//! ([`hash_ahead`](crate::hash_ahead)).

mod connect;
mod pipe;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fedlink::error::ConfigError;
use fedlink::frame::Framing;
use fedlink::identity::Identity;
use fedlink::{CarrierWish, Client, ClientAction, ClientConfig, Instant, Phase};

use crate::clock::WallClock;
use crate::connectivity::Connectivity;
use crate::storage::{Compacting, Record, Storage};
use crate::{HostError, seed};
use pipe::Pipe;

pub use connect::{Connect, Connected, TcpConnect, Wire};

/// A client and its host in one thread.
pub struct BlockingClient {
    client: Client,
    wall: WallClock,
    started: std::time::Instant,
    connect: Box<dyn Connect>,
    framing: Framing,
    pipe: Option<Pipe>,
    storage: Option<Compacting>,
    /// Actions that the application has not taken.
    actions: VecDeque<ClientAction>,
    connectivity: Connectivity,
}

/// How long a server that has closed its end may take to say why.
const PARTING_TIME: Duration = Duration::from_secs(1);

impl BlockingClient {
    /// A client without records, that stores nothing: results that were not accepted are
    /// lost with its process.
    ///
    /// # Errors
    /// When the settings cannot work, or there is no randomness.
    pub fn new(
        config: Arc<ClientConfig>,
        identity: Identity,
        connect: impl Connect + 'static,
    ) -> Result<Self, HostError> {
        Self::start(config, identity, Box::new(connect), None, Vec::new())
    }

    /// A client with a storage, and the records that it holds already.
    ///
    /// # Errors
    /// As [`BlockingClient::new`], and when a record cannot be read.
    pub fn restore(
        config: Arc<ClientConfig>,
        identity: Identity,
        connect: impl Connect + 'static,
        storage: impl Storage + 'static,
        records: Vec<Bytes>,
    ) -> Result<Self, HostError> {
        let storage = Compacting::new(Box::new(storage));
        Self::start(config, identity, Box::new(connect), Some(storage), records)
    }

    fn start(
        config: Arc<ClientConfig>,
        identity: Identity,
        connect: Box<dyn Connect>,
        storage: Option<Compacting>,
        records: Vec<Bytes>,
    ) -> Result<Self, HostError> {
        let now = Instant::default();
        let framing = config.framing();
        let client = Client::restore(config, identity, seed()?, now, records)?;
        Ok(Self {
            client,
            wall: WallClock::default(),
            started: std::time::Instant::now(),
            connect,
            framing,
            pipe: None,
            storage,
            actions: VecDeque::new(),
            connectivity: Connectivity::default(),
        })
    }

    /// Calls the client, with the time. What it wants is done by the next
    /// [`next_action`](Self::next_action).
    pub fn call<T>(&mut self, call: impl FnOnce(&mut Client, Instant) -> T) -> T {
        let now = self.now();
        call(&mut self.client, now)
    }

    /// What is known of its connections. [`Retry`](ClientAction::Retry) says that the client
    /// tries again; why, and whether it helps, is known here.
    #[must_use]
    pub fn connectivity(&self) -> &Connectivity {
        &self.connectivity
    }

    /// Whether the client has said goodbye and all its actions were taken.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.client.phase() == Phase::Closed && self.actions.is_empty()
    }

    /// Works until there is an action for the application, at most for `patience`; making
    /// a connection may take longer.
    ///
    /// # Errors
    /// When records cannot be stored, or the client cannot work on a connection like this.
    /// Start again from what is stored.
    pub fn next_action(&mut self, patience: Duration) -> Result<Option<ClientAction>, HostError> {
        let end = self.now() + patience;
        loop {
            if let Some(unix_time) = self.wall.news() {
                let now = self.now();
                self.client.set_wall_clock(now, unix_time);
            }
            self.take_actions()?; // 1
            let action = self.actions.pop_front(); // 2
            if action.is_some() {
                return Ok(action);
            }
            self.connect_as_wished()?; // 3
            self.send(); // 4
            let due = self.client.poll_timeout().map(|(at, _)| at);
            self.receive(due.map_or(end, |at| at.min(end))); // 5
            let now = self.now();
            self.client.handle_timeout(now); // 6
            if now >= end || self.client.phase() == Phase::Closed {
                self.take_actions()?;
                return Ok(self.actions.pop_front());
            }
        }
    }

    fn now(&self) -> Instant {
        Instant::default() + self.started.elapsed()
    }

    /// Takes all that the client wants, and stores its records until there are none.
    fn take_actions(&mut self) -> Result<(), HostError> {
        loop {
            let records = self.poll_actions();
            if records.is_empty() {
                return Ok(());
            }
            if let Some(storage) = &mut self.storage {
                let snapshot = storage.is_due().then(|| self.client.snapshot());
                let stored = storage.store(&records, snapshot);
                stored.map_err(HostError::Storage)?;
            }
            let now = self.now();
            for record in records {
                // Unknown if what it was for is over.
                let _ = self.client.persisted(now, record.id);
            }
        }
    }

    fn poll_actions(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        while let Some(action) = self.client.poll_action() {
            match action {
                ClientAction::Persist {
                    record,
                    header,
                    payload,
                } => {
                    records.push(Record::new(record, header, payload));
                }
                action => self.actions.push_back(action),
            }
        }
        records
    }

    fn send(&mut self) {
        while let Some(pipe) = &mut self.pipe
            && let Some(transmit) = self.client.poll_transmit()
        {
            let sent = pipe.send(transmit.header.into_bytes(), transmit.payload.into_bytes());
            if let Err(error) = sent {
                self.read_rest(&error);
                self.disconnect();
            }
        }
    }

    /// Writing has failed: the server may have said why before it closed its end.
    fn read_rest(&mut self, error: &io::Error) {
        let end = self.now() + PARTING_TIME;
        while let Some(pipe) = &mut self.pipe {
            let left = end.since(Instant::default() + self.started.elapsed());
            match pipe.receive(left) {
                Ok(Some(message)) if !left.is_zero() => self.take_message(message),
                Ok(_) => return self.connectivity.failed(error),
                Err(said) => return self.connectivity.failed(&said),
            }
        }
    }

    fn take_message(&mut self, message: BytesMut) {
        self.connectivity.answered();
        let now = self.now();
        // Counted and traced by the client.
        let _ = self.client.handle_message(now, message);
    }

    fn connect_as_wished(&mut self) -> Result<(), ConfigError> {
        match self.client.carrier_wish() {
            CarrierWish::Connect(at) if at <= self.now() => self.connect_now(),
            CarrierWish::Replace => {
                self.connectivity.gave_up();
                self.disconnect();
                Ok(())
            }
            CarrierWish::Connect(_) | CarrierWish::Keep => Ok(()),
        }
    }

    fn connect_now(&mut self) -> Result<(), ConfigError> {
        match self.connect.connect() {
            Ok(Connected { wire, carrier }) => {
                let now = self.now();
                self.pipe = Some(Pipe::new(wire, self.framing));
                self.connectivity.connected();
                self.client.handle_connected(now, carrier)
            }
            Err(error) => {
                self.connectivity.failed(&error);
                self.disconnect();
                Ok(())
            }
        }
    }

    /// Takes one message if one comes before `until`.
    fn receive(&mut self, until: Instant) {
        let patience = until.since(self.now());
        let Some(pipe) = &mut self.pipe else {
            std::thread::sleep(patience);
            return;
        };
        match pipe.receive(patience) {
            Ok(Some(message)) => self.take_message(message),
            Ok(None) => {}
            Err(error) => {
                self.connectivity.failed(&error);
                self.disconnect();
            }
        }
    }

    fn disconnect(&mut self) {
        self.pipe = None;
        let now = self.now();
        self.client.handle_disconnected(now);
    }
}

#[cfg(test)]
mod tests;
