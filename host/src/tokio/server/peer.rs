//! One connection of a client.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use fedlink::frame::Framing;
use fedlink::message::PeerId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::Limits;
use super::limits::Place;
use crate::tokio::accept::Accepted;
use crate::tokio::pipe::{CLOSE_TIMEOUT, Pipe, Received, START_BYTES};

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
    let now = Instant::now();
    let mut pipe = Pipe::new(incoming.stream, Framing::Native);
    pipe.reader.set_limit(limits.message_before_registration);
    let mut conversation = Conversation {
        id,
        pipe,
        queue: queued,
        shared,
        inputs,
        bytes: 0,
        since: now,
        heard: now,
        writing_since: now,
        limits,
    };
    match conversation.run().await {
        Ok(()) => tracing::debug!(%id, ?address, "a connection ended"),
        Err(error) => tracing::debug!(%id, ?address, %error, "a connection was closed"),
    }
    let _ = timeout(CLOSE_TIMEOUT, conversation.pipe.writer.close()).await;
    // The machine may have ended first.
    let _ = conversation.inputs.send(Input::Disconnected(id)).await;
}

struct Conversation {
    id: PeerId,
    pipe: Pipe,
    queue: mpsc::UnboundedReceiver<Queued>,
    shared: Arc<Shared>,
    inputs: mpsc::Sender<Input>,
    limits: Arc<Limits>,
    /// Bytes of messages before the registration.
    bytes: usize,
    since: Instant,
    heard: Instant,
    writing_since: Instant,
}

impl Conversation {
    async fn run(&mut self) -> io::Result<()> {
        // Set anew only when it is over or too late: messages move the deadline all the
        // time.
        let mut alarm = pin!(sleep_until(self.deadline()));
        loop {
            let deadline = self.deadline();
            if deadline < alarm.deadline() {
                alarm.as_mut().reset(deadline);
            }
            tokio::select! {
                received = self.pipe.reader.next() => match received? {
                    Received::Message(message) => self.take(message).await?,
                    Received::TooLong(start) => {
                        if !self.vouched(start).await {
                            return Err(too_much("a message before the registration is too long"));
                        }
                        self.pipe.reader.set_limit(self.limits.message);
                    }
                    Received::Closed => return Ok(()),
                },
                next = self.queue.recv(), if !self.pipe.writer.is_busy() => match next {
                    Some(message) => {
                        let (header, payload) = *message;
                        let size = header.len() + payload.len() + OVERHEAD;
                        self.shared.queued.fetch_sub(size, Ordering::Relaxed);
                        self.writing_since = Instant::now();
                        self.pipe.writer.start(header, payload);
                    }
                    None => return Ok(()),
                },
                written = self.pipe.writer.write() => written?,
                () = &mut alarm => {
                    if deadline <= alarm.deadline() {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    alarm.as_mut().reset(deadline);
                }
            }
        }
    }

    async fn take(&mut self, message: BytesMut) -> io::Result<()> {
        self.heard = Instant::now();
        if self.is_registered() {
            self.pipe.reader.set_limit(self.limits.message);
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

    /// When the connection is closed if nothing happens.
    fn deadline(&self) -> Instant {
        let reading = if self.is_registered() {
            self.heard + self.limits.idle_time
        } else {
            self.since + self.limits.time_before_registration
        };
        if self.pipe.writer.is_busy() {
            reading.min(self.writing_since + self.limits.write_time)
        } else {
            reading
        }
    }
}

fn too_much(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
