//! Addresses of servers, as people write them: `host:port`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The host.
    pub host: Host,
    /// The port, which is not 0.
    pub port: u16,
}

/// A machine, or one of its interfaces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// An address. One of IPv4 within IPv6 is one of IPv4.
    Ip(IpAddr),
    /// A name that has to be resolved.
    Name(String),
}

/// Why a text is no address, or none to connect to.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{text:?} is no address: {problem}")]
pub struct AddressError {
    text: String,
    problem: &'static str,
}

/// The longest name of a host, in bytes, and the longest part of one (RFC 1035).
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

const EXAMPLE: &str = "write \"host:port\", as in \"192.0.2.7:8443\"";
const BARE_IPV6: &str = "write IPv6 in brackets, as in \"[2001:db8::1]:8443\"";
const PORT: &str = "the port after the last ':' is a number from 1 to 65535, in digits alone";
const EMPTY: &str =
    "nothing is written here: write a host, or leave out a comma that has none before or behind it";
const NO_HOST: &str = "a host is missing before the ':'";
const LOCALHOST: &str = "few machines resolve names under localhost: write \"localhost\" alone";
const NAME: &str = "a host's name has letters, digits, '-' and '_' between dots, and begins and ends with a letter or digit";

impl AddressError {
    /// What is wrong, without the text.
    pub(crate) fn problem(&self) -> &'static str {
        self.problem
    }
}

impl Address {
    /// Reads `host:port`, or a host alone if there is a port for it. An address of IPv6 has
    /// brackets, except alone where nothing in it could be the port.
    ///
    /// # Errors
    ///
    /// When it is anything else.
    pub fn read(text: &str, port: Option<u16>) -> Result<Self, AddressError> {
        Self::parts(text, port).map_err(|problem| AddressError {
            text: text.to_owned(),
            problem,
        })
    }

    fn parts(text: &str, port: Option<u16>) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err(EMPTY);
        }
        if text.contains(|character: char| character.is_whitespace()) {
            return Err("leave out the space in it");
        }
        if text.contains('/') {
            return Err("leave out everything but host and port, such as \"https://\"");
        }
        if let Some(port) = port
            && let Some(host) = alone(text)?
        {
            return Ok(Self { host, port });
        }
        let without_port = text.ends_with(']');
        let parts = text.rsplit_once(':').filter(|_| !without_port);
        let (host, port) = parts.ok_or(EXAMPLE)?;
        let host = Host::read(host)?;
        let digits = port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| digits && *port > 0);
        let port = port.ok_or(PORT)?;
        Ok(Self { host, port })
    }

    /// Whether a client can connect here. An address to listen at may stand for all
    /// interfaces of a machine, which is nowhere for anybody else.
    ///
    /// # Errors
    ///
    /// When it cannot.
    pub fn check_reachable(&self) -> Result<(), AddressError> {
        let ip = match &self.host {
            Host::Name(name) if self.is_loopback() && !name.eq_ignore_ascii_case("localhost") => {
                return Err(AddressError {
                    text: self.to_string(),
                    problem: LOCALHOST,
                });
            }
            Host::Name(_) => return Ok(()),
            Host::Ip(ip) => ip,
        };
        let problem = match ip {
            _ if ip.is_unspecified() => {
                "it stands for all interfaces of a machine, and leads to none: write the one that others reach it at"
            }
            _ if ip.is_multicast() => "it is of a group, not of a machine",
            IpAddr::V4(ip) if ip.is_broadcast() || ip.octets()[0] == 0 => "it is not of a machine",
            IpAddr::V6(ip) if ip.is_unicast_link_local() => {
                "it counts on one cable alone: write one that all machines can reach"
            }
            _ => return Ok(()),
        };
        Err(AddressError {
            text: self.to_string(),
            problem,
        })
    }

    /// Whether only the machine itself can connect here.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Ip(ip) => ip.is_loopback(),
            // RFC 6761.
            Host::Name(name) => name
                .rsplit('.')
                .next()
                .is_some_and(|last| last.eq_ignore_ascii_case("localhost")),
        }
    }
}

/// The host if `text` is one without a port.
fn alone(text: &str) -> Result<Option<Host>, &'static str> {
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        let with_port = text.rsplit_once(':').is_some_and(|(head, tail)| {
            head.parse::<Ipv6Addr>().is_ok() && tail.parse::<u16>().is_ok()
        });
        return match with_port {
            true => Err(BARE_IPV6),
            false => Ok(Some(Host::ip(ip.into()))),
        };
    }
    match text.contains(':') && !text.ends_with(']') {
        true => Ok(None),
        false => Host::read(text).map(Some),
    }
}

impl Host {
    /// Reads an address, that of IPv6 in brackets, or a name.
    fn read(text: &str) -> Result<Self, &'static str> {
        if text.contains('%') {
            return Err(
                "zones of IPv6, as in fe80::1%eth0, hold on one machine alone: give an address that counts on all of them",
            );
        }
        if let Some(text) = text.strip_prefix('[') {
            let ip = text
                .strip_suffix(']')
                .and_then(|ip| ip.parse::<Ipv6Addr>().ok());
            return ip
                .map(|ip| Self::ip(ip.into()))
                .ok_or("brackets are for addresses of IPv6: write everything else without them");
        }
        if let Ok(ip) = text.parse::<Ipv4Addr>() {
            return Ok(Self::ip(ip.into()));
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(BARE_IPV6);
        }
        if text.is_empty() {
            return Err(NO_HOST);
        }
        if let Some(fault) = host_name_fault(text) {
            return Err(match text.is_ascii() {
                true => fault,
                false => "write names beyond ASCII as the DNS has them, beginning with \"xn--\"",
            });
        }
        let last = text.rsplit('.').next().unwrap_or_default();
        let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
        let is_number = last.bytes().all(|byte| byte.is_ascii_digit())
            || hexadecimal.is_some_and(|it| it.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match is_number {
            true => Err(
                "it ends in a number, but is not four numbers up to 255: correct the address, or write a name",
            ),
            false => Ok(Self::Name(text.to_owned())),
        }
    }

    fn ip(ip: IpAddr) -> Self {
        Self::Ip(ip.to_canonical())
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads `host:port`.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::read(text, None)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

/// Without brackets.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Why this has not the form of a host's name: letters, digits, '-' and '_' between dots, with
/// a letter or digit at both ends of each part. It may still be meant as a number.
#[must_use]
pub fn host_name_fault(name: &str) -> Option<&'static str> {
    if name.len() > MAX_NAME {
        return Some("a host's name has at most 253 characters");
    }
    if name.ends_with('.') {
        return Some("leave out the dot at its end");
    }
    for label in name.split('.') {
        let ends = [label.bytes().next(), label.bytes().next_back()];
        let alphanumeric = |end: &Option<u8>| end.is_some_and(|byte| byte.is_ascii_alphanumeric());
        let may_be = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !ends.iter().all(alphanumeric) || !label.bytes().all(may_be) {
            return Some(NAME);
        }
        if label.len() > MAX_LABEL {
            return Some("a part of a host's name, between two dots, has at most 63 characters");
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_written_as_it_is_meant() {
        for (text, written) in [
            ("127.0.0.1:8443", "127.0.0.1:8443"),
            ("fl.example.org:1", "fl.example.org:1"),
            ("my_host:65535", "my_host:65535"),
            ("[2001:DB8:0::1]:99", "[2001:db8::1]:99"),
            ("[::ffff:192.0.2.7]:99", "192.0.2.7:99"),
            ("0.0.0.0:8443", "0.0.0.0:8443"),
            ("7.example:8443", "7.example:8443"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), written);
            assert_eq!(written.parse(), Ok(address));
        }
        for (text, written) in [
            ("127.0.0.1", "127.0.0.1:7"),
            ("::1", "[::1]:7"),
            ("[::1]", "[::1]:7"),
            ("2001:db8::1", "[2001:db8::1]:7"),
            ("1:2:3:4:5:6:7:8", "[1:2:3:4:5:6:7:8]:7"),
            ("host", "host:7"),
            ("host:9", "host:9"),
            ("[::1]:9", "[::1]:9"),
        ] {
            assert_eq!(Address::read(text, Some(7)).unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_refused_has_its_reason() {
        for (texts, reason) in [
            (&[""][..], "nothing is written here"),
            (&["host", "[::1]"], "write \"host:port\""),
            (&[" host:1", "host :1", "host:1\n", "ho\u{a0}st:1"], "space"),
            (&["https://host:1", "host:1/", "tcp://[::1]:1"], "https://"),
            (
                &[
                    "host:",
                    "host:0",
                    "host:00",
                    "host:+1",
                    "host:-1",
                    "host:65536",
                    "host:000001",
                    "host:\u{ff11}",
                    "[::1]:0",
                    "127.0.0.1:0",
                ],
                "the port",
            ),
            (
                &["::1:8443", "2001:db8::1:8443", "fe80::1:1"],
                "in brackets",
            ),
            (
                &["[localhost]:1", "[127.0.0.1]:1", "[::1:1", "[]:1"],
                "brackets are for",
            ),
            (&["[fe80::1%eth0]:1", "fe80::1%lo:99"], "zones of IPv6"),
            (
                &[
                    "256.1.1.1:1",
                    "1.2.3:1",
                    "2130706433:1",
                    "127.0.0.01:1",
                    "0x7f.1:1",
                    "0x7f000001:1",
                    "coord.7:1",
                ],
                "ends in a number",
            ),
            (
                &[
                    "-a:1",
                    "a-:1",
                    "a..b:1",
                    ".a:1",
                    "a,b:1",
                    "user@host:1",
                    "::1]:1",
                ],
                "a host's name",
            ),
            (&[":1"], "a host is missing"),
            (&["a.:1", "a.example.:1"], "the dot at its end"),
            (&[&format!("{}.example:1", "a".repeat(64))], "at most 63"),
            (&[&format!("{}a:1", "a.".repeat(127))], "at most 253"),
            (&["m\u{fc}nchen.example:1"], "xn--"),
        ] {
            for text in texts {
                let error = text.parse::<Address>().unwrap_err().to_string();
                assert!(
                    error.starts_with(&format!("{text:?} is no address: ")),
                    "{error}"
                );
                assert!(error.contains(reason), "{error}");
            }
        }
        // A port or the end of the address: who knows.
        assert!(Address::read("2001:db8::1:8443", Some(7)).is_err());
        assert!(Address::read("localhost]", Some(7)).is_err());
        assert!(Address::read("[localhost]", Some(7)).is_err());
        assert!(Address::read("256.1.1.1", Some(7)).is_err());
    }

    #[test]
    fn nobody_connects_to_what_is_no_machine() {
        for text in [
            "0.0.0.0:1",
            "[::]:1",
            "[::ffff:0.0.0.0]:1",
            "0.1.2.3:1",
            "224.0.0.1:1",
            "[ff02::1]:1",
            "255.255.255.255:1",
            "[fe80::1]:1",
            "my.localhost:1",
            "a.b.LocalHost:1",
        ] {
            let address: Address = text.parse().unwrap();
            assert!(address.check_reachable().is_err(), "{text}");
        }
        for text in [
            "127.0.0.1:1",
            "[::1]:1",
            "host:1",
            "169.254.1.1:1",
            "[fd00::1]:1",
            "localhost:1",
            "LOCALHOST:1",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().check_reachable(), Ok(()));
        }
    }

    #[test]
    fn names_of_the_machine_itself_are_known() {
        for (text, expected) in [
            ("localhost:1", true),
            ("LocalHost:1", true),
            ("a.localhost:1", true),
            ("[::1]:1", true),
            ("127.9.9.9:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("localhost.example:1", false),
            ("192.0.2.7:1", false),
            ("0.0.0.0:1", false),
        ] {
            assert_eq!(
                text.parse::<Address>().unwrap().is_loopback(),
                expected,
                "{text}"
            );
        }
    }
}
