//! The server machine: the coordinator of a federation as a state machine, which registers
//! clients, gives them tasks and takes their results.

mod action;
mod batch;
#[cfg(test)]
mod checking;
mod commands;
mod counters;
#[cfg(all(test, feature = "x509"))]
mod growth;
mod ledger;
mod outgoing;
mod refused;
mod registry;
mod reply_to;
mod request;
#[cfg(all(test, feature = "x509"))]
mod strangers;
mod timer;
#[cfg(any(test, feature = "unproven-sessions"))]
mod unproven;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

pub use action::{Joined, ResultReceived, ServerAction};
pub use counters::ServerCounters;
#[cfg(any(test, fuzzing))]
pub use ledger::server_lives;
pub use ledger::{Assignee, NewTask, Sites, TaskState, TaskView};
pub use refused::Refused;
pub use timer::ServerTimer;

use crate::Instant;
use crate::config::ServerConfig;
use crate::entropy::Entropy;
use crate::error::{ConfigError, Dropped};
use crate::identity::{Identity, Name};
use crate::link::ChannelBinding;
use crate::link::native::server::{HandshakeContext, HandshakeOutcome, Handshakes, Sessions};
use crate::message::{MessageKind, PeerId, SessionId, Ssid};
use crate::output_queue::OutputQueue;
use crate::seed::Seed;
use crate::time::WallClock;
use crate::timer::Timers;
use crate::transmit::ServerTransmit;
use crate::wire::native::{self, Envelope, InvalidSession, NoEnvelope, Register, TAG};
use batch::{Ahead, Arrived};
use ledger::{Answer, Ledger, LedgerOutput};
use outgoing::Outgoing;
use refused::Refusals;
use registry::Registry;

/// The coordinator of a federation, as a state machine.
///
/// Feed it with `handle_*` and commands; each finishes all its work before it returns.
/// Then take what it wants with [`poll_transmit`](Self::poll_transmit) and
/// [`poll_action`](Self::poll_action), in any order, and call
/// [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout)
/// says. No message and no timer takes longer the more clients there are; commands that
/// concern all of them, such as [`set_revoked`](Self::set_revoked), do.
///
/// ```
/// # use std::sync::Arc;
/// # use fedlink::identity::{Chain, Identity, LocalSigner, Name, Roots, Signer};
/// # let key = LocalSigner::from_seed(&[2; 32]);
/// # let trusted = LocalSigner::from_seed(&[1; 32]).public_key();
/// # let roots = Roots::new().pin(Name::new("site-1")?, trusted);
/// # let name = Name::new("coordinator")?;
/// # let identity = Identity::new(name, Chain::pinned(key.public_key()), Arc::new(key), roots)?;
/// use fedlink::message::{JobId, Payload, PeerId};
/// use fedlink::{Assignee, Instant, NewTask, Server, ServerAction, ServerConfig, Sites, TaskState};
///
/// let now = Instant::default();
/// let config = Arc::new(ServerConfig::new(Name::new("wine")?));
/// // The seed is 32 fresh random bytes in a real program.
/// let mut server = Server::new(config, identity, [7; 32], now)?;
///
/// let job = JobId::from_bytes(*b"wine, first try.");
/// server.start_job(now, job, Sites::All)?;
/// let model = Payload::new(vec![0; 1000]);
/// for round in 1..=3 {
///     let task = NewTask::new(format!("train {round}"), model.clone());
///     server.assign(now, job, Assignee::Site(Name::new("site-1")?), task)?;
/// }
/// assert!(server.tasks(job).all(|task| task.state == TaskState::Assigned));
///
/// // What it promises is stored first.
/// while let Some(action) = server.poll_action() {
///     if let ServerAction::Persist { record, .. } = action {
///         server.persisted(now, record)?;
///     }
/// }
/// // Each connection has a number. What a stranger sends costs next to nothing.
/// let nonsense = b"GET / HTTP/1.1"[..].into();
/// assert!(server.handle_message(now, PeerId(1), nonsense).is_err());
/// assert_eq!(server.poll_transmit(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg_attr(test, derive(Clone))]
pub struct Server {
    config: Arc<ServerConfig>,
    identity: Identity,
    entropy: Entropy,
    now: Instant,
    /// Time in which this machine, or its host, must have slept.
    slept: Duration,
    wall: Option<WallClock>,
    handshakes: Handshakes,
    sessions: Sessions,
    registry: Registry,
    ledger: Ledger,
    timers: Timers<ServerTimer>,
    bindings: BTreeMap<PeerId, ChannelBinding>,
    /// Clients that held tasks before a restart and have not come back.
    awaited: BTreeSet<Name>,
    /// When those count as dead, in time without sleep.
    awaited_until: Instant,
    actions: OutputQueue<ServerAction>,
    answers: Vec<Answer>,
    transmits: Outgoing,
    refusals: Refusals,
    counters: ServerCounters,
    /// Messages of a batch. Empty between inputs; its room is used again.
    group: Vec<Arrived>,
}

impl Server {
    /// A server without jobs. The [`Seed`] is all the randomness that it ever uses: fresh
    /// for each machine, forgotten by the host afterwards.
    ///
    /// Use it also when stored records are lost or incomplete: results of the jobs before
    /// are then refused. Give its jobs new ids: clients remember the old ones as ended.
    ///
    /// # Errors
    /// When the settings contradict each other or cannot work with this identity.
    pub fn new(
        config: Arc<ServerConfig>,
        identity: Identity,
        seed: impl Into<Seed>,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        Self::build(config, identity, seed, now, |config, ssid, out| {
            Ok(Ledger::new(config, ssid, out))
        })
    }

    /// A server that goes on where another process stopped, from all the records that it
    /// stored, in their order. Results that were not
    /// [`taken`](Self::taken) come again, marked so. Sessions are made anew by the
    /// clients. The seed must be a fresh one.
    ///
    /// # Errors
    /// As [`Server::new`], and when a record cannot be read.
    pub fn restore(
        config: Arc<ServerConfig>,
        identity: Identity,
        seed: impl Into<Seed>,
        now: Instant,
        records: impl IntoIterator<Item = Bytes>,
    ) -> Result<Self, ConfigError> {
        let mut server = Self::build(config, identity, seed, now, |config, ssid, out| {
            Ledger::restore(config, ssid, records, out)
        })?;
        server.awaited = server.ledger.holders();
        if !server.awaited.is_empty() {
            server.awaited_until = now + server.config.dead_after;
            server.await_holders();
            server.keep_watch();
        }
        Ok(server)
    }

    fn build(
        config: Arc<ServerConfig>,
        identity: Identity,
        seed: impl Into<Seed>,
        now: Instant,
        ledger: impl FnOnce(
            Arc<ServerConfig>,
            Ssid,
            &mut LedgerOutput<'_>,
        ) -> Result<Ledger, ConfigError>,
    ) -> Result<Self, ConfigError> {
        config.check(&identity)?;
        let mut entropy = Entropy::of(seed.into());
        let handshakes = Handshakes::new(&config, now, &mut entropy);
        let sessions = Sessions::new(now, &mut entropy);
        let (mut actions, mut answers) = (OutputQueue::default(), Vec::new());
        let mut out = LedgerOutput {
            actions: &mut actions,
            answers: &mut answers,
        };
        let ssid = Ssid::from_bytes(entropy.uuid());
        let ledger = ledger(Arc::clone(&config), ssid, &mut out)?;
        Ok(Self {
            transmits: Outgoing::new(config.datagram),
            refusals: Refusals::default(),
            config,
            identity,
            entropy,
            now,
            slept: Duration::ZERO,
            wall: None,
            handshakes,
            sessions,
            registry: Registry::default(),
            ledger,
            timers: Timers::default(),
            bindings: BTreeMap::new(),
            awaited: BTreeSet::new(),
            awaited_until: now,
            actions,
            answers,
            counters: ServerCounters::default(),
            group: Vec::new(),
        })
    }

    /// Takes one message that came from `peer`, and gives what it was. It is opened in place.
    ///
    /// # Errors
    /// When the message was dropped: it was counted, and nothing else has changed, but a
    /// stranger may be told why. Errors are for information; keep the connection.
    pub fn handle_message(
        &mut self,
        now: Instant,
        peer: PeerId,
        message: BytesMut,
    ) -> Result<MessageKind, Dropped> {
        self.advance(now);
        self.receive(peer, message, None)
    }

    /// Takes a message, with what was found out about it ahead of its turn.
    fn receive(
        &mut self,
        peer: PeerId,
        message: BytesMut,
        ahead: Option<Ahead>,
    ) -> Result<MessageKind, Dropped> {
        self.counters.messages_received += 1;
        self.counters.bytes_received += message.len() as u64;
        let taken = match ahead {
            Some(ahead) => self.register(peer, message.len(), ahead),
            None => self.take(peer, message),
        };
        if let Err(reason) = taken {
            tracing::trace!(%peer, %reason, "a message was dropped");
            self.counters.count_drop(reason);
        }
        self.send_answers();
        taken
    }

    /// Tells the time. Call it when [`poll_timeout`](Self::poll_timeout) says; calling it
    /// earlier or later is harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        // Each of them at most once: what is armed meanwhile is due later than now.
        for _ in 0..self.timers.len() + self.sessions.len() {
            let due = self.poll_timeout().filter(|(at, _)| *at <= self.now);
            let Some((_, timer)) = due else {
                break;
            };
            self.timers.serve(self.now);
            self.timers.disarm(timer);
            self.counters.timers_fired += 1;
            match timer {
                ServerTimer::Session => {
                    if let Some(session) = self.sessions.take_look() {
                        self.session_due(session);
                    }
                }
                ServerTimer::Window => self.await_window(),
                ServerTimer::Restored => self.restored_due(),
                ServerTimer::Watch => self.keep_watch(),
            }
        }
        self.send_answers();
    }

    /// A connection stands, with the value of its `tls-exporter` channel binding
    /// (RFC 9266) if there is one. Only connections with a binding need to be told.
    pub fn handle_connected(&mut self, now: Instant, peer: PeerId, tls_exporter: Option<[u8; 32]>) {
        self.advance(now);
        match tls_exporter {
            Some(value) => self
                .bindings
                .insert(peer, ChannelBinding::TlsExporter(value)),
            None => self.bindings.remove(&peer),
        };
    }

    /// A connection is gone, and what waits to be sent on it with it: from now on its
    /// number may be another one's. Sessions go on, but for those that are bound to it,
    /// which nobody can use any more.
    pub fn handle_disconnected(&mut self, now: Instant, peer: PeerId) {
        self.advance(now);
        self.bindings.remove(&peer);
        self.sessions.disconnected(peer);
        self.handshakes.disconnected(peer);
        self.transmits.disconnected(peer);
    }

    /// The next message to send. Changed by every input and command.
    pub fn poll_transmit(&mut self) -> Option<ServerTransmit> {
        let transmit = self.transmits.pop_front()?;
        self.counters.messages_sent += 1;
        self.counters.bytes_sent += transmit.len() as u64;
        Some(transmit)
    }

    /// The next thing to do for the server. Changed by every input and command.
    pub fn poll_action(&mut self) -> Option<ServerAction> {
        self.actions.pop_front()
    }

    /// The next one who was refused, for whoever runs the server: nothing has to be done about
    /// it here. Changed by every message. Only the first few wait; the others are counted in
    /// [`ServerCounters::refused`].
    pub fn poll_refused(&mut self) -> Option<Refused> {
        self.refusals.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and which timer it is for.
    /// Changed by every input and command.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, ServerTimer)> {
        let look = self.sessions.next_look();
        let look = look
            .filter(|at| *at < Instant::END)
            .map(|at| (at, ServerTimer::Session));
        look.into_iter().chain(self.timers.next()).min()
    }

    // spec: P-3, P-4, P-17
    fn take(&mut self, peer: PeerId, message: BytesMut) -> Result<MessageKind, Dropped> {
        let limit = if native::is_of_session(&message) {
            native::MAX_MESSAGE
        } else {
            native::MAX_STRANGER
        };
        let asked = message.len();
        if asked > limit {
            return Err(Dropped::TooLong);
        }
        let envelope = native::parse(&message).map_err(|error| match error {
            NoEnvelope::Malformed => Dropped::Malformed,
            NoEnvelope::Version => Dropped::Version,
        })?;
        match envelope {
            Envelope::Sealed {
                session: id,
                number,
            } => {
                let tag = message.last_chunk::<TAG>().copied().unwrap_or_default();
                match self.sessions.open_sealed(self.now, id, number, message) {
                    Ok((session, opened)) => self.request(peer, session, opened),
                    Err(reason) => Err(self.doubt(peer, asked, (id, number, tag), reason)),
                }
            }
            Envelope::Clear {
                session: id,
                request,
                token,
                clear,
            } => {
                let binding = self.bindings.get(&peer).unwrap_or(&ChannelBinding::None);
                let opened = self.sessions.open_clear(
                    (self.now, binding),
                    id,
                    request,
                    token,
                    message,
                    clear,
                );
                match opened {
                    Ok((session, opened)) => self.request(peer, session, opened),
                    Err(reason) => Err(self.doubt(peer, asked, (id, request.0, [0; TAG]), reason)),
                }
            }
            Envelope::Challenge(challenge) => {
                if self.is_behind() {
                    // Silence: an answer would be work too.
                    return Err(Dropped::OverBudget);
                }
                if let Err(beyond) = self.handshakes.budgets().challenge(peer, self.now) {
                    if let Some(answer) = Handshakes::beyond(&challenge, beyond) {
                        self.transmits.answer_stranger(peer, asked, answer)?;
                    }
                    return Err(Dropped::OverBudget);
                }
                let outcome = self.with_handshakes(peer, asked, |handshakes, context| {
                    handshakes.challenge(peer, context, &message, &challenge)
                });
                self.await_window();
                self.handshake_outcome(peer, asked, outcome)?;
                Ok(MessageKind::Challenge)
            }
            // spec: P-19
            Envelope::ForeignChallenge(version) => {
                if !self.may_look(peer) {
                    return Err(Dropped::OverBudget);
                }
                let versions = native::versions().freeze();
                self.transmits.answer_stranger(peer, asked, versions)?;
                self.counters.other_versions += 1;
                // Anybody can send these: the log must not grow as fast.
                if self.counters.other_versions.is_power_of_two() {
                    let older = match version < native::VERSION {
                        true => "client",
                        false => "server",
                    };
                    tracing::warn!(
                        %peer,
                        times = self.counters.other_versions,
                        "a client speaks version {version} of the protocol and this server \
                         version {}: update the {older}",
                        native::VERSION,
                    );
                }
                Err(Dropped::Version)
            }
            Envelope::Register { register, clear } => {
                let ahead = self.open(peer, &message, register, clear);
                self.register(peer, asked, ahead)
            }
            Envelope::ChallengeReply { .. }
            | Envelope::RegisterReply { .. }
            | Envelope::Refusal { .. }
            | Envelope::InvalidSession(_)
            | Envelope::Versions(_) => Err(Dropped::Unexpected),
        }
    }

    /// The first half of a registration: nothing but time is spent on it.
    fn open(&mut self, peer: PeerId, message: &[u8], register: Register, clear: usize) -> Ahead {
        if !self.may_look(peer) {
            return Ahead(Err(Dropped::OverBudget));
        }
        let opened = self.with_handshakes(peer, message.len(), |handshakes, context| {
            handshakes.open(peer, context, message, &register, clear)
        });
        Ahead(opened.map(|opened| Box::new((register, opened))))
    }

    /// The second half.
    fn register(
        &mut self,
        peer: PeerId,
        asked: usize,
        ahead: Ahead,
    ) -> Result<MessageKind, Dropped> {
        let (register, opened) = *ahead.0?;
        let outcome = self.with_handshakes(peer, asked, |handshakes, context| {
            handshakes.register(peer, context, &register, opened)
        })?;
        self.handshake_outcome(peer, asked, outcome)?;
        Ok(MessageKind::Register)
    }

    /// Does what a message of a handshake led to, which had `asked` bytes.
    fn handshake_outcome(
        &mut self,
        peer: PeerId,
        asked: usize,
        outcome: HandshakeOutcome,
    ) -> Result<(), Dropped> {
        match outcome {
            HandshakeOutcome::Answer(answer) => self.transmits.answer_stranger(peer, asked, answer),
            HandshakeOutcome::Refused(answer, refused) => {
                let (name, denied) = *refused;
                if self.refusals.note(peer, name, denied) {
                    self.counters.refused += 1;
                }
                self.transmits.answer_stranger(peer, asked, answer)
            }
            HandshakeOutcome::TooShort(answer) => {
                self.transmits.answer_stranger(peer, asked, answer)?;
                Err(Dropped::TooShort)
            }
            HandshakeOutcome::Sign(request, bytes) => {
                self.actions
                    .push_back(ServerAction::Sign { request, bytes });
                Ok(())
            }
            HandshakeOutcome::Registered(entered, session, answer) => {
                self.enter(*entered, session);
                self.transmits.answer_stranger(peer, asked, answer)
            }
            HandshakeOutcome::Wait => Ok(()),
        }
    }

    /// Lends the handshakes what they need.
    fn with_handshakes<T>(
        &mut self,
        peer: PeerId,
        asked: usize,
        run: impl FnOnce(&mut Handshakes, &mut HandshakeContext<'_>) -> T,
    ) -> T {
        let (registry, sessions) = (&self.registry, &self.sessions);
        let (ledger, config) = (&self.ledger, &self.config);
        let mut context = HandshakeContext {
            now: self.now,
            asked,
            config,
            identity: &self.identity,
            entropy: &mut self.entropy,
            ssid: ledger.ssid(),
            wall: self.wall.map(|wall| wall.unix_time(self.now)),
            binding: self.bindings.get(&peer).unwrap_or(&ChannelBinding::None),
            draw_id: &|entropy| sessions.draw_id(entropy),
            admit: &|name, instance| registry.admit(config, (ledger, sessions), name, instance),
        };
        run(&mut self.handshakes, &mut context)
    }

    /// Tells a peer that its session is not known, if that is so and the budget allows.
    // spec: P-83
    fn doubt(
        &mut self,
        peer: PeerId,
        asked: usize,
        (session, number, tag): (SessionId, u64, [u8; TAG]),
        reason: Dropped,
    ) -> Dropped {
        if reason != Dropped::NoSession || !self.may_look(peer) {
            return reason;
        }
        let echo = InvalidSession {
            session,
            number,
            tag,
        };
        let answer = native::invalid_session(echo).freeze();
        let told = self.transmits.answer_stranger(peer, asked, answer);
        told.err().unwrap_or(reason)
    }

    /// Whether a stranger's message is looked at, as far as that takes no cryptography.
    // spec: P-66
    fn may_look(&mut self, peer: PeerId) -> bool {
        !self.is_behind() && self.handshakes.budgets().look(peer, self.now)
    }

    /// Whether more waits for the host than should.
    // spec: P-69
    fn is_behind(&self) -> bool {
        self.actions.len() + self.transmits.len() >= self.config.max_waiting
            || self.actions.weight() + self.transmits.weight() >= self.config.max_waiting_bytes
    }

    /// The handshakes forget what is too old at every input, and at a timer if none comes.
    fn await_window(&mut self) {
        let latest = self.now + self.config.registration_window;
        if !self.timers.is_armed(ServerTimer::Window)
            && let Some(at) = self.handshakes.next_end(latest)
        {
            self.timers.arm(ServerTimer::Window, at);
        }
    }

    fn restored_due(&mut self) {
        if self.awaited_until > self.awake() {
            return self.await_holders();
        }
        for client in core::mem::take(&mut self.awaited) {
            self.actions.push_back(ServerAction::ClientDead { client });
        }
    }

    fn await_holders(&mut self) {
        let left = self.awaited_until.since(self.awake());
        self.timers.arm(ServerTimer::Restored, self.now + left);
    }

    // spec: P-124
    fn keep_watch(&mut self) {
        let watched = self.sessions.len() > 0 || !self.awaited.is_empty();
        if watched && !self.timers.is_armed(ServerTimer::Watch) {
            let at = self.now + self.config.heartbeat_interval;
            self.timers.arm(ServerTimer::Watch, at);
        }
    }

    /// Seals what the parts have answered, for sessions that are still there. Who got no
    /// answer asks again.
    fn send_answers(&mut self) {
        let mut answers = core::mem::take(&mut self.answers);
        for Answer { to, reply, payload } in answers.drain(..) {
            let written = self
                .sessions
                .write(to.peer, to.session, to.request, &reply, &payload);
            if let Some(written) = written {
                self.transmits
                    .answer_session(to.peer, written, reply.kind());
            }
        }
        self.answers = answers;
    }

    /// Time goes on. Time that nobody was awake for counts against no client.
    // spec: P-124
    fn advance(&mut self, now: Instant) {
        if now > self.now {
            if let Some((due, _)) = self.poll_timeout() {
                // What was late before has been counted.
                let late = now.since(due.max(self.now));
                if late > self.config.heartbeat_interval {
                    // It was awake for an interval of this at most, and gives it to the
                    // clients to show that they live: see `ServerTimer::Watch`.
                    self.slept += now.since(self.now);
                }
            }
            self.now = now;
        }
        self.handshakes.rotate(self.now, &mut self.entropy);
    }

    /// The time without sleep, against which silence is measured.
    fn awake(&self) -> Instant {
        self.now - self.slept
    }

    fn ledger<T>(
        &mut self,
        run: impl FnOnce(&mut Ledger, &mut Entropy, &mut LedgerOutput<'_>) -> T,
    ) -> T {
        let mut out = LedgerOutput {
            actions: &mut self.actions,
            answers: &mut self.answers,
        };
        run(&mut self.ledger, &mut self.entropy, &mut out)
    }
}

impl core::fmt::Debug for Server {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "Server({}, {} sessions)",
            self.identity.name(),
            self.sessions.len()
        )
    }
}
