//! The server's host on tokio: it runs one server in a task, with a task for each connection.

mod crowd;
mod handle;
mod peer;
mod refusals;
mod vouched;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fedlink::identity::Identity;
use fedlink::message::PeerId;
use fedlink::{Instant, Server, ServerAction, ServerConfig};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::accept::Accept;
use super::clock::{Alarm, Clock};
use super::commit::GroupCommit;
use super::events::{EventQueue, Events};
use super::handle::{Command, Handle};
use super::pipe::{CLOSE_TIMEOUT, Long};
use crate::clock::WallClock;
use crate::limits::Limits;
use crate::storage::{Record, Storage};
use crate::{HostError, seed};
use crowd::{Crowd, Notice};
use peer::{Input, Peer, Verdict};
use refusals::Refusals;
use vouched::{Voucher, Vouchers};

/// Calls into a server that a host runs.
pub type ServerHandle = Handle<Server>;

/// Messages from all connections that may wait for the machine. Each is at most 2 MiB;
/// whoever has more to say waits at his socket.
const MAX_INPUTS: usize = 64;

/// Connections with much under way that are looked at for each one that joins them. With two,
/// those whose session has gone on elsewhere are at most as many as the others, and two.
const LOOKS: usize = 2;

/// The time between two looks at whose session is over or goes on elsewhere.
const ROLL_CALL_INTERVAL: Duration = Duration::from_secs(1);

/// The wait after a connection could not be accepted, for lack of open files for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server that is about to run.
///
/// The host accepts connections within its [`Limits`], keeps the server's clock and its
/// records, and moves its messages. All else is the application's: call the server
/// through the [`ServerHandle`], and take its actions from the [`Events`].
///
/// End it with [`stop`](ServerHandle::stop).
pub struct ServerHost {
    config: Arc<ServerConfig>,
    identity: Identity,
    limits: Limits,
    accepts: Vec<Box<dyn Accept>>,
    storage: Option<Box<dyn Storage>>,
    records: Vec<Bytes>,
}

impl ServerHost {
    /// A server without records, that stores nothing, with the default limits, where
    /// nobody can connect yet.
    #[must_use]
    pub fn new(config: Arc<ServerConfig>, identity: Identity) -> Self {
        Self {
            config,
            identity,
            limits: Limits::default(),
            accepts: Vec::new(),
            storage: None,
            records: Vec::new(),
        }
    }

    /// With a storage, and the records that it holds already.
    #[must_use]
    pub fn storage(mut self, storage: impl Storage + 'static, records: Vec<Bytes>) -> Self {
        self.storage = Some(Box::new(storage));
        self.records = records;
        self
    }

    /// With other limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With one more place where connections come in.
    #[must_use]
    pub fn listen(mut self, accept: impl Accept) -> Self {
        self.accepts.push(Box::new(accept));
        self
    }

    /// Starts it in a task of its own, and one more for each connection.
    ///
    /// # Errors
    /// When the settings cannot work, a record cannot be read, or there is no randomness.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O enabled.
    pub fn start(self) -> Result<(ServerHandle, Events<ServerAction>), HostError> {
        let clock = Clock::start();
        let (config, identity, now) = (self.config, self.identity, clock.now());
        let server = Server::restore(config, identity, seed()?, now, self.records)?;
        let (sender, inputs) = mpsc::channel(MAX_INPUTS);
        let vouchers = Vouchers::new(&self.limits);
        let listener = Listener {
            crowd: Crowd::new(&self.limits),
            limits: Arc::new(self.limits),
            next: Arc::default(),
            inputs: sender,
            refusals: Arc::default(),
        };
        let mut listeners = JoinSet::new();
        let refusals = Arc::clone(&listener.refusals);
        listeners.spawn(async move { refusals.tell(|line| tracing::warn!("{line}")).await });
        for accept in self.accepts {
            listeners.spawn(listener.clone().run(accept));
        }
        let (handle, commands) = Handle::new();
        let (events, receiver) = EventQueue::new();
        let running = Running {
            server,
            clock,
            wall: WallClock::default(),
            alarm: Alarm::new(),
            listener,
            listeners,
            inputs,
            peers: BTreeMap::new(),
            messages: Vec::with_capacity(MAX_INPUTS),
            vouchers,
            vouched: Vec::new(),
            closing: Vec::new(),
            heavy: Heavy::default(),
            roll_call: None,
            commits: GroupCommit::new(self.storage),
            events,
            commands,
            ending: false,
        };
        let task = tokio::spawn(running.run());
        Ok((handle, Events::new(receiver, task)))
    }
}

/// Lets connections in.
#[derive(Clone)]
struct Listener {
    crowd: Crowd,
    limits: Arc<Limits>,
    next: Arc<AtomicU64>,
    inputs: mpsc::Sender<Input>,
    refusals: Arc<Refusals>,
}

impl Listener {
    async fn run(self, mut accept: Box<dyn Accept>) {
        let (mut refused, mut failed) = (Notice::default(), Notice::default());
        loop {
            let accepted = match accept.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Most likely there are no files left to open: one who is silent has one.
                    self.crowd.relieve();
                    if let Some(times) = failed.tell(1) {
                        tracing::warn!(%error, times, "cannot accept a connection");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            match self.crowd.admit(accepted.address) {
                Ok(place) => {
                    let id = PeerId(self.next.fetch_add(1, Ordering::Relaxed));
                    let limits = Arc::clone(&self.limits);
                    tokio::spawn(peer::serve(
                        accepted,
                        place,
                        id,
                        limits,
                        self.inputs.clone(),
                        Arc::clone(&self.refusals),
                    ));
                }
                Err(why) => {
                    let address = accepted.address;
                    if let Some(times) = refused.tell(1) {
                        tracing::warn!(?address, times, "a connection was closed at once: {why}");
                    }
                }
            }
        }
    }
}

struct Running {
    server: Server,
    clock: Clock,
    wall: WallClock,
    alarm: Alarm,
    listener: Listener,
    listeners: JoinSet<()>,
    inputs: mpsc::Receiver<Input>,
    peers: BTreeMap<PeerId, Peer>,
    /// What has come since the machine was told last.
    messages: Vec<(PeerId, BytesMut)>,
    vouchers: Vouchers,
    /// What vouches for some of them, and whose they are.
    vouched: Vec<(PeerId, Voucher)>,
    /// Those who were vouched for and are not who they said.
    closing: Vec<PeerId>,
    heavy: Heavy,
    /// When to look at who is still registered; none while there are no connections.
    roll_call: Option<tokio::time::Instant>,
    commits: GroupCommit,
    events: EventQueue<ServerAction>,
    commands: mpsc::Receiver<Command<Server>>,
    /// Nothing more is done but to store and deliver what waits.
    ending: bool,
}

/// Connections that hold more than a stranger's may, or have done so a moment ago.
#[derive(Default)]
struct Heavy {
    all: BTreeSet<PeerId>,
    /// The last of them that was looked at.
    looked_at: PeerId,
}

impl Heavy {
    /// The next one in turn.
    fn next(&mut self) -> Option<PeerId> {
        let later = (Bound::Excluded(self.looked_at), Bound::Unbounded);
        let next = self.all.range(later).next().or_else(|| self.all.first());
        next.inspect(|id| self.looked_at = **id).copied()
    }
}

impl Running {
    async fn run(mut self) -> Result<(), HostError> {
        let ended = self.work().await;
        self.listeners.shutdown().await;
        drop(self.listener);
        self.peers.clear();
        // Connections send what waits, then drop their end.
        let parted = async { while self.inputs.recv().await.is_some() {} };
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, parted).await;
        self.commits.release().await;
        ended
    }

    /// The loop: do what the machine wants, wait until something happens, tell the
    /// machine.
    async fn work(&mut self) -> Result<(), HostError> {
        let mut batch = Vec::with_capacity(MAX_INPUTS);
        loop {
            if let Some(unix_time) = self.wall.news() {
                self.server.set_wall_clock(self.clock.now(), unix_time);
            }
            self.drain();
            if self.ending && self.commits.is_idle() && self.events.is_empty() {
                return Ok(());
            }
            let due = self.server.poll_timeout();
            let due = due.and_then(|(at, _)| self.clock.at(at));
            let reading = !self.ending && !self.events.is_full() && !self.commits.is_full();
            tokio::select! {
                command = self.commands.recv(), if !self.ending => match command {
                    Some(Command::Call(call)) => call(&mut self.server, self.clock.now()),
                    Some(Command::Disconnect) => self.peers.clear(),
                    Some(Command::Stop) => self.ending = true,
                    None => return Ok(()),
                },
                _ = self.inputs.recv_many(&mut batch, MAX_INPUTS), if reading => {
                    for input in batch.drain(..) {
                        self.take(input);
                    }
                    self.take_messages();
                }
                () = self.alarm.reach(due) => self.server.handle_timeout(self.clock.now()),
                stored = self.commits.done() => {
                    for record in stored.map_err(HostError::Storage)? {
                        // Unknown if what it was for is over.
                        let _ = self.server.persisted(self.clock.now(), record);
                    }
                }
                () = self.events.deliver() => {}
                () = reach(self.roll_call) => self.call_the_roll(),
            }
        }
    }

    /// Takes all that the machine wants.
    fn drain(&mut self) {
        while let Some(action) = self.server.poll_action() {
            match action {
                ServerAction::Persist {
                    record,
                    header,
                    payload,
                } => self.commits.push(Record::new(record, header, payload)),
                action => self.events.push(action),
            }
        }
        while let Some(refused) = self.server.poll_refused() {
            let address = self.peers.get(&refused.peer).and_then(|peer| peer.address);
            self.listener.refusals.note_registration(address, refused);
        }
        self.commits.start(|| self.server.snapshot());
        while let Some(transmit) = self.server.poll_transmit() {
            let id = transmit.peer;
            let Some(peer) = self.peers.get(&id) else {
                continue;
            };
            if !peer.send(transmit.header.into_bytes(), transmit.payload.into_bytes()) {
                tracing::debug!(peer = %id, "a message was dropped: the queue is full");
            }
            if peer.is_heavy() {
                self.is_heavy(id);
            }
        }
        for id in self.closing.drain(..) {
            tracing::debug!(peer = %id, "a session was named by somebody who does not have it");
            self.peers.remove(&id);
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Message(id, message, voucher) => {
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.receives_long = false;
                }
                self.messages.push((id, message));
                self.vouched.extend(voucher.map(|voucher| (id, voucher)));
            }
            Input::Connected {
                id,
                tls_exporter,
                peer,
            } => {
                let now = self.take_messages();
                self.server.handle_connected(now, id, tls_exporter);
                self.peers.insert(id, peer);
                self.roll_call = self.roll_call.or_else(|| later(ROLL_CALL_INTERVAL));
            }
            Input::Ask(id, long, answer) => {
                self.take_messages();
                // The connection may be gone.
                let _ = answer.send(self.judge(id, long));
            }
            Input::Disconnected(id) => {
                let now = self.take_messages();
                self.heavy.all.remove(&id);
                self.peers.remove(&id);
                self.server.handle_disconnected(now, id);
            }
        }
    }

    /// Whether a peer may send a message that is longer than a stranger's, or more of them.
    fn judge(&mut self, id: PeerId, long: Option<Long>) -> Verdict {
        if self.server.has_session_on(id) {
            if let Some(peer) = self.peers.get_mut(&id).filter(|_| long.is_some()) {
                peer.receives_long = true;
                self.is_heavy(id);
            }
            return Verdict::Registered;
        }
        let named = long.and_then(|long| Some((self.server.session_of(&long.start)?, long.len)));
        let Some((session, len)) = named else {
            return Verdict::Stranger("a message before the registration is too long");
        };
        match self.vouchers.give(session, len) {
            Ok(voucher) => Verdict::Vouched(voucher),
            Err(why) => Verdict::Stranger(why),
        }
    }

    /// Gives the machine all messages that have come; returns the time.
    fn take_messages(&mut self) -> Instant {
        let now = self.clock.now();
        let mut senders: Vec<PeerId> = self.messages.iter().map(|(id, _)| *id).collect();
        senders.dedup();
        self.server.handle_batch(now, self.messages.drain(..));
        for id in senders {
            self.see(id);
        }
        for (id, voucher) in self.vouched.drain(..) {
            drop(voucher);
            if !self.server.has_session_on(id) {
                self.closing.push(id);
            }
        }
        now
    }

    /// A connection is its session's, or a stranger's.
    fn see(&self, id: PeerId) {
        if let Some(peer) = self.peers.get(&id) {
            peer.set_registered(self.server.has_session_on(id));
        }
    }

    /// Sessions end, and go on on other connections, without a message on this one.
    fn call_the_roll(&mut self) {
        self.peers.keys().for_each(|id| self.see(*id));
        let heavy: Vec<PeerId> = self.heavy.all.iter().copied().collect();
        heavy.into_iter().for_each(|id| self.look_at(id));
        self.roll_call = None;
        if !self.peers.is_empty() {
            self.roll_call = later(ROLL_CALL_INTERVAL);
        }
    }

    /// A connection holds much. Others that do are looked at, each in its turn.
    fn is_heavy(&mut self, id: PeerId) {
        if self.heavy.all.insert(id) {
            for _ in 0..LOOKS {
                if let Some(next) = self.heavy.next() {
                    self.look_at(next);
                }
            }
        }
    }

    /// Whoever holds much on a connection that its session has left loses the connection.
    fn look_at(&mut self, id: PeerId) {
        let peer = self.peers.get(&id).filter(|peer| peer.is_heavy());
        let left = !self.server.has_session_on(id);
        if left || peer.is_none() {
            self.heavy.all.remove(&id);
        }
        if let Some(peer) = peer.filter(|_| left) {
            tracing::debug!(peer = %id, "a connection was closed that its session has left");
            peer.break_off();
        }
    }
}

/// The time that long from now; none if the clock cannot say when that is.
fn later(span: Duration) -> Option<tokio::time::Instant> {
    tokio::time::Instant::now().checked_add(span)
}

/// Waits until then; for ever without.
async fn reach(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
