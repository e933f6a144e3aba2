//! The plan of a project: its name, addresses, dates and transport.

use std::collections::BTreeSet;
use std::net::IpAddr;

use fedlink::identity::Name;
use fedlink_host::kit::{
    Config, Files, Role, ServerConfig, ServerEntry, ServerLimits, ServerTimeouts, SiteConfig,
    SiteTimeouts, Suite, Transport, VERSION,
};
use fedlink_host::{Address, Host, host_name_fault};
use serde::{Deserialize, Serialize};

use super::ProvisionError;
use crate::bounds::{DEFAULT_PORT, MAX_DAYS, MAX_NAME, WSS_PORT};

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

impl Plan {
    /// Finds what cannot be carried out. Returns the hosts as they were understood.
    pub(super) fn check(&self) -> Result<Vec<Address>, ProvisionError> {
        check_name(&self.server)?;
        if !(1..=MAX_DAYS).contains(&self.days) {
            return Err(ProvisionError::Days(self.days));
        }
        let mut hosts: Vec<Address> = Vec::new();
        let port = match self.transport {
            Transport::Wss => WSS_PORT,
            Transport::Tls | Transport::Tcp => DEFAULT_PORT,
        };
        for host in &self.hosts {
            let host = Address::read(host, Some(port))?;
            host.check_reachable()?;
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        self.site_config(&hosts, "site").check()?;
        self.server_config(&hosts).check()?;
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

    pub(super) fn server_config(&self, hosts: &[Address]) -> ServerConfig {
        ServerConfig {
            version: VERSION,
            role: Role::Server,
            project: self.project.clone(),
            name: self.server.clone(),
            suite: self.suite,
            transport: self.transport,
            trusted_path: self.trusted_path,
            listen: BTreeSet::from_iter(hosts.iter().flat_map(listen))
                .into_iter()
                .collect(),
            files: Files::default(),
            timeouts: ServerTimeouts::default(),
            limits: ServerLimits::default(),
        }
    }

    pub(super) fn site_config(&self, hosts: &[Address], site: &str) -> SiteConfig {
        SiteConfig {
            version: VERSION,
            role: Role::Site,
            project: self.project.clone(),
            name: site.to_owned(),
            suite: self.suite,
            transport: self.transport,
            trusted_path: self.trusted_path,
            proxy: None,
            server: ServerEntry {
                name: self.server.clone(),
                addresses: hosts.iter().map(Address::to_string).collect(),
            },
            files: Files::default(),
            timeouts: SiteTimeouts::default(),
        }
    }
}

/// Where the coordinator has to listen to be reached at `host`. A machine need not have the
/// address that others reach it at, except the one that only it can reach, and a name may
/// lead to addresses of both kinds.
fn listen(host: &Address) -> Vec<String> {
    if host.is_loopback() {
        return vec![host.to_string()];
    }
    let all = match host.host {
        Host::Ip(IpAddr::V4(_)) => &["0.0.0.0"][..],
        Host::Ip(IpAddr::V6(_)) => &["[::]"],
        Host::Name(_) => &["0.0.0.0", "[::]"],
    };
    all.iter()
        .map(|all| format!("{all}:{}", host.port))
        .collect()
}

/// What is no name anywhere is told as such; what this program does not give out is left.
/// A host's name is also one of a folder that no system objects to.
pub(super) fn check_name(name: &str) -> Result<(), ProvisionError> {
    if name.is_empty() {
        return Err(ProvisionError::Nameless);
    }
    Name::new(name).map_err(|fault| ProvisionError::NoName {
        name: name.to_owned(),
        fault,
    })?;
    let fault = match name.len() <= MAX_NAME {
        true => host_name_fault(name),
        false => Some("it is too long"),
    };
    fault.map_or(Ok(()), |fault| {
        Err(ProvisionError::Name {
            name: name.to_owned(),
            fault,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coordinator_listens_where_sites_reach_it() {
        let cases = [
            ("127.0.0.1", "127.0.0.1:8443", &["127.0.0.1:8443"][..]),
            ("192.0.2.7:99", "192.0.2.7:99", &["0.0.0.0:99"]),
            (
                "fl.example.org",
                "fl.example.org:8443",
                &["0.0.0.0:8443", "[::]:8443"],
            ),
            (
                "fl.example.org:1",
                "fl.example.org:1",
                &["0.0.0.0:1", "[::]:1"],
            ),
            ("::1", "[::1]:8443", &["[::1]:8443"]),
            ("[2001:db8::1]:99", "[2001:db8::1]:99", &["[::]:99"]),
            ("localhost", "localhost:8443", &["localhost:8443"]),
        ];
        for (text, address, expected) in cases {
            let host = Address::read(text, Some(DEFAULT_PORT)).unwrap();
            assert_eq!(
                (host.to_string().as_str(), listen(&host)),
                (
                    address,
                    expected.iter().map(|it| (*it).to_owned()).collect()
                )
            );
        }
    }
}
