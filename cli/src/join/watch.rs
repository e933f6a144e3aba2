//! What went wrong with the connections to a server, for people to be told.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use fedlink_host::tokio::{Connection, Dial, Dialing, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Handshakes of TLS that fail in a row, after which no other will do better: clocks and
/// certificates do not mend themselves, while a server that restarts may fail once.
const MAX_REFUSALS: u32 = 3;

/// What is known of the connections so far. Clones know the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// Why there is no connection, until there is one.
    failure: Option<String>,
    /// How many connections in a row TLS has refused.
    refusals: u32,
}

impl Watch {
    /// Why the last connection failed, or could not be made. None if it still stands, or
    /// ended in order.
    pub(super) fn failure(&self) -> Option<String> {
        self.seen().failure.clone()
    }

    /// Why TLS refuses every connection, if it does.
    pub(super) fn refusal(&self) -> Option<String> {
        let seen = self.seen();
        let failure = seen.failure.clone()?;
        (seen.refusals >= MAX_REFUSALS).then_some(failure)
    }

    /// The server has answered: its connection is a good one.
    pub(super) fn answered(&self) {
        self.seen().refusals = 0;
    }

    fn failed(&self, error: &io::Error) {
        let mut seen = self.seen();
        // So both ends of TLS say that they do not trust what they see.
        if error.kind() == ErrorKind::InvalidData {
            seen.refusals = seen.refusals.saturating_add(1);
        }
        seen.failure = Some(match error.kind() {
            ErrorKind::UnexpectedEof => "the server closed it".to_owned(),
            _ => error.to_string(),
        });
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes connections, and lets a [`Watch`] know what befalls them.
pub(super) struct WatchedDial {
    pub(super) dial: Box<dyn Dial>,
    pub(super) watch: Watch,
}

impl Dial for WatchedDial {
    fn dial(&mut self) -> Dialing {
        let dialing = self.dial.dial();
        let watch = self.watch.clone();
        Box::pin(async move {
            let connection = dialing.await.inspect_err(|error| watch.failed(error))?;
            watch.seen().failure = None;
            Ok(Connection {
                stream: Box::new(WatchedStream {
                    stream: connection.stream,
                    watch,
                }),
                ..connection
            })
        })
    }
}

/// A server tells only after the handshake that it refuses a site's certificate.
struct WatchedStream {
    stream: Box<dyn Stream>,
    watch: Watch,
}

impl WatchedStream {
    fn watched<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &polled {
            self.watch.failed(error);
        }
        polled
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.watched(polled)
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watched(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watched(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.watched(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watched(polled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(ErrorKind);

    impl Dial for Failing {
        fn dial(&mut self) -> Dialing {
            let error = io::Error::new(self.0, "UnknownIssuer");
            Box::pin(std::future::ready(Err(error)))
        }
    }

    async fn dial(kind: ErrorKind, times: u32) -> Watch {
        let watch = Watch::default();
        let mut dial = WatchedDial {
            dial: Box::new(Failing(kind)),
            watch: watch.clone(),
        };
        for _ in 0..times {
            assert!(dial.dial().await.is_err());
        }
        watch
    }

    #[tokio::test]
    async fn tls_that_fails_again_and_again_is_a_refusal() {
        let once = dial(ErrorKind::InvalidData, 1).await;
        assert_eq!(once.failure().as_deref(), Some("UnknownIssuer"));
        assert_eq!(once.refusal(), None);
        let thrice = dial(ErrorKind::InvalidData, MAX_REFUSALS).await;
        assert_eq!(thrice.refusal().as_deref(), Some("UnknownIssuer"));
        thrice.answered();
        assert_eq!(thrice.refusal(), None);
    }

    #[tokio::test]
    async fn a_server_that_is_away_is_no_refusal() {
        let watch = dial(ErrorKind::ConnectionRefused, 9).await;
        assert!(watch.failure().is_some() && watch.refusal().is_none());
    }
}
