//! Options and errors of TCP sockets, shared by both hosts.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use crate::connectivity::ConnectionFailure;

/// Silence after which TCP asks whether the peer is still there. Routers forget idle
/// connections, some after a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(45);

/// The time between such questions, and between the last one and the end.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Sets a socket up for small messages that must not wait, and for long silence.
pub(crate) fn prepare(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    let keep_alive = TcpKeepalive::new()
        .with_time(KEEP_ALIVE)
        .with_interval(KEEP_ALIVE_INTERVAL);
    socket.set_tcp_keepalive(&keep_alive)
}

/// The host in `host:port`, without the brackets of an IPv6 address.
pub(crate) fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// The same error, saying which address it was.
pub(crate) fn at(address: &str, error: &io::Error) -> io::Error {
    let failure = ConnectionFailure::of(error);
    let text = format!("{address}: {failure}");
    ConnectionFailure { text, ..failure }.into_error(error.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_what_stands_before_the_port() {
        assert_eq!(host_of("fl.example.org:443"), "fl.example.org");
        assert_eq!(host_of("[2001:db8::1]:443"), "2001:db8::1");
    }
}
