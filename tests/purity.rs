//! The machines know nothing but their inputs: two with the same seed and the same inputs
//! say the same, byte for byte.
#![cfg(feature = "x509")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use common::pair::{server_identity, site_identity};
use common::pki::{NOW, Pki, name};
use fedlink::message::{JobId, Outcome, Payload, PeerId, Properties};
use fedlink::{
    Assignee, Carrier, Client, ClientAction, ClientConfig, Instant, NewTask, Server, ServerAction,
    ServerConfig, Sites,
};

const JOB: JobId = JobId::from_bytes([7; 16]);
const PEER: PeerId = PeerId(1);

/// Everything that two machines have said to each other and to their hosts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    messages: Vec<Bytes>,
    client: Vec<ClientAction>,
    server: Vec<ServerAction>,
    timers: Vec<String>,
}

struct Duet {
    now: Instant,
    client: Client,
    server: Server,
    said: Said,
}

impl Duet {
    fn new(seed: u8) -> Self {
        let pki = Pki::new(1);
        let now = Instant::from_micros(1);
        let mut config = ClientConfig::new(name("project"));
        config.server = Some(name("coordinator"));
        let site = site_identity(&pki, "site-1", pki.roots());
        let coordinator = server_identity(&pki, "coordinator", pki.roots());
        let server_config = Arc::new(ServerConfig::new(name("project")));
        let mut client = Client::new(Arc::new(config), site, [seed; 32], now).unwrap();
        let mut server = Server::new(server_config, coordinator, [seed + 1; 32], now).unwrap();
        client.set_wall_clock(now, NOW);
        server.set_wall_clock(now, NOW);
        Self {
            now,
            client,
            server,
            said: Said::default(),
        }
    }

    /// Takes all outputs and delivers all messages until there are no more.
    fn settle(&mut self) {
        loop {
            let before = self.said.messages.len() + self.said.client.len() + self.said.server.len();
            while let Some(action) = self.client.poll_action() {
                if let ClientAction::Persist { record, .. } = &action {
                    self.client.persisted(self.now, *record).unwrap();
                }
                self.said.client.push(action);
            }
            while let Some(action) = self.server.poll_action() {
                if let ServerAction::Persist { record, .. } = &action {
                    self.server.persisted(self.now, *record).unwrap();
                }
                self.said.server.push(action);
            }
            while let Some(transmit) = self.client.poll_transmit() {
                let message = self.note(&transmit.header, &transmit.payload);
                let _ = self.server.handle_message(self.now, PEER, message);
            }
            while let Some(transmit) = self.server.poll_transmit() {
                let message = self.note(&transmit.header, &transmit.payload);
                let _ = self.client.handle_message(self.now, message);
            }
            let after = self.said.messages.len() + self.said.client.len() + self.said.server.len();
            if before == after {
                return;
            }
        }
    }

    fn note(&mut self, header: &[u8], payload: &[u8]) -> BytesMut {
        let message = [header, payload].concat();
        self.said.messages.push(Bytes::from(message.clone()));
        BytesMut::from(&message[..])
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.settle();
            let timers = (self.client.poll_timeout(), self.server.poll_timeout());
            self.said.timers.push(format!("{timers:?}"));
            let next = [timers.0.map(|(at, _)| at), timers.1.map(|(at, _)| at)];
            let Some(at) = next.into_iter().flatten().min().filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = at;
            self.client.handle_timeout(at);
            self.server.handle_timeout(at);
        }
    }
}

/// A session from its start to its end: a task and a result in chunks, an abort, a
/// connection that breaks, a goodbye.
fn live(seed: u8) -> Said {
    let mut duet = Duet::new(seed);
    let second = Duration::from_secs(1);
    duet.server.start_job(duet.now, JOB, Sites::All).unwrap();
    duet.client
        .handle_connected(duet.now, Carrier::default())
        .unwrap();
    duet.client.register(duet.now).unwrap();
    duet.pass(second);
    duet.client.job_started(duet.now, JOB).unwrap();
    let task = NewTask::new("train", Payload::new(vec![1; 3 << 20]));
    duet.server
        .assign(duet.now, JOB, Assignee::Anyone, task)
        .unwrap();
    duet.client.pull_task(duet.now, JOB).unwrap();
    duet.pass(second);
    let task = duet.said.client.iter().find_map(|action| match action {
        ClientAction::TaskAssigned(task) => Some(task.id),
        _ => None,
    });
    let result = Payload::new(vec![2; 2 << 20]);
    duet.client
        .submit(
            duet.now,
            task.expect("a task"),
            Outcome::Ok,
            Properties::new(),
            result,
        )
        .unwrap();
    duet.client.handle_disconnected(duet.now);
    duet.pass(5 * second);
    duet.client
        .handle_connected(duet.now, Carrier::default())
        .unwrap();
    duet.pass(30 * second);
    duet.server.end_job(duet.now, JOB).unwrap();
    duet.pass(30 * second);
    duet.client.quit(duet.now, "done");
    duet.pass(second);
    duet.said
}

#[test]
fn the_same_seed_and_inputs_give_the_same_bytes() {
    let said = live(1);
    let received = |action: &ServerAction| matches!(action, ServerAction::ResultReceived(_));
    assert!(said.server.iter().any(received));
    assert_eq!(said, live(1));
}

#[test]
fn another_seed_gives_other_bytes() {
    assert_ne!(live(1).messages, live(3).messages);
}
