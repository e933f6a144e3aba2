//! What a project is to be like.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use fedlink::identity::Name;
use fedlink_host::kit::{
    Config, Files, Role, ServerConfig, ServerEntry, ServerLimits, ServerTimeouts, SiteConfig,
    SiteTimeouts, Suite, Transport, VERSION,
};
use serde::{Deserialize, Serialize};

use super::ProvisionError;

/// What a project is to be like. The project keeps it as `authority/project.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The project's name.
    pub project: String,
    /// The coordinator's name.
    pub server: String,
    /// Where sites reach the coordinator: each `host` or `host:port`, at least one.
    pub hosts: Vec<String>,
    /// How long certificates of the coordinator and of sites count: 1 to [`MAX_DAYS`].
    pub days: u32,
    /// How messages are protected.
    pub suite: Suite,
    /// What carries them.
    pub transport: Transport,
    /// Lets suite `bearer` go over `tcp`: see [`SiteConfig::trusted_path`].
    #[serde(default)]
    pub trusted_path: bool,
}

/// The port of a coordinator whose host comes without one.
pub const DEFAULT_PORT: u16 = 8443;

/// The longest that a certificate of a coordinator or a site may count, in days. The root
/// counts for twice as long.
pub const MAX_DAYS: u32 = 3650;

/// The longest name of a coordinator or a site that this program gives out, in bytes. They
/// are names of folders and of hosts too; a part of a host's name cannot be longer.
pub const MAX_NAME: usize = 63;

/// Where sites reach the coordinator.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Host {
    /// An address without brackets, or a name.
    pub(super) name: String,
    pub(super) port: u16,
}

impl Plan {
    /// Finds what cannot be carried out. Gives the hosts as they were understood.
    pub(super) fn check(&self) -> Result<Vec<Host>, ProvisionError> {
        check_name(&self.server)?;
        if !(1..=MAX_DAYS).contains(&self.days) {
            return Err(ProvisionError::Days(self.days));
        }
        let hosts: Vec<Host> = self
            .hosts
            .iter()
            .map(|host| Host::parse(host))
            .collect::<Result<_, _>>()?;
        self.server_config(&hosts).check()?;
        self.site_config(&hosts, "site").check()?;
        Ok(hosts)
    }

    /// Finds names of sites that cannot be given out.
    pub(super) fn check_sites(&self, sites: &[String]) -> Result<(), ProvisionError> {
        let mut taken = BTreeSet::from([self.server.as_str()]);
        for site in sites {
            check_name(site)?;
            if !taken.insert(site) {
                return Err(ProvisionError::NameTaken(site.clone()));
            }
        }
        Ok(())
    }

    pub(super) fn server_config(&self, hosts: &[Host]) -> ServerConfig {
        ServerConfig {
            version: VERSION,
            role: Role::Server,
            project: self.project.clone(),
            name: self.server.clone(),
            suite: self.suite,
            transport: self.transport,
            trusted_path: self.trusted_path,
            listen: BTreeSet::from_iter(hosts.iter().map(Host::listen))
                .into_iter()
                .collect(),
            files: Files::default(),
            timeouts: ServerTimeouts::default(),
            limits: ServerLimits::default(),
        }
    }

    pub(super) fn site_config(&self, hosts: &[Host], site: &str) -> SiteConfig {
        SiteConfig {
            version: VERSION,
            role: Role::Site,
            project: self.project.clone(),
            name: site.to_owned(),
            suite: self.suite,
            transport: self.transport,
            trusted_path: self.trusted_path,
            server: ServerEntry {
                name: self.server.clone(),
                addresses: hosts.iter().map(Host::address).collect(),
            },
            files: Files::default(),
            timeouts: SiteTimeouts::default(),
        }
    }
}

impl Host {
    fn parse(text: &str) -> Result<Self, ProvisionError> {
        let refused = || ProvisionError::Host(text.to_owned());
        let (name, port) = if text.parse::<Ipv6Addr>().is_ok() {
            (text, DEFAULT_PORT)
        } else {
            match text.rsplit_once(':') {
                Some((name, port)) => (name, port.parse().map_err(|_| refused())?),
                None => (text, DEFAULT_PORT),
            }
        };
        let bare = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'));
        let known = match bare {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => name.parse::<IpAddr>().is_ok() || is_host_name(name),
        };
        if !known || port == 0 {
            return Err(refused());
        }
        Ok(Self {
            name: bare.unwrap_or(name).to_owned(),
            port,
        })
    }

    /// As `host:port`, for sites to connect to.
    fn address(&self) -> String {
        if self.name.contains(':') {
            format!("[{}]:{}", self.name, self.port)
        } else {
            format!("{}:{}", self.name, self.port)
        }
    }

    /// Where the coordinator has to listen to be reached here. A machine need not have the
    /// address that others reach it at, except the one that only it can reach.
    fn listen(&self) -> String {
        match self.name.parse::<IpAddr>() {
            Ok(address) if address.is_loopback() => self.address(),
            Ok(IpAddr::V6(_)) => format!("[::]:{}", self.port),
            _ => format!("0.0.0.0:{}", self.port),
        }
    }
}

/// What is no name anywhere is told as such; what this program does not give out is left.
fn check_name(name: &str) -> Result<(), ProvisionError> {
    Name::new(name).map_err(|fault| ProvisionError::NoName {
        name: name.to_owned(),
        fault,
    })?;
    if name.len() <= MAX_NAME && is_host_name(name) {
        Ok(())
    } else {
        Err(ProvisionError::Name(name.to_owned()))
    }
}

/// Whether this is the name of a host, and so one of a folder that no system objects to.
fn is_host_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            let edges = [label.chars().next(), label.chars().next_back()];
            label.len() <= MAX_NAME
                && edges
                    .iter()
                    .all(|edge| edge.is_some_and(|c| c.is_ascii_alphanumeric()))
                && label
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, String) {
        let host = Host::parse(text).unwrap();
        (host.address(), host.listen())
    }

    #[test]
    fn hosts_are_read_in_every_form() {
        let cases = [
            ("127.0.0.1", "127.0.0.1:8443", "127.0.0.1:8443"),
            ("192.0.2.7:99", "192.0.2.7:99", "0.0.0.0:99"),
            ("fl.example.org", "fl.example.org:8443", "0.0.0.0:8443"),
            ("fl.example.org:1", "fl.example.org:1", "0.0.0.0:1"),
            ("::1", "[::1]:8443", "[::1]:8443"),
            ("[2001:db8::1]:99", "[2001:db8::1]:99", "[::]:99"),
        ];
        for (text, address, listen) in cases {
            assert_eq!(
                parsed(text),
                (address.to_owned(), listen.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            ":99",
            "host:",
            "host:0",
            "host:65536",
            "a b",
            "[::1",
            "[host]:9",
            "-a",
            "a..b",
            "ä",
        ] {
            assert!(
                matches!(Host::parse(text), Err(ProvisionError::Host(_))),
                "{text}"
            );
        }
    }
}
