//! A client and a server on virtual time: bytes decide what their hosts, the network and an
//! attacker between them do.

mod attacker;
mod hosts;
#[cfg(test)]
mod jumps;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::script::Script;
use crate::error::ConfigError;
use crate::identity::{Chain, Identity, LocalSigner, Name, Roots, Signer};
use crate::message::{PeerId, TaskId};
use crate::{
    Carrier, Client, ClientConfig, Instant, Phase, Server, ServerConfig, Sites, Suite, Suites,
};

/// Most steps of a script: enough for a registration, a task, its result and a restart,
/// and few enough that a run stays short.
const MAX_STEPS: usize = 120;

/// Messages that the attacker remembers.
const MEMORY: usize = 16;

/// How long the network is left alone at last: the client waits up to 60 s between its
/// tries and believes in a dead session for 120 s.
const QUIET: Duration = Duration::from_secs(600);

/// Most messages that wait on one way; more are lost.
const IN_FLIGHT: usize = 64;

/// More jobs and tasks than these are refused by the configuration.
const FEW: usize = 4;

/// Payloads above this are fetched and pushed, so that scripts reach that soon.
const INLINE: usize = 64;

/// Attacks the client.
pub fn client(data: &[u8]) {
    let _ = Federation::run(data, Side::Client);
}

/// Attacks the server.
pub fn server(data: &[u8]) {
    let _ = Federation::run(data, Side::Server);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

struct Federation {
    now: Instant,
    /// Who gets what the attacker makes.
    victim: Side,
    client: Client,
    server: Server,
    client_config: Arc<ClientConfig>,
    server_config: Arc<ServerConfig>,
    client_records: Vec<Bytes>,
    server_records: Vec<Bytes>,
    to_client: VecDeque<BytesMut>,
    to_server: VecDeque<BytesMut>,
    /// What was sent last, either way.
    seen: VecDeque<BytesMut>,
    peer: PeerId,
    seeds: u8,
    /// Tasks that the server's host gave out, and those that the client's host works on.
    assigned: Vec<TaskId>,
    working: Vec<TaskId>,
    /// Results that came for the first time.
    results: Vec<TaskId>,
}

impl Federation {
    fn run(data: &[u8], victim: Side) -> Self {
        let mut script = Script(data);
        let suite = [Suite::Sealed, Suite::Plain, Suite::Bearer][script.below(3)];
        let mut federation = Self::new(suite, victim);
        if script.below(2) == 0 {
            federation.begin();
        }
        for _ in 0..MAX_STEPS {
            let Some(step) = script.next() else { break };
            federation.step(step, &mut script);
            federation.check();
        }
        federation.heal();
        federation
    }

    fn new(suite: Suite, victim: Side) -> Self {
        let now = Instant::from_micros(1_000_000);
        Self::with(configs(suite), victim, now).expect("it works")
    }

    fn with(
        (client, server): (ClientConfig, ServerConfig),
        victim: Side,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        let (client_config, server_config) = (Arc::new(client), Arc::new(server));
        Ok(Self {
            now,
            victim,
            client: Client::new(client_config.clone(), site(), [1; 32], now)?,
            server: Server::new(server_config.clone(), coordinator(), [2; 32], now)?,
            client_config,
            server_config,
            client_records: Vec::new(),
            server_records: Vec::new(),
            to_client: VecDeque::new(),
            to_server: VecDeque::new(),
            seen: VecDeque::new(),
            peer: PeerId(1),
            seeds: 2,
            assigned: Vec::new(),
            working: Vec::new(),
            results: Vec::new(),
        })
    }

    /// A client at work: scripts that begin here need not find the way.
    fn begin(&mut self) {
        self.connect();
        let _ = self.client.register(self.now);
        let _ = self.server.start_job(self.now, hosts::job(0), Sites::All);
        self.pass(Duration::from_secs(11));
        let _ = self.client.job_started(self.now, hosts::job(0));
        assert_eq!(self.client.phase(), Phase::Active);
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 13 {
            0 => self.deliver(Side::Server),
            1 => self.deliver(Side::Client),
            2 => drop(self.to_server.pop_front()),
            3 => drop(self.to_client.pop_front()),
            4 => self.forge(script),
            5 => self.replay(script),
            6 => self.invent(script),
            7 => self.wait_for_timer(),
            8 => self.pass(Duration::from_secs(script.below(256) as u64)),
            9 => self.client_command(script),
            10 => self.server_command(script),
            11 => self.compose(script),
            _ => match script.below(5) {
                0 => self.disconnect(),
                1 => self.connect(),
                2 => self.restart_client(),
                3 => self.restart_server(),
                _ => {
                    let failed = script.below(8) as u64;
                    self.client.handle_send_failed(self.now, failed);
                }
            },
        }
        self.drain();
    }

    /// Delivers what was sent first.
    fn deliver(&mut self, to: Side) {
        match to {
            Side::Client => {
                if let Some(message) = self.to_client.pop_front() {
                    let _ = self.client.handle_message(self.now, message);
                }
            }
            Side::Server => {
                if let Some(message) = self.to_server.pop_front() {
                    let _ = self.server.handle_message(self.now, self.peer, message);
                }
            }
        }
        self.drain();
    }

    fn wait_for_timer(&mut self) {
        if let Some(at) = self.next_timer() {
            self.now = self.now.max(at);
            self.tick();
        }
    }

    fn next_timer(&self) -> Option<Instant> {
        let client = self.client.poll_timeout().map(|(at, _)| at);
        let server = self.server.poll_timeout().map(|(at, _)| at);
        client.into_iter().chain(server).min()
    }

    /// Lets time go by on a network that does its work.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.drain();
            while !(self.to_server.is_empty() && self.to_client.is_empty()) {
                self.deliver(Side::Server);
                self.deliver(Side::Client);
            }
            match self.next_timer() {
                Some(at) if at <= end => self.wait_for_timer(),
                _ => break,
            }
        }
        self.now = end;
        self.tick();
    }

    fn tick(&mut self) {
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now);
        let next = self.next_timer();
        assert!(
            next.is_none_or(|at| at > self.now),
            "a timer is due already"
        );
        self.drain();
    }

    fn connect(&mut self) {
        self.server.handle_connected(self.now, self.peer, None);
        let connected = self.client.handle_connected(self.now, Carrier::default());
        assert_eq!(connected, Ok(()));
    }

    fn disconnect(&mut self) {
        self.to_server.clear();
        self.to_client.clear();
        self.client.handle_disconnected(self.now);
        self.server.handle_disconnected(self.now, self.peer);
        self.peer = PeerId(self.peer.0 + 1);
    }

    fn restart_client(&mut self) {
        self.disconnect();
        self.working.clear();
        let (config, records) = (self.client_config.clone(), self.client_records.clone());
        let seed = self.seed();
        self.client =
            Client::restore(config, site(), seed, self.now, records).expect("it wrote them");
    }

    fn restart_server(&mut self) {
        let (config, records) = (self.server_config.clone(), self.server_records.clone());
        let seed = self.seed();
        self.server =
            Server::restore(config, coordinator(), seed, self.now, records).expect("it wrote them");
    }

    fn seed(&mut self) -> [u8; 32] {
        self.seeds = self.seeds.wrapping_add(1);
        [self.seeds; 32]
    }

    /// What holds at any time.
    fn check(&self) {
        assert!(self.client.outbox_len() <= FEW * 2);
        assert!(self.client.held_len() <= FEW * 2);
        assert!(self.server.clients().count() <= 1);
        assert!(self.server.jobs().count() <= FEW);
    }

    /// When the attacker is gone, a client that wants to be registered is: what anybody
    /// may have sent has stopped nobody. Only the sealed suite claims that on a network
    /// like this one.
    fn heal(&mut self) {
        if !self.client_config.suites.contains(Suite::Sealed) {
            return;
        }
        let before = self.client.phase();
        self.disconnect();
        self.connect();
        self.pass(QUIET);
        let expected = match before {
            Phase::Registering | Phase::Active => Phase::Active,
            Phase::Quitting => Phase::Closed,
            Phase::Idle | Phase::Closed | Phase::Rejected => before,
        };
        assert_eq!(self.client.phase(), expected);
        assert_ne!(before, Phase::Rejected, "no stranger may stop a client");
        if expected == Phase::Active {
            assert!(self.server.is_registered(&name("site-1")));
        }
    }
}

fn configs(suite: Suite) -> (ClientConfig, ServerConfig) {
    let suites = Suites::new([suite]).expect("it is one");
    let trusted_path = suite == Suite::Bearer;
    let client = ClientConfig {
        server: Some(name("coordinator")),
        suites: suites.clone(),
        trusted_path,
        inline_limit: INLINE,
        max_jobs: FEW,
        max_held: FEW,
        ..ClientConfig::new(name("project"))
    };
    let server = ServerConfig {
        suites,
        trusted_path,
        session_lifetime: Duration::from_secs(900),
        inline_limit: INLINE,
        max_clients: FEW,
        max_jobs: FEW,
        max_tasks: 2 * FEW,
        ..ServerConfig::new(name("project"))
    };
    (client, server)
}

/// The identity of the site and of the coordinator: bare keys that the other side knows.
fn site() -> Identity {
    identity("site-1", 11, "coordinator", 12)
}

fn coordinator() -> Identity {
    identity("coordinator", 12, "site-1", 11)
}

fn identity(own: &str, key: u8, peer: &str, peer_key: u8) -> Identity {
    let signer = LocalSigner::from_seed(&[key; 32]);
    let peer_key = LocalSigner::from_seed(&[peer_key; 32]).public_key();
    let chain = Chain::pinned(signer.public_key());
    let roots = Roots::new().pin(name(peer), peer_key);
    Identity::new(name(own), chain, Arc::new(signer), roots).expect("it works")
}

fn name(text: &str) -> Name {
    Name::new(text).expect("it is one")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Assigns a task, lets it be pulled, and submits its result, in each suite.
    const WORK: &[u8] = b"\x0a\x05\x00\x02\x09\x0c\x00\x08\x03\x09\x0a\x00\x00\x02\x08\x03";

    #[test]
    fn a_script_reaches_a_result_and_goes_on_after_restarts() {
        for suite in 0..3 {
            for rest in [
                &b""[..],
                b"\x0c\x02\x0c\x01\x09\x00\x00\x08\x20",
                b"\x0c\x03\x08\x20",
            ] {
                let script = [&[suite, 0], WORK, rest].concat();
                let federation = Federation::run(&script, Side::Server);
                assert_eq!(federation.results.len(), 1, "{suite} {rest:?}");
                assert_eq!(federation.client.phase(), Phase::Active);
            }
        }
    }

    #[test]
    fn what_the_attacker_makes_arrives_and_is_refused() {
        // Replays two messages, changes one, invents one, and composes what a server
        // without the session would say. The server is attacked from its client's peer.
        let attack =
            b"\x05\x00\x00\x05\x01\x00\x04\x00\x00\x20\x01\x40\x00\x06\x02xx\x00\x0b\x02\x00";
        for side in [Side::Client, Side::Server] {
            let federation = Federation::run(&[&[0, 0], &attack[..]].concat(), side);
            let dropped: u64 = match side {
                Side::Client => federation.client.counters().dropped.values().sum(),
                Side::Server => federation.server.counters().dropped.values().sum(),
            };
            assert!(dropped >= 5, "only {dropped}");
        }
    }
}
