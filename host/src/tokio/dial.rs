//! Connecting to the server from a client's host: TCP, TLS, WebSocket, through a proxy.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use fedlink::Carrier;
use fedlink::identity::Name;
use rustls::pki_types::ServerName;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::explained::Explained;
#[cfg(feature = "websocket")]
use super::websocket;
use crate::connectivity::ConnectionFailure;
use crate::proxy::Proxies;
use crate::{socket, tls};

/// Makes connections to the server: [`TcpDial`], or a carrier of your own.
pub trait Dial: Send + 'static {
    /// Begins to connect. Dropping the future gives the attempt up.
    fn dial(&mut self) -> Dialing;
}

impl<D: Dial + ?Sized> Dial for Box<D> {
    fn dial(&mut self) -> Dialing {
        (**self).dial()
    }
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

/// How long the handshake of TLS may take before the next address is tried.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects over TCP, or over TLS on TCP.
#[derive(Clone, Debug)]
pub struct TcpDial {
    addresses: Vec<String>,
    tls: Option<(Arc<rustls::ClientConfig>, ServerName<'static>)>,
    proxies: Proxies,
    #[cfg(feature = "websocket")]
    websocket: bool,
}

impl TcpDial {
    /// To the first of these addresses that answers, each `host:port`. Names are resolved
    /// anew for each connection.
    #[must_use]
    pub fn new(addresses: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            addresses: addresses.into_iter().map(Into::into).collect(),
            tls: None,
            proxies: Proxies::none(),
            #[cfg(feature = "websocket")]
            websocket: false,
        }
    }

    /// With TLS, for example from [`tls::client_config`] and [`tls::server_name`]. The
    /// server's TLS certificate must be for `name`.
    #[must_use]
    pub fn tls(mut self, config: Arc<rustls::ClientConfig>, name: ServerName<'static>) -> Self {
        self.tls = Some((config, name));
        self
    }

    /// With a WebSocket within TLS. Take the configuration from
    /// [`tls::websocket_client_config`].
    #[cfg(feature = "websocket")]
    #[must_use]
    pub fn websocket(mut self) -> Self {
        self.websocket = true;
        self
    }

    /// Through these proxies, where it is over TLS: their names are resolved here, and those
    /// of the addresses there. Without TLS it is never through a proxy. Default: none.
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    async fn connect_to_any(self) -> io::Result<Connection> {
        let mut failures = Vec::new();
        for address in &self.addresses {
            match self.connect(address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failures.push(socket::at(address, &error)),
            }
        }
        Err(ConnectionFailure::of_all(failures))
    }

    async fn connect(&self, address: &str) -> io::Result<Connection> {
        #[cfg(feature = "websocket")]
        if self.websocket && self.tls.is_none() {
            return Err(websocket::without_tls());
        }
        let direct = Proxies::none();
        let proxies = self.tls.as_ref().map_or(&direct, |_| &self.proxies);
        let stream = proxies.connect(address).await?;
        socket::prepare(&SockRef::from(&stream))?;
        let local_address = stream.local_addr().ok().map(|address| address.ip());
        let mut carrier = Carrier::default();
        carrier.host_name = Name::new(socket::host_of(address)).ok();
        let Some((config, name)) = &self.tls else {
            return Ok(Connection {
                stream: Box::new(Explained::new(stream, address, None)),
                carrier,
                local_address,
            });
        };
        let connector = TlsConnector::from(Arc::clone(config));
        let handshake = connector.connect(name.clone(), stream);
        let stream = timeout(HANDSHAKE_TIMEOUT, handshake).await?;
        let stream = stream
            .map_err(|error| proxies.behind(address, tls::fault::in_handshake(error, config)))?;
        let binding = tls::channel_binding(stream.get_ref().1);
        carrier.tls_exporter = Some(binding.map_err(io::Error::other)?);
        let tls = Some(Arc::clone(config));
        #[cfg(feature = "websocket")]
        if self.websocket {
            let begun = websocket::connect(stream, address).await;
            let stream = begun.map_err(|error| tls::fault::at_site(error, config))?;
            return Ok(Connection {
                stream: Box::new(Explained::new(stream, address, tls)),
                carrier,
                local_address,
            });
        }
        Ok(Connection {
            stream: Box::new(Explained::new(stream, address, tls)),
            carrier,
            local_address,
        })
    }
}

impl Dial for TcpDial {
    fn dial(&mut self) -> Dialing {
        Box::pin(self.clone().connect_to_any())
    }
}
