//! The connections of a server's host: how many there are, and which one makes room when no
//! place is free.
//!
//! Strangers make room, never those who have registered. Of strangers there are two kinds, the
//! silent, who have had no answer of the server, and the others. Each kind has half of the
//! places for itself, and within a kind the oldest goes. So connections that are held in silence
//! keep nobody out. Whoever makes as many new ones as there are places within the time of a
//! handshake still breaks off those who are about to register: nothing tells them apart yet.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::limits::Limits;

/// Counts connections, in all and by network.
#[derive(Clone, Debug)]
pub(super) struct Crowd(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connections: usize,
    per_address: usize,
    per_ipv6_network: usize,
    present: Mutex<Present>,
}

#[derive(Debug, Default)]
struct Present {
    /// The number of the next place, and of the next stranger.
    next: u64,
    places: BTreeMap<u64, Held>,
    /// Connections that are breaking off, and still have a place.
    leaving: usize,
    strangers: Strangers,
    by_network: BTreeMap<Network, Strangers>,
    notice: Notice,
}

#[derive(Debug)]
struct Held {
    networks: [Option<Network>; 2],
    breaking: Arc<Notify>,
    standing: Standing,
}

/// What is known of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The server has not answered it yet. With its age among strangers.
    Silent(u64),
    /// The server has answered it, and no session was heard on it last.
    Answered(u64),
    Registered,
    /// It is to break off.
    Leaving,
}

/// The places of strangers by age, the oldest first.
#[derive(Debug, Default)]
struct Strangers {
    silent: BTreeMap<u64, u64>,
    answered: BTreeMap<u64, u64>,
}

/// What one party can be expected to have many of: an address and how many bits count.
type Network = (IpAddr, u8);

/// The bits of an IPv6 network that has one link, and of one that a provider gives to a
/// customer.
const IPV6_PREFIXES: [u8; 2] = [64, 56];

/// One connection that is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Crowd,
    number: u64,
    breaking: Arc<Notify>,
}

impl Crowd {
    pub(super) fn new(limits: &Limits) -> Self {
        Self(Arc::new(Shared {
            connections: limits.connections,
            per_address: limits.connections_per_address,
            per_ipv6_network: limits.connections_per_ipv6_network,
            present: Mutex::default(),
        }))
    }

    /// A place for one more connection, if need be a stranger's, who breaks off; an error says
    /// which limit there is none by.
    pub(super) fn admit(&self, address: Option<IpAddr>) -> Result<Place, &'static str> {
        let networks = address.map(networks).unwrap_or_default();
        let mut present = self.present();
        // Who breaks off is soon gone, but not at once.
        if present.places.len() >= self.0.connections.saturating_mul(2) {
            return Err("too many connections");
        }
        let full = present.places.len() - present.leaving >= self.0.connections;
        if full && present.strangers.is_empty() {
            return Err("too many connections, all of sites that have registered");
        }
        if networks.iter().flatten().any(|it| self.limit_of(it) == 0) {
            return Err("no connection may come from an address");
        }
        self.make_room(&mut present, networks, 1);
        let number = present.draw();
        let breaking = Arc::new(Notify::new());
        present.places.insert(
            number,
            Held {
                networks,
                breaking: Arc::clone(&breaking),
                standing: Standing::Registered,
            },
        );
        present.stand(number, Standing::Silent(number));
        Ok(Place {
            crowd: self.clone(),
            number,
            breaking,
        })
    }

    /// Breaks off strangers until there is room for this many more.
    /// Lets the stranger go whose turn it would be if no place were free.
    pub(super) fn relieve(&self) {
        let mut present = self.present();
        if let Some(oldest) = present.strangers.next_to_go() {
            present.break_off(oldest);
        }
    }

    fn make_room(&self, present: &mut Present, networks: [Option<Network>; 2], more: usize) {
        let mut broken = 0;
        for network in networks.into_iter().flatten() {
            while let Some(strangers) = present.by_network.get(&network)
                && strangers.len() + more > self.limit_of(&network)
                && let Some(oldest) = strangers.next_to_go()
            {
                present.break_off(oldest);
                broken += 1;
            }
        }
        while present.places.len() - present.leaving + more > self.0.connections
            && let Some(oldest) = present.strangers.next_to_go()
        {
            present.break_off(oldest);
            broken += 1;
        }
        if let Some(broken) = present.notice.tell(broken) {
            let network = networks[0].map(|(address, _)| address);
            tracing::warn!(
                broken,
                last = ?network,
                "connections of strangers were broken off to make room for others"
            );
        }
    }

    fn limit_of(&self, network: &Network) -> usize {
        match *network {
            (IpAddr::V6(_), 56) => self.0.per_ipv6_network,
            _ => self.0.per_address,
        }
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        let present = self.0.present.lock();
        present.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Resolves when the connection is to break off, to make room or because it may not go on,
    /// and again whenever it is asked later.
    pub(super) async fn breaking(&self) {
        self.breaking.notified().await;
        self.breaking.notify_one();
    }

    /// Breaks the connection off.
    pub(super) fn break_off(&self) {
        self.crowd.present().break_off(self.number);
    }

    /// The server has answered the connection.
    pub(super) fn answered(&self) {
        let mut present = self.crowd.present();
        if let Some(Standing::Silent(_)) = present.standing(self.number) {
            let age = present.draw();
            present.stand(self.number, Standing::Answered(age));
        }
    }

    /// A session was heard on it last, or is no longer.
    pub(super) fn set_registered(&self, registered: bool) {
        let mut present = self.crowd.present();
        match (present.standing(self.number), registered) {
            (Some(Standing::Silent(_) | Standing::Answered(_)), true) => {
                present.stand(self.number, Standing::Registered);
            }
            (Some(Standing::Registered), false) => {
                let age = present.draw();
                present.stand(self.number, Standing::Answered(age));
                let networks = present.places.get(&self.number).map(|it| it.networks);
                let networks = networks.unwrap_or_default();
                self.crowd.make_room(&mut present, networks, 0);
            }
            _ => {}
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut present = self.crowd.present();
        if present.standing(self.number) == Some(Standing::Leaving) {
            present.leaving -= 1;
        } else {
            // It counts among strangers no longer.
            present.stand(self.number, Standing::Registered);
        }
        present.places.remove(&self.number);
    }
}

impl Present {
    fn draw(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn standing(&self, number: u64) -> Option<Standing> {
        self.places.get(&number).map(|held| held.standing)
    }

    /// Changes what is known of a connection.
    fn stand(&mut self, number: u64, standing: Standing) {
        let Some(held) = self.places.get_mut(&number) else {
            return;
        };
        let before = std::mem::replace(&mut held.standing, standing);
        let networks = held.networks;
        self.strangers.change(number, before, standing);
        for network in networks.into_iter().flatten() {
            let strangers = self.by_network.entry(network).or_default();
            strangers.change(number, before, standing);
            if strangers.is_empty() {
                self.by_network.remove(&network);
            }
        }
    }

    fn break_off(&mut self, number: u64) {
        let standing = self.standing(number);
        if standing.is_some() && standing != Some(Standing::Leaving) {
            self.stand(number, Standing::Leaving);
            self.leaving += 1;
        }
        if let Some(held) = self.places.get(&number) {
            held.breaking.notify_one();
        }
    }
}

impl Strangers {
    fn len(&self) -> usize {
        self.silent.len() + self.answered.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Who makes room.
    fn next_to_go(&self) -> Option<u64> {
        let kind = if self.silent.len() >= self.answered.len() {
            &self.silent
        } else {
            &self.answered
        };
        kind.first_key_value().map(|(_, number)| *number)
    }

    fn change(&mut self, number: u64, before: Standing, after: Standing) {
        match before {
            Standing::Silent(age) => drop(self.silent.remove(&age)),
            Standing::Answered(age) => drop(self.answered.remove(&age)),
            Standing::Registered | Standing::Leaving => {}
        }
        match after {
            Standing::Silent(age) => drop(self.silent.insert(age, number)),
            Standing::Answered(age) => drop(self.answered.insert(age, number)),
            Standing::Registered | Standing::Leaving => {}
        }
    }
}

/// The networks that a connection from `address` counts for.
fn networks(address: IpAddr) -> [Option<Network>; 2] {
    match address.to_canonical() {
        address @ IpAddr::V4(_) => [Some((address, 32)), None],
        IpAddr::V6(address) => IPV6_PREFIXES.map(|bits| {
            let mask = u128::MAX << (128 - bits);
            Some((Ipv6Addr::from_bits(address.to_bits() & mask).into(), bits))
        }),
    }
}

/// Something that may happen very often, and is told once in a while.
#[derive(Debug, Default)]
pub(super) struct Notice {
    untold: u64,
    told: Option<Instant>,
}

impl Notice {
    /// The least time between two lines of one kind: a flood must not flood the log.
    const PAUSE: Duration = Duration::from_secs(60);

    /// It has happened this many times more. Returns how often it has since it was told last, if
    /// it is to be told now.
    pub(super) fn tell(&mut self, times: u64) -> Option<u64> {
        self.untold += times;
        let due = self.told.is_none_or(|told| told.elapsed() >= Self::PAUSE);
        if self.untold == 0 || !due {
            return None;
        }
        self.told = Some(Instant::now());
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests;
