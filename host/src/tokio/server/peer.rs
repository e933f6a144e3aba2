//! One connection of a client.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fedlink::frame::Framing;
use fedlink::message::PeerId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::Limits;
use super::limits::Place;
use crate::tokio::accept::Accepted;
use crate::tokio::clock::Alarm;
use crate::tokio::pipe::{CLOSE_TIMEOUT, Pipe, Reader, Received, START_BYTES, Writer};

/// What connections tell the task of the machine.
pub(super) enum Input {
    Connected {
        id: PeerId,
        tls_exporter: Option<[u8; 32]>,
        peer: Peer,
    },
    Message(PeerId, BytesMut),
    /// Asks whether a message that begins so may be long, or one too many.
    Vouch(PeerId, [u8; START_BYTES], oneshot::Sender<bool>),
    Disconnected(PeerId),
}

/// The machine's end of a connection. Dropping it closes the connection when everything
/// that waits is sent.
pub(super) struct Peer {
    queue: mpsc::UnboundedSender<Queued>,
    shared: Arc<Shared>,
    limit: usize,
}

#[derive(Default)]
struct Shared {
    queued: AtomicUsize,
    registered: AtomicBool,
}

/// Header and payload of a message. Boxed, since an idle queue has room for 32.
type Queued = Box<(Bytes, Bytes)>;

/// What a message takes besides its own bytes, so that many small ones count too.
const OVERHEAD: usize = 256;

impl Peer {
    /// Queues one message; false if there is no room.
    pub(super) fn send(&self, header: Bytes, payload: Bytes) -> bool {
        let size = header.len() + payload.len() + OVERHEAD;
        let queued = self.shared.queued.load(Ordering::Relaxed);
        if queued > 0 && queued + size > self.limit {
            return false;
        }
        self.shared.queued.fetch_add(size, Ordering::Relaxed);
        // A connection that has just ended needs nothing more.
        let _ = self.queue.send(Box::new((header, payload)));
        true
    }

    /// Lifts the limits for strangers.
    pub(super) fn registered(&self) {
        self.shared.registered.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_registered(&self) -> bool {
        self.shared.registered.load(Ordering::Relaxed)
    }
}

/// Makes an accepted connection ready and serves it until it ends.
pub(super) async fn serve(
    accepted: Accepted,
    _place: Place,
    id: PeerId,
    limits: Arc<Limits>,
    inputs: mpsc::Sender<Input>,
) {
    let address = accepted.address;
    let incoming = match timeout(limits.handshake_time, accepted.ready).await {
        Ok(Ok(incoming)) => incoming,
        Ok(Err(error)) => {
            tracing::debug!(?address, %error, "a connection did not become ready");
            return;
        }
        Err(_) => {
            tracing::debug!(?address, "a connection did not become ready in time");
            return;
        }
    };
    let (queue, queued) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared::default());
    let connected = Input::Connected {
        id,
        tls_exporter: incoming.tls_exporter,
        peer: Peer {
            queue,
            shared: Arc::clone(&shared),
            limit: limits.queued_bytes,
        },
    };
    if inputs.send(connected).await.is_err() {
        return;
    }
    tracing::debug!(%id, ?address, "a connection stands");
    let Pipe { mut reader, writer } = Pipe::new(incoming.stream, Framing::Native);
    reader.set_limit(limits.message_before_registration);
    let now = Instant::now();
    let mut outgoing = Outgoing {
        writer,
        queue: queued,
        shared: Arc::clone(&shared),
        write_time: limits.write_time,
    };
    let mut incoming = Incoming {
        id,
        reader,
        shared,
        inputs,
        bytes: 0,
        since: now,
        heard: now,
        alarm: Alarm::new(),
        limits,
    };
    let ended = tokio::select! {
        ended = outgoing.send_all() => ended,
        ended = incoming.take_all() => ended,
    };
    match ended {
        Ok(()) => tracing::debug!(%id, ?address, "a connection ended"),
        Err(error) => tracing::debug!(%id, ?address, %error, "a connection was closed"),
    }
    let _ = timeout(CLOSE_TIMEOUT, outgoing.writer.close()).await;
    // The machine may have ended first.
    let _ = incoming.inputs.send(Input::Disconnected(id)).await;
}

/// What goes to the peer.
struct Outgoing {
    writer: Writer,
    queue: mpsc::UnboundedReceiver<Queued>,
    shared: Arc<Shared>,
    write_time: Duration,
}

impl Outgoing {
    /// Sends what is queued, until the machine drops its end.
    async fn send_all(&mut self) -> io::Result<()> {
        while let Some(message) = self.queue.recv().await {
            let (header, payload) = *message;
            let size = header.len() + payload.len() + OVERHEAD;
            self.shared.queued.fetch_sub(size, Ordering::Relaxed);
            self.writer.start(header, payload);
            timeout(self.write_time, self.writer.write()).await??;
        }
        Ok(())
    }
}

/// What comes from the peer.
struct Incoming {
    id: PeerId,
    reader: Reader,
    shared: Arc<Shared>,
    inputs: mpsc::Sender<Input>,
    /// Bytes of messages before the registration.
    bytes: usize,
    since: Instant,
    heard: Instant,
    alarm: Alarm,
    limits: Arc<Limits>,
}

impl Incoming {
    /// Hands on what comes, until the peer closes the connection or breaks a limit.
    async fn take_all(&mut self) -> io::Result<()> {
        loop {
            let deadline = self.deadline();
            let received = tokio::select! {
                received = self.reader.next() => received?,
                () = self.alarm.reach(Some(deadline)) => {
                    // It may have registered meanwhile.
                    if self.deadline() <= deadline {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    continue;
                }
            };
            match received {
                Received::Message(message) => self.take(message).await?,
                Received::TooLong(start) => {
                    if !self.vouched(start).await {
                        return Err(too_much("a message before the registration is too long"));
                    }
                    self.reader.set_limit(self.limits.message);
                }
                Received::Closed => return Ok(()),
            }
        }
    }

    async fn take(&mut self, message: BytesMut) -> io::Result<()> {
        self.heard = Instant::now();
        if self.is_registered() {
            self.reader.set_limit(self.limits.message);
        } else {
            self.bytes = self.bytes.saturating_add(message.len());
            if self.bytes > self.limits.bytes_before_registration {
                let start = message.first_chunk().copied();
                let vouched = match start {
                    Some(start) => self.vouched(start).await,
                    None => false,
                };
                if !vouched {
                    return Err(too_much("too many bytes before the registration"));
                }
            }
        }
        self.tell(Input::Message(self.id, message)).await
    }

    /// Whether the peer has registered, or names a session that exists, by what all the
    /// messages before have shown.
    async fn vouched(&mut self, start: [u8; START_BYTES]) -> bool {
        let (answer, answered) = oneshot::channel();
        let asked = self.tell(Input::Vouch(self.id, start, answer)).await;
        asked.is_ok() && answered.await.unwrap_or(false)
    }

    async fn tell(&mut self, input: Input) -> io::Result<()> {
        let told = self.inputs.send(input).await;
        told.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn is_registered(&self) -> bool {
        self.shared.registered.load(Ordering::Relaxed)
    }

    /// When the connection is closed if nothing comes.
    fn deadline(&self) -> Instant {
        if self.is_registered() {
            self.heard + self.limits.idle_time
        } else {
            self.since + self.limits.time_before_registration
        }
    }
}

fn too_much(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
