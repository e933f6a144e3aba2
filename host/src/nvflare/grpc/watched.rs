//! The connection below a gRPC call, which keeps the reason for which it broke.
//!
//! gRPC says of a broken connection only that it is none any more. The reason, such as
//! that the server refuses the site's certificate, is known here.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connectivity::ConnectionFailure;
use crate::tokio::Stream;

/// A stream whose first error of reading is kept: writing fails for no reason of its own.
pub(super) struct Watched {
    stream: Box<dyn Stream>,
    fault: Fault,
}

/// What went wrong with a connection, if anything did.
#[derive(Clone, Default)]
pub(super) struct Fault(Arc<OnceLock<(ErrorKind, ConnectionFailure)>>);

impl Watched {
    pub(super) fn new(stream: Box<dyn Stream>) -> (Self, Fault) {
        let fault = Fault::default();
        let kept = fault.clone();
        (Self { stream, fault }, kept)
    }
}

impl Fault {
    pub(super) fn get(&self) -> Option<io::Error> {
        let (kind, failure) = self.0.get()?;
        Some(failure.clone().into_error(*kind))
    }

    fn keep<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            // The first one is the reason of all that follow.
            let _ = self.0.set((error.kind(), ConnectionFailure::of(error)));
        })
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, room));
        Poll::Ready(self.fault.keep(read))
    }
}

impl AsyncWrite for Watched {
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
