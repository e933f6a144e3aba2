//! One connection to a server of NVFlare: its greeting, its pings, and the frames that wait to
//! be written.
//!
//! The server answers the greeting before it has entered the connection into its tables,
//! and drops whatever reaches it in between, pings too. So nothing but pings is sent until
//! the first pong.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::Instant;
use crate::error::Dropped;
use crate::message::MessageKind;
use crate::transmit::Transmit;
use crate::wire::nvflare::msgpack;
use crate::wire::nvflare::sfm::{self, Frame, Kind};
use crate::wire::nvflare::value::Value;

/// Time between pings while the first pong is awaited: a little more than a round trip.
const PING_AGAIN: Duration = Duration::from_millis(100);

/// The same when the server is slow.
const PING_AGAIN_SLOWLY: Duration = Duration::from_secs(1);

/// How many pings are sent fast.
const FAST_PINGS: u32 = 20;

/// Messages that wait to be written. A server that asks and does not read gets no answers.
const MAX_QUEUED: usize = 4096;

/// The stream id of greetings; those of messages count from [`FIRST_STREAM`].
const GREETING_STREAM: u16 = 1;
const FIRST_STREAM: u16 = 17;

#[derive(Default)]
pub(super) struct Connection {
    state: ConnectionState,
    /// When the next ping is due.
    ping_at: Option<Instant>,
    heard: Instant,
    /// A pong has come since the last [`Connection::ask_for_life`].
    alive: bool,
    sequence: u16,
    stream: u16,
    /// What goes before any chunk of a stream.
    ready: VecDeque<Transmit>,
    /// Messages that wait for the first pong.
    waiting: VecDeque<Transmit>,
    /// Numbers transmits, over all connections.
    sent: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ConnectionState {
    #[default]
    Down,
    /// The greeting is not answered.
    Greeting,
    /// It is; this many pings are not.
    Pinging(u32),
    Open,
}

/// What a frame was.
pub(super) enum Heard {
    /// A message of a cell: its headers and its payload.
    Message(Bytes, Bytes),
    /// The connection's own business.
    Own(MessageKind),
}

impl Connection {
    /// A connection stands: greets the server under `name` at Unix time `wall`.
    pub(super) fn connect(&mut self, now: Instant, name: &str, wall: f64) {
        self.disconnect();
        self.state = ConnectionState::Greeting;
        self.heard = now;
        let greeting = Value::map([
            ("endpoint_name", Value::from(name)),
            ("timestamp", Value::from(wall)),
            ("fqcn", Value::from(name)),
        ]);
        self.control(Kind::Hello, GREETING_STREAM, &greeting);
    }

    pub(super) fn disconnect(&mut self) {
        self.state = ConnectionState::Down;
        self.ping_at = None;
        self.ready.clear();
        self.waiting.clear();
        (self.sequence, self.stream) = (0, FIRST_STREAM);
    }

    /// Whether there is a connection.
    pub(super) fn is_up(&self) -> bool {
        self.state != ConnectionState::Down
    }

    /// Whether messages may go out.
    pub(super) fn is_open(&self) -> bool {
        self.state == ConnectionState::Open
    }

    /// Takes one frame. `ping_after` is how long the server may be silent.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        frame: Bytes,
        ping_after: Duration,
    ) -> Result<Heard, Dropped> {
        if self.state == ConnectionState::Down {
            return Err(Dropped::Unexpected);
        }
        let Frame {
            kind,
            app_id,
            headers,
            payload,
            ..
        } = sfm::parse(frame).map_err(|_| Dropped::Malformed)?;
        self.heard = now;
        match (kind, self.state) {
            (Kind::Ready, ConnectionState::Greeting) => {
                self.state = ConnectionState::Pinging(0);
                self.ping_at = Some(now);
                self.handle_timeout(now, ping_after);
            }
            (Kind::Pong, ConnectionState::Pinging(_)) => {
                self.state = ConnectionState::Open;
                self.ping_at = Some(now + ping_after);
                self.ready.append(&mut self.waiting);
            }
            (Kind::Pong, _) => self.alive = true,
            (Kind::Ping, _) => self.ping(Kind::Pong),
            (Kind::Data, _) if app_id == sfm::APP_CELL => {
                return Ok(Heard::Message(headers, payload));
            }
            (Kind::Data | Kind::Hello | Kind::Ready | Kind::Other(_), _) => {}
        }
        Ok(Heard::Own(message_kind(kind)))
    }

    /// When to call [`Self::handle_timeout`].
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.ping_at
    }

    /// Sends the ping that is due, if one is.
    pub(super) fn handle_timeout(&mut self, now: Instant, ping_after: Duration) {
        if self.ping_at.is_none_or(|at| at > now) {
            return;
        }
        let next = match self.state {
            ConnectionState::Pinging(pings) => {
                self.ping(Kind::Ping);
                self.state = ConnectionState::Pinging(pings + 1);
                let fast = pings < FAST_PINGS;
                Some(now + if fast { PING_AGAIN } else { PING_AGAIN_SLOWLY })
            }
            ConnectionState::Open if self.heard + ping_after <= now => {
                self.ping(Kind::Ping);
                Some(now + ping_after)
            }
            ConnectionState::Open => Some(self.heard + ping_after),
            ConnectionState::Down | ConnectionState::Greeting => None,
        };
        self.ping_at = next;
    }

    /// Asks the server for a sign of life; [`Self::is_alive`] tells whether one came.
    pub(super) fn ask_for_life(&mut self) {
        self.alive = false;
        if self.is_open() {
            self.ping(Kind::Ping);
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.alive
    }

    /// Queues a message of a cell, until the connection is open. Returns its number; none if
    /// it is too large to be framed, or too much waits already.
    pub(super) fn send(
        &mut self,
        headers: &[u8],
        payload: Bytes,
        kind: MessageKind,
    ) -> Option<u64> {
        if self.is_full() {
            return None;
        }
        let transmit = self.frame(headers, payload, kind)?;
        let id = transmit.id;
        match self.state {
            ConnectionState::Open => self.ready.push_back(transmit),
            ConnectionState::Down => return None,
            ConnectionState::Greeting | ConnectionState::Pinging(_) => {
                self.waiting.push_back(transmit)
            }
        }
        Some(id)
    }

    /// A message that is written next, and not queued.
    pub(super) fn frame(
        &mut self,
        headers: &[u8],
        payload: Bytes,
        kind: MessageKind,
    ) -> Option<Transmit> {
        let stream = self.stream;
        let head = sfm::head(
            Kind::Data,
            sfm::APP_CELL,
            stream,
            self.sequence.wrapping_add(1),
            headers,
            payload.len(),
        )?;
        self.stream = stream.checked_add(1).unwrap_or(FIRST_STREAM);
        Some(self.transmit(head, payload, kind))
    }

    pub(super) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.ready.pop_front()
    }

    /// Takes a message back that was not written yet.
    pub(super) fn withdraw(&mut self, transmit: u64) {
        for queue in [&mut self.ready, &mut self.waiting] {
            queue.retain(|queued| queued.id != transmit);
        }
    }

    fn is_full(&self) -> bool {
        self.ready.len() + self.waiting.len() >= MAX_QUEUED
    }

    fn ping(&mut self, kind: Kind) {
        if self.is_full() {
            return;
        }
        let stream = self.stream;
        self.stream = stream.checked_add(1).unwrap_or(FIRST_STREAM);
        self.control(kind, stream, &Value::Nil);
    }

    fn control(&mut self, kind: Kind, stream: u16, body: &Value) {
        let mut payload = Vec::new();
        msgpack::encode(body, &mut payload);
        let sequence = self.sequence.wrapping_add(1);
        if let Some(head) = sfm::head(kind, 0, stream, sequence, &[], payload.len()) {
            let transmit = self.transmit(head, payload.into(), message_kind(kind));
            self.ready.push_back(transmit);
        }
    }

    fn transmit(&mut self, head: Bytes, payload: Bytes, kind: MessageKind) -> Transmit {
        self.sequence = self.sequence.wrapping_add(1);
        self.sent += 1;
        Transmit {
            header: head.into(),
            payload: payload.into(),
            id: self.sent,
            kind,
        }
    }
}

/// What a frame is that is no message of a cell.
fn message_kind(kind: Kind) -> MessageKind {
    match kind {
        Kind::Hello => MessageKind::Hello,
        Kind::Ready => MessageKind::Ready,
        Kind::Ping => MessageKind::Ping,
        Kind::Pong => MessageKind::Pong,
        Kind::Data | Kind::Other(_) => MessageKind::Other,
    }
}
