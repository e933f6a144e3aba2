//! What is counted in instructions: states before, and what is done.

use std::hint::black_box;
use std::time::Duration;

use bytes::BytesMut;
use fedlink::identity::LocalSigner;
use fedlink::{Server, Suite};

use crate::crowd::{
    Crowd, START, answer, answer_signed, identity_elsewhere, send, server, server_with,
};
use crate::joiners::Joiners;

/// Messages and ticks that are counted together.
pub const TIMES: usize = 100;

/// A crowd, and messages that its server has not heard.
pub type Told = (Crowd, Vec<(usize, BytesMut)>);

/// Heartbeats of a crowd.
#[must_use]
pub fn heartbeats(suite: Suite, clients: usize) -> Told {
    let mut crowd = Crowd::new(clients, suite);
    let messages = (0..TIMES).map(|_| crowd.clients.heartbeat()).collect();
    (crowd, messages)
}

/// Heartbeats of a crowd in which everybody runs the job.
#[must_use]
pub fn reports(suite: Suite, clients: usize) -> Told {
    let mut crowd = Crowd::new(clients, suite);
    crowd.start_job();
    for client in 0..clients {
        let message = crowd.clients.report_of(client);
        send(&mut crowd.server, crowd.now, client, message);
    }
    let report = |_| {
        let client = crowd.clients.anyone();
        (client, crowd.clients.report_of(client))
    };
    let messages = (0..TIMES).map(report).collect();
    (crowd, messages)
}

/// Requests for tasks where there is none.
#[must_use]
pub fn polls(suite: Suite, clients: usize) -> Told {
    let mut crowd = Crowd::new(clients, suite);
    crowd.start_job();
    let messages = (0..TIMES).map(|client| (client, crowd.clients.pull_of(client)));
    let messages = messages.collect();
    (crowd, messages)
}

/// Requests for tasks of 1 KiB that are there.
#[must_use]
pub fn tasks(suite: Suite, clients: usize) -> Told {
    let mut crowd = Crowd::new(clients, suite);
    crowd.start_job();
    let pull = |client| {
        crowd.assign(client);
        (client, crowd.clients.pull_of(client))
    };
    let messages = (0..TIMES).map(pull).collect();
    (crowd, messages)
}

/// Results of 1 KiB.
#[must_use]
pub fn results(suite: Suite, clients: usize) -> Told {
    let mut crowd = Crowd::new(clients, suite);
    crowd.start_job();
    let submit = |client| {
        crowd.assign(client);
        (client, crowd.work(client))
    };
    let messages = (0..TIMES).map(submit).collect();
    (crowd, messages)
}

/// Lets the server hear all messages.
#[must_use]
pub fn hear((mut crowd, messages): Told) -> Crowd {
    for (client, message) in messages {
        send(&mut crowd.server, crowd.now, client, message);
    }
    crowd
}

/// Tells the time, when nothing is due.
#[must_use]
pub fn tick(mut crowd: Crowd) -> Crowd {
    for _ in 0..TIMES {
        crowd.now = crowd.now + Duration::from_millis(1);
        crowd.server.handle_timeout(crowd.now);
    }
    crowd
}

/// Asks when the next timer is due.
#[must_use]
pub fn look(crowd: Crowd) -> Crowd {
    for _ in 0..TIMES {
        black_box(crowd.server.poll_timeout());
    }
    crowd
}

/// A crowd before a server whose key is elsewhere.
#[must_use]
pub fn elsewhere(suite: Suite, clients: usize) -> Crowd {
    Crowd::before(server_with(identity_elsewhere().0, suite), clients, suite)
}

/// A server and a challenge that it has not heard.
#[must_use]
pub fn challenge(suite: Suite) -> (Server, BytesMut) {
    let (_, challenge) = Joiners::new(suite).challenge(START);
    (server(suite), challenge)
}

/// A server with a crowd and a key elsewhere, that key, and a register that it has not
/// heard.
#[must_use]
pub fn register_elsewhere(suite: Suite, clients: usize) -> (Server, LocalSigner, BytesMut) {
    let (_, key) = identity_elsewhere();
    let mut server = elsewhere(suite, clients).server;
    let (mut client, challenge) = Joiners::new(suite).challenge(START);
    let reply = answer_signed(&mut server, &key, challenge);
    (server, key, Joiners::register(&mut client, START, reply))
}

/// A server with a crowd, and a register that it has not heard.
#[must_use]
pub fn register(suite: Suite, clients: usize) -> (Server, BytesMut) {
    let mut server = Crowd::new(clients, suite).server;
    let (mut client, challenge) = Joiners::new(suite).challenge(START);
    let reply = answer(&mut server, challenge);
    (server, Joiners::register(&mut client, START, reply))
}
