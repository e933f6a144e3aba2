//! The settings of a server.

use alloc::borrow::ToOwned;
#[cfg(test)]
use alloc::vec::Vec;
use core::time::Duration;

use super::check::Check;
use super::client::CERTIFICATE_NOTICE;
use super::kind::TICK;
use super::setting::settings;
use crate::error::ConfigError;
use crate::identity::{Identity, Name};
use crate::message::limits::MAX_INLINE;
use crate::suite::{Suite, Suites};

/// The time between two heartbeats of a client, unless [`ServerConfig::heartbeat_interval`] says
/// otherwise.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);

settings! {
    /// Settings of a server.
    ///
    /// # Memory
    /// In bytes, a server takes at most the sum of these. Strangers add nothing to it.
    ///
    /// | for | bytes |
    /// |---|---|
    /// | itself | 256 KiB, a quarter of it the budgets of strangers |
    /// | each handshake that may begin in a `registration_window` and a second | 4, for the latest 1,048,576 |
    /// | signatures on certificates that were found good | 64 each, the latest 65,536 |
    /// | each client, up to `max_clients` | 8 KiB, and 1 KiB for each job that it reports and that is meant for it |
    /// | a registration until the client's first message | 12 times its context and site information |
    /// | each job, up to `max_jobs` | 1 KiB, and 512 for each site that it names |
    /// | each task, up to `max_tasks` | 2 KiB, and 13 times its headers until the job ends |
    /// | the payload of a task | its size, once for all tasks that share it, until the results are taken |
    /// | a result until it is taken | its size, and 13 times its headers and context |
    /// | unfinished uploads | 2 times `max_upload_bytes`: what has come, and what came before its turn |
    /// | what waits for the host | `max_waiting_bytes` + 12 MiB + 2 KiB times `max_waiting` |
    /// | one message while it is read | 64 MiB; 1 MiB before registration |
    ///
    /// Contexts and headers take 12 times their encoding when they have as many entries as can
    /// be, and once more where they wait to be stored.
    ///
    /// # Example
    /// ```
    /// # use std::sync::Arc;
    /// # use fedlink::identity::{Chain, Identity, LocalSigner, Name, Roots, Signer};
    /// # let key = LocalSigner::from_seed(&[2; 32]);
    /// # let trusted = LocalSigner::from_seed(&[1; 32]).public_key();
    /// # let roots = Roots::new().pin(Name::new("site-1")?, trusted);
    /// # let name = Name::new("coordinator")?;
    /// # let identity = Identity::new(name, Chain::pinned(key.public_key()), Arc::new(key), roots)?;
    /// use core::time::Duration;
    /// use fedlink::{Instant, Server, ServerConfig};
    ///
    /// let mut config = ServerConfig::new(Name::new("wine")?);
    /// // Phones, which are often away and many.
    /// config.heartbeat_interval = Duration::from_secs(60);
    /// config.dead_after = Duration::from_secs(24 * 3600);
    /// config.max_payload = 64 << 20;
    /// let good = Arc::new(config);
    /// let now = Instant::default();
    /// let server = Server::new(Arc::clone(&good), identity.clone(), [7; 32], now)?;
    ///
    /// // What cannot work is refused before anything starts, and says what would.
    /// let mut config = ServerConfig::clone(&good);
    /// config.dead_after = config.heartbeat_interval;
    /// let refused = Server::new(Arc::new(config), identity, [8; 32], now);
    /// let error = refused.err().expect("a bound");
    /// assert!(error.to_string().contains("dead_after"), "{error}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[derive(Clone, Debug)]
    #[non_exhaustive]
    pub struct ServerConfig {
        /// The federation's name, the same on all clients.
        pub project: Name,
        /// The checks that a test takes away.
        #[cfg(test)]
        pub(crate) without: Vec<Check>,
    } with settings {
        /// The suites to accept. Default: sealed.
        pub suites: Suites = words(),
        /// The carrier is trusted end to end, so the bearer suite needs no channel binding.
        /// Default: false.
        pub trusted_path: bool = bool(),
        /// The carrier moves single datagrams, whose senders may forge their addresses: an answer
        /// to a stranger is at most three times as long as what came, or it is not sent. Default:
        /// false.
        ///
        /// A Challenge that is too short for its answer is told how long to be, which may be more
        /// than a datagram if the server's chain has over 3 KiB.
        pub datagram: bool = bool(),
        /// How long a cookie and the keys behind it live. Default: 1 min.
        pub registration_window: Duration = duration(TICK),
        /// How long a token and a session live, at most. More than 68 years count as that.
        /// Default: 1 d.
        ///
        /// None outlives a certificate of its client; and when a minute, or this time if it is
        /// shorter, is all that is left of one, its client is refused.
        pub session_lifetime: Duration = duration(Duration::from_secs(1)),
        /// How long before the end of a certificate, its own or a client's, the host is told with
        /// `CertificateEnds`. Default: 14 d.
        pub certificate_notice: Duration = duration(Duration::ZERO),
        /// Time between a client's heartbeats. Default: 10 s.
        pub heartbeat_interval: Duration = duration(Duration::from_millis(2)),
        /// Silence after which a client counts as dead; longer than the time between heartbeats.
        /// Default: 10 min.
        pub dead_after: Duration = duration(TICK),
        /// Wait that a client is told when there is no task for it. Default: 1 s.
        pub poll_interval: Duration = duration(Duration::ZERO),
        /// Least time that clients are told to wait for answers about tasks; zero leaves it
        /// to them. Default: 0 s.
        pub min_task_timeout: Duration = duration(Duration::ZERO),
        /// Handshakes a second that are begun with strangers, all together; a burst may take one
        /// second's worth. Four fifths of what one core can do, with all that the host adds, is a
        /// good value: who comes beyond is told when to come again, one after another, so that a
        /// storm of clients is worked off at this rate. Default: 1000.
        ///
        /// Sessions that are made anew draw on it too: leave room for `max_clients` in a tenth of
        /// a `session_lifetime`.
        pub challenge_budget: u32 = count(1),
        /// Messages a second that are taken from one stranger, who gets no answer to more; with
        /// fewer than 2 every handshake waits for a retry. Default: 8.
        ///
        /// Where addresses count for something, let this times the connections that one address
        /// may have (100 with the tokio host) stay below `challenge_budget`. Strangers share 4,096
        /// places: with more clients than that, allow as many times more.
        pub peer_budget: u32 = count(1),
        /// Registers that are worked on for one Challenge; more are dropped for the price of a
        /// hash. Default: 2.
        ///
        /// The default is one, and one more if the first was damaged on its way. The last one is
        /// kept for the connection that the Challenge came on: who only saw the answer to it uses
        /// up none that its client needs, unless it can send in the name of that connection, as on
        /// datagrams. Copies of a Register that was good do not count and get the same reply.
        pub register_attempts: u16 = count(1),
        /// Clients that may be registered at once; 8 KiB of memory each. Default: 1000000.
        pub max_clients: usize = count(0),
        /// Jobs that may run at once; 1 KiB each. Default: 1024.
        pub max_jobs: usize = count(0),
        /// Jobs that one client may report. Default: 1024.
        pub max_jobs_per_client: usize = count(0),
        /// Tasks of jobs that run, done and withdrawn ones too; 2 KiB each, beside what they
        /// carry. Default: 1000000.
        pub max_tasks: usize = count(0),
        /// Payloads up to this many bytes travel inside their message. Default: 1 MiB.
        pub inline_limit: usize = bytes(0, MAX_INLINE as u64),
        /// Largest payload of a result in bytes. Default: 4 GiB.
        pub max_payload: u64 = bytes(0, u64::MAX),
        /// Announced bytes of all unfinished uploads together; past it a client is told to
        /// come later. Each takes up to twice its size, but no more than 2 MiB beyond it.
        /// Default: 8 GiB.
        pub max_upload_bytes: u64 = bytes(0, u64::MAX),
        /// Actions and messages that may wait for the host before requests are answered with
        /// `service_unavailable`, and strangers with silence. At twice as many, clients are met
        /// with silence too. Default: 65536.
        pub max_waiting: usize = count(0),
        /// Bytes of actions and messages that may wait for the host before requests are answered
        /// with `service_unavailable`. Default: 1 GiB.
        pub max_waiting_bytes: usize = bytes(0, u64::MAX),
    } and defaults Self::new(Name::nobody())
}

impl ServerConfig {
    /// The defaults for a federation of this name.
    #[must_use]
    pub fn new(project: Name) -> Self {
        Self {
            project,
            suites: Suites::default(),
            trusted_path: false,
            datagram: false,
            registration_window: Duration::from_secs(60),
            session_lifetime: Duration::from_secs(24 * 3600),
            certificate_notice: CERTIFICATE_NOTICE,
            heartbeat_interval: HEARTBEAT_INTERVAL,
            dead_after: Duration::from_secs(600),
            poll_interval: Duration::from_secs(1),
            min_task_timeout: Duration::ZERO,
            challenge_budget: 1000,
            peer_budget: 8,
            register_attempts: 2,
            max_clients: 1_000_000,
            max_jobs: 1024,
            max_jobs_per_client: 1024,
            max_tasks: 1_000_000,
            inline_limit: MAX_INLINE,
            max_payload: 4 << 30,
            max_upload_bytes: 8 << 30,
            max_waiting: 65_536,
            max_waiting_bytes: 1 << 30,
            #[cfg(test)]
            without: Vec::new(),
        }
    }

    /// Whether these settings can work, with this identity.
    pub(crate) fn check(&self, identity: &Identity) -> Result<(), ConfigError> {
        if identity.is_rsa() {
            return Err(ConfigError::RsaIdentity);
        }
        if identity.proof().is_none() && !self.suites.contains(Suite::Plain) {
            return Err(ConfigError::NoKey);
        }
        self.check_bounds()?;
        if self.dead_after <= self.heartbeat_interval {
            return Err(ConfigError::OutOfBounds {
                setting: "dead_after",
                bounds: "longer than `heartbeat_interval`".to_owned(),
            });
        }
        Ok(())
    }

    /// Whether the check is made. Always, but in tests that take it away.
    #[cfg(not(test))]
    pub(crate) const fn enforces(&self, _: Check) -> bool {
        true
    }

    #[cfg(test)]
    pub(crate) fn enforces(&self, check: Check) -> bool {
        !self.without.contains(&check)
    }
}
