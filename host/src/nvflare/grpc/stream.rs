//! A gRPC stream of frames, read and written as a stream of bytes.

use std::error::Error as _;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_channel::mpsc;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::codegen::tokio_stream::Stream as _;
use tonic::{Status, Streaming};

use super::Frame;
use super::watched::Fault;
use crate::nvflare::frame_buffer::FrameBuffer;

/// The server's answer to the call, when there is one.
pub(super) type Answer = Pin<Box<dyn Future<Output = Result<Streaming<Frame>, Status>> + Send>>;

/// A server that refuses a certificate may close the connection without a word.
const UNANSWERED: &str = "the server ended the connection before it answered: it refuses this \
                          site's certificate, or speaks something else than gRPC, or has \
                          just stopped";

/// Both directions of a call. At most two frames wait in it for the network.
pub(super) struct GrpcStream {
    incoming: Incoming,
    /// What was received and not read.
    unread: Bytes,
    outgoing: mpsc::Sender<Frame>,
    /// What was written and not handed over.
    unsent: FrameBuffer,
    fault: Fault,
    sequence: i32,
}

enum Incoming {
    Called(Answer),
    Streaming(Box<Streaming<Frame>>),
    Over,
}

impl GrpcStream {
    /// Over a call whose request is what comes out of `outgoing`. Should it fail, `fault`
    /// knows whether the connection is to blame.
    pub(super) fn new(outgoing: mpsc::Sender<Frame>, answer: Answer, fault: Fault) -> Self {
        Self {
            incoming: Incoming::Called(answer),
            unread: Bytes::new(),
            outgoing,
            unsent: FrameBuffer::new(),
            fault,
            sequence: 0,
        }
    }

    /// The next frame, or nothing if the server has ended the call in order.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            match &mut self.incoming {
                Incoming::Called(answer) => {
                    self.incoming = match ready!(answer.as_mut().poll(cx)) {
                        Ok(streaming) => Incoming::Streaming(Box::new(streaming)),
                        Err(status) => return self.failed(&status),
                    };
                }
                Incoming::Streaming(streaming) => {
                    let message = ready!(Pin::new(streaming.as_mut()).poll_next(cx));
                    return match message {
                        Some(Ok(frame)) => Poll::Ready(Ok(Some(frame.data))),
                        Some(Err(status)) => self.failed(&status),
                        None => {
                            self.incoming = Incoming::Over;
                            Poll::Ready(Ok(None))
                        }
                    };
                }
                Incoming::Over => return Poll::Ready(Ok(None)),
            }
        }
    }

    fn failed<T>(&mut self, status: &Status) -> Poll<io::Result<T>> {
        let error = self.reason(Some(status));
        self.incoming = Incoming::Over;
        Poll::Ready(Err(error))
    }

    /// Why the call has failed, as far as anything is known.
    fn reason(&self, status: Option<&Status>) -> io::Error {
        let told = |status: &Status| {
            io::Error::other(format!("gRPC: {} ({})", status.message(), status.code()))
        };
        // A status without a source is what the server has said.
        if let Some(said) = status.filter(|status| status.source().is_none()) {
            return told(said);
        }
        match (self.fault.get(), &self.incoming) {
            (Some(fault), _) if fault.kind() == ErrorKind::InvalidData => fault,
            (_, Incoming::Called(_)) => io::Error::new(ErrorKind::ConnectionAborted, UNANSWERED),
            (Some(fault), _) => fault,
            (None, _) => status.map_or_else(|| ErrorKind::BrokenPipe.into(), told),
        }
    }

    /// Hands over all whole frames, as fast as the network takes them.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.unsent.has_frame()? {
            let ready = ready!(self.outgoing.poll_ready(cx));
            ready.map_err(|_| self.reason(None))?;
            if let Some(data) = self.unsent.take_frame() {
                self.sequence = self.sequence.wrapping_add(1);
                let seq = self.sequence;
                let sent = self.outgoing.start_send(Frame { seq, data });
                sent.map_err(|_| self.reason(None))?;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for GrpcStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.poll_frame(cx))? {
                Some(frame) => self.unread = frame,
                None => return Poll::Ready(Ok(())),
            }
        }
        let some = self.unread.len().min(room.remaining());
        room.put_slice(&self.unread.split_to(some));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for GrpcStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        Poll::Ready(Ok(self.unsent.write(bytes)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send(cx)
    }

    /// Ends the call and waits until the server has done so too: to drop it earlier would
    /// cancel what is on the way.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        self.outgoing.disconnect();
        while ready!(self.poll_frame(cx))?.is_some() {}
        Poll::Ready(Ok(()))
    }
}
