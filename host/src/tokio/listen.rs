//! Listening sockets at the addresses of a kit.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

use crate::address::{Address, Host};

/// Connections that may wait to be accepted at one address.
const BACKLOG: u32 = 1024;

/// An address at which nothing can listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {address} ({source}): {}", remedy(.source))]
pub struct ListenError {
    /// The address, as it was given.
    pub address: String,
    /// What the system says.
    pub source: io::Error,
}

/// Listens at all of these addresses. A name stands for every address that it has. One of
/// IPv6 does not take what comes over IPv4, so that both can stand beside each other, and
/// where one is inside another there is one listener.
///
/// A machine without IPv6 listens at what is left, if it is asked for all its interfaces or
/// for a name.
///
/// # Errors
///
/// The first address at which it cannot.
pub async fn listen(addresses: &[String]) -> Result<Vec<TcpListener>, ListenError> {
    let mut wanted: Vec<Wanted<'_>> = Vec::new();
    for text in addresses {
        let failed = |source| ListenError {
            address: text.clone(),
            source,
        };
        let other = |error| io::Error::new(ErrorKind::InvalidInput, error);
        let address: Address = text.parse().map_err(other).map_err(failed)?;
        let (found, may_lack) = match &address.host {
            Host::Ip(ip) => (
                vec![SocketAddr::new(*ip, address.port)],
                ip.is_unspecified(),
            ),
            Host::Name(name) => {
                let found = lookup_host((name.as_str(), address.port)).await;
                (found.map_err(failed)?.collect(), true)
            }
        };
        wanted.extend(found.into_iter().map(|at| Wanted {
            text,
            at: SocketAddr::new(at.ip().to_canonical(), at.port()),
            may_lack: may_lack && at.is_ipv6(),
        }));
    }
    let all: Vec<SocketAddr> = wanted.iter().map(|wanted| wanted.at).collect();
    wanted.retain(|wanted| !all.iter().any(|other| contains(*other, wanted.at)));
    wanted.sort_by_key(|wanted| (wanted.at, wanted.may_lack));
    wanted.dedup_by_key(|wanted| wanted.at);

    let mut listeners = Vec::new();
    for Wanted { text, at, may_lack } in wanted {
        match bind(at) {
            Ok(listener) => listeners.push(listener),
            Err(error) if may_lack && is_lacking(&error) && !listeners.is_empty() => {
                tracing::warn!(
                    "does not listen at {at} for {text}: this machine has no such address ({error})"
                );
            }
            Err(source) => {
                return Err(ListenError {
                    address: text.clone(),
                    source,
                });
            }
        }
    }
    Ok(listeners)
}

/// Where to listen, and why.
struct Wanted<'a> {
    text: &'a String,
    at: SocketAddr,
    may_lack: bool,
}

/// Whether who listens at `all` has what comes to `one`, too.
fn contains(all: SocketAddr, one: SocketAddr) -> bool {
    all != one
        && all.ip().is_unspecified()
        && all.is_ipv4() == one.is_ipv4()
        && all.port() == one.port()
}

fn bind(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = match at.ip() {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => {
            let lacking = |error| io::Error::new(ErrorKind::AddrNotAvailable, error);
            let socket = TcpSocket::new_v6().map_err(lacking)?;
            SockRef::from(&socket).set_only_v6(true)?;
            socket
        }
    };
    // Elsewhere than on Windows it does not take an address away from anybody, but lets a
    // server start again while its old connections end.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(BACKLOG)
}

fn is_lacking(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => "stop what listens there, or change `listen`",
        ErrorKind::AddrNotAvailable => {
            "this machine has no such address, so change `listen`: 0.0.0.0 and [::] stand for all that it has"
        }
        ErrorKind::PermissionDenied => {
            "choose a port from 1024 on, or have this program allowed to use lower ones"
        }
        _ => "change `listen` in fedlink.toml",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A port that is free at all addresses.
    fn port() -> u16 {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap().port()
    }

    fn has_ipv6() -> bool {
        let has = std::net::TcpListener::bind("[::1]:0").is_ok();
        if !has {
            println!("this machine has no IPv6, so it was not tested");
        }
        has
    }

    async fn bound(addresses: &[&str]) -> Result<Vec<String>, ListenError> {
        let port = port();
        let texts: Vec<String> = addresses.iter().map(|it| format!("{it}:{port}")).collect();
        let listeners = listen(&texts).await?;
        let shown = listeners
            .iter()
            .map(|it| it.local_addr().unwrap().ip().to_string());
        Ok(shown.collect())
    }

    #[tokio::test]
    async fn what_is_inside_another_is_listened_at_once() {
        for addresses in [
            &["127.0.0.1", "0.0.0.0"][..],
            &["0.0.0.0", "127.0.0.1", "0.0.0.0"],
            &["0.0.0.0", "[::ffff:127.0.0.1]"],
        ] {
            assert_eq!(bound(addresses).await.unwrap(), ["0.0.0.0"]);
        }
        assert!(
            bound(&["localhost", "127.0.0.1"])
                .await
                .unwrap()
                .contains(&"127.0.0.1".to_owned())
        );
    }

    #[tokio::test]
    async fn both_versions_of_ip_stand_beside_each_other() {
        let both = bound(&["[::]", "0.0.0.0"]).await.unwrap();
        if has_ipv6() {
            assert_eq!(both, ["0.0.0.0", "::"]);
            assert_eq!(
                bound(&["[::1]", "127.0.0.1"]).await.unwrap(),
                ["127.0.0.1", "::1"]
            );
            assert_eq!(bound(&["[::1]", "[::]"]).await.unwrap(), ["::"]);
        } else {
            assert_eq!(both, ["0.0.0.0"]);
            bound(&["[::1]", "127.0.0.1"]).await.unwrap_err();
        }
    }

    #[tokio::test]
    async fn why_it_cannot_listen_is_told() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = taken.local_addr().unwrap().to_string();
        for (address, told) in [
            (at, "stop what listens there"),
            ("192.0.2.7:8443".to_owned(), "has no such address"),
            ("nobody.invalid:8443".to_owned(), "change `listen`"),
        ] {
            let error = listen(std::slice::from_ref(&address))
                .await
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with(&format!("cannot listen at {address} (")),
                "{error}"
            );
            assert!(error.contains(told), "{error}");
        }
    }
}
