//! HTTP proxies between a host and the server: which one leads to which address, and the
//! tunnel through it (CONNECT, RFC 9110, section 9.3.6).
//!
//! The environment is read as curl reads it. Only connections over TLS go through a proxy:
//! it is told where to, and sees nothing of what is said.

mod exempt;
mod tunnel;
mod url;

pub use url::{Proxy, ProxyError, ProxySetting};

use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};

use crate::address::{Address, AddressError};
use crate::connectivity::{ConnectionFailure, Fault};
use exempt::Exempt;
use tunnel::{Answer, Failure, request};

/// How long TCP may take to connect, with a name that has to be resolved.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a proxy may take to connect to the server. Together with TCP before and TLS after
/// it is less than a client waits for a connection.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

/// Variables of the environment that name a proxy for TLS, by rank.
const VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// Variables of the environment that name what is reached without a proxy, by rank.
const EXEMPTING: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// The setting that asks for no proxy, whatever the environment says.
const NONE: &str = "none";

/// Which proxy leads to which address.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    setting: Option<Setting>,
    exempt: Exempt,
}

#[derive(Clone, Debug)]
struct Setting {
    text: ProxySetting,
    origin: Cow<'static, str>,
}

impl Proxies {
    /// None for any address.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// As the environment says: the first of `https_proxy`, `HTTPS_PROXY`, `all_proxy` and
    /// `ALL_PROXY` that is not empty, but for what the first of `no_proxy` and `NO_PROXY`
    /// names: `*` for all, or names, which stand for all names below them too, addresses and
    /// networks such as `10.0.0.0/8`, each with a port or without, separated by commas.
    #[must_use]
    pub fn from_env() -> Self {
        Self::from_variables(|name| {
            let value = std::env::var_os(name)?;
            Some(value.to_string_lossy().into_owned())
        })
    }

    fn from_variables(value: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&'static str]| {
            let mut values = names.iter().map(|name| (*name, value(name)));
            values.find_map(|(name, value)| Some((name, value.filter(|it| !it.is_empty())?)))
        };
        Self {
            setting: first(&VARIABLES).map(|(name, text)| Setting {
                text: text.into(),
                origin: name.into(),
            }),
            exempt: first(&EXEMPTING)
                .map(|(_, list)| Exempt::read(&list))
                .unwrap_or_default(),
        }
    }

    /// As a setting says: a proxy as `http://NAME:PASSWORD@HOST:PORT`, for every address, or
    /// `none`. The environment counts for nothing. `origin` is what the setting is called,
    /// in errors.
    ///
    /// # Errors
    /// When it names no proxy that can be used.
    pub fn of(
        setting: &ProxySetting,
        origin: impl Into<Cow<'static, str>>,
    ) -> Result<Self, ProxyError> {
        if setting.is(NONE) {
            return Ok(Self::none());
        }
        let origin = origin.into();
        setting.read(&origin)?;
        Ok(Self {
            setting: Some(Setting {
                text: setting.clone(),
                origin,
            }),
            exempt: Exempt::default(),
        })
    }

    /// What the proxy's setting is called, if there is one for any address.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.setting.as_ref().map(|setting| &*setting.origin)
    }

    /// The proxy that leads to this address; none if it is reached without.
    ///
    /// # Errors
    /// When the environment names one that cannot be used.
    pub fn to(&self, address: &Address) -> Result<Option<Proxy>, ProxyError> {
        match &self.setting {
            Some(setting) if !self.exempt.contains(address) => {
                setting.text.read(&setting.origin).map(Some)
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Connects to `host:port` over TCP, through the proxy that leads there if there is one.
    ///
    /// # Errors
    /// What is in the way, and what to do about it.
    pub async fn connect(&self, address: &str) -> io::Result<TcpStream> {
        match self.proxy(address)? {
            Some((proxy, address)) => through(&proxy, &address).await,
            None => timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await?,
        }
    }

    /// The same failure of TLS on a connection to `address`, with the proxy that it went
    /// through.
    pub(crate) fn behind(&self, address: &str, error: io::Error) -> io::Error {
        let Ok(Some((proxy, _))) = self.proxy(address) else {
            return error;
        };
        let failure = ConnectionFailure::of(&error);
        let opens = match failure.fault {
            Some(Fault::TheirForeign) => {
                "; if it opens TLS itself, have it pass this address through"
            }
            _ => "",
        };
        let text = format!("{failure} (through the proxy {proxy}{opens})");
        ConnectionFailure { text, ..failure }.into_error(error.kind())
    }

    /// The same for a host without a runtime.
    pub(crate) fn connect_blocking(
        &self,
        address: &str,
        connect: impl Fn(&str) -> io::Result<std::net::TcpStream>,
    ) -> io::Result<std::net::TcpStream> {
        match self.proxy(address)? {
            Some((proxy, address)) => through_blocking(&proxy, &address, connect),
            None => connect(address),
        }
    }

    /// The proxy that leads to this address, which is read only if there may be one.
    fn proxy(&self, address: &str) -> io::Result<Option<(Proxy, Address)>> {
        if self.setting.is_none() {
            return Ok(None);
        }
        let invalid = |error: AddressError| io::Error::new(ErrorKind::InvalidInput, error);
        let address: Address = address.parse().map_err(invalid)?;
        let proxy = self.to(&address);
        let proxy = proxy.map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
        Ok(proxy.map(|proxy| (proxy, address)))
    }
}

/// A connection to `address` in which the proxy is no longer seen.
async fn through(proxy: &Proxy, address: &Address) -> io::Result<TcpStream> {
    let failed = |failure: Failure| failure.of(proxy, address);
    let at = proxy.address();
    let until = Instant::now() + CONNECT_TIMEOUT;
    let found = timeout_at(until, lookup_host((at.host.to_string(), at.port)));
    let found = found
        .await
        .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
    let found: Vec<_> = found
        .map_err(|error| failed(Failure::NoName(error)))?
        .collect();
    let stream = timeout_at(until, TcpStream::connect(&*found));
    let stream = stream
        .await
        .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
    let mut stream = stream.map_err(|error| failed(Failure::Unreachable(error)))?;
    match ask(&mut stream, proxy, address).await {
        Ok(()) => Ok(stream),
        Err(failure) => Err(failed(failure)),
    }
}

/// Asks the proxy at the other end of `stream` to connect it to `address`.
async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proxy: &Proxy,
    address: &Address,
) -> Result<(), Failure> {
    let asked = async {
        let request = request(proxy, address);
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Answer::default();
        while !answer.is_whole() {
            let read = stream.read_buf(answer.room()).await?;
            answer.look(read)?;
        }
        answer.check(proxy)
    };
    let asked = timeout(ANSWER_TIMEOUT, asked).await;
    asked.unwrap_or(Err(Failure::Silent(ANSWER_TIMEOUT)))
}

fn through_blocking(
    proxy: &Proxy,
    address: &Address,
    connect: impl Fn(&str) -> io::Result<std::net::TcpStream>,
) -> io::Result<std::net::TcpStream> {
    use std::io::{Read, Write};

    let failed = |failure: Failure| failure.of(proxy, address);
    let stream = connect(&proxy.address().to_string());
    let mut stream = stream.map_err(|error| failed(Failure::Unreachable(error)))?;
    let until = std::time::Instant::now() + ANSWER_TIMEOUT;
    let mut asked = || {
        stream.write_all(request(proxy, address).as_bytes())?;
        let mut answer = Answer::default();
        let mut room = [0; 1024];
        while !answer.is_whole() {
            let left = until.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return Err(Failure::Silent(ANSWER_TIMEOUT));
            }
            stream.set_read_timeout(Some(left))?;
            let read = match stream.read(&mut room) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Err(Failure::Silent(ANSWER_TIMEOUT));
                }
                read => read?,
            };
            answer
                .room()
                .extend_from_slice(room.get(..read).unwrap_or_default());
            answer.look(read)?;
        }
        answer.check(proxy)
    };
    asked().map_err(failed)?;
    Ok(stream)
}

#[cfg(test)]
mod tests;
