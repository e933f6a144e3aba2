//! Messages and streams on their way out.

use bytes::Bytes;
use uuid::Uuid;

use super::Link;
use super::call::{Call, Purpose};
use super::cell::{Kind, Message, Origin, SERVER, Sender};
use super::stream::{ACK_INTERVAL, CHUNK, WINDOW};
use crate::link::client::LinkCx;
use crate::message::ReturnCode;
use crate::transmit::Transmit;
use crate::wire::nvflare::cell::{Headers, channel, data_type, encoding, key, stream_key, topic};
use crate::wire::nvflare::fobs;
use crate::wire::nvflare::typed;
use crate::wire::nvflare::value::Value;

/// Bytes of a value from which on it stands apart in a stream rather than in the body:
/// large enough that a chunk is mostly data, small enough that no model is copied.
const APART: usize = 64 << 10;

/// Where a request goes, and what for.
pub(super) struct Target<'a> {
    pub(super) purpose: Purpose,
    pub(super) origin: Origin,
    pub(super) to: String,
    pub(super) channel: &'a str,
    pub(super) topic: &'a str,
    /// Nobody logs its loss.
    pub(super) optional: bool,
}

/// What the headers of each chunk of a stream are made from.
pub(super) struct StreamHead {
    headers: Headers,
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

impl Link {
    /// A request of the site to the server.
    pub(super) fn to_server<'a>(
        &self,
        _cx: &LinkCx<'_>,
        purpose: Purpose,
        topic: &'a str,
        optional: bool,
    ) -> Target<'a> {
        Target {
            purpose,
            origin: Origin::Site,
            to: SERVER.to_owned(),
            channel: channel::TASK,
            topic,
            optional,
        }
    }

    /// Sends a request as one message.
    pub(super) fn call(
        &mut self,
        cx: &mut LinkCx<'_>,
        target: Target<'_>,
        headers: Headers,
        body: Option<&Value>,
    ) {
        let id = Uuid::from_bytes(cx.entropy.uuid());
        let payload = body.map(fobs::encode).unwrap_or_default();
        let message = Message {
            origin: target.origin,
            destination: &target.to,
            channel: target.channel,
            topic: target.topic,
            optional: target.optional,
            encoding: if body.is_some() {
                encoding::FOBS
            } else {
                encoding::NONE
            },
            len: payload.len(),
        };
        let headers = self.sender(cx).seal(headers, &message, &Kind::Request(id));
        let transmit = self.carrier.send(&headers.encode(), payload);
        self.calls.insert(
            id,
            Call {
                purpose: target.purpose,
                origin: target.origin,
                to: target.to,
                sent_at: cx.now,
                transmit,
                stream: None,
            },
        );
    }

    /// Sends a request as a stream.
    pub(super) fn stream_request(
        &mut self,
        cx: &mut LinkCx<'_>,
        target: Target<'_>,
        headers: Headers,
        body: &Value,
    ) {
        let id = Uuid::from_bytes(cx.entropy.uuid());
        let headers = headers.with(stream_key::REQUEST_ID, id.to_string());
        let parts = fobs::encode_parts(body, APART);
        let stream = self.stream(cx, &target, headers, parts);
        self.calls.insert(
            id,
            Call {
                purpose: target.purpose,
                origin: target.origin,
                to: target.to,
                sent_at: cx.now,
                transmit: None,
                stream: Some(stream),
            },
        );
    }

    /// Sends a message that nobody answers, as a stream.
    pub(super) fn stream_notice(&mut self, cx: &LinkCx<'_>, target: &Target<'_>, body: &Value) {
        self.stream(cx, target, Headers::new(), fobs::encode_parts(body, APART));
    }

    /// Sends a message about a stream.
    pub(super) fn stream_control(
        &mut self,
        cx: &LinkCx<'_>,
        origin: Origin,
        to: &str,
        topic: &str,
        headers: Headers,
    ) {
        let message = Message {
            origin,
            destination: to,
            channel: channel::STREAM,
            topic,
            optional: true,
            encoding: encoding::NONE,
            len: 0,
        };
        let headers = self.sender(cx).seal(headers, &message, &Kind::Notice);
        self.carrier.send(&headers.encode(), Bytes::new());
    }

    /// Answers a request, if an answer is expected.
    pub(super) fn respond(
        &mut self,
        cx: &LinkCx<'_>,
        asker: &Asker,
        code: ReturnCode,
        error: &str,
        body: Option<&Value>,
    ) {
        let mut headers = Headers::new();
        if !error.is_empty() {
            headers.set(key::ERROR, error);
        }
        match &asker.way {
            Way::Message { id: None, .. } | Way::Stream { id: None, .. } => {}
            Way::Message {
                id: Some(id),
                channel,
                topic,
            } => {
                let payload = body.map(fobs::encode).unwrap_or_default();
                let message = Message {
                    origin: asker.origin,
                    destination: &asker.from,
                    channel,
                    topic,
                    optional: false,
                    encoding: if body.is_some() {
                        encoding::FOBS
                    } else {
                        encoding::NONE
                    },
                    len: payload.len(),
                };
                let kind = Kind::Reply(id, code);
                let headers = self.sender(cx).seal(headers, &message, &kind);
                self.carrier.send(&headers.encode(), payload);
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
                    // Nothing comes back.
                    purpose: Purpose::Challenge,
                    origin: asker.origin,
                    to: asker.from.clone(),
                    channel: channel::RETURN_ONLY,
                    topic: &format!("{channel}:{topic}"),
                    optional: true,
                };
                let nothing = Value::Nil;
                let parts = fobs::encode_parts(body.unwrap_or(&nothing), APART);
                self.stream(cx, &target, headers, parts);
            }
        }
    }

    /// The next chunk of the streams that may go.
    pub(super) fn next_chunk(&mut self) -> Option<Transmit> {
        if !self.carrier.is_open() {
            return None;
        }
        let carrier = &mut self.carrier;
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
            carrier.frame(&headers.encode(), cut.bytes)
        });
        made.flatten()
    }

    /// Stops a stream that nobody wants any more.
    pub(super) fn forget_stream(&mut self, call: &Call) {
        if let Some(stream) = call.stream {
            self.outbox.remove(stream);
        }
    }

    fn stream(
        &mut self,
        cx: &LinkCx<'_>,
        target: &Target<'_>,
        headers: Headers,
        parts: Vec<Bytes>,
    ) -> u64 {
        let headers = headers
            .with(stream_key::PAYLOAD_ENCODING, encoding::FOBS)
            .with(stream_key::CHANNEL, target.channel)
            .with(stream_key::TOPIC, target.topic)
            .with(stream_key::RELIABLE, false)
            .with(stream_key::OPTIONAL, target.optional)
            .with(stream_key::CHUNK_SIZE, CHUNK as u64)
            .with(stream_key::WINDOW, WINDOW);
        let message = Message {
            origin: target.origin,
            destination: &target.to,
            channel: channel::STREAM,
            topic: topic::STREAM_DATA,
            optional: target.optional,
            encoding: encoding::BYTES,
            len: 0,
        };
        let headers = self.sender(cx).seal(headers, &message, &Kind::Notice);
        if self.streams == 0 {
            // Streams of an earlier process may be remembered: start where it was not.
            self.streams = cx.wall.unwrap_or_default().saturating_mul(1_000_000);
        }
        self.streams += 1;
        self.outbox
            .insert(self.streams, StreamHead { headers }, parts);
        self.streams
    }

    fn sender<'a>(&'a self, cx: &'a LinkCx<'_>) -> Sender<'a> {
        Sender {
            site: cx.identity.name().as_str(),
            credentials: self.credentials.as_ref(),
            wall: wall(cx),
        }
    }
}

/// The properties of this site that every request shows.
pub(super) fn peer_context(cx: &LinkCx<'_>, origin: Origin) -> (Value, Value) {
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
pub(super) fn wall(cx: &LinkCx<'_>) -> f64 {
    cx.wall.map_or(0.0, |seconds| seconds as f64)
}
