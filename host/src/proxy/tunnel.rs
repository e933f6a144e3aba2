//! The request for a tunnel and the proxy's answer, as bytes without a socket.
//!
//! Whatever fails may pass: anybody between the two can send such an answer.

use std::io::{self, ErrorKind};
use std::time::Duration;

use httparse::{EMPTY_HEADER, Error, Response, Status};
use zeroize::Zeroizing;

use super::Proxy;
use super::url::MAX_SETTING;
use crate::address::Address;
use crate::connectivity::ConnectionFailure;

/// The longest head of an answer, in bytes, and the most headers in it. Real ones have some
/// hundred bytes.
const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 100;

/// Room for what one read may bring.
const READ_BYTES: usize = 1 << 10;

/// How many characters of what a proxy says are shown.
const MAX_SHOWN: usize = 80;

/// Asks the proxy for a tunnel to `address`.
pub(super) fn request(proxy: &Proxy, address: &Address) -> Zeroizing<String> {
    // With room for all of it, so that no copy is left behind.
    let mut request = Zeroizing::new(String::with_capacity(2 * MAX_SETTING));
    request.push_str(&format!(
        "CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n"
    ));
    if let Some(authorization) = proxy.authorization() {
        request.push_str("Proxy-Authorization: ");
        request.push_str(authorization);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}

/// What has come of the proxy's answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    bytes: Vec<u8>,
    head: Option<Head>,
}

/// The head of an answer.
#[derive(Debug)]
struct Head {
    status: u16,
    reason: String,
    /// How it wants to be shown who calls.
    schemes: Vec<String>,
    /// What has come beyond it, in bytes.
    rest: usize,
}

impl Answer {
    pub(super) fn is_whole(&self) -> bool {
        self.head.is_some()
    }

    /// Room for more.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        self.bytes.reserve(READ_BYTES);
        &mut self.bytes
    }

    /// Looks at what has come; the last read has brought this many bytes.
    pub(super) fn look(&mut self, read: usize) -> Result<(), Failure> {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut response = Response::new(&mut headers);
        match response.parse(&self.bytes) {
            Ok(Status::Complete(len)) => {
                let schemes = response
                    .headers
                    .iter()
                    .filter(|header| header.name.eq_ignore_ascii_case("proxy-authenticate"));
                let schemes = schemes.filter_map(|header| {
                    let value = String::from_utf8_lossy(header.value);
                    value.split_whitespace().next().map(shown)
                });
                self.head = Some(Head {
                    status: response.code.unwrap_or_default(),
                    reason: shown(response.reason.unwrap_or_default()),
                    schemes: schemes.collect(),
                    rest: self.bytes.len().saturating_sub(len),
                });
                Ok(())
            }
            Ok(Status::Partial) if read == 0 => Err(Failure::Closed),
            Ok(Status::Partial) if self.bytes.len() < MAX_HEAD => Ok(()),
            Ok(Status::Partial) | Err(Error::TooManyHeaders) => Err(Failure::TooLong),
            Err(_) => Err(Failure::NoHttp(self.start())),
        }
    }

    /// Whether the tunnel stands.
    pub(super) fn check(self, proxy: &Proxy) -> Result<(), Failure> {
        let Some(head) = self.head else {
            return Err(Failure::Closed);
        };
        let said = format!("{} {}", head.status, head.reason);
        Err(match head.status {
            200..=299 if head.rest == 0 => return Ok(()),
            // Whoever is behind it waits to be spoken to.
            200..=299 => Failure::Excess,
            // Some answer so to a wrong password.
            401 | 407 => {
                let takes_basic = |scheme: &String| scheme.eq_ignore_ascii_case("basic");
                match (head.schemes.iter().any(takes_basic), proxy.authorization()) {
                    (false, _) if !head.schemes.is_empty() => {
                        Failure::OtherProof(head.schemes.join(", "))
                    }
                    (_, None) => Failure::WhoCalls,
                    (_, Some(_)) => Failure::NotTaken,
                }
            }
            403 | 451 => Failure::Forbidden(said),
            429 | 500..=599 if head.status != 501 => Failure::Passing(said),
            _ => Failure::NoTunnels(said),
        })
    }

    fn start(&self) -> String {
        shown(&String::from_utf8_lossy(&self.bytes))
    }
}

/// As much of a peer's text as is shown.
fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

/// Why there is no tunnel.
#[derive(Debug)]
pub(super) enum Failure {
    NoName(io::Error),
    Unreachable(io::Error),
    Silent(Duration),
    Closed,
    /// The connection to the proxy broke.
    Broken(io::Error),
    /// With how its answer begins.
    NoHttp(String),
    TooLong,
    Excess,
    /// It wants to know who calls.
    WhoCalls,
    /// It knows nobody of this name and password.
    NotTaken,
    /// It wants to know who calls, in these ways.
    OtherProof(String),
    Forbidden(String),
    Passing(String),
    NoTunnels(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

impl Failure {
    /// The error of a connection to `address` that this has prevented.
    pub(super) fn of(self, proxy: &Proxy, address: &Address) -> io::Error {
        let kind = match &self {
            Self::NoName(error) | Self::Unreachable(error) | Self::Broken(error) => error.kind(),
            Self::Silent(_) => ErrorKind::TimedOut,
            Self::Closed => ErrorKind::UnexpectedEof,
            _ => ErrorKind::InvalidData,
        };
        let text = format!("the proxy {proxy} {}", self.told(proxy.origin(), address));
        ConnectionFailure::transient(text).into_error(kind)
    }

    fn told(&self, origin: &str, address: &Address) -> String {
        match self {
            Self::NoName(error) => {
                format!(
                    "has a name without an address ({error}): correct {origin}, or the DNS of this machine"
                )
            }
            Self::Unreachable(error) => format!(
                "cannot be reached ({}): see whether it runs and no firewall is between, or correct {origin}",
                ConnectionFailure::of(error)
            ),
            Self::Silent(time) => format!(
                "has not answered the request for {address} within {} s: see whether it is an HTTP proxy and reaches that address",
                time.as_secs()
            ),
            Self::Closed => format!(
                "closes the connection before it has answered: see whether it is an HTTP proxy and takes requests from this machine, or correct {origin}"
            ),
            Self::Broken(error) => format!(
                "has broken the connection ({error}): see whether it is an HTTP proxy and takes requests from this machine"
            ),
            Self::NoHttp(start) => {
                format!("is no HTTP proxy, its answer begins with {start:?}: correct {origin}")
            }
            Self::TooLong => format!(
                "answers with a head of more than {MAX_HEAD} bytes or {MAX_HEADERS} headers: see what listens there, or correct {origin}"
            ),
            Self::Excess => format!(
                "sends more than its answer, before anything was asked of {address}: see what listens there, or correct {origin}"
            ),
            Self::WhoCalls => format!(
                "wants to know who calls: write name and password into {origin}, as in http://NAME:PASSWORD@HOST:PORT"
            ),
            Self::NotTaken => format!(
                "does not take the name and the password: correct them in {origin}, with characters such as @, :, / and % in percent form"
            ),
            Self::OtherProof(schemes) => format!(
                "wants to know who calls by {schemes}, and fedlink speaks Basic alone: have it take that, or let {address} through for this machine"
            ),
            Self::Forbidden(said) => format!(
                "does not allow a connection to {address} ({said}): have it allow CONNECT to that; many allow port 443 alone"
            ),
            Self::Passing(said) => format!(
                "does not get through to {address} ({said}): see whether the server runs, and whether the proxy reaches it; it is tried again"
            ),
            Self::NoTunnels(said) => format!(
                "makes no tunnel to {address} ({said}): see whether it is an HTTP proxy that takes CONNECT, or correct {origin}"
            ),
        }
    }
}
