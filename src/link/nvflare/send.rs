//! Outgoing messages of cells, whole or as streams.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::Bytes;
use uuid::Uuid;

use super::Link;
use super::call::{Call, Purpose};
use super::cell::{Content, Kind, Origin, SERVER, Sender};
use super::stream::{ACK_INTERVAL, CHUNK, WINDOW};
use crate::link::event::LinkContext;
use crate::message::{MessageKind, ReturnCode};
use crate::transmit::Transmit;
use crate::wire::nvflare::cell::{Headers, channel, data_type, encoding, key, stream_key, topic};
use crate::wire::nvflare::typed;
use crate::wire::nvflare::value::Value;

/// Bytes of a value from which on it stands apart in a stream rather than in the body:
/// large enough that a chunk is mostly data, small enough that no model is copied.
const APART: usize = 64 << 10;

/// Streams given up that are remembered: more than can be under way.
const ABANDONED: usize = 64;

/// Between which cells something goes, and what it is about.
pub(super) struct Target<'a> {
    pub(super) origin: Origin,
    pub(super) to: String,
    pub(super) channel: &'a str,
    pub(super) topic: &'a str,
    /// Nobody logs its loss.
    pub(super) optional: bool,
}

/// What the headers of each chunk of a stream are made from.
pub(super) struct StreamHead {
    origin: Origin,
    to: String,
    headers: Headers,
    kind: MessageKind,
}

/// A stream that was given up when a part of it had gone: until its receiver hears of it,
/// somebody waits there for the rest.
pub(super) struct Abandoned {
    id: u64,
    origin: Origin,
    to: String,
}

impl Abandoned {
    pub(super) fn new(id: u64, head: StreamHead) -> Self {
        let StreamHead { origin, to, .. } = head;
        Self { id, origin, to }
    }
}

/// Who asked, and how an answer finds the way back.
pub(super) struct Asker {
    pub(super) from: String,
    /// The cell that was asked.
    pub(super) origin: Origin,
    pub(super) way: Way,
}

/// How a request came.
pub(super) enum Way {
    /// As one message, under this id; none if no reply is expected.
    Message {
        id: Option<Value>,
        channel: String,
        topic: String,
    },
    /// As a stream, under this id; none if no reply is expected.
    Stream {
        id: Option<String>,
        channel: String,
        topic: String,
    },
}

impl<'a> Target<'a> {
    /// From the site to the server.
    pub(super) fn server(channel: &'a str, topic: &'a str, optional: bool) -> Self {
        Self {
            origin: Origin::Site,
            to: SERVER.to_owned(),
            channel,
            topic,
            optional,
        }
    }

    /// From the site's half of a job to the server's.
    pub(super) fn job(origin: Origin, channel: &'a str, topic: &'a str, optional: bool) -> Self {
        Self {
            origin,
            to: origin.server(),
            channel,
            topic,
            optional,
        }
    }
}

impl Link {
    /// Sends a request as one message, and waits for its answer.
    pub(super) fn call(
        &mut self,
        cx: &mut LinkContext<'_>,
        purpose: Purpose,
        target: Target<'_>,
        headers: Headers,
        body: Option<&Value>,
    ) {
        let id = Uuid::from_bytes(cx.entropy.uuid());
        let payload = body.map(|it| self.dialect(purpose).encode(it));
        let (kind, _) = purpose.kinds();
        let transmit = self.message(cx, &target, (&Kind::Request(id), kind), headers, payload);
        let call = Call {
            transmit,
            ..Call::new(purpose, target, cx.now)
        };
        self.calls.insert(id, call);
    }

    /// Sends a request as a stream, and waits for its answer.
    pub(super) fn stream_call(
        &mut self,
        cx: &mut LinkContext<'_>,
        purpose: Purpose,
        target: Target<'_>,
        headers: Headers,
        body: &Value,
    ) {
        let id = Uuid::from_bytes(cx.entropy.uuid());
        let headers = headers.with(stream_key::REQUEST_ID, id.to_string());
        let (kind, _) = purpose.kinds();
        let stream = self.stream(cx, &target, kind, headers, body);
        let call = Call {
            stream: Some(stream),
            ..Call::new(purpose, target, cx.now)
        };
        self.calls.insert(id, call);
    }

    /// Sends a request as one message, and does not wait.
    pub(super) fn send(&mut self, cx: &mut LinkContext<'_>, target: &Target<'_>) {
        let kind = Kind::Request(Uuid::from_bytes(cx.entropy.uuid()));
        let kind = (&kind, MessageKind::Control);
        self.message(cx, target, kind, Headers::new(), None);
    }

    /// Sends a value that nobody answers as a stream.
    pub(super) fn stream_notice(
        &mut self,
        cx: &LinkContext<'_>,
        target: &Target<'_>,
        body: &Value,
    ) {
        self.stream(cx, target, MessageKind::Control, Headers::new(), body);
    }

    /// Sends a message about a stream.
    pub(super) fn stream_control(
        &mut self,
        cx: &LinkContext<'_>,
        origin: Origin,
        to: &str,
        topic: &str,
        headers: Headers,
    ) {
        let target = Target {
            origin,
            to: to.to_owned(),
            channel: channel::STREAM,
            topic,
            optional: true,
        };
        let kind = (&Kind::Notice, MessageKind::StreamControl);
        self.message(cx, &target, kind, headers, None);
    }

    /// Answers a request, if an answer is expected.
    pub(super) fn respond(
        &mut self,
        cx: &LinkContext<'_>,
        asker: &Asker,
        code: ReturnCode,
        error: &str,
        body: Option<&Value>,
    ) {
        let mut headers = Headers::new();
        if !error.is_empty() {
            headers.set(key::ERROR, error);
        }
        let (origin, to) = (asker.origin, asker.from.clone());
        match &asker.way {
            Way::Message { id: None, .. } | Way::Stream { id: None, .. } => {}
            Way::Message {
                id: Some(id),
                channel,
                topic,
            } => {
                let target = Target {
                    origin,
                    to,
                    channel,
                    topic,
                    optional: false,
                };
                let payload = body.map(|it| self.dialect.encode(it));
                let kind = (&Kind::Reply(id, code), MessageKind::ControlReply);
                self.message(cx, &target, kind, headers, payload);
            }
            Way::Stream {
                id: Some(id),
                channel,
                topic,
            } => {
                let headers = headers
                    .with(stream_key::REQUEST_ID, id.as_str())
                    .with(key::RETURN_CODE, code.to_string())
                    .with(key::REQ_ID, "");
                let target = Target {
                    origin,
                    to,
                    channel: channel::RETURN_ONLY,
                    topic: &format!("{channel}:{topic}"),
                    optional: true,
                };
                let (kind, body) = (MessageKind::ControlReply, body.unwrap_or(&Value::Nil));
                self.stream(cx, &target, kind, headers, body);
            }
        }
    }

    /// The next chunk of the streams that may go.
    pub(super) fn next_chunk(&mut self) -> Option<Transmit> {
        if !self.connection.is_open() {
            return None;
        }
        let carrier = &mut self.connection;
        let made = self.outbox.next_chunk(|cut| {
            let mut headers = cut.headers.headers.clone();
            headers.set(key::PAYLOAD_LEN, cut.bytes.len() as u64);
            headers.set(
                stream_key::DATA_TYPE,
                if cut.is_last {
                    data_type::FINAL
                } else {
                    data_type::CHUNK
                },
            );
            headers.set(stream_key::ID, cut.id);
            headers.set(stream_key::SEQUENCE, cut.sequence);
            headers.set(stream_key::OFFSET, cut.offset);
            headers.set(stream_key::SIZE, cut.total);
            if cut.sequence == 0 {
                headers.set(stream_key::ACK_INTERVAL, ACK_INTERVAL);
            }
            carrier.frame(&headers.encode(), cut.bytes, cut.headers.kind)
        });
        made.flatten()
    }

    /// Stops waiting for the answers to these requests. What of them was not sent yet will
    /// not be.
    pub(super) fn withdraw(&mut self, matches: impl Fn(&Call) -> bool) -> Vec<Call> {
        let calls = self.calls.take_where(matches);
        for call in &calls {
            self.forget_stream(call);
            if let Some(transmit) = call.transmit {
                self.connection.withdraw(transmit);
            }
        }
        calls
    }

    /// Stops a stream that nobody wants any more.
    pub(super) fn forget_stream(&mut self, call: &Call) {
        if let Some(id) = call.stream
            && let Some(head) = self.outbox.remove(id)
        {
            self.abandon(Abandoned::new(id, head));
        }
    }

    /// Remembers to tell the receiver of a stream.
    pub(super) fn abandon(&mut self, stream: Abandoned) {
        self.abandoned.push(stream);
        self.abandoned.truncate(ABANDONED);
    }

    /// Tells the receivers of streams that were given up.
    pub(super) fn tell_abandoned(&mut self, cx: &LinkContext<'_>) {
        for Abandoned { id, origin, to } in core::mem::take(&mut self.abandoned) {
            let headers = Headers::new()
                .with(stream_key::ID, id)
                .with(stream_key::DATA_TYPE, data_type::ERROR)
                .with(stream_key::ERROR_TEXT, "the sender has given the stream up");
            self.stream_control(cx, origin, &to, topic::STREAM_DATA, headers);
        }
    }

    /// Queues one message; its number, unless there is no connection.
    fn message(
        &mut self,
        cx: &LinkContext<'_>,
        target: &Target<'_>,
        (cell_kind, kind): (&Kind<'_>, MessageKind),
        headers: Headers,
        payload: Option<Bytes>,
    ) -> Option<u64> {
        let encoding = match payload {
            Some(_) => encoding::FOBS,
            None => encoding::NONE,
        };
        let payload = payload.unwrap_or_default();
        let len = payload.len();
        let content = Content { encoding, len };
        let headers = self.sender(cx).seal(headers, target, cell_kind, &content);
        self.connection.send(&headers.encode(), payload, kind)
    }

    /// Queues a stream; its number.
    fn stream(
        &mut self,
        cx: &LinkContext<'_>,
        target: &Target<'_>,
        kind: MessageKind,
        headers: Headers,
        body: &Value,
    ) -> u64 {
        let headers = headers
            .with(stream_key::PAYLOAD_ENCODING, encoding::FOBS)
            .with(stream_key::CHANNEL, target.channel)
            .with(stream_key::TOPIC, target.topic)
            .with(stream_key::RELIABLE, false)
            .with(stream_key::OPTIONAL, target.optional)
            .with(stream_key::CHUNK_SIZE, CHUNK as u64)
            .with(stream_key::WINDOW, WINDOW);
        let envelope = Target {
            origin: target.origin,
            to: target.to.clone(),
            channel: channel::STREAM,
            topic: topic::STREAM_DATA,
            optional: target.optional,
        };
        let content = Content {
            encoding: encoding::BYTES,
            len: 0,
        };
        let sender = self.sender(cx);
        let headers = sender.seal(headers, &envelope, &Kind::Notice, &content);
        self.streams += 1;
        let parts = self.dialect.encode_parts(body, APART);
        let head = StreamHead {
            origin: target.origin,
            to: target.to.clone(),
            headers,
            kind,
        };
        self.outbox.insert(self.streams, head, parts);
        self.streams
    }

    fn sender<'a>(&'a self, cx: &'a LinkContext<'_>) -> Sender<'a> {
        Sender {
            site: cx.identity.name().as_str(),
            credentials: self.credentials.as_ref(),
            wall: wall(cx),
        }
    }
}

/// The properties of this site that every request shows.
pub(super) fn peer_context(cx: &LinkContext<'_>, origin: Origin) -> (Value, Value) {
    let site = cx.identity.name().as_str();
    let run = match origin {
        Origin::Site => String::new(),
        Origin::Job(job) => job.to_string(),
    };
    let own = [
        ("__run_num__", Value::from(run)),
        ("__identity_name__", site.into()),
        ("__fqsn__", site.into()),
        ("__is_leaf__", true.into()),
    ];
    let hosts = cx
        .context
        .iter()
        .map(|(key, value)| (key, Value::from(value)));
    let context = typed::fl_context(own.into_iter().chain(hosts));
    ("__peer_ctx__".into(), context)
}

/// Unix seconds, for times that nobody checks.
pub(super) fn wall(cx: &LinkContext<'_>) -> f64 {
    cx.wall.map_or(0.0, |seconds| seconds as f64)
}
