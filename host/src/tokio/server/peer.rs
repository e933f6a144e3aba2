//! One connection of a client, with the tasks that read and write it.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fedlink::frame::Framing;
use fedlink::message::PeerId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::crowd::Place;
use super::refusals::Refusals;
use super::vouched::Voucher;
use crate::limits::Limits;
use crate::tokio::accept::Accepted;
use crate::tokio::pipe::{CLOSE_TIMEOUT, Long, Pipe, Reader, Received, Writer};

/// What connections tell the task of the machine.
pub(super) enum Input {
    Connected {
        id: PeerId,
        tls_exporter: Option<[u8; 32]>,
        peer: Peer,
    },
    /// With what vouches for it, if it is longer than a stranger's may be.
    Message(PeerId, BytesMut, Option<Voucher>),
    /// Asks for more than a stranger may send: for this message to come, or else for any.
    Ask(PeerId, Option<Long>, oneshot::Sender<Verdict>),
    Disconnected(PeerId),
}

/// What a peer may send that asks for more than a stranger may.
pub(super) enum Verdict {
    /// It has registered.
    Registered,
    /// It names a session: this message may come.
    Vouched(Voucher),
    /// No more, and why.
    Stranger(&'static str),
}

/// The machine's end of a connection. Dropping it closes the connection when everything
/// that waits is sent.
pub(super) struct Peer {
    /// Where it comes from, if that is known.
    pub(super) address: Option<IpAddr>,
    queue: mpsc::UnboundedSender<Queued>,
    shared: Arc<Shared>,
    limits: Arc<Limits>,
    /// A long message may come that nothing vouches for.
    pub(super) receives_long: bool,
}

/// What both ends know of the connection.
struct Shared {
    place: Place,
    /// Whether the machine has answered it.
    answered: AtomicBool,
    /// Bytes that wait to be sent.
    queued: AtomicUsize,
    registered: AtomicBool,
    /// When the connection stood.
    since: Instant,
    /// The milliseconds from then to the last message.
    heard: AtomicU64,
    /// The milliseconds from then to when the latest session was over.
    stranger: AtomicU64,
}

impl Shared {
    fn new(place: Place) -> Self {
        Self {
            place,
            answered: AtomicBool::new(false),
            queued: AtomicUsize::new(0),
            registered: AtomicBool::new(false),
            since: Instant::now(),
            heard: AtomicU64::new(0),
            stranger: AtomicU64::new(0),
        }
    }

    fn is_registered(&self) -> bool {
        self.registered.load(Ordering::Relaxed)
    }

    fn hear(&self) {
        self.heard.store(self.millis(), Ordering::Relaxed);
    }

    fn heard(&self) -> Instant {
        self.since + Duration::from_millis(self.heard.load(Ordering::Relaxed))
    }

    /// Since when nobody is registered here.
    fn stranger(&self) -> Instant {
        self.since + Duration::from_millis(self.stranger.load(Ordering::Relaxed))
    }

    fn set_registered(&self, registered: bool) {
        let before = self.registered.swap(registered, Ordering::Relaxed);
        if before && !registered {
            self.stranger.store(self.millis(), Ordering::Relaxed);
        }
        if before != registered {
            self.place.set_registered(registered);
        }
    }

    fn millis(&self) -> u64 {
        let millis = self.since.elapsed().as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX)
    }
}

/// Header and payload of a message. Boxed, since an idle queue has room for 32.
type Queued = Box<(Bytes, Bytes)>;

/// What a message takes besides its own bytes, so that many small ones count too.
const OVERHEAD: usize = 256;

impl Peer {
    /// Queues one message; false if there is no room.
    pub(super) fn send(&self, header: Bytes, payload: Bytes) -> bool {
        if !self.shared.answered.swap(true, Ordering::Relaxed) {
            self.shared.place.answered();
        }
        let size = header.len() + payload.len() + OVERHEAD;
        let queued = self.shared.queued.load(Ordering::Relaxed);
        if queued > 0 && queued + size > self.limits.queued_bytes {
            return false;
        }
        self.shared.queued.fetch_add(size, Ordering::Relaxed);
        // A connection that has just ended needs nothing more.
        let _ = self.queue.send(Box::new((header, payload)));
        true
    }

    /// Lifts the limits for strangers, or sets them again.
    pub(super) fn set_registered(&self, registered: bool) {
        self.shared.set_registered(registered);
    }

    /// Whether the connection holds more than a stranger's may.
    pub(super) fn is_heavy(&self) -> bool {
        let queued = self.shared.queued.load(Ordering::Relaxed);
        self.receives_long || queued > self.limits.bytes_before_registration
    }

    /// Closes the connection at once, whatever waits.
    pub(super) fn break_off(&self) {
        self.shared.place.break_off();
    }
}

/// Makes an accepted connection ready and serves it until it ends.
pub(super) async fn serve(
    accepted: Accepted,
    place: Place,
    id: PeerId,
    limits: Arc<Limits>,
    inputs: mpsc::Sender<Input>,
    refusals: Arc<Refusals>,
) {
    let address = accepted.address;
    let ready = tokio::select! {
        ready = timeout(limits.handshake_time, accepted.ready) => ready,
        () = place.breaking() => return,
    };
    let incoming = match ready {
        Ok(Ok(incoming)) => incoming,
        Ok(Err(error)) => {
            tracing::debug!(?address, %error, "a connection did not become ready");
            refusals.note(address, &error);
            return;
        }
        Err(_) => {
            tracing::debug!(?address, "a connection did not become ready in time");
            return;
        }
    };
    let (queue, queued) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared::new(place));
    let connected = Input::Connected {
        id,
        tls_exporter: incoming.tls_exporter,
        peer: Peer {
            address,
            queue,
            shared: Arc::clone(&shared),
            limits: Arc::clone(&limits),
            receives_long: false,
        },
    };
    // A machine that takes nothing in all this time leaves its strangers no more than others.
    let told = tokio::select! {
        told = timeout(limits.time_before_registration, inputs.send(connected)) => told,
        () = shared.place.breaking() => return,
    };
    if !matches!(told, Ok(Ok(()))) {
        return;
    }
    tracing::debug!(%id, ?address, "a connection stands");
    let Pipe { mut reader, writer } = Pipe::new(incoming.stream, Framing::Native);
    reader.set_limit(limits.of_strangers());
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
        shared: Arc::clone(&shared),
        inputs,
        untold: None,
        bytes: 0,
        limits,
    };
    let ended = tokio::select! {
        ended = outgoing.send_all() => ended,
        ended = incoming.take_all() => ended,
        () = overdue => Err(io::ErrorKind::TimedOut.into()),
        () = shared.place.breaking() => Err(io::ErrorKind::ConnectionAborted.into()),
    };
    match ended {
        Ok(()) => tracing::debug!(%id, ?address, "a connection ended"),
        Err(error) => {
            tracing::debug!(%id, ?address, %error, "a connection was closed");
            refusals.note(address, &error);
        }
    }
    tokio::select! {
        _ = timeout(CLOSE_TIMEOUT, outgoing.writer.close()) => {}
        () = shared.place.breaking() => {}
    }
    let Incoming {
        reader,
        inputs,
        untold,
        ..
    } = incoming;
    // What is left takes no room while the machine is busy.
    drop((outgoing, reader));
    for last in untold.into_iter().chain([Input::Disconnected(id)]) {
        // The machine may have ended first.
        let _ = inputs.send(last).await;
    }
}

/// Ends when nothing has come for too long.
async fn overdue(shared: Arc<Shared>, limits: Arc<Limits>) {
    loop {
        let now = Instant::now();
        // It may become the other meanwhile.
        let (deadline, other) = if shared.is_registered() {
            let deadline = after(shared.heard(), limits.idle_time);
            (deadline, limits.time_before_registration)
        } else {
            let deadline = after(shared.stranger(), limits.time_before_registration);
            (deadline, limits.idle_time)
        };
        let look = deadline.min(after(now, other));
        if deadline <= now {
            return;
        }
        sleep_until(look).await;
    }
}

/// The time that long after a moment; in a year if the clock cannot say when that is.
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
        let mut voucher = None;
        loop {
            match self.reader.next().await? {
                Received::Message(message) => {
                    self.reader.set_limit(self.limits.of_strangers());
                    self.take(message, voucher.take()).await?;
                }
                Received::TooLong(long) => {
                    voucher = self.let_pass(long).await?;
                    // Until it has come.
                    self.reader.set_limit(long.len);
                }
                Received::Closed => return Ok(()),
            }
        }
    }

    /// Whether a message may come that is longer than a stranger's, and what vouches for it
    /// if its sender has not registered.
    async fn let_pass(&mut self, long: Long) -> io::Result<Option<Voucher>> {
        if long.len > self.limits.message {
            return Err(too_much("a message is longer than any may be"));
        }
        match self.ask(Some(long)).await? {
            Verdict::Registered => Ok(None),
            Verdict::Vouched(voucher) => Ok(Some(voucher)),
            Verdict::Stranger(why) => Err(too_much(why)),
        }
    }

    async fn take(&mut self, message: BytesMut, voucher: Option<Voucher>) -> io::Result<()> {
        self.shared.hear();
        if self.shared.is_registered() {
            self.bytes = 0;
        } else {
            // What is vouched for has a limit of its own.
            if voucher.is_none() {
                self.bytes = self.bytes.saturating_add(message.len());
            }
            if self.bytes > self.limits.bytes_before_registration
                && !matches!(self.ask(None).await?, Verdict::Registered)
            {
                return Err(too_much("too many bytes before the registration"));
            }
        }
        self.tell(Input::Message(self.id, message, voucher)).await
    }

    /// Asks for more than a stranger may send, by what all the messages before have shown.
    async fn ask(&mut self, long: Option<Long>) -> io::Result<Verdict> {
        let (answer, answered) = oneshot::channel();
        self.tell(Input::Ask(self.id, long, answer)).await?;
        let verdict = answered.await;
        verdict.map_err(|_| io::ErrorKind::BrokenPipe.into())
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
    use crate::tokio::server::crowd::Crowd;

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
        let refusals = Arc::default();
        tokio::spawn(serve(
            accepted,
            place,
            PeerId(1),
            limits,
            inputs.clone(),
            refusals,
        ));
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
        let Some(Input::Message(PeerId(1), message, None)) = told.recv().await else {
            panic!("the message is lost");
        };
        assert_eq!(message, b"abc"[..]);
        assert!(matches!(
            told.recv().await,
            Some(Input::Disconnected(PeerId(1)))
        ));
    }
}
