//! How a client's host reaches the server.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fedlink::Carrier;
use fedlink::identity::Name;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Silence after which TCP asks whether the peer is still there. Routers forget idle
/// connections, some after a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(45);

/// The time between such questions, and between the last one and the end.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Makes connections to the server: [`TcpDial`], or a carrier of your own.
pub trait Dial: Send + 'static {
    /// Begins to connect. Dropping the future gives the attempt up.
    fn dial(&mut self) -> Dialing;
}

/// A connection in the making. It fails with an error that says what was tried.
pub type Dialing = Pin<Box<dyn Future<Output = io::Result<Connection>> + Send>>;

/// A stream of bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {}

/// A connection to the server, ready for messages.
pub struct Connection {
    /// The bytes.
    pub stream: Box<dyn Stream>,
    /// What the client is told of it.
    pub carrier: Carrier,
    /// The address at this end, if it has one; the server is told.
    pub local_address: Option<IpAddr>,
}

/// Connects over TCP, or over TLS on TCP.
#[derive(Clone, Debug)]
pub struct TcpDial {
    host: String,
    port: u16,
    tls: Option<(Arc<rustls::ClientConfig>, String)>,
}

impl TcpDial {
    /// To a host name or address, resolved anew for each connection.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            tls: None,
        }
    }

    /// With TLS. The server's TLS certificate must be for `name`: the host name, or
    /// whatever name the project's certificates carry.
    #[must_use]
    pub fn tls(mut self, config: Arc<rustls::ClientConfig>, name: impl Into<String>) -> Self {
        self.tls = Some((config, name.into()));
        self
    }

    async fn connect(self) -> io::Result<Connection> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        prepare(&stream)?;
        let local_address = stream.local_addr().ok().map(|address| address.ip());
        let mut carrier = Carrier {
            host_name: Name::new(&self.host).ok(),
            tls_exporter: None,
        };
        let Some((config, name)) = self.tls else {
            return Ok(Connection {
                stream: Box::new(stream),
                carrier,
                local_address,
            });
        };
        let name = ServerName::try_from(name).map_err(io::Error::other)?;
        let stream = TlsConnector::from(config).connect(name, stream).await?;
        carrier.tls_exporter = channel_binding(stream.get_ref().1);
        Ok(Connection {
            stream: Box::new(stream),
            carrier,
            local_address,
        })
    }
}

impl Dial for TcpDial {
    fn dial(&mut self) -> Dialing {
        Box::pin(self.clone().connect())
    }
}

/// Sets a socket up for small messages that must not wait, and for long silence.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keep_alive = TcpKeepalive::new()
        .with_time(KEEP_ALIVE)
        .with_interval(KEEP_ALIVE_INTERVAL);
    SockRef::from(stream).set_tcp_keepalive(&keep_alive)
}

/// The `tls-exporter` channel binding of a connection (RFC 9266).
pub(super) fn channel_binding<D>(connection: &rustls::ConnectionCommon<D>) -> Option<[u8; 32]> {
    let label = b"EXPORTER-Channel-Binding";
    connection
        .export_keying_material([0; 32], label, Some(&[]))
        .ok()
}
