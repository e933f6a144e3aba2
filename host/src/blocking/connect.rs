//! The connections of the blocking host: TCP and TLS to the server.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use fedlink::Carrier;
use fedlink::identity::Name;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use socket2::SockRef;

use crate::connectivity::ConnectionFailure;
use crate::proxy::Proxies;
use crate::{socket, tls};

/// How long a connection may take to stand, or one message to be written.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A stream of bytes whose reads can give up.
pub trait Wire: Read + Write {
    /// From now on a read that has waited for this time fails with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) or [`TimedOut`](io::ErrorKind::TimedOut),
    /// and loses nothing. Never zero.
    ///
    /// # Errors
    /// When the stream cannot do so (any more).
    fn wait_at_most(&mut self, patience: Duration) -> io::Result<()>;
}

impl Wire for TcpStream {
    fn wait_at_most(&mut self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))
    }
}

/// A connection over TLS whose errors say what to do.
struct TlsWire {
    stream: StreamOwned<ClientConnection, TcpStream>,
    config: Arc<rustls::ClientConfig>,
    /// Which of the server's addresses it is.
    address: String,
}

impl Read for TlsWire {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(room);
        read.map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => error,
            _ => socket::at(&self.address, &tls::fault::at_site(error, &self.config)),
        })
    }
}

impl Write for TlsWire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.stream.write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Wire for TlsWire {
    fn wait_at_most(&mut self, patience: Duration) -> io::Result<()> {
        self.stream.sock.set_read_timeout(Some(patience))
    }
}

/// Makes connections to the server: [`TcpConnect`], or a carrier of your own. A closure
/// will do.
pub trait Connect {
    /// Makes one, or fails in reasonable time.
    ///
    /// # Errors
    /// When there is none to be had now. The host tries again when its client says.
    fn connect(&mut self) -> io::Result<Connected>;
}

impl<F: FnMut() -> io::Result<Connected>> Connect for F {
    fn connect(&mut self) -> io::Result<Connected> {
        self()
    }
}

/// A connection to the server, ready for messages.
pub struct Connected {
    /// The bytes.
    pub wire: Box<dyn Wire>,
    /// What the client is told of it.
    pub carrier: Carrier,
}

/// Connects over TCP, or over TLS on TCP.
#[derive(Clone, Debug)]
pub struct TcpConnect {
    addresses: Vec<String>,
    tls: Option<(Arc<rustls::ClientConfig>, ServerName<'static>)>,
    proxies: Proxies,
}

impl TcpConnect {
    /// To the first of these addresses that answers, each `host:port`. Names are resolved
    /// anew for each connection.
    #[must_use]
    pub fn new(addresses: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            addresses: addresses.into_iter().map(Into::into).collect(),
            tls: None,
            proxies: Proxies::none(),
        }
    }

    /// With TLS, for example from [`tls::client_config`] and [`tls::server_name`]. The
    /// server's TLS certificate must be for `name`.
    #[must_use]
    pub fn tls(mut self, config: Arc<rustls::ClientConfig>, name: ServerName<'static>) -> Self {
        self.tls = Some((config, name));
        self
    }

    /// Through these proxies, where it is over TLS. Default: none.
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    fn connect_to(&self, address: &str) -> io::Result<Connected> {
        let mut stream = match &self.tls {
            Some(_) => self.proxies.connect_blocking(address, connect_tcp)?,
            None => connect_tcp(address)?,
        };
        let mut carrier = Carrier::default();
        carrier.host_name = Name::new(socket::host_of(address)).ok();
        let Some((config, name)) = &self.tls else {
            return Ok(Connected {
                wire: Box::new(stream),
                carrier,
            });
        };
        let connection = ClientConnection::new(Arc::clone(config), name.clone());
        let mut connection = connection.map_err(io::Error::other)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        while connection.is_handshaking() {
            let handshake = connection.complete_io(&mut stream);
            handshake.map_err(|error| {
                let error = tls::fault::in_handshake(error, config);
                self.proxies.behind(address, error)
            })?;
        }
        let binding = tls::channel_binding(&connection);
        carrier.tls_exporter = Some(binding.map_err(io::Error::other)?);
        Ok(Connected {
            wire: Box::new(TlsWire {
                stream: StreamOwned::new(connection, stream),
                config: Arc::clone(config),
                address: address.to_owned(),
            }),
            carrier,
        })
    }
}

impl Connect for TcpConnect {
    fn connect(&mut self) -> io::Result<Connected> {
        let mut failures = Vec::new();
        for address in &self.addresses {
            match self.connect_to(address) {
                Ok(connected) => return Ok(connected),
                Err(error) => failures.push(socket::at(address, &error)),
            }
        }
        Err(ConnectionFailure::of_all(failures))
    }
}

fn connect_tcp(address: &str) -> io::Result<TcpStream> {
    let mut failed = io::ErrorKind::AddrNotAvailable.into();
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => {
                socket::prepare(&SockRef::from(&stream))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}
