//! A connection that breaks once, after a given number of bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use fedlink_host::tokio::{Dial, Dialing, Stream, TcpDial};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The way of one site to the coordinator. Clones are the same cable.
#[derive(Clone, Debug)]
pub(super) struct Cable(Arc<AtomicU64>);

/// Bytes left of a cable that nobody cuts.
const WHOLE: u64 = u64::MAX;

impl Cable {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(WHOLE)))
    }

    /// Breaks the connection when this many more bytes have gone to the coordinator.
    pub(super) fn cut_after(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// Connections over this cable.
    pub(super) fn dial(&self, dial: TcpDial) -> impl Dial + use<> {
        CableDial {
            cable: self.clone(),
            dial,
        }
    }
}

struct CableDial {
    cable: Cable,
    dial: TcpDial,
}

impl Dial for CableDial {
    fn dial(&mut self) -> Dialing {
        let (cable, dialing) = (self.cable.clone(), self.dial.dial());
        Box::pin(async {
            let mut connection = dialing.await?;
            connection.stream = Box::new(CableStream {
                cable,
                stream: connection.stream,
            });
            Ok(connection)
        })
    }
}

struct CableStream {
    cable: Cable,
    stream: Box<dyn Stream>,
}

impl AsyncRead for CableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for CableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.cable.0.load(Ordering::Relaxed);
        if left == 0 {
            // The next connection goes over a new cable.
            self.cable.0.store(WHOLE, Ordering::Relaxed);
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let room = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[..room]))?;
        if left != WHOLE {
            let left = left.saturating_sub(written as u64);
            self.cable.0.store(left, Ordering::Relaxed);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
