//! Frames over WebSocket (RFC 6455): each is a binary message.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use fedlink::nvflare::Settings;
use futures_util::{Sink, Stream as _};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::frame_buffer::FrameBuffer;
use crate::proxy::Proxies;
use crate::tokio::websocket::broken;
use crate::tokio::{Connection, Dial, Dialing, Stream, TcpDial};

/// Where the server of NVFlare has its WebSocket.
const PATH: &str = "/f3";

/// How long the server may take to answer the request for a WebSocket.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to a server of NVIDIA FLARE over WebSocket, with TLS or without: its schemes
/// `http` and `https`.
#[derive(Clone, Debug)]
pub struct WebSocketDial {
    address: String,
    tcp: TcpDial,
    max_frame: usize,
}

impl WebSocketDial {
    /// To `host:port`.
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        let address = address.into();
        Self {
            tcp: TcpDial::new([&address]),
            address,
            max_frame: Settings::DEFAULT.max_frame,
        }
    }

    /// With TLS. The server's certificate is judged by the configuration's verifier, to
    /// which `name` is given.
    #[must_use]
    pub fn tls(mut self, config: &Arc<rustls::ClientConfig>, name: ServerName<'static>) -> Self {
        self.tcp = self.tcp.tls(Arc::clone(config), name);
        self
    }

    /// Through these proxies, where it is over TLS. Default: none.
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.tcp = self.tcp.proxies(proxies);
        self
    }

    /// The longest frame from the server, in bytes: pass what the client's
    /// [`Settings::max_frame`] says. Default: that of [`Settings::DEFAULT`].
    #[must_use]
    pub fn max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    async fn connect(mut self) -> io::Result<Connection> {
        let Connection {
            stream,
            carrier,
            local_address,
        } = self.tcp.dial().await?;
        let address = format!("ws://{}{PATH}", self.address);
        let config = WebSocketConfig::default()
            .max_message_size(Some(self.max_frame))
            .max_frame_size(Some(self.max_frame));
        let begun = client_async_with_config(address, stream, Some(config));
        let (socket, _) = timeout(BEGIN_TIMEOUT, begun).await?.map_err(not_begun)?;
        Ok(Connection {
            stream: Box::new(Frames::new(socket)),
            carrier,
            local_address,
        })
    }
}

impl Dial for WebSocketDial {
    fn dial(&mut self) -> Dialing {
        Box::pin(self.clone().connect())
    }
}

/// A WebSocket as a stream of bytes, on which the frames stand back to back. At most two
/// frames wait in it for the network.
struct Frames {
    socket: WebSocketStream<Box<dyn Stream>>,
    /// What was received and not read.
    unread: Bytes,
    /// What was written and not handed over.
    unsent: FrameBuffer,
}

impl Frames {
    fn new(socket: WebSocketStream<Box<dyn Stream>>) -> Self {
        Self {
            socket,
            unread: Bytes::new(),
            unsent: FrameBuffer::new(),
        }
    }

    /// Hands over all whole frames, as fast as the network takes them.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.unsent.has_frame()? {
            let mut socket = Pin::new(&mut self.socket);
            ready!(socket.as_mut().poll_ready(cx)).map_err(broken)?;
            if let Some(frame) = self.unsent.take_frame() {
                let sent = socket.start_send(Message::Binary(frame));
                sent.map_err(broken)?;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Frames {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(frame))) => self.unread = frame,
                // The library answers a ping itself; nothing else is of this protocol.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let some = self.unread.len().min(room.remaining());
        room.put_slice(&self.unread.split_to(some));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Frames {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        Poll::Ready(Ok(self.unsent.write(bytes)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        match ready!(Pin::new(&mut self.socket).poll_close(cx)) {
            Ok(()) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(broken(error))),
        }
    }
}

/// Why there is no WebSocket on a connection that stands.
fn not_begun(error: Error) -> io::Error {
    match error {
        Error::Http(answer) => io::Error::new(
            ErrorKind::InvalidData,
            format!(
                "whoever answers is no server of NVFlare of scheme http, and says {}: check address and scheme",
                answer.status()
            ),
        ),
        error => broken(error),
    }
}

#[cfg(test)]
mod tests;
