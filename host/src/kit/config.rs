//! The file `fedlink.toml` of a kit.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fedlink::HEARTBEAT_INTERVAL;
use fedlink::identity::Name;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::Fault;
use super::limits::{MAX_SECONDS, ServerLimits};
use super::number::numbers;
use super::role::Role;
use crate::address::{Address, AddressError};
use crate::path::check_path;
use crate::proxy::{Proxies, ProxySetting};
use crate::server_name::server_name;

/// The configuration of a site: a client that takes part in a project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteConfig {
    /// The version of what this file says: [`VERSION`](super::VERSION).
    pub version: u32,
    /// Whose kit this is: [`Role::Site`].
    pub role: Role,
    /// The project, 1 to 255 bytes.
    pub project: String,
    /// The site's own name: the common name of its certificate.
    pub name: String,
    /// How messages are protected.
    pub suite: Suite,
    /// What carries them.
    pub transport: Transport,
    /// Lets suite `bearer` go over `tcp`: nobody but the two ends can read what is on the
    /// way, for instance because a tunnel carries it. Both ends must say so.
    #[serde(default, skip_serializing_if = "is_default")]
    pub trusted_path: bool,
    /// The HTTP proxy on the way to the coordinator, as `http://NAME:PASSWORD@HOST:PORT`, or
    /// `none`; as the environment says unless given. Not for `tcp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxySetting>,
    /// The coordinator.
    pub server: ServerEntry,
    /// Where certificates, keys and state are.
    #[serde(default)]
    pub files: Files,
    /// Waiting times other than fedlink's own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeouts: SiteTimeouts,
}

/// The configuration of a coordinator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// The version of what this file says: [`VERSION`](super::VERSION).
    pub version: u32,
    /// Whose kit this is: [`Role::Server`].
    pub role: Role,
    /// The project, 1 to 255 bytes.
    pub project: String,
    /// The coordinator's own name: the common name of its certificate.
    pub name: String,
    /// How messages are protected.
    pub suite: Suite,
    /// What carries them.
    pub transport: Transport,
    /// See [`SiteConfig::trusted_path`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub trusted_path: bool,
    /// Where to wait for sites, each `host:port`; at least one. `0.0.0.0` stands for all of
    /// the machine's addresses of IPv4, `[::]` for all of IPv6, a name for all that it has.
    pub listen: Vec<String>,
    /// Where certificates, keys and state are.
    #[serde(default)]
    pub files: Files,
    /// Waiting times other than fedlink's own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timeouts: ServerTimeouts,
    /// What is allowed, above all to those who have not proved who they are.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: ServerLimits,
}

/// How messages are protected, whatever carries them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// Every message is encrypted and authenticated from end to end.
    Sealed,
    /// Messages carry a token: for carriers that protect end to end themselves.
    Bearer,
    /// No protection at all, for simulators and trusted rigs.
    Plain,
}

/// What carries messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TLS 1.3 over TCP, with certificates on both sides.
    Tls,
    /// TCP as it is.
    Tcp,
    /// TLS as for `tls`, and WebSocket within it: where HTTP over TLS passes and nothing else.
    Wss,
}

/// The coordinator, as a site knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerEntry {
    /// The common name of the certificate that the coordinator must show.
    pub name: String,
    /// Where it may be reached, each `host:port`; at least one, tried in this order.
    pub addresses: Vec<String>,
}

/// Files of a kit. Paths that are not absolute begin at the kit's folder; what only a shell
/// knows, `~` and `$NAME`, is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Files {
    /// The own certificate and its issuers up to the root, which may be left out; PEM.
    pub certificate: PathBuf,
    /// The own private key, Ed25519 in PKCS#8; PEM.
    pub key: PathBuf,
    /// The project's root certificates; PEM.
    pub roots: PathBuf,
    /// Certificates of the project that no longer count, if there are any; PEM. Lines that
    /// begin with `#` are remarks.
    pub revoked: PathBuf,
    /// The directory for what must outlive the process.
    pub state: PathBuf,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            certificate: "certificate.pem".into(),
            key: "key.pem".into(),
            roots: "roots.pem".into(),
            revoked: "revoked.pem".into(),
            state: "state".into(),
        }
    }
}

impl Files {
    fn check(&self) -> Result<(), Fault> {
        path("files.certificate", &self.certificate)?;
        path("files.key", &self.key)?;
        path("files.roots", &self.roots)?;
        path("files.revoked", &self.revoked)?;
        path("files.state", &self.state)
    }
}

numbers! {
    /// Waiting times of a site, in seconds, each from 1 to [`MAX_SECONDS`].
    pub struct SiteTimeouts: u32 in "timeouts" {} and of fedlink::ClientConfig {
        connect_seconds = "connect_timeout": SECONDS;
        maintenance_seconds = "maintenance_timeout": SECONDS;
        task_seconds = "task_timeout": SECONDS;
        retry_min_seconds = "retry_min": SECONDS;
        retry_max_seconds = "retry_max": SECONDS;
    }
}

numbers! {
    /// Waiting times of a coordinator, in seconds, each from 1 to [`MAX_SECONDS`].
    pub struct ServerTimeouts: u32 in "timeouts" {} and of fedlink::ServerConfig {
        heartbeat_seconds = "heartbeat_interval": SECONDS;
        dead_after_seconds = "dead_after": SECONDS;
        session_seconds = "session_lifetime": SECONDS;
    }
}

const SECONDS: RangeInclusive<u64> = 1..=MAX_SECONDS as u64;

/// The most addresses of a coordinator, or to listen at. Trying more would take longer
/// than anyone waits.
pub const MAX_ADDRESSES: usize = 16;

/// What both kinds of configuration have in common.
pub trait Config: Clone + DeserializeOwned + Serialize + sealed::Sealed {
    /// Whose configuration this is.
    const ROLE: Role;

    /// Finds what the types of the fields cannot rule out.
    ///
    /// # Errors
    ///
    /// The first field with a value that it cannot have.
    fn check(&self) -> Result<(), Fault>;

    /// The own name.
    fn name(&self) -> &str;

    /// The project's name.
    fn project(&self) -> &str;

    /// Where certificates, keys and state are.
    fn files(&self) -> &Files;
}

impl Config for SiteConfig {
    const ROLE: Role = Role::Site;

    fn check(&self) -> Result<(), Fault> {
        name("project", &self.project)?;
        name("name", &self.name)?;
        name("server.name", &self.server.name)?;
        for address in addresses("server.addresses", &self.server.addresses)? {
            let reachable = address.check_reachable();
            reachable.map_err(|error| Fault::new("server.addresses", error.to_string()))?;
        }
        tls_name("server.name", &self.server.name, self.transport)?;
        self.files.check()?;
        protection(self.suite, self.transport, self.trusted_path)?;
        proxy(self.proxy.as_ref(), self.transport)?;
        self.timeouts.check()
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn project(&self) -> &str {
        &self.project
    }

    fn files(&self) -> &Files {
        &self.files
    }
}

impl Config for ServerConfig {
    const ROLE: Role = Role::Server;

    fn check(&self) -> Result<(), Fault> {
        name("project", &self.project)?;
        name("name", &self.name)?;
        addresses("listen", &self.listen)?;
        tls_name("name", &self.name, self.transport)?;
        self.files.check()?;
        protection(self.suite, self.transport, self.trusted_path)?;
        self.timeouts.check()?;
        self.limits.check()?;
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let heartbeat = self.timeouts.heartbeat_seconds;
        let heartbeat = heartbeat.map_or(HEARTBEAT_INTERVAL, seconds);
        idle(self.limits.for_host().idle_time, heartbeat)
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn project(&self) -> &str {
        &self.project
    }

    fn files(&self) -> &Files {
        &self.files
    }
}

mod sealed {
    /// Other kinds of kit are not foreseen.
    pub trait Sealed {}
    impl Sealed for super::SiteConfig {}
    impl Sealed for super::ServerConfig {}
}

fn name(field: &'static str, value: &str) -> Result<(), Fault> {
    match Name::new(value) {
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::new(field, error.to_string())),
    }
}

fn addresses(field: &'static str, values: &[String]) -> Result<Vec<Address>, Fault> {
    if values.is_empty() || values.len() > MAX_ADDRESSES {
        let remedy = format!("give 1 to {MAX_ADDRESSES} addresses, each \"host:port\"");
        return Err(Fault::new(field, remedy));
    }
    let read = values.iter().map(|value| value.parse());
    read.collect::<Result<_, _>>()
        .map_err(|error: AddressError| Fault::new(field, error.to_string()))
}

/// Over TLS sites check that the coordinator's certificate is for its name.
fn tls_name(field: &'static str, name: &str, transport: Transport) -> Result<(), Fault> {
    match transport {
        Transport::Tcp => Ok(()),
        Transport::Tls | Transport::Wss => server_name(name)
            .map(drop)
            .map_err(|fault| Fault::new(field, fault)),
    }
}

fn path(field: &'static str, value: &Path) -> Result<(), Fault> {
    check_path(value).map_err(|fault| Fault::new(field, format!("{value:?}: {fault}")))
}

fn protection(suite: Suite, transport: Transport, trusted_path: bool) -> Result<(), Fault> {
    if suite == Suite::Bearer && transport == Transport::Tcp && !trusted_path {
        return Err(Fault::new(
            "suite",
            "over tcp anyone on the way can take a bearer token: choose transport \"tls\" or \"wss\", or \
             suite \"sealed\", or set trusted_path = true on both ends if nobody is on the way",
        ));
    }
    Ok(())
}

fn proxy(setting: Option<&ProxySetting>, transport: Transport) -> Result<(), Fault> {
    let Some(setting) = setting else {
        return Ok(());
    };
    let proxies = Proxies::of(setting, "it");
    let proxies = proxies.map_err(|error| Fault::new("proxy", error.to_string()))?;
    match (transport, proxies.origin()) {
        (Transport::Tcp, Some(_)) => Err(Fault::new(
            "proxy",
            "transport tcp goes through no proxy: choose \"tls\" or \"wss\" in both kits, or leave `proxy` out",
        )),
        (Transport::Tcp | Transport::Tls | Transport::Wss, _) => Ok(()),
    }
}

/// Sites that only send heartbeats are not idle.
fn idle(idle: Duration, heartbeat: Duration) -> Result<(), Fault> {
    if idle <= 2 * heartbeat {
        return Err(Fault::new(
            "limits.idle_seconds",
            format!(
                "{} s are no more than two heartbeats of {} s: make idle_seconds longer, or \
                 timeouts.heartbeat_seconds shorter",
                idle.as_secs(),
                heartbeat.as_secs()
            ),
        ));
    }
    Ok(())
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
