//! The client machine: a site of a federation as a state machine, which registers at a server,
//! asks for tasks and hands in their results.

mod action;
pub(crate) mod backoff;
mod carrier;
mod certificates;
#[cfg(test)]
mod checking;
mod commands;
mod context;
mod counters;
mod failure;
mod farewell;
pub(crate) mod heartbeat;
#[cfg(test)]
mod inspect;
#[cfg(feature = "nvflare")]
mod nvflare;
pub(crate) mod registration;
mod state;
mod timer;
mod work;

use alloc::string::String;
use alloc::sync::Arc;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

pub use action::{ClientAction, CloseReason, Direction, Rejection, RetryReason, Task};
pub use carrier::{Carrier, CarrierWish};
pub use counters::ClientCounters;
pub use failure::FailureKind;
pub use state::{Phase, Trigger};
pub use timer::Timer;
#[cfg(any(test, fuzzing))]
pub use work::client_lives;

use crate::Instant;
use crate::config::{Binding, Check, ClientConfig, Mode};
use crate::entropy::Entropy;
use crate::error::{ConfigError, Dropped};
use crate::identity::{Identity, Name};
use crate::link::client::Link;
use crate::link::event::{Event, LinkContext, Unsent};
use crate::link::{Auth, Suspicion};
use crate::message::{
    Failure, InstanceId, MessageKind, Parts, Properties, Reply, RequestId, ReturnCode, Ssid,
};
use crate::output_queue::OutputQueue;
use crate::seed::Seed;
use crate::suite::Suite;
use crate::time::WallClock;
use crate::timer::Timers;
use crate::transmit::Transmit;
use carrier::Connection;
use certificates::Ends;
use context::{Ask, Asks, WorkContext};
use state::State;
use work::{Wish, Work};

/// One site of a federation, as a state machine.
///
/// Feed it with `handle_*` and commands; each finishes all its work before it returns.
/// Then take what it wants with [`poll_transmit`](Self::poll_transmit) and
/// [`poll_action`](Self::poll_action), in any order, and call
/// [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout)
/// says.
///
/// ```
/// # use std::sync::Arc;
/// # use fedlink::identity::{Chain, Identity, LocalSigner, Name, Roots, Signer};
/// # let key = LocalSigner::from_seed(&[1; 32]);
/// # let trusted = LocalSigner::from_seed(&[2; 32]).public_key();
/// # let roots = Roots::new().pin(Name::new("coordinator")?, trusted);
/// # let name = Name::new("site-1")?;
/// # let identity = Identity::new(name, Chain::pinned(key.public_key()), Arc::new(key), roots)?;
/// use fedlink::{Carrier, CarrierWish, Client, ClientAction, ClientConfig, Instant, Phase};
///
/// let mut config = ClientConfig::new(Name::new("wine")?);
/// config.server = Some(Name::new("coordinator")?);
/// let mut now = Instant::default();
/// // The seed is 32 fresh random bytes in a real program.
/// let mut client = Client::new(Arc::new(config), identity, [7; 32], now)?;
/// client.register(now)?;
/// assert_eq!(client.carrier_wish(), CarrierWish::Connect(now));
///
/// // The program has connected, and sends what the client wants to send.
/// client.handle_connected(now, Carrier::default())?;
/// let challenge = client.poll_transmit().expect("a Challenge");
/// assert!(challenge.len() < 1200);
///
/// // Nobody answers. The client does not give up.
/// (now, _) = client.poll_timeout().expect("a timer");
/// client.handle_timeout(now);
/// let news = client.poll_action().expect("an action");
/// assert!(matches!(news, ClientAction::Retry { attempt: 1, .. }));
/// assert_eq!(client.phase(), Phase::Registering);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The [first page](crate#a-whole-client) has the loop of a whole client.
#[cfg_attr(test, derive(Clone))]
pub struct Client {
    config: Arc<ClientConfig>,
    identity: Identity,
    instance: InstanceId,
    entropy: Entropy,
    now: Instant,
    wall: Option<WallClock>,
    state: State,
    link: Link,
    work: Work,
    timers: Timers<Timer>,
    asks: Asks,
    actions: OutputQueue<ClientAction>,
    counters: ClientCounters,
    connection: Connection,
    host_name: Option<Name>,
    address: String,
    site_info: Properties,
    context: Properties,
    heartbeats_paused: bool,
    ssid: Option<Ssid>,
    next_signature: u64,
    ends: Ends,
}

impl Client {
    /// A client that has done nothing yet. The [`Seed`] is all the randomness that it ever
    /// uses: fresh for each machine, forgotten by the host afterwards.
    ///
    /// # Errors
    /// When the settings contradict each other or cannot work with this identity.
    pub fn new(
        config: Arc<ClientConfig>,
        identity: Identity,
        seed: impl Into<Seed>,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        Self::restore(config, identity, seed, now, [])
    }

    /// A client that goes on where another process stopped, from all the records that it
    /// stored, in their order. Unfinished tasks come again as
    /// [`TaskAssigned`](ClientAction::TaskAssigned) with `again: true`; results go on
    /// being sent. The seed must be a fresh one.
    ///
    /// # Errors
    /// As [`Client::new`], and when a record cannot be read.
    pub fn restore(
        config: Arc<ClientConfig>,
        identity: Identity,
        seed: impl Into<Seed>,
        now: Instant,
        records: impl IntoIterator<Item = Bytes>,
    ) -> Result<Self, ConfigError> {
        config.check(&identity)?;
        let mut entropy = Entropy::of(seed.into());
        let instance = InstanceId::from_bytes(entropy.bytes());
        let mut client = Self {
            link: Link::new(&config),
            config,
            identity,
            instance,
            entropy,
            now,
            wall: None,
            state: State::Idle,
            work: Work::default(),
            timers: Timers::default(),
            asks: Asks::default(),
            actions: OutputQueue::default(),
            counters: ClientCounters::default(),
            connection: Connection::default(),
            host_name: None,
            address: String::new(),
            site_info: Properties::new(),
            context: Properties::new(),
            heartbeats_paused: false,
            ssid: None,
            next_signature: 0,
            ends: Ends::default(),
        };
        client.work = client.work(|_, cx| Work::restore(records, cx))?;
        client.settle();
        Ok(client)
    }

    /// Takes one message from the server, and gives what it was. It is opened in place.
    ///
    /// # Errors
    /// When the message was dropped: it was counted, and nothing else has changed. Errors
    /// are for information; a session never ends by one.
    pub fn handle_message(
        &mut self,
        now: Instant,
        message: BytesMut,
    ) -> Result<MessageKind, Dropped> {
        self.advance(now);
        self.counters.messages_received += 1;
        self.counters.bytes_received += message.len() as u64;
        let taken = if !self.connection.is_up() {
            Err(Dropped::Unexpected)
        } else if self.is_behind() {
            // As if it were lost: whatever was asked is asked again.
            Err(Dropped::OverBudget)
        } else {
            self.with_link(|link, cx| link.handle_message(cx, message))
        };
        let taken = taken.map(|(kind, event)| {
            if let Some(event) = event {
                self.link_event(event);
            }
            kind
        });
        if let Err(reason) = taken {
            tracing::trace!(%reason, "a message was dropped");
            self.counters.count_drop(reason);
        }
        self.settle();
        taken
    }

    /// Tells the time. Call it when [`poll_timeout`](Self::poll_timeout) says; calling it
    /// earlier or later is harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        // Each of them at most once: what is armed meanwhile is due later than now.
        for _ in 0..self.timers.len() {
            let Some(timer) = self.timers.pop_due(self.now) else {
                break;
            };
            self.counters.timers_fired += 1;
            self.fire(timer);
            self.settle();
        }
    }

    /// The carrier could not send the message of this [`Transmit::id`].
    pub fn handle_send_failed(&mut self, now: Instant, id: u64) {
        self.advance(now);
        match self.link.send_failed(id) {
            Some(Unsent::Handshake) => self.attempt_send_failed(),
            Some(Unsent::Request(request)) => {
                self.timers.disarm(Timer::Request(request.0));
                self.request_failed(request, ReturnCode::CommError, None);
            }
            None => {}
        }
        self.settle();
    }

    /// The next message to send. Changed by every input and command.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.link.poll_transmit()?;
        self.counters.messages_sent += 1;
        self.counters.bytes_sent += transmit.len() as u64;
        Some(transmit)
    }

    /// The next thing to do for the client. Changed by every input and command.
    pub fn poll_action(&mut self) -> Option<ClientAction> {
        self.actions.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and which timer it is for.
    /// Changed by every input and command.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Instant, Timer)> {
        self.timers.next()
    }

    /// What the link made of an input.
    fn link_event(&mut self, event: Event) {
        match event {
            Event::Handshake(event) => self.handshake_event(event),
            Event::Registered(auth) => {
                self.alive();
                self.registered(auth);
            }
            Event::Reply {
                id,
                reply,
                payload,
                elapsed,
            } => {
                self.alive();
                self.timers.disarm(Timer::Request(id.0));
                self.handle_reply(id, reply, payload, elapsed);
            }
            Event::SessionDoubted => self.session_doubted(),
            #[cfg(feature = "nvflare")]
            Event::Nvflare(event) => self.nvflare_event(event),
        }
    }

    // spec: P-82
    fn handle_reply(&mut self, id: RequestId, reply: Reply, payload: Parts, elapsed: Duration) {
        match reply {
            Reply::Failed(Failure {
                code, retry_after, ..
            }) => self.request_failed(id, code, retry_after.map(Duration::from_millis)),
            Reply::Heartbeat(reply)
                if self.is_heartbeat(id) || !self.config.enforces(Check::NewestHeartbeat) =>
            {
                self.heartbeat_answered(reply, elapsed);
            }
            Reply::Quit(goodbye) if self.is_farewell(id) => self.goodbye(goodbye),
            _ if self.is_heartbeat(id) || self.is_farewell(id) => {
                self.counters.count_drop(Dropped::Unexpected);
                self.request_failed(id, ReturnCode::ProcessException, None);
            }
            reply => {
                let wish = self.work(|work, cx| work.on_reply(cx, id, reply, payload));
                self.grant(wish);
            }
        }
    }

    /// A request was answered with a failure, or not at all.
    // spec: P-88
    fn request_failed(&mut self, id: RequestId, code: ReturnCode, retry_after: Option<Duration>) {
        if self.farewell_failed(id, code) {
            return;
        }
        if matches!(
            code,
            ReturnCode::Unauthenticated | ReturnCode::InvalidSession
        ) {
            self.session_lost();
        } else if self.is_heartbeat(id) {
            self.heartbeat_failed(code, retry_after);
        } else {
            let wish = self.work(|work, cx| work.on_failure(cx, id, code, retry_after));
            self.grant(wish);
        }
    }

    fn grant(&mut self, wish: Option<Wish>) {
        match wish {
            Some(Wish::Reregister) => self.renew(),
            None => {}
        }
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Connect => self.connect_due(),
            Timer::Handshake => self.handshake_timed_out(),
            Timer::Backoff => self.backed_off(),
            Timer::Heartbeat => self.heartbeat_due(),
            Timer::HeartbeatRelease => self.heartbeat_released(None),
            Timer::Renewal => self.renew(),
            Timer::Silence | Timer::Hint => self.session_seems_gone(),
            Timer::Link => self.with_link(|link, cx| link.handle_timeout(cx)),
            Timer::Request(number) => {
                let id = RequestId(number);
                self.link.cancel(id);
                self.request_failed(id, ReturnCode::Timeout, None);
            }
            Timer::Pull(_) | Timer::Outbox(_) => {
                self.work(|work, cx| work.on_timer(cx, timer));
            }
        }
    }

    /// Something valid came in the session, or made one.
    fn alive(&mut self) {
        self.connection.answered();
        self.timers.disarm(Timer::Silence);
        self.timers.disarm(Timer::Hint);
    }

    /// The server may have forgotten the session, or somebody says so: one request at
    /// once will show it.
    // spec: P-85
    fn session_doubted(&mut self) {
        if self.farewell_doubted() || self.timers.is_armed(Timer::Hint) {
            return;
        }
        let at = self.now + self.config.maintenance_timeout;
        self.timers.arm(Timer::Hint, at);
        self.send_heartbeat(None, None);
    }

    /// Outstanding requests will not be answered (any more).
    fn void_requests(&mut self) {
        self.timers
            .disarm_where(|timer| matches!(timer, Timer::Request(_)));
        self.asks.clear();
        self.link.cancel_all();
        self.heartbeat_void();
    }

    fn stop_session_timers(&mut self) {
        for timer in [
            Timer::Heartbeat,
            Timer::HeartbeatRelease,
            Timer::Renewal,
            Timer::Silence,
            Timer::Hint,
        ] {
            self.timers.disarm(timer);
        }
        self.work(|work, cx| work.on_disconnected(cx));
    }

    /// No more of its own accord: all timers stop, secrets are forgotten.
    fn rest(&mut self) {
        self.link.drop_handshake();
        self.link.drop_session();
        self.asks.clear();
        self.work(|work, cx| work.on_disconnected(cx));
        self.timers.clear();
        self.connection.rest();
    }

    /// Whether more waits for the host than should.
    // spec: P-87
    fn is_behind(&self) -> bool {
        self.actions.len() >= self.config.max_waiting
            || self.actions.weight() >= self.config.max_waiting_bytes
    }

    /// Tells the host something that it can do without.
    fn tell(&mut self, news: ClientAction) {
        self.work(|_, cx| cx.tell(news));
    }

    fn retry(&mut self, timer: Timer, wait: Duration, attempt: u32, reason: RetryReason) {
        self.work(|_, cx| cx.retry(timer, wait, attempt, reason));
    }

    fn retried(&mut self, at: Instant, attempt: u32, reason: RetryReason) {
        self.work(|_, cx| cx.retried(at, attempt, reason));
    }

    /// Hands what the parts have asked for to the link, and takes what comes of it.
    fn settle(&mut self) {
        loop {
            self.work(|work, cx| work.ask_blocked(cx));
            self.send_asks();
            let Some(event) = self.link.poll_event() else {
                break;
            };
            self.link_event(event);
        }
        let due = self.link.next_timeout();
        match due
            .filter(|_| self.connection.is_up() && (self.wants_carrier() || self.is_quitting()))
        {
            Some(at) => self.timers.arm(Timer::Link, at),
            None => self.timers.disarm(Timer::Link),
        }
        debug_assert!(
            self.connection.is_up() || self.timers.all(|timer| timer == Timer::Connect),
            "without a connection nothing but the next one is due: {:?}",
            self.timers
        );
    }

    fn send_asks(&mut self) {
        for id in self.asks.take_cancelled() {
            self.timers.disarm(Timer::Request(id.0));
            self.link.cancel(id);
        }
        while let Some(ask) = self.next_ask() {
            let sent = self.connection.is_up()
                && self.with_link(|link, cx| link.request(cx, ask.id, &ask.request, &ask.payload));
            let at = self.now + ask.timeout;
            self.timers.arm(Timer::Request(ask.id.0), at);
            if sent && !self.timers.is_armed(Timer::Silence) && self.is_active() {
                let at = self.now + self.config.silence_limit;
                self.timers.arm(Timer::Silence, at);
            }
        }
    }

    /// The next request that may go. What has to wait until something valid has come needs a
    /// heartbeat that brings it: at once, since a host that has paused them would never send
    /// it, and without the host's word, which may be long.
    // spec: P-5
    fn next_ask(&mut self) -> Option<Ask> {
        let Some(left) = &mut self.connection.early else {
            return self.asks.pop();
        };
        let next = self.asks.pop_early(left);
        if next.is_some() || self.asks.is_empty() || self.expects_heartbeat() {
            return next;
        }
        self.send_heartbeat(None, None);
        self.asks.pop_early(&mut 0)
    }

    fn is_active(&self) -> bool {
        matches!(self.state, State::Active(_))
    }

    fn needs_name(&self) -> bool {
        !self.config.suites.contains(Suite::Plain)
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Lends the working half what it needs.
    fn work<T>(&mut self, run: impl FnOnce(&mut Work, &mut WorkContext<'_>) -> T) -> T {
        let ready = self.connection.is_up() && self.is_active();
        let mut cx = WorkContext {
            now: self.now,
            config: &self.config,
            entropy: &mut self.entropy,
            actions: &mut self.actions,
            timers: &mut self.timers,
            asks: &mut self.asks,
            counters: &mut self.counters,
            ssid: self.ssid,
            context: &self.context,
            ready,
        };
        run(&mut self.work, &mut cx)
    }

    /// Lends the link what it needs.
    fn with_link<T>(&mut self, run: impl FnOnce(&mut Link, &mut LinkContext<'_>) -> T) -> T {
        let nobody = Name::nobody();
        let server = self.config.server.as_ref().or(self.host_name.as_ref());
        let mut cx = LinkContext {
            now: self.now,
            config: &self.config,
            identity: &self.identity,
            entropy: &mut self.entropy,
            server: server.unwrap_or(&nobody),
            instance: self.instance,
            address: &self.address,
            site_info: &self.site_info,
            context: &self.context,
            wall: self.wall.map(|wall| wall.unix_time(self.now)),
            binding: self.connection.binding(),
        };
        run(&mut self.link, &mut cx)
    }
}

impl core::fmt::Debug for Client {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "Client({}, {:?})",
            self.identity.name(),
            self.state.phase()
        )
    }
}
