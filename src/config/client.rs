//! The settings of a client.

use alloc::borrow::ToOwned;
#[cfg(test)]
use alloc::vec::Vec;
use core::time::Duration;

use super::check::Check;
use super::field::named;
use super::kind::TICK;
use super::setting::settings;
use crate::error::ConfigError;
use crate::frame::Framing;
use crate::identity::{Identity, Name};
use crate::message::limits::MAX_INLINE;
use crate::suite::{Suite, Suites};

/// Time enough for people to have a new certificate made and put in its place.
pub(crate) const CERTIFICATE_NOTICE: Duration = Duration::from_secs(14 * 24 * 3600);

/// Whether the client works or only plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// A real federation.
    #[default]
    Work,
    /// A simulator: lists of jobs to abort are ignored, and a heartbeat answered with
    /// something other than ok ends the session.
    Simulate,
}

named! { Mode { Work Simulate } }

/// The protocol that carries the sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Binding {
    /// fedlink's own.
    #[default]
    Native,
    /// NVIDIA FLARE's.
    #[cfg(feature = "nvflare")]
    Nvflare(super::nvflare::Settings),
}

impl Binding {
    /// Whether the server gives a task again to whoever asks for one, until it has the
    /// result.
    pub(crate) fn gives_tasks_again(&self) -> bool {
        match self {
            Self::Native => false,
            #[cfg(feature = "nvflare")]
            Self::Nvflare(_) => true,
        }
    }

    /// Whether a result meets an answer when its job has ended. Otherwise the server's
    /// list of jobs to abort is all that ever tells.
    pub(crate) fn answers_for_ended_jobs(&self) -> bool {
        match self {
            Self::Native => true,
            #[cfg(feature = "nvflare")]
            Self::Nvflare(_) => false,
        }
    }
}

settings! {
    /// Settings of a client. Share one among any number of clients.
    ///
    /// # Memory
    /// In bytes, a client of fedlink's own protocol takes at most the sum of these. What the
    /// binding to NVIDIA FLARE takes stands with `nvflare::Settings`.
    ///
    /// | for | bytes |
    /// |---|---|
    /// | itself | 64 KiB, and 12 times its context and site information |
    /// | each job, up to `max_jobs` that run and as many that have ended | 1 KiB |
    /// | each task held and each result, up to `max_held` | 2 KiB, its size, and 13 times its headers |
    /// | each task on its way | its size and 2 MiB |
    /// | what is on its way to the server | 16 MiB, and 1 KiB and the context for each request for a task |
    /// | what waits for the host | `max_waiting_bytes` + 12 MiB + 1 KiB times `max_waiting` |
    /// | one message while it is read | 64 MiB |
    ///
    /// Contexts and headers take 12 times their encoding when they have as many entries as can
    /// be, and once more where they wait to be stored. A task that cannot be taken is answered
    /// with a failure, which is one more result until `max_held` are there.
    ///
    /// # Example
    /// ```
    /// # use std::sync::Arc;
    /// # use fedlink::identity::{Chain, Identity, LocalSigner, Name, Roots, Signer};
    /// # let key = LocalSigner::from_seed(&[1; 32]);
    /// # let trusted = LocalSigner::from_seed(&[2; 32]).public_key();
    /// # let roots = Roots::new().pin(Name::new("coordinator")?, trusted);
    /// # let name = Name::new("site-1")?;
    /// # let identity = Identity::new(name, Chain::pinned(key.public_key()), Arc::new(key), roots)?;
    /// use core::time::Duration;
    /// use fedlink::{Client, ClientConfig, Instant};
    ///
    /// let mut config = ClientConfig::new(Name::new("wine")?);
    /// // The certificate, or the pinned key, must be of this name.
    /// config.server = Some(Name::new("coordinator")?);
    /// // A slow machine behind a slow network.
    /// config.task_timeout = Duration::from_secs(60);
    /// config.max_payload = 256 << 20;
    /// let good = Arc::new(config);
    /// let now = Instant::default();
    /// let client = Client::new(Arc::clone(&good), identity.clone(), [7; 32], now)?;
    ///
    /// // What cannot work is refused before anything starts, and says what would.
    /// let mut config = ClientConfig::clone(&good);
    /// config.retry_max = Duration::from_secs(1);
    /// let refused = Client::new(Arc::new(config), identity, [8; 32], now);
    /// let error = refused.err().expect("a bound");
    /// assert!(error.to_string().contains("retry_max"), "{error}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[derive(Clone, Debug)]
    #[non_exhaustive]
    pub struct ClientConfig {
        /// The federation's name, the same on the server.
        pub project: Name,
        /// The protocol that the server speaks. Default: fedlink's own.
        pub binding: Binding,
        /// The checks that a test takes away.
        #[cfg(test)]
        pub(crate) without: Vec<Check>,
    } with settings {
        /// The name that the server's certificate must carry. Without it the host name that
        /// the host connected to is expected. Default: none.
        pub server: Option<Name> = name(),
        /// The suites to offer. Default: sealed.
        pub suites: Suites = words(),
        /// The carrier is trusted end to end, so the bearer suite needs no channel binding.
        /// Default: false.
        pub trusted_path: bool = bool(),
        /// The carrier moves single datagrams: challenges have 1,200 bytes, so that an answer is
        /// at most three times as long. A server with a longer answer says how many it takes.
        /// Default: false.
        pub datagram: bool = bool(),
        /// Whether to ask for a bearer token in the sealed suite, where it authorises
        /// nothing on this wire. Default: true.
        pub want_token: bool = bool(),
        /// Whether the client works or only plays a part in a simulation. Default: work.
        pub mode: Mode = word(),
        /// Wait for the carrier before `Retry` says that there is none. Default: 15 s.
        pub connect_timeout: Duration = duration(Duration::ZERO),
        /// Least wait before something that failed is tried again. Default: 2 s.
        pub retry_min: Duration = duration(TICK),
        /// Greatest wait before something that failed is tried again; not less than the least.
        /// Default: 1 min.
        pub retry_max: Duration = duration(TICK),
        /// Wait for an answer to challenge, register, heartbeat and quit. Default: 5 s.
        pub maintenance_timeout: Duration = duration(TICK),
        /// Wait for an answer to pull, submit, fetch and push; the server may raise it.
        /// Default: 5 s.
        pub task_timeout: Duration = duration(TICK),
        /// Wait after a failed request for a task or a failed heartbeat. Default: 5 s.
        pub failed_wait: Duration = duration(TICK),
        /// Time without one valid answer to any request after which the client registers anew.
        /// Default: 2 min.
        pub silence_limit: Duration = duration(TICK),
        /// Handshakes that failed alike before `Suspect` says `repeated`. Default: 3.
        pub reject_after: u32 = count(0),
        /// How long before the end of a certificate, its own or the server's, the host is told
        /// with `CertificateEnds`. Default: 14 d.
        pub certificate_notice: Duration = duration(Duration::ZERO),
        /// Results up to this many bytes travel inside their message. Default: 1 MiB.
        pub inline_limit: usize = bytes(0, MAX_INLINE as u64),
        /// Largest payload of a task in bytes; a larger task is reported as failed. Default:
        /// 4 GiB.
        pub max_payload: u64 = bytes(0, u64::MAX),
        /// Jobs that may run at once. Default: 1024.
        pub max_jobs: usize = count(0),
        /// Tasks held and results in the outbox, together. Default: 1024.
        pub max_held: usize = count(0),
        /// Actions that may wait for the host before messages of the server are dropped, as if
        /// they were lost, and the host is told nothing that it can do without. Default: 4096.
        pub max_waiting: usize = count(0),
        /// Bytes of the actions that wait for the host before messages of the server are
        /// dropped. Default: 1 GiB.
        pub max_waiting_bytes: usize = bytes(0, u64::MAX),
    } and defaults Self::new(Name::nobody())
}

impl ClientConfig {
    /// The defaults for a federation of this name.
    #[must_use]
    pub fn new(project: Name) -> Self {
        Self {
            project,
            server: None,
            binding: Binding::default(),
            suites: Suites::default(),
            trusted_path: false,
            datagram: false,
            want_token: true,
            mode: Mode::default(),
            connect_timeout: Duration::from_secs(15),
            retry_min: Duration::from_secs(2),
            retry_max: Duration::from_secs(60),
            maintenance_timeout: Duration::from_secs(5),
            task_timeout: Duration::from_secs(5),
            failed_wait: Duration::from_secs(5),
            silence_limit: Duration::from_secs(120),
            reject_after: 3,
            certificate_notice: CERTIFICATE_NOTICE,
            inline_limit: MAX_INLINE,
            max_payload: 4 << 30,
            max_jobs: 1024,
            max_held: 1024,
            max_waiting: 4096,
            max_waiting_bytes: 1 << 30,
            #[cfg(test)]
            without: Vec::new(),
        }
    }

    /// The defaults for a federation of NVIDIA FLARE of this name, whose server's
    /// certificate carries the name `server`. Its answers may take longer than those of
    /// fedlink's own server: it handles messages one after another.
    #[cfg(feature = "nvflare")]
    #[must_use]
    pub fn nvflare(project: Name, server: Name, settings: super::nvflare::Settings) -> Self {
        Self {
            server: Some(server),
            binding: Binding::Nvflare(settings),
            maintenance_timeout: Duration::from_secs(10),
            task_timeout: Duration::from_secs(60),
            ..Self::new(project)
        }
    }

    /// How messages follow each other on a byte stream to this client's server.
    #[must_use]
    pub fn framing(&self) -> Framing {
        match &self.binding {
            Binding::Native => Framing::Native,
            #[cfg(feature = "nvflare")]
            Binding::Nvflare(settings) => Framing::Nvflare {
                max_frame: settings.max_frame,
            },
        }
    }

    /// Results up to this many bytes travel inside their message. Where the link cuts
    /// large messages itself, all do.
    pub(crate) fn most_inline(&self) -> usize {
        match &self.binding {
            Binding::Native => self.inline_limit,
            #[cfg(feature = "nvflare")]
            Binding::Nvflare(_) => usize::MAX,
        }
    }

    /// Whether these settings can work, with this identity.
    pub(crate) fn check(&self, identity: &Identity) -> Result<(), ConfigError> {
        match &self.binding {
            Binding::Native if identity.is_rsa() => return Err(ConfigError::RsaIdentity),
            Binding::Native => {
                if identity.proof().is_none() && !self.suites.contains(Suite::Plain) {
                    return Err(ConfigError::NoKey);
                }
            }
            #[cfg(feature = "nvflare")]
            Binding::Nvflare(settings) => {
                if settings.secure && !identity.is_rsa() {
                    return Err(ConfigError::NoRsaIdentity);
                }
                if self.server.is_none() {
                    return Err(ConfigError::NoServerName);
                }
                settings.check()?;
            }
        }
        self.check_bounds()?;
        if self.retry_max < self.retry_min {
            return Err(ConfigError::OutOfBounds {
                setting: "retry_max",
                bounds: "at least `retry_min`".to_owned(),
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
