//! The client's connection to the server: what the client knows of it, and when it wants
//! another one.

use super::registration::RENEWAL;
use super::state::State;
use super::{Binding, Client, RetryReason, Timer, backoff};
use crate::Instant;
use crate::error::ConfigError;
use crate::identity::Name;
use crate::link::ChannelBinding;
use crate::suite::Suite;
use crate::wire::native;

/// Bytes of requests, besides heartbeats, that a connection takes before something valid has
/// come on it. A server that takes this client for a stranger there closes the connection at
/// more than a stranger may send, instead of saying that it does not know the session. The
/// heartbeats and a handshake need the rest.
const EARLY: usize = native::MAX_STRANGER / 2;

/// How many connections lost in a row, each before anything valid had come on it, put the
/// session in doubt: a server that takes this client for a stranger may close them.
const DOUBTFUL_CARRIERS: u32 = 3;

/// How many handshakes in a row on a connection on which nothing valid came meanwhile put it in
/// doubt.
const DOUBTFUL_HANDSHAKES: u32 = 3;

/// What the host knows of a connection.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Carrier {
    /// The host name that was connected to. Expected in the server's certificate when the
    /// configuration names no server.
    pub host_name: Option<Name>,
    /// The value of the `tls-exporter` channel binding (RFC 9266), if the carrier is TLS
    /// and both hosts give it to their machines.
    pub tls_exporter: Option<[u8; 32]>,
}

impl Carrier {
    /// Connected to a host of this name.
    #[must_use]
    pub fn with_host_name(mut self, host_name: Name) -> Self {
        self.host_name = Some(host_name);
        self
    }

    /// Bound to this value of `tls-exporter`.
    #[must_use]
    pub fn with_tls_exporter(mut self, exported: [u8; 32]) -> Self {
        self.tls_exporter = Some(exported);
        self
    }
}

impl core::fmt::Debug for Carrier {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Carrier")
            .field("host_name", &self.host_name)
            .field("is_bound", &self.tls_exporter.is_some())
            .finish()
    }
}

/// What a client wants of its connection: [`Client::carrier_wish`].
///
/// ```
/// # use std::sync::Arc;
/// # use fedlink::identity::{Chain, Identity, LocalSigner, Name, Roots, Signer};
/// # let key = LocalSigner::from_seed(&[1; 32]);
/// # let trusted = LocalSigner::from_seed(&[2; 32]).public_key();
/// # let roots = Roots::new().pin(Name::new("coordinator")?, trusted);
/// # let name = Name::new("site-1")?;
/// # let identity = Identity::new(name, Chain::pinned(key.public_key()), Arc::new(key), roots)?;
/// # use fedlink::{Carrier, CarrierWish, Client, ClientConfig, Instant};
/// # let mut config = ClientConfig::new(Name::new("wine")?);
/// # config.server = Some(Name::new("coordinator")?);
/// # let mut now = Instant::default();
/// # let mut client = Client::new(Arc::new(config), identity, [7; 32], now)?;
/// assert_eq!(client.carrier_wish(), CarrierWish::Keep, "nobody has asked it to register");
/// client.register(now)?;
/// assert_eq!(client.carrier_wish(), CarrierWish::Connect(now));
///
/// // The connection cannot be made: the next try is later, and the timer is not.
/// client.handle_disconnected(now);
/// let CarrierWish::Connect(at) = client.carrier_wish() else { unreachable!() };
/// let (timeout, _) = client.poll_timeout().expect("a timer");
/// assert!(at > now && timeout <= at);
///
/// now = at;
/// client.handle_timeout(now);
/// client.handle_connected(now, Carrier::default())?;
/// assert_eq!(client.carrier_wish(), CarrierWish::Keep);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CarrierWish {
    /// Keep the connection if there is one. If there is none, make none.
    Keep,
    /// There is no connection: make one at this moment, which may have passed. Call
    /// [`handle_connected`](Client::handle_connected) when it stands, and
    /// [`handle_disconnected`](Client::handle_disconnected) if it cannot be made. When the
    /// moment changes, an attempt that is under way has taken too long: give it up.
    Connect(Instant),
    /// The connection seems dead although nobody has closed it, as happens when a route is
    /// lost: close it, and call [`handle_disconnected`](Client::handle_disconnected).
    Replace,
}

/// What the client keeps of its connections.
#[derive(Default)]
#[cfg_attr(test, derive(Clone))]
pub(super) struct Connection {
    /// What the connection that stands is bound to.
    binding: Option<ChannelBinding>,
    /// What is left of [`EARLY`], until something valid comes on the connection.
    pub(super) early: Option<usize>,
    /// Nothing has come on it for a time after which another one may do better.
    seems_dead: bool,
    /// Handshakes on it that nobody answered, since something valid came on it.
    handshakes: u32,
    /// There is none, and one is wanted.
    wanted: Option<Wanted>,
    /// Connections that failed in a row without one valid message.
    lost: u32,
    /// Connections in a row that were lost before anything valid had come on them.
    unanswered: u32,
}

/// A connection that is to be made.
#[derive(Clone, Copy)]
struct Wanted {
    at: Instant,
    /// The moment has come: from now on the host is waited for.
    due: bool,
}

impl Connection {
    pub(super) fn is_up(&self) -> bool {
        self.binding.is_some()
    }

    /// What the connection that stands is bound to; to nothing if there is none.
    pub(super) fn binding(&self) -> &ChannelBinding {
        self.binding.as_ref().unwrap_or(&ChannelBinding::None)
    }

    /// A valid message of the session has come on it.
    pub(super) fn answered(&mut self) {
        self.early = None;
        self.lost = 0;
        self.unanswered = 0;
        self.heard();
    }

    /// The server has said something on it, in a handshake.
    pub(super) fn heard(&mut self) {
        self.seems_dead = false;
        self.handshakes = 0;
    }

    /// A handshake on it has come to nothing, without a word.
    pub(super) fn handshake_unanswered(&mut self) {
        self.handshakes = self.handshakes.saturating_add(1);
        if self.handshakes >= DOUBTFUL_HANDSHAKES {
            self.doubt();
        }
    }

    /// Another one may do better.
    pub(super) fn doubt(&mut self) {
        self.seems_dead = self.is_up();
    }

    /// None is wanted any more, and what was learned of those before is forgotten.
    pub(super) fn rest(&mut self) {
        *self = Self {
            binding: self.binding.take(),
            early: self.early,
            ..Self::default()
        };
    }
}

/// Few and short messages never use up what may be sent early.
#[cfg(test)]
impl core::hash::Hash for Connection {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        (&self.binding, self.early.map(|left| left / 1024)).hash(state);
        (self.seems_dead, self.wanted.map(|it| it.due)).hash(state);
        (self.handshakes, self.lost, self.unanswered).hash(state);
    }
}

impl Client {
    /// What the client wants of its connection. Changed by every input and command: look at
    /// it after each, and do what it says. [`poll_timeout`](Self::poll_timeout) is never
    /// later than the moment of a [`Connect`](CarrierWish::Connect) that has not come.
    #[must_use]
    pub fn carrier_wish(&self) -> CarrierWish {
        match self.connection.wanted {
            Some(wanted) => CarrierWish::Connect(wanted.at),
            None if self.connection.seems_dead && self.wants_carrier() => CarrierWish::Replace,
            None => CarrierWish::Keep,
        }
    }

    /// A connection to the server stands. One that stood before is gone.
    ///
    /// # Errors
    /// When nothing tells which server to expect, or none of the suites can be used on
    /// this connection.
    pub fn handle_connected(&mut self, now: Instant, carrier: Carrier) -> Result<(), ConfigError> {
        self.advance(now);
        if self.config.server.is_none() && carrier.host_name.is_none() && self.needs_name() {
            return Err(ConfigError::NoServerName);
        }
        let binding = carrier
            .tls_exporter
            .map_or(ChannelBinding::None, ChannelBinding::TlsExporter);
        if !self.link.fits(&self.config, &binding) {
            return Err(ConfigError::NoChannelBinding);
        }
        self.carrier_lost();
        self.host_name = carrier.host_name;
        self.connection.wanted = None;
        self.connection.binding = Some(binding);
        self.connection.early = matches!(self.config.binding, Binding::Native).then_some(EARLY);
        self.timers.disarm(Timer::Connect);
        self.with_link(|link, cx| link.connected(cx));
        self.attempt_connected();
        self.renewal_connected();
        if self.is_active() {
            self.work(|work, cx| work.on_session(cx));
            self.heartbeat_due();
        }
        self.settle();
        Ok(())
    }

    /// The connection is gone, or could not be made.
    /// [`carrier_wish`](Self::carrier_wish) says whether the client wants another one, and
    /// when. Nothing changes if there is none and the moment for the next has not come.
    pub fn handle_disconnected(&mut self, now: Instant) {
        self.advance(now);
        self.carrier_lost();
        let waits = self.connection.wanted.is_some_and(|it| it.at > self.now);
        if !waits {
            self.carrier_missing(RetryReason::Disconnected);
        }
        self.settle();
    }

    /// Wants a connection now, unless one is there or wanted already.
    pub(super) fn want_carrier(&mut self) {
        if !self.connection.is_up() && self.connection.wanted.is_none() {
            self.connection.wanted = Some(Wanted {
                at: self.now,
                due: false,
            });
            self.connect_due();
        }
    }

    /// It is time to connect, or there should be a connection by now.
    pub(super) fn connect_due(&mut self) {
        match &mut self.connection.wanted {
            Some(wanted) if !wanted.due => {
                wanted.due = true;
                let patience = self.now + self.config.connect_timeout;
                self.timers.arm(Timer::Connect, patience);
            }
            Some(_) => self.carrier_missing(RetryReason::NotConnected),
            None => {}
        }
    }

    pub(super) fn wants_carrier(&self) -> bool {
        matches!(self.state, State::Registering(_) | State::Active(_))
    }

    /// There is no connection although one is wanted.
    fn carrier_missing(&mut self, reason: RetryReason) {
        if self.connection.is_up() || !self.wants_carrier() {
            return;
        }
        self.connection.lost += 1;
        let failures = self.connection.lost;
        let wait = backoff::delay(&self.config, &mut self.entropy, failures, None);
        let at = self.now + wait;
        self.connection.wanted = Some(Wanted { at, due: false });
        self.retry(Timer::Connect, wait, failures, reason);
    }

    // spec: P-122
    fn carrier_lost(&mut self) {
        let Some(binding) = self.connection.binding.take() else {
            return;
        };
        self.connection.heard();
        let unanswered = self.connection.early.take().is_some();
        self.link.drop_transmits();
        self.attempt_disconnected();
        self.void_requests();
        for timer in [Timer::Link, Timer::Renewal, Timer::Silence, Timer::Hint] {
            self.timers.disarm(timer);
        }
        if unanswered && self.is_active() {
            self.connection.unanswered = self.connection.unanswered.saturating_add(1);
            if self.connection.unanswered == DOUBTFUL_CARRIERS {
                self.session_seems_gone();
            }
        }
        self.work(|work, cx| work.on_disconnected(cx));
        self.farewell_disconnected();
        // spec: P-74
        if binding != ChannelBinding::None && self.link.suite() == Some(Suite::Bearer) {
            // The session lived in that connection.
            self.session_lost();
        }
    }

    /// Nothing has refuted a hint, or nothing came for too long: register anew beside the
    /// session, not all clients at the same time, and best on another connection.
    // spec: P-121
    pub(super) fn session_seems_gone(&mut self) {
        self.connection.doubt();
        let at = self.now + self.entropy.span(RENEWAL);
        self.renew_at(at);
        self.retried(at, 1, RetryReason::SessionSilent);
    }
}
