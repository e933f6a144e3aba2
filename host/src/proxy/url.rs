//! The URL of a proxy, with a name and a password that nobody else is to see.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64ct::{Base64, Encoding};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::address::Address;

/// The port of a proxy whose address comes without one: curl's.
const DEFAULT_PORT: u16 = 1080;

/// The longest setting of a proxy, in bytes. Tokens that stand for passwords have some hundred.
pub(super) const MAX_SETTING: usize = 8 << 10;

/// What a proxy was set to. It is not shown: it may hold a password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProxySetting(String);

impl From<String> for ProxySetting {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for ProxySetting {
    type Err = Infallible;

    /// Takes any text: what is wrong with it is told without showing it.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for ProxySetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxySetting(..)")
    }
}

/// Why a setting names no proxy that can be used. It does not show the setting.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{origin} names no proxy that can be used: {problem}")]
pub struct ProxyError {
    origin: String,
    problem: &'static str,
}

/// An HTTP proxy.
#[derive(Clone)]
pub struct Proxy {
    address: Address,
    /// What the header `Proxy-Authorization` says.
    authorization: Option<Arc<Zeroizing<String>>>,
    origin: String,
}

const SOCKS: &str = "SOCKS is not spoken here: give an HTTP proxy, as in http://HOST:PORT, or set it to none with --proxy";
const OVER_TLS: &str =
    "proxies that are themselves reached over TLS are not spoken to: give its port for http://";
const SCHEME: &str = "write it as http://HOST:PORT";
const RESERVED: &str = "write http://NAME:PASSWORD@HOST:PORT, with characters such as @, :, / and ? in name and password in percent form";
const TOO_LONG: &str = "it has more than 8,192 bytes: see whether that is some other text";
const REST: &str = "leave out what follows the port";
const COLON: &str = "a name with a colon cannot be told from its password: ask for another name";
const CONTROL: &str = "name and password are UTF-8, without control characters";

impl ProxySetting {
    /// Whether it is this word.
    pub(super) fn is(&self, word: &str) -> bool {
        self.0.trim().eq_ignore_ascii_case(word)
    }

    /// Reads `[http://][NAME[:PASSWORD]@]HOST[:PORT][/]`.
    pub(super) fn read(&self, origin: &str) -> Result<Proxy, ProxyError> {
        let refused = |problem| ProxyError {
            origin: origin.to_owned(),
            problem,
        };
        if self.0.len() > MAX_SETTING {
            return Err(refused(TOO_LONG));
        }
        let (address, credentials) = parts(self.0.trim()).map_err(refused)?;
        let authorization = match credentials {
            Some(text) => Some(basic(text).map_err(refused)?.into()),
            None => None,
        };
        Ok(Proxy {
            address,
            authorization,
            origin: origin.to_owned(),
        })
    }
}

/// Address, and what stands before the `@`.
fn parts(text: &str) -> Result<(Address, Option<&str>), &'static str> {
    let rest = match text.split_once("://") {
        None => text,
        Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
            "http" => rest,
            "https" => return Err(OVER_TLS),
            "socks" | "socks4" | "socks4a" | "socks5" | "socks5h" => return Err(SOCKS),
            _ => return Err(SCHEME),
        },
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if path.contains('@') {
        return Err(RESERVED);
    }
    if !matches!(path, "" | "/") {
        return Err(REST);
    }
    let (credentials, host) = match authority.rsplit_once('@') {
        Some((credentials, host)) => (Some(credentials), host),
        None => (None, authority),
    };
    let address = Address::read(host, Some(DEFAULT_PORT)).map_err(|error| error.problem())?;
    address.check_reachable().map_err(|error| error.problem())?;
    Ok((address, credentials.filter(|it| !it.is_empty())))
}

/// The scheme Basic of RFC 7617.
fn basic(credentials: &str) -> Result<Zeroizing<String>, &'static str> {
    let (name, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let decode = |text| {
        let text = percent_decode_str(text).decode_utf8();
        let text = text.map_err(|_| CONTROL)?;
        match text.contains(char::is_control) {
            true => Err(CONTROL),
            false => Ok(Zeroizing::new(text.into_owned())),
        }
    };
    let (name, password) = (decode(name)?, decode(password)?);
    if name.contains(':') {
        return Err(COLON);
    }
    let both = Zeroizing::new(format!("{}:{}", *name, *password));
    let encoded = Zeroizing::new(Base64::encode_string(both.as_bytes()));
    Ok(Zeroizing::new(format!("Basic {}", *encoded)))
}

impl Proxy {
    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What its setting is called.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub(super) fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref().map(|it| it.as_str())
    }
}

/// Without name and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{} ({})", self.address, self.origin)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}
