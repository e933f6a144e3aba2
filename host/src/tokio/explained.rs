//! A connection of a site whose errors say which server it led to and what to do.

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::socket;
use crate::tls::fault;

/// Looks at what is read: a server refuses the site's certificate where its first answer
/// should be, and one that speaks TLS answers a site that does not with an alert.
pub(super) struct Explained<S> {
    stream: S,
    address: String,
    /// What TLS was begun with; none without TLS.
    tls: Option<Arc<ClientConfig>>,
    /// Whether anything was read.
    begun: bool,
}

impl<S> Explained<S> {
    /// The connection to one of the server's addresses.
    pub(super) fn new(stream: S, address: &str, tls: Option<Arc<ClientConfig>>) -> Self {
        Self {
            stream,
            address: address.to_owned(),
            tls,
            begun: false,
        }
    }

    fn explain(&self, error: io::Error) -> io::Error {
        let error = match &self.tls {
            Some(config) => fault::at_site(error, config),
            None => error,
        };
        socket::at(&self.address, &error)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Explained<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = room.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, room));
        let first = !mem::replace(&mut self.begun, true) && self.tls.is_none();
        let came = room.filled().get(before..).unwrap_or_default();
        let read = match first && fault::is_record(came) {
            true => Err(fault::only_tls()),
            false => read,
        };
        Poll::Ready(read.map_err(|error| self.explain(error)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Explained<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
