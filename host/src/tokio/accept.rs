//! Accepting connections at a server's host: TCP, TLS, WebSocket.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::dial::Stream;
#[cfg(feature = "websocket")]
use super::websocket;
#[cfg(feature = "websocket")]
use crate::connectivity::Fault;
use crate::tls::ServerTls;
use crate::{socket, tls};

/// Where connections come in: [`TcpAccept`], or a carrier of your own.
pub trait Accept: Send + 'static {
    /// Waits for the next connection. Nothing may be lost if the future is dropped. After
    /// an error the host waits a little and calls again.
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = io::Result<Accepted>> + Send + '_>>;
}

/// A connection that has come in and may have to be made ready.
pub struct Accepted {
    /// Where from, if there is such a thing; connections are limited by it.
    pub address: Option<IpAddr>,
    /// Ends when messages can be exchanged, after a TLS handshake for example. The host
    /// gives it up when it takes too long.
    pub ready: Pin<Box<dyn Future<Output = io::Result<Incoming>> + Send>>,
}

/// A connection from a client, ready for messages.
pub struct Incoming {
    /// The bytes.
    pub stream: Box<dyn Stream>,
    /// The value of its `tls-exporter` channel binding (RFC 9266), if it is TLS.
    pub tls_exporter: Option<[u8; 32]>,
}

/// Accepts over TCP, or over TLS on TCP.
pub struct TcpAccept {
    listener: TcpListener,
    tls: Option<ServerTls>,
    #[cfg(feature = "websocket")]
    websocket: bool,
}

impl TcpAccept {
    /// All that comes to `listener`.
    #[must_use]
    pub fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            tls: None,
            #[cfg(feature = "websocket")]
            websocket: false,
        }
    }

    /// With TLS, for example from [`tls::server_config`]; in an `Arc`, or in a [`ServerTls`]
    /// that may have another later, for the connections that come then.
    #[must_use]
    pub fn tls(mut self, config: impl Into<ServerTls>) -> Self {
        self.tls = Some(config.into());
        self
    }

    /// With a WebSocket within TLS, at [`WEBSOCKET_PATH`](super::WEBSOCKET_PATH). Take the
    /// configuration from [`tls::websocket_server_config`]. Whoever shows no certificate, or
    /// asks for something else, gets a short answer by HTTP that says what this is.
    #[cfg(feature = "websocket")]
    #[must_use]
    pub fn websocket(mut self) -> Self {
        self.websocket = true;
        self
    }
}

impl Accept for TcpAccept {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = io::Result<Accepted>> + Send + '_>> {
        Box::pin(async {
            let (stream, address) = self.listener.accept().await?;
            let tls = self.tls.as_ref().map(|tls| tls.get().into());
            #[cfg(feature = "websocket")]
            if self.websocket {
                return Ok(Accepted {
                    address: Some(address.ip()),
                    ready: Box::pin(make_websocket(stream, tls)),
                });
            }
            Ok(Accepted {
                address: Some(address.ip()),
                ready: Box::pin(make_ready(stream, tls)),
            })
        })
    }
}

async fn make_ready(stream: TcpStream, tls: Option<TlsAcceptor>) -> io::Result<Incoming> {
    socket::prepare(&SockRef::from(&stream))?;
    let Some(tls) = tls else {
        return Ok(Incoming {
            stream: Box::new(stream),
            tls_exporter: None,
        });
    };
    let stream = begin_tls(stream, tls).await?;
    let binding = tls::channel_binding(stream.get_ref().1);
    Ok(Incoming {
        tls_exporter: Some(binding.map_err(io::Error::other)?),
        stream: Box::new(stream),
    })
}

async fn begin_tls(stream: TcpStream, tls: TlsAcceptor) -> io::Result<TlsStream<TcpStream>> {
    match tls.accept(stream).into_fallible().await {
        Ok(stream) => Ok(stream),
        Err((error, stream)) => {
            let _ = timeout(PARTING_TIME, part(stream)).await;
            Err(tls::fault::at_server(error))
        }
    }
}

/// The same as [`make_ready`], with a WebSocket within TLS.
#[cfg(feature = "websocket")]
async fn make_websocket(mut stream: TcpStream, tls: Option<TlsAcceptor>) -> io::Result<Incoming> {
    let Some(tls) = tls else {
        return Err(websocket::without_tls());
    };
    socket::prepare(&SockRef::from(&stream))?;
    let mut start = [0];
    stream.peek(&mut start).await?;
    if websocket::is_http(&start) {
        // Why it is refused stands in the answer.
        let _ = websocket::refuse_clear(&mut stream).await;
        let _ = timeout(PARTING_TIME, part(stream)).await;
        return Err(tls::fault::refused_at_server(Fault::Clear));
    }
    let mut stream = begin_tls(stream, tls).await?;
    let connection = stream.get_ref().1;
    let binding = tls::channel_binding(connection).map_err(io::Error::other)?;
    let known = connection.peer_certificates().is_some();
    let unread = match websocket::accept(&mut stream, known).await {
        Ok(unread) => unread,
        Err(error) => {
            let _ = timeout(PARTING_TIME, part(stream)).await;
            return Err(match known {
                true => tls::fault::at_server(error),
                false => tls::fault::refused_at_server(Fault::TheirMissing),
            });
        }
    };
    Ok(Incoming {
        tls_exporter: Some(binding),
        stream: Box::new(websocket::begin(stream, unread).await),
    })
}

/// How long a peer that is refused may take to read why.
const PARTING_TIME: Duration = Duration::from_secs(1);

/// What such a peer may have sent meanwhile, in bytes: the messages of one registration.
const PARTING_BYTES: u64 = 64 << 10;

/// Lets the peer read why it is refused: where bytes of it were not read, closing the
/// connection takes back what it has not read either.
async fn part(mut stream: impl Stream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = stream.take(PARTING_BYTES);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}
