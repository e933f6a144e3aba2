//! The bytes of a connection within the binary messages of a WebSocket (RFC 6455).
//!
//! What [`Framing::Native`](fedlink::frame::Framing) says of a stream over TLS holds for all
//! binary messages of one direction put together: where one of them begins or ends means
//! nothing. So the limits of a stream hold here too, and whoever carries the messages need
//! not take long ones.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Where a coordinator has its WebSocket.
pub const PATH: &str = "/fedlink";

/// The longest binary message that is taken, in bytes.
const MAX_PIECE: usize = 64 << 10;

/// The longest that is sent: what a record of TLS holds. A connection keeps room for one.
const PIECE: usize = 16 << 10;

/// Room for what one read may bring. A connection keeps it.
const READ_BYTES: usize = 4 << 10;

/// Messages without bytes of the protocol, such as pings, that may come before the first of its
/// bytes. Each byte allows one more, up to this: a day of pings, one every ten seconds.
const MAX_EMPTY: usize = 10_000;

/// How long a server may take to answer the request for a WebSocket.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest request for a WebSocket, in bytes. Real ones have some hundred.
const MAX_REQUEST: usize = 8 << 10;

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        // One piece at a time, with the answer to a ping.
        .max_write_buffer_size(2 * MAX_PIECE)
        .max_message_size(Some(MAX_PIECE))
        .max_frame_size(Some(MAX_PIECE))
}

/// Asks the server at the other end of `stream` for a WebSocket; `address` is where it is.
///
/// # Errors
/// What it answers instead.
pub(super) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    address: &str,
) -> io::Result<Pieces<S>> {
    let url = format!("ws://{address}{PATH}");
    let begun = client_async_with_config(url, stream, Some(config()));
    match timeout(BEGIN_TIMEOUT, begun).await? {
        Ok((socket, _)) => Ok(Pieces::new(socket)),
        Err(Error::Http(answer)) => Err(invalid(format!(
            "whoever answers has no WebSocket for sites, and says {}; check the address, and set the same `transport` in fedlink.toml at both ends",
            answer.status()
        ))),
        Err(error) => Err(broken(error)),
    }
}

/// Takes the request of a client for a WebSocket, if it has proved to be `welcome`. Whoever asks
/// for anything else is told what this is.
///
/// # Errors
/// When it has asked for anything else. The answer is on its way then.
pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    welcome: bool,
) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(READ_BYTES);
    let answer = loop {
        match Request::try_parse(&head) {
            Ok(None) if head.len() < MAX_REQUEST => {}
            Ok(None) => break TOO_LONG,
            Ok(Some(_)) if !welcome => break UNKNOWN,
            Ok(Some((len, request))) if request.uri().path() == PATH => {
                let Ok(response) = create_response(&request) else {
                    break UPGRADE;
                };
                let mut answer = Vec::new();
                write_response(&mut answer, &response).map_err(broken)?;
                stream.write_all(&answer).await?;
                stream.flush().await?;
                return Ok(head.split_off(len));
            }
            Ok(Some(_)) => break ELSEWHERE,
            Err(_) => break UPGRADE,
        }
        let mut room = (&mut *stream).take(READ_BYTES as u64);
        if room.read_buf(&mut head).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    };
    refuse(stream, answer).await
}

/// A WebSocket on a connection that has asked for it; `unread` is what came with the request.
pub(super) async fn begin<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    unread: Vec<u8>,
) -> Pieces<S> {
    let begun = WebSocketStream::from_partially_read(stream, unread, Role::Server, Some(config()));
    Pieces::new(begun.await)
}

/// Tells whoever speaks HTTP where TLS is spoken.
///
/// # Errors
/// Always. The answer is on its way.
pub(super) async fn refuse_clear<S: AsyncWrite + Unpin>(stream: &mut S) -> io::Result<()> {
    refuse(stream, CLEAR).await.map(|_: Vec<u8>| ())
}

/// Whether a connection that begins like this speaks HTTP where TLS is spoken.
pub(super) fn is_http(start: &[u8]) -> bool {
    start.first().is_some_and(u8::is_ascii_uppercase)
}

type Answer = (&'static str, &'static str);

const WHAT: &str = "This is the coordinator of a federation (fedlink).";
const CLEAR: Answer = (
    "400 Bad Request",
    "It speaks TLS: ask by https, with the certificate of a site.",
);
const UNKNOWN: Answer = (
    "403 Forbidden",
    "It takes sites, which show the certificate in their kit: fedlink join --kit KIT.",
);
const ELSEWHERE: Answer = (
    "404 Not Found",
    "Sites reach it by WebSocket at /fedlink: fedlink join --kit KIT.",
);
const UPGRADE: Answer = (
    "426 Upgrade Required",
    "Sites reach it by WebSocket (version 13) at /fedlink: fedlink join --kit KIT.",
);
const TOO_LONG: Answer = (
    "431 Request Header Fields Too Large",
    "Sites reach it by WebSocket at /fedlink: fedlink join --kit KIT.",
);

async fn refuse<S: AsyncWrite + Unpin, T>(stream: &mut S, answer: Answer) -> io::Result<T> {
    let (status, text) = answer;
    let length = WHAT.len() + 1 + text.len() + 1;
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
         Upgrade: websocket\r\nConnection: close\r\n\r\n{WHAT} {text}\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await?;
    Err(invalid(format!(
        "it asked for something else than a WebSocket for sites ({status})"
    )))
}

/// The error of a host that wants a WebSocket on bare TCP.
pub(super) fn without_tls() -> io::Error {
    let problem = "a WebSocket for sites is within TLS: give both ends a configuration for that";
    io::Error::new(ErrorKind::InvalidInput, problem)
}

fn invalid(text: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, text)
}

/// What an error of a WebSocket is for whoever reads and writes bytes.
pub(crate) fn broken(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        Error::ConnectionClosed | Error::AlreadyClosed => ErrorKind::ConnectionReset.into(),
        error => invalid(format!("WebSocket: {error}")),
    }
}

/// A WebSocket as a stream of bytes. At most one piece waits in it for the network.
pub(super) struct Pieces<S> {
    socket: WebSocketStream<S>,
    /// What was received and not read.
    unread: Bytes,
    /// How many messages may come that bring nothing.
    empty: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Pieces<S> {
    fn new(socket: WebSocketStream<S>) -> Self {
        Self {
            socket,
            unread: Bytes::new(),
            empty: MAX_EMPTY,
        }
    }

    /// Takes what has come, or says what is wrong with it.
    fn came(&mut self, message: Message) -> Result<(), (CloseCode, &'static str)> {
        match message {
            Message::Binary(piece) if !piece.is_empty() => {
                self.empty = self.empty.saturating_add(piece.len()).min(MAX_EMPTY);
                self.unread = piece;
                Ok(())
            }
            Message::Text(_) => Err((CloseCode::Unsupported, "messages here are binary")),
            // The library answers pings and goodbyes.
            Message::Binary(_)
            | Message::Ping(_)
            | Message::Pong(_)
            | Message::Close(_)
            | Message::Frame(_) => {
                let left = self.empty.checked_sub(1);
                let too_many = (CloseCode::Policy, "too many messages bring nothing");
                self.empty = left.ok_or(too_many)?;
                Ok(())
            }
        }
    }

    /// Tells the peer why the connection ends, as far as it still takes anything.
    fn refuse(&mut self, code: CloseCode, why: &str) -> io::Error {
        let frame = CloseFrame {
            code,
            reason: why.into(),
        };
        let _ = Pin::new(&mut self.socket).start_send(Message::Close(Some(frame)));
        invalid(format!("WebSocket: {why}"))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Pieces<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            let came = match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(message)) => self.came(message),
                Some(Err(Error::Capacity(_))) => Err((CloseCode::Size, "a message is too long")),
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
                None => return Poll::Ready(Ok(())),
            };
            if let Err((code, why)) = came {
                return Poll::Ready(Err(self.refuse(code, why)));
            }
        }
        let some = self.unread.len().min(room.remaining());
        room.put_slice(&self.unread.split_to(some));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Pieces<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut socket = Pin::new(&mut self.socket);
        ready!(socket.as_mut().poll_ready(cx)).map_err(broken)?;
        let whole: usize = parts.iter().map(|part| part.len()).sum();
        let mut piece = BytesMut::with_capacity(whole.min(PIECE));
        for part in parts {
            let room = PIECE - piece.len();
            piece.extend_from_slice(part.get(..room).unwrap_or(part));
        }
        let len = piece.len();
        if len > 0 {
            let sent = socket.start_send(Message::Binary(piece.freeze()));
            sent.map_err(broken)?;
        }
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.socket).poll_close(cx)) {
            Ok(()) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => {
                Pin::new(self.socket.get_mut()).poll_shutdown(cx)
            }
            Err(error) => Poll::Ready(Err(broken(error))),
        }
    }
}

#[cfg(test)]
mod tests;
