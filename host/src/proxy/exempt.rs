//! The addresses that are reached without a proxy, as `NO_PROXY` lists them.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::address::{Address, Host};

/// Addresses that are reached without a proxy.
#[derive(Clone, Debug, Default)]
pub(super) struct Exempt(Vec<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    hosts: Hosts,
    /// Any unless given.
    port: Option<u16>,
}

#[derive(Clone, Debug)]
enum Hosts {
    All,
    Network(IpNet),
    /// This name and all below it, in lower case.
    Domain(String),
}

impl Exempt {
    /// Entries that mean nothing exempt nothing, as other programs have it.
    pub(super) fn read(list: &str) -> Self {
        let entries = list.split([',', ' ', '\t', '\n']);
        Self(entries.filter_map(Entry::read).collect())
    }

    pub(super) fn contains(&self, address: &Address) -> bool {
        self.0.iter().any(|entry| entry.contains(address))
    }
}

impl Entry {
    fn read(text: &str) -> Option<Self> {
        if let Some(network) = network(text) {
            return Some(Self::of(Hosts::Network(network), None));
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !text.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (text, None),
        };
        if host == "*" {
            return Some(Self::of(Hosts::All, port));
        }
        if let Some(network) = network(host) {
            return Some(Self::of(Hosts::Network(network), port));
        }
        let name = host.strip_prefix('*').unwrap_or(host);
        let name = name.trim_matches('.').to_ascii_lowercase();
        (!name.is_empty()).then(|| Self::of(Hosts::Domain(name), port))
    }

    fn of(hosts: Hosts, port: Option<u16>) -> Self {
        Self { hosts, port }
    }

    fn contains(&self, address: &Address) -> bool {
        let here = match (&self.hosts, &address.host) {
            (Hosts::All, _) => true,
            (Hosts::Network(network), Host::Ip(ip)) => network.contains(ip),
            (Hosts::Domain(domain), Host::Name(name)) => is_within(name, domain),
            _ => false,
        };
        here && self.port.is_none_or(|port| port == address.port)
    }
}

/// An address, with brackets or without, or a network.
fn network(text: &str) -> Option<IpNet> {
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let bare = bare.unwrap_or(text);
    let address = bare.parse::<IpAddr>().ok();
    match address {
        Some(address) => Some(address.to_canonical().into()),
        None => text.parse().ok(),
    }
}

/// Whether the name is this one or below it.
fn is_within(name: &str, domain: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let above = name.strip_suffix(domain);
    above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
