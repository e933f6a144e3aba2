//! What a server's host allows, above all to those who have not proved who they are.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fedlink::frame::{MAX_MESSAGE, MAX_STRANGER};

/// Limits of a server's host. Past one of them the connection is closed, but for
/// `queued_bytes`, and its client connects again when its machine says.
///
/// Whoever has not registered can hold `message_before_registration` bytes for
/// `time_before_registration` on each of his connections. Those who name sessions can hold
/// `vouched_bytes` more, all together. A connection counts as registered for as long as a
/// session was heard on it last; when that has ended or goes on elsewhere, it is a
/// stranger's again, after `time_before_registration` at the latest. So a site that is
/// enrolled and means harm can hold a message of `message` bytes for as long on each of its
/// connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all; further ones are closed at once. Default: 10,000. The operating
    /// system must allow as many open files.
    pub connections: usize,
    /// Connections from one IPv4 address, or one IPv6 network of 64 bits; further ones are
    /// closed at once. Default: 100. Raise it if sites share an address or a proxy.
    pub connections_per_address: usize,
    /// How long a connection may take to become ready, that is, for the TLS handshake.
    /// Default: 10 s.
    pub handshake_time: Duration,
    /// How long a connection may go on without one authentic message of a session, and again
    /// when its session is over. A client that is told to come again in half a minute should
    /// find it standing. Default: 90 s.
    pub time_before_registration: Duration,
    /// Bytes of messages that may come before such a message. Default: 128 KiB, twice what
    /// the largest registration takes.
    pub bytes_before_registration: usize,
    /// The longest such message in bytes; a longer one is for those who name a session
    /// that exists, within the next two limits. Default: 32 KiB, the protocol's limit.
    pub message_before_registration: usize,
    /// Bytes of longer messages that may be on their way, or wait to be judged, from all who
    /// name a session and have not proved that it is theirs: a session's id travels in
    /// clear. One such message may come on a connection; if it is not authentic, the
    /// connection is closed. Default: 64 MiB, 32 messages of 2 MiB.
    pub vouched_bytes: usize,
    /// Connections on which such messages of one session may be on their way. Default: 1,
    /// since a client has one connection at a time.
    pub vouched_connections_per_session: usize,
    /// The longest message in bytes. Default: 2 MiB, the protocol's limit; more counts as
    /// that.
    pub message: usize,
    /// Bytes that may wait to be sent on one connection; what does not fit is dropped, and
    /// the client asks again. Default: 8 MiB.
    pub queued_bytes: usize,
    /// How long the peer may take to receive one message of at most 2 MiB. Default: 60 s.
    pub write_time: Duration,
    /// How long a registered peer may send nothing. Default: 25 h, since a device may say
    /// that it sleeps for a day; TCP finds out earlier about those that are gone.
    pub idle_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 100,
            handshake_time: Duration::from_secs(10),
            time_before_registration: Duration::from_secs(90),
            bytes_before_registration: 128 << 10,
            message_before_registration: MAX_STRANGER,
            vouched_bytes: 64 << 20,
            vouched_connections_per_session: 1,
            message: MAX_MESSAGE,
            queued_bytes: 8 << 20,
            write_time: Duration::from_secs(60),
            idle_time: Duration::from_secs(25 * 3600),
        }
    }
}

impl Limits {
    /// The longest message for which nothing is asked.
    pub(super) fn of_strangers(&self) -> usize {
        self.message_before_registration.min(self.message)
    }
}

/// Counts connections, in all and by address.
#[derive(Clone, Debug)]
pub(super) struct Crowd(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    connections: usize,
    connections_per_address: usize,
    present: Mutex<Present>,
}

#[derive(Debug, Default)]
struct Present {
    all: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// One connection that is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Crowd,
    address: Option<IpAddr>,
}

impl Crowd {
    pub(super) fn new(limits: &Limits) -> Self {
        Self(Arc::new(Counts {
            connections: limits.connections,
            connections_per_address: limits.connections_per_address,
            present: Mutex::default(),
        }))
    }

    /// A place for one more connection; an error says which limit there is none by.
    pub(super) fn admit(&self, address: Option<IpAddr>) -> Result<Place, &'static str> {
        let address = address.map(network);
        let mut present = self.present();
        if present.all >= self.0.connections {
            return Err("too many connections");
        }
        if let Some(address) = address {
            let count = present.by_address.entry(address).or_default();
            if *count >= self.0.connections_per_address {
                return Err("too many connections from one address");
            }
            *count += 1;
        }
        present.all += 1;
        Ok(Place {
            crowd: self.clone(),
            address,
        })
    }

    fn present(&self) -> std::sync::MutexGuard<'_, Present> {
        let present = self.0.present.lock();
        present.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut present = self.crowd.present();
        present.all -= 1;
        if let Some(address) = self.address
            && let Some(count) = present.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                present.by_address.remove(&address);
            }
        }
    }
}

/// What one party can be expected to have many of counts as one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_in_all_and_by_address_and_come_back() {
        let crowd = Crowd::new(&Limits {
            connections: 3,
            connections_per_address: 2,
            ..Limits::default()
        });
        let admit = |address: &str| crowd.admit(Some(address.parse().unwrap()));
        let first = admit("2001:db8::1").unwrap();
        let _second = admit("2001:db8::2").unwrap();
        assert!(admit("2001:db8::3").unwrap_err().contains("one address"));
        let _third = admit("2001:db8:0:1::3").unwrap();
        assert_eq!(admit("192.0.2.1").unwrap_err(), "too many connections");
        assert!(crowd.admit(None).is_err());
        drop(first);
        let _again = admit("::ffff:192.0.2.1").unwrap();
        assert_eq!(crowd.present().by_address.len(), 3);
    }
}
