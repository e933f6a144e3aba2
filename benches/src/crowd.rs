//! A server with a crowd before it, of stand-ins that were let in without a handshake.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use fedlink::identity::{Identity, LocalSigner, Name, Signer};
use fedlink::message::{InstanceId, JobId, Payload, PeerId};
use fedlink::stand_in::{Answer, Claim, MessageBuffer, StandIn};
use fedlink::{
    Assignee, Instant, NewTask, Server, ServerAction, ServerConfig, ServerTransmit, Sites, Suite,
    Suites,
};

use crate::pki::{NOW, Pki, name};

/// When every benchmark begins.
pub const START: Instant = Instant::from_micros(1_000_000);

/// A server and its clients, each on a connection of its own.
pub struct Crowd {
    /// The time that it is.
    pub now: Instant,
    /// The server.
    pub server: Server,
    /// The others.
    pub clients: Clients,
}

/// Clients by the numbers of their connections.
pub struct Clients {
    all: Vec<StandIn>,
    buffer: MessageBuffer,
    dice: u64,
}

impl Crowd {
    /// As many registered clients, each of which has sent its first heartbeat.
    #[must_use]
    pub fn new(clients: usize, suite: Suite) -> Self {
        Self::before(server(suite), clients, suite)
    }

    /// The same before this server.
    #[must_use]
    pub fn before(mut server: Server, clients: usize, suite: Suite) -> Self {
        let now = START;
        let (mut all, mut buffer) = (Vec::with_capacity(clients), MessageBuffer::default());
        for number in 0..clients {
            let mut client = server.unproven_session(now, site(number), suite);
            let heartbeat = client.heartbeat(&[], &mut buffer).expect("it is inside");
            send(&mut server, now, number, heartbeat);
            all.push(client);
        }
        let clients = Clients {
            all,
            buffer,
            dice: 1,
        };
        Self {
            now,
            server,
            clients,
        }
    }
}

/// The only job.
pub const JOB: JobId = JobId::from_bytes([1; 16]);

impl Crowd {
    /// Starts the job on all sites.
    pub fn start_job(&mut self) {
        let started = self.server.start_job(self.now, JOB, Sites::All);
        started.expect("there is none");
        store(&mut self.server, self.now);
    }

    /// Gives a client a task of 1 KiB.
    pub fn assign(&mut self, client: usize) {
        let task = NewTask::new("train", Payload::new(Bytes::from_static(&[7; 1024])));
        let to = Assignee::Site(site(client));
        let assigned = self.server.assign(self.now, JOB, to, task);
        assigned.expect("the job runs there");
        store(&mut self.server, self.now);
    }

    /// Lets a client ask for the task that it was given; gives the result, not sent yet.
    pub fn work(&mut self, client: usize) -> BytesMut {
        let pull = self.clients.pull_of(client);
        let answer = send(&mut self.server, self.now, client, pull);
        let answer = [&answer.header[..], &answer.payload].concat();
        let stand_in = &mut self.clients.all[client];
        let given = stand_in.handle(&claim(client), answer[..].into());
        let Ok(Answer::Task { task, ssid, .. }) = given else {
            panic!("no task but {given:?}");
        };
        let result = Bytes::from_static(&[7; 1024]);
        let submit = stand_in.submit((JOB, task, ssid), &result, &mut self.clients.buffer);
        submit.expect("it is inside")
    }
}

impl Clients {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Some client, and a heartbeat of it that reports no job.
    pub fn heartbeat(&mut self) -> (usize, BytesMut) {
        let client = self.anyone();
        (client, self.heartbeat_of(client))
    }

    /// A heartbeat of a client that reports no job.
    pub fn heartbeat_of(&mut self, client: usize) -> BytesMut {
        let heartbeat = self.all[client].heartbeat(&[], &mut self.buffer);
        heartbeat.expect("it is inside")
    }

    /// A heartbeat of a client that runs the job.
    pub fn report_of(&mut self, client: usize) -> BytesMut {
        let heartbeat = self.all[client].heartbeat(&[JOB], &mut self.buffer);
        heartbeat.expect("it is inside")
    }

    /// A client's request for a task.
    pub fn pull_of(&mut self, client: usize) -> BytesMut {
        let pull = self.all[client].pull(JOB, None, &mut self.buffer);
        pull.expect("it is inside")
    }

    /// Some client, drawn by the generator of Knuth's MMIX.
    pub fn anyone(&mut self) -> usize {
        let product = self.dice.wrapping_mul(6_364_136_223_846_793_005);
        self.dice = product.wrapping_add(1_442_695_040_888_963_407);
        let place = (u128::from(self.dice) * self.all.len() as u128) >> 64;
        usize::try_from(place).expect("it is below their count")
    }
}

/// Gives a server a client's message and takes what it has to say: one answer.
pub fn send(server: &mut Server, now: Instant, client: usize, message: BytesMut) -> ServerTransmit {
    let taken = server.handle_message(now, PeerId(client as u64), message);
    taken.expect("it is well formed");
    store(server, now);
    server.poll_transmit().expect("it is answered")
}

/// Stores what a server wants stored.
fn store(server: &mut Server, now: Instant) {
    while let Some(action) = server.poll_action() {
        if let ServerAction::Persist { record, .. } = action {
            server.persisted(now, record).expect("it waits");
        }
    }
}

fn site(number: usize) -> Name {
    name(&format!("site-{number:07}"))
}

fn claim(number: usize) -> Claim {
    Claim {
        project: name("project"),
        client: site(number),
        instance: InstanceId::from_bytes([0; 16]),
    }
}

/// What a server answers to a stranger's message.
pub fn answer(server: &mut Server, message: BytesMut) -> BytesMut {
    let taken = server.handle_message(START, PeerId(u64::MAX), message);
    taken.expect("it is well formed");
    let answer = server.poll_transmit().expect("it is answered");
    BytesMut::from(&answer.header[..])
}

/// The same, where the server's key is elsewhere and signs at once.
pub fn answer_signed(server: &mut Server, key: &LocalSigner, message: BytesMut) -> BytesMut {
    let taken = server.handle_message(START, PeerId(u64::MAX), message);
    taken.expect("it is well formed");
    while let Some(action) = server.poll_action() {
        if let ServerAction::Sign { request, bytes } = action {
            let signed = server.signed(START, request, &key.sign(&bytes));
            signed.expect("it is awaited");
        }
    }
    let answer = server.poll_transmit().expect("it is answered");
    BytesMut::from(&answer.header[..])
}

/// A server of this suite for any number of clients, strangers too.
#[must_use]
pub fn server(suite: Suite) -> Server {
    server_with(identity(), suite)
}

/// The same with this identity.
#[must_use]
pub fn server_with(identity: Identity, suite: Suite) -> Server {
    let server = Server::new(Arc::new(config(suite)), identity, [2; 32], START);
    let mut server = server.expect("it can work");
    server.set_wall_clock(START, NOW);
    server
}

/// The settings of such a server.
#[must_use]
pub fn config(suite: Suite) -> ServerConfig {
    let mut config = ServerConfig::new(name("project"));
    config.suites = Suites::new([suite]).expect("it is one");
    config.trusted_path = suite == Suite::Bearer;
    config.challenge_budget = u32::MAX;
    config.peer_budget = u32::MAX;
    config.max_clients = 2_000_000;
    config
}

/// The identity of such a server.
#[must_use]
pub fn identity() -> Identity {
    let pki = Pki::new(1);
    let (chain, key) = pki.server("coordinator");
    let identity = Identity::new(name("coordinator"), chain, Arc::new(key), pki.roots());
    identity.expect("they belong together")
}

/// The identity of a server whose key is elsewhere, and that key.
#[must_use]
pub fn identity_elsewhere() -> (Identity, LocalSigner) {
    let pki = Pki::new(1);
    let (chain, key) = pki.server("coordinator");
    let identity = Identity::with_key_elsewhere(name("coordinator"), chain, pki.roots());
    (identity.expect("it is a server's"), key)
}
