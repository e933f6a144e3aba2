//! One connection of a client.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fedlink::frame::Framing;
use fedlink::message::PeerId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::Limits;
use super::limits::Place;
use crate::tokio::accept::Accepted;
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

/// What both ends know of the connection.
struct Shared {
    /// Bytes that wait to be sent.
    queued: AtomicUsize,
    registered: AtomicBool,
    /// When the connection stood.
    since: Instant,
    /// The milliseconds from then to the last message.
    heard: AtomicU64,
}

impl Shared {
    fn new() -> Self {
        Self {
            queued: AtomicUsize::new(0),
            registered: AtomicBool::new(false),
            since: Instant::now(),
            heard: AtomicU64::new(0),
        }
    }

    fn is_registered(&self) -> bool {
        self.registered.load(Ordering::Relaxed)
    }

    fn hear(&self) {
        let millis = self.since.elapsed().as_millis();
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.heard.store(millis, Ordering::Relaxed);
    }

    fn heard(&self) -> Instant {
        self.since + Duration::from_millis(self.heard.load(Ordering::Relaxed))
    }
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
        self.shared.is_registered()
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
    let shared = Arc::new(Shared::new());
    let connected = Input::Connected {
        id,
        tls_exporter: incoming.tls_exporter,
        peer: Peer {
            queue,
            shared: Arc::clone(&shared),
            limit: limits.queued_bytes,
        },
    };
    // A machine that takes nothing in all this time leaves its strangers no more than others.
    let told = timeout(limits.time_before_registration, inputs.send(connected)).await;
    if !matches!(told, Ok(Ok(()))) {
        return;
    }
    tracing::debug!(%id, ?address, "a connection stands");
    let Pipe { mut reader, writer } = Pipe::new(incoming.stream, Framing::Native);
    reader.set_limit(limits.message_before_registration);
    let mut outgoing = Outgoing {
        writer,
        queue: queued,
        shared: Arc::clone(&shared),
        write_time: limits.write_time,
    };
    let overdue = overdue(Arc::clone(&shared), Arc::clone(&limits));
    let mut incoming = Incoming {
        id,
        reader,
        shared,
        inputs,
        untold: None,
        bytes: 0,
        limits,
    };
    let ended = tokio::select! {
        ended = outgoing.send_all() => ended,
        ended = incoming.take_all() => ended,
        () = overdue => Err(io::ErrorKind::TimedOut.into()),
    };
    match ended {
        Ok(()) => tracing::debug!(%id, ?address, "a connection ended"),
        Err(error) => tracing::debug!(%id, ?address, %error, "a connection was closed"),
    }
    let _ = timeout(CLOSE_TIMEOUT, outgoing.writer.close()).await;
    for last in incoming.untold.into_iter().chain([Input::Disconnected(id)]) {
        // The machine may have ended first.
        let _ = incoming.inputs.send(last).await;
    }
}

/// Ends when nothing has come for too long.
async fn overdue(shared: Arc<Shared>, limits: Arc<Limits>) {
    loop {
        let now = Instant::now();
        let (deadline, look) = if shared.is_registered() {
            let deadline = after(shared.heard(), limits.idle_time);
            (deadline, deadline)
        } else {
            let deadline = after(shared.since, limits.time_before_registration);
            // It may register meanwhile.
            (deadline, deadline.min(after(now, limits.idle_time)))
        };
        if deadline <= now {
            return;
        }
        sleep_until(look).await;
    }
}

/// So long after a moment; in a year if the clock cannot say when that is.
fn after(moment: Instant, span: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    moment.checked_add(span).unwrap_or_else(|| moment + YEAR)
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
    /// What waits for room among the inputs.
    untold: Option<Input>,
    /// Bytes of messages before the registration.
    bytes: usize,
    limits: Arc<Limits>,
}

impl Incoming {
    /// Hands on what comes, until the peer closes the connection or breaks a limit.
    async fn take_all(&mut self) -> io::Result<()> {
        loop {
            match self.reader.next().await? {
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
        self.shared.hear();
        if self.shared.is_registered() {
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

    /// Hands an input on. It is not lost if the future is dropped.
    async fn tell(&mut self, input: Input) -> io::Result<()> {
        self.untold = Some(input);
        let room = self.inputs.reserve().await;
        let room = room.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        if let Some(input) = self.untold.take() {
            room.send(input);
        }
        Ok(())
    }
}

fn too_much(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use fedlink::frame::frame_header;
    use tokio::io::{AsyncWriteExt, duplex};
    use tokio::time::sleep;

    use super::*;
    use crate::tokio::accept;
    use crate::tokio::server::limits::Crowd;

    #[tokio::test(start_paused = true)]
    async fn a_message_that_has_come_is_not_lost_with_its_connection() {
        let (stream, mut far) = duplex(1000);
        let incoming = accept::Incoming {
            stream: Box::new(stream),
            tls_exporter: None,
        };
        let accepted = Accepted {
            address: None,
            ready: Box::pin(async { Ok(incoming) }),
        };
        let limits = Arc::new(Limits::default());
        let place = Crowd::new(&limits).admit(None).unwrap();
        let (inputs, mut told) = mpsc::channel(1);
        tokio::spawn(serve(accepted, place, PeerId(1), limits, inputs.clone()));
        let Some(Input::Connected { peer, .. }) = told.recv().await else {
            panic!("it is not connected");
        };

        inputs.send(Input::Disconnected(PeerId(2))).await.unwrap();
        let message = [&frame_header(3)[..], b"abc"].concat();
        far.write_all(&message).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        drop(peer);
        sleep(Duration::from_secs(1)).await;
        assert!(matches!(
            told.recv().await,
            Some(Input::Disconnected(PeerId(2)))
        ));
        let Some(Input::Message(PeerId(1), message)) = told.recv().await else {
            panic!("the message is lost");
        };
        assert_eq!(message, b"abc"[..]);
        assert!(matches!(
            told.recv().await,
            Some(Input::Disconnected(PeerId(1)))
        ));
    }
}
