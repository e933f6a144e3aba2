//! Incoming messages of cells: replies, requests, and the chunks of streams that bring either.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use uuid::Uuid;

use super::Link;
use super::call::{Answer, Call};
use super::cell::{Origin, SERVER, job_id, return_code};
use super::send::{Asker, Way};
use super::stream::{Ack, Chunk, Refused, Taken};
use crate::Instant;
use crate::error::Dropped;
use crate::link::event::LinkContext;
use crate::message::{MessageKind, ReturnCode};
use crate::wire::nvflare::cell::{
    Headers, channel, data_type, encoding, key, msg_type, stream_key, topic,
};
use crate::wire::nvflare::dialect::Dialect;
use crate::wire::nvflare::fobs::Decoded;
use crate::wire::nvflare::typed;

/// Bytes of a stream beside the payload in it: the headers of a task and its body.
const STREAM_OVERHEAD: u64 = 16 << 20;

/// Topics that tell a job of what it need not know.
const FED_EVENT: &str = "fed.event";
const ROOT_DELETED: &str = "__msg_root_deleted__";

/// What an aux request is answered with.
const OK: &str = "OK";
const TOPIC_UNKNOWN: &str = "TOPIC_UNKNOWN";

/// A request to a cell of this site.
pub(super) struct Asked<'a> {
    pub(super) channel: &'a str,
    pub(super) topic: &'a str,
    pub(super) asker: Asker,
    pub(super) body: Option<Decoded>,
}

impl Link {
    /// Takes a message for one of this site's cells.
    pub(super) fn cell_message(
        &mut self,
        cx: &mut LinkContext<'_>,
        headers: Bytes,
        payload: Bytes,
    ) -> Result<MessageKind, Dropped> {
        let headers = Headers::decode(headers).map_err(|_| Dropped::Malformed)?;
        let from = headers.text(key::ORIGIN);
        let site = cx.identity.name().as_str();
        let origin = Origin::parse(site, headers.text(key::DESTINATION)).ok_or(Dropped::Unasked)?;
        match headers.text(key::MSG_TYPE) {
            msg_type::REPLY => self.cell_reply(cx, origin, Some(from), &headers, payload),
            msg_type::RETURN => self.cell_reply(cx, origin, None, &headers, payload),
            msg_type::REQUEST if headers.text(key::CHANNEL) == channel::STREAM => {
                let from = from.to_owned();
                self.stream_message(cx, origin, from, headers, payload)
            }
            msg_type::REQUEST => {
                let expected = headers.flag(key::REPLY_EXPECTED);
                let id = headers.get(key::REQ_ID).filter(|_| expected);
                let (channel, topic) = (headers.text(key::CHANNEL), headers.text(key::TOPIC));
                let way = Way::Message {
                    id: id.cloned(),
                    channel: channel.to_owned(),
                    topic: topic.to_owned(),
                };
                let asker = Asker {
                    from: from.to_owned(),
                    origin,
                    way,
                };
                let encoding = headers.text(key::PAYLOAD_ENCODING);
                let body = body(self.dialect, encoding, payload);
                self.asked(
                    cx,
                    Asked {
                        channel,
                        topic,
                        asker,
                        body,
                    },
                );
                Ok(MessageKind::Control)
            }
            _ => Err(Dropped::Malformed),
        }
    }

    /// Takes the reply to requests that went out as messages: to one or to several.
    fn cell_reply(
        &mut self,
        cx: &mut LinkContext<'_>,
        origin: Origin,
        from: Option<&str>,
        headers: &Headers,
        payload: Bytes,
    ) -> Result<MessageKind, Dropped> {
        let mut taken = Err(Dropped::Unasked);
        for id in headers.request_ids().filter_map(uuid) {
            if let Some(call) = self.calls.take(id, origin, from) {
                let encoding = headers.text(key::PAYLOAD_ENCODING);
                let answer = self.answer(&call, headers.clone(), encoding, payload.clone());
                self.answered(cx, &call, answer);
                let (_, kind) = call.purpose.kinds();
                taken = Ok(kind);
            }
        }
        taken
    }

    fn stream_message(
        &mut self,
        cx: &mut LinkContext<'_>,
        origin: Origin,
        from: String,
        headers: Headers,
        payload: Bytes,
    ) -> Result<MessageKind, Dropped> {
        let number = |key| headers.number(key);
        let id = number(stream_key::ID).ok_or(Dropped::Malformed)?;
        match (headers.text(key::TOPIC), number(stream_key::DATA_TYPE)) {
            (topic::STREAM_DATA, Some(kind @ (data_type::CHUNK | data_type::FINAL))) => {
                let chunk = Chunk {
                    key: (from, id),
                    sequence: number(stream_key::SEQUENCE).ok_or(Dropped::Malformed)?,
                    offset: number(stream_key::OFFSET).ok_or(Dropped::Malformed)?,
                    is_last: kind == data_type::FINAL,
                    total: number(stream_key::SIZE).ok_or(Dropped::Malformed)?,
                    ack_interval: number(stream_key::ACK_INTERVAL),
                    bytes: payload,
                    headers,
                };
                self.chunk(cx, origin, chunk)
            }
            (topic::STREAM_DATA, Some(data_type::ERROR)) => {
                self.inbox.drop_stream(&(from, id));
                self.stream_failed(&headers);
                Ok(MessageKind::StreamControl)
            }
            (topic::STREAM_ACK, Some(data_type::ACK)) => {
                let offset = number(stream_key::OFFSET).ok_or(Dropped::Malformed)?;
                self.outbox.acked(id, offset);
                self.stream_moves(cx.now, id);
                Ok(MessageKind::StreamControl)
            }
            (topic::STREAM_ACK | topic::STREAM_ERROR, Some(data_type::ERROR)) => {
                let _ = self.outbox.remove(id);
                self.stream_failed(&headers);
                Ok(MessageKind::StreamControl)
            }
            _ => Err(Dropped::Malformed),
        }
    }

    fn chunk(
        &mut self,
        cx: &mut LinkContext<'_>,
        origin: Origin,
        chunk: Chunk<Headers>,
    ) -> Result<MessageKind, Dropped> {
        let (from, id) = chunk.key.clone();
        let request = uuid(chunk.headers.text(stream_key::REQUEST_ID));
        let limit = cx.config.max_payload.saturating_add(STREAM_OVERHEAD);
        let is_reply = chunk.headers.text(stream_key::CHANNEL) == channel::RETURN_ONLY;
        let wanted = request.is_some_and(|id| self.calls.awaits(id, origin, Some(&from)));
        let call = request.and_then(|request| self.calls.get(request));
        let kind = match (is_reply, call) {
            (true, Some(call)) => call.purpose.kinds().1,
            (true, None) => MessageKind::ControlReply,
            (false, _) => MessageKind::Control,
        };
        let taken = if is_reply && !wanted {
            self.inbox.refuse(cx.now, &chunk.key)
        } else {
            self.inbox.take(cx.now, limit, chunk)
        };
        match taken {
            Ok(Taken::Part(ack)) => {
                if let Some(ack) = ack {
                    self.acknowledge(cx, origin, &from, id, ack);
                }
                let asked = request.and_then(|id| self.calls.get(id)?.purpose.request());
                if let Some(asked) = asked {
                    self.moving(cx.now, asked);
                }
                Ok(kind)
            }
            Ok(Taken::Again(ack)) => {
                if let Some(ack) = ack {
                    self.acknowledge(cx, origin, &from, id, ack);
                }
                Ok(kind)
            }
            Ok(Taken::Whole(ack, headers, bytes)) => {
                self.acknowledge(cx, origin, &from, id, ack);
                self.stream_came(cx, origin, from, headers, bytes)?;
                Ok(kind)
            }
            Err(refused) => {
                self.refuse_stream(cx, origin, &from, id, request, refused);
                Ok(kind)
            }
        }
    }

    /// A stream is whole: a reply or a request.
    fn stream_came(
        &mut self,
        cx: &mut LinkContext<'_>,
        origin: Origin,
        from: String,
        headers: Headers,
        bytes: Bytes,
    ) -> Result<(), Dropped> {
        let (channel, topic) = (
            headers.text(stream_key::CHANNEL),
            headers.text(stream_key::TOPIC),
        );
        let id = headers.text(stream_key::REQUEST_ID);
        let encoding = headers.text(stream_key::PAYLOAD_ENCODING);
        if channel == channel::RETURN_ONLY {
            let id = uuid(id).ok_or(Dropped::Malformed)?;
            let call = self.calls.take(id, origin, Some(&from));
            let call = call.ok_or(Dropped::Unasked)?;
            self.forget_stream(&call);
            let answer = self.answer(&call, headers.clone(), encoding, bytes);
            self.answered(cx, &call, answer);
            return Ok(());
        }
        let way = Way::Stream {
            id: (!id.is_empty()).then(|| id.to_owned()),
            channel: channel.to_owned(),
            topic: topic.to_owned(),
        };
        let asked = Asked {
            channel,
            topic,
            asker: Asker { from, origin, way },
            body: body(self.dialect, encoding, bytes),
        };
        self.asked(cx, asked);
        Ok(())
    }

    fn acknowledge(&mut self, cx: &LinkContext<'_>, origin: Origin, to: &str, id: u64, ack: Ack) {
        let headers = Headers::new()
            .with(stream_key::ID, id)
            .with(stream_key::DATA_TYPE, data_type::ACK)
            .with(stream_key::OFFSET, ack.offset)
            .with(stream_key::SEQUENCE, ack.sequence);
        self.stream_control(cx, origin, to, topic::STREAM_ACK, headers);
    }

    /// Tells the sender that its stream is not taken, and gives up what it answers.
    fn refuse_stream(
        &mut self,
        cx: &LinkContext<'_>,
        origin: Origin,
        to: &str,
        id: u64,
        request: Option<Uuid>,
        refused: Refused,
    ) {
        tracing::warn!(%refused, from = to, "a stream was refused");
        let mut headers = Headers::new()
            .with(stream_key::ID, id)
            .with(stream_key::DATA_TYPE, data_type::ERROR)
            .with(stream_key::ERROR_TEXT, refused.to_string());
        if let Some(request) = request {
            headers.set(stream_key::REQUEST_ID, request.to_string());
        }
        for topic in [topic::STREAM_ERROR, topic::STREAM_ACK] {
            self.stream_control(cx, origin, to, topic, headers.clone());
        }
        let call = request.and_then(|request| self.calls.take(request, origin, Some(to)));
        if let Some(id) = call.and_then(|call| call.purpose.request()) {
            self.give_up(id, ReturnCode::MsgTooBig, refused.to_string());
        }
    }

    /// The other side has given up a stream of a request or of its answer.
    fn stream_failed(&mut self, headers: &Headers) {
        let Some(request) = uuid(headers.text(stream_key::REQUEST_ID)) else {
            return;
        };
        let Some(call) = self.calls.get(request) else {
            return;
        };
        if let Some(id) = call.purpose.request() {
            let words = headers.text(stream_key::ERROR_TEXT).to_owned();
            self.give_up(id, ReturnCode::CommError, words);
        }
    }

    /// The server has taken a part of a stream of ours.
    fn stream_moves(&mut self, now: Instant, stream: u64) {
        let call = self.calls.find(|call| call.stream == Some(stream));
        if let Some(id) = call.and_then(|call| call.purpose.request()) {
            self.moving(now, id);
        }
    }

    /// Takes a request. What moves this site is taken from the server alone, whoever can
    /// send messages here through it.
    fn asked(&mut self, cx: &mut LinkContext<'_>, asked: Asked<'_>) {
        let from_server = asked.asker.from == SERVER;
        let from_job = match asked.asker.origin {
            Origin::Job(_) => asked.asker.from == asked.asker.origin.server(),
            Origin::Site => asked
                .asker
                .from
                .strip_prefix("server.")
                .and_then(job_id)
                .is_some(),
        };
        match (asked.channel, asked.topic) {
            (channel::ADMIN, _) if from_server => self.control(cx, asked),
            (channel::AUX, topic) if from_server || from_job => {
                let known = match topic {
                    topic::END_RUN => {
                        self.end_run(cx, asked.asker.origin);
                        true
                    }
                    FED_EVENT | ROOT_DELETED => true,
                    _ => false,
                };
                let code = if known { OK } else { TOPIC_UNKNOWN };
                let headers = vec![
                    ("__rc__".into(), code.into()),
                    super::send::peer_context(cx, asked.asker.origin),
                ];
                let body = typed::shareable(headers, Vec::new());
                self.respond(cx, &asked.asker, ReturnCode::Ok, "", Some(&body));
            }
            (channel::CELLNET, topic::BYE) => {
                self.respond(cx, &asked.asker, ReturnCode::Ok, "", None);
            }
            (channel, topic) => {
                tracing::debug!(channel, topic, from = asked.asker.from, "nobody takes this");
                let code = ReturnCode::ProcessException;
                self.respond(cx, &asked.asker, code, "no callback", None);
            }
        }
    }

    fn answer(&mut self, call: &Call, headers: Headers, encoding: &str, payload: Bytes) -> Answer {
        if call.purpose.is_handshake() {
            self.trial.heard(&payload);
        }
        let code = match headers.text(key::RETURN_CODE) {
            "" => ReturnCode::Ok,
            name => return_code(name),
        };
        Answer {
            code,
            error: headers.text(key::ERROR).to_owned(),
            body: body(self.dialect(call.purpose), encoding, payload),
            headers,
        }
    }
}

/// The value of a message; none if there is none, or none that can be read.
fn body(dialect: Dialect, encoding: &str, payload: Bytes) -> Option<Decoded> {
    match encoding {
        encoding::FOBS => dialect
            .decode(payload)
            .inspect_err(|error| tracing::warn!(%error, "a value cannot be read"))
            .ok(),
        _ => None,
    }
}

fn uuid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok()
}
