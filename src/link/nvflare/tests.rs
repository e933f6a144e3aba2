//! A client against a scripted server of NVFlare: the test sees every request and says
//! what is answered.

mod carrier;
mod control;
mod dialects;
mod hostile;
mod job;
mod lost;
mod memory;
mod registration;
mod session;
mod streams;

use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::Arc;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::stream::{Chunk, Inbox, Taken};
use crate::config::nvflare::{OnReplaced, Settings};
use crate::identity::{Identity, Name, Revoked, RsaSigner};
use crate::message::{JobId, MessageKind};
use crate::wire::nvflare::cell::{
    Headers, channel, data_type, encoding, key, msg_type, stream_key, topic,
};
use crate::wire::nvflare::dialect::Dialect;
use crate::wire::nvflare::fobs::Decoded;
use crate::wire::nvflare::sfm::{self, Kind};
use crate::wire::nvflare::typed;
use crate::wire::nvflare::value::Value;
use crate::{Carrier, Client, ClientAction, ClientConfig, Instant};

const SITE: &str = "site-1";
const TOKEN: &str = "819e135a-904f-41fa-a64f-5d76d6d041ca";
const SECOND: Duration = Duration::from_secs(1);

/// A moment at which the certificates are valid.
const WALL: u64 = 1_800_000_000;

const ROOT: &[u8] = include_bytes!("tests/pki/root.pem");
const SITE_CERT: &[u8] = include_bytes!("tests/pki/site-1.pem");
const SITE_KEY: &[u8] = include_bytes!("tests/pki/site-1.key");
const SERVER_CERT: &[u8] = include_bytes!("tests/pki/server.pem");
const SERVER_KEY: &[u8] = include_bytes!("tests/pki/server.key");

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn identity() -> Identity {
    let signer = RsaSigner::from_pem(SITE_KEY).unwrap();
    Identity::rsa(name(SITE), SITE_CERT, signer, ROOT).unwrap()
}

fn job(number: u8) -> JobId {
    JobId::from_bytes([number; 16])
}

/// A request of the client.
struct Seen {
    origin: String,
    destination: String,
    channel: String,
    topic: String,
    /// Under which the answer is expected; empty for none.
    id: String,
    is_stream: bool,
    headers: Headers,
    body: Option<Decoded>,
}

impl Seen {
    /// A header of the Shareable.
    fn header(&self, key: &str) -> Option<&Value> {
        typed::headers(&self.body.as_ref()?.value)?.get(key)
    }
}

/// The client, and the server that the test plays.
struct Rig {
    now: Instant,
    client: Client,
    actions: Vec<ClientAction>,
    records: Vec<Bytes>,
    /// Requests that no test has taken.
    seen: VecDeque<Seen>,
    inbox: Inbox<Headers>,
    /// The server answers greetings, and pings.
    greets: bool,
    pongs: bool,
    /// The server acknowledges streams.
    acks: bool,
    /// The stream of which a chunk came last, and the transmit that did.
    last_stream: u64,
    last_transmit: u64,
    /// Bytes of a chunk of the server.
    chunk: usize,
    streams: u64,
    signer: RsaSigner,
    server_cert: Bytes,
    /// Frames that came, by what they are.
    kinds: Vec<Kind>,
    /// What the client said of the messages that it sent, and of those that it took.
    sent: BTreeSet<MessageKind>,
    taken: BTreeSet<MessageKind>,
    /// What the server reads and writes.
    dialect: Dialect,
    /// It may be written to in another: it reads nothing then.
    reads_nothing_else: bool,
}

impl Rig {
    fn with(change: impl FnOnce(&mut ClientConfig)) -> Self {
        let mut config = ClientConfig::nvflare(name("wire"), name("server"), Settings::DEFAULT);
        change(&mut config);
        Self::restored(config, Vec::new())
    }

    fn restored(config: ClientConfig, records: Vec<Bytes>) -> Self {
        let now = Instant::default();
        let restored = records.clone();
        let mut client =
            Client::restore(Arc::new(config), identity(), [7; 32], now, restored).unwrap();
        client.set_wall_clock(now, WALL);
        Self {
            now,
            client,
            actions: Vec::new(),
            records,
            seen: VecDeque::new(),
            inbox: Inbox::default(),
            greets: true,
            pongs: true,
            acks: true,
            last_stream: 0,
            last_transmit: 0,
            chunk: 1 << 20,
            streams: 0,
            signer: RsaSigner::from_pem(SERVER_KEY).unwrap(),
            server_cert: Bytes::from_static(SERVER_CERT),
            kinds: Vec::new(),
            sent: BTreeSet::new(),
            taken: BTreeSet::new(),
            dialect: Dialect::default(),
            reads_nothing_else: false,
        }
    }

    fn new() -> Self {
        Self::with(|_| ())
    }

    /// A client that has registered and whose first heartbeat is answered.
    fn active() -> Self {
        Self::active_with(|_| ())
    }

    fn active_with(change: impl FnOnce(&mut ClientConfig)) -> Self {
        let mut rig = Self::with(change);
        rig.register();
        rig
    }

    fn register(&mut self) {
        self.client.register(self.now).unwrap();
        self.connect();
        self.let_in();
        self.actions.clear();
    }

    /// Answers the challenge, the registration, and the first heartbeat.
    fn let_in(&mut self) {
        let challenge = self.take(topic::CHALLENGE);
        self.answer_challenge(&challenge);
        let register = self.take(topic::REGISTER);
        self.answer_register(&register);
        self.wait(SECOND);
        let heartbeat = self.take(topic::HEARTBEAT);
        self.answer(&heartbeat, "ok", Headers::new(), None);
    }

    fn connect(&mut self) {
        self.client
            .handle_connected(self.now, Carrier::default())
            .unwrap();
        self.pump();
    }

    fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            self.pump();
            match self.client.poll_timeout() {
                Some((at, _)) if at <= end => {
                    self.now = self.now.max(at);
                    self.client.handle_timeout(self.now);
                    let next = self.client.poll_timeout();
                    assert!(next.is_none_or(|(next, _)| next > self.now), "{next:?}");
                }
                _ => break,
            }
        }
        self.now = end;
    }

    /// The same, while heartbeats are answered.
    fn wait_alive(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.wait(SECOND.min(end.since(self.now)));
            let is_heartbeat = |seen: &Seen| seen.topic == topic::HEARTBEAT;
            if let Some(at) = self.seen.iter().position(is_heartbeat) {
                let heartbeat = self.seen.remove(at).unwrap();
                self.answer(&heartbeat, "ok", Headers::new(), None);
            }
        }
    }

    /// Takes what the client wants, and does what a server does without being told.
    fn pump(&mut self) {
        loop {
            while let Some(action) = self.client.poll_action() {
                if let ClientAction::Persist {
                    record,
                    header,
                    payload,
                } = action
                {
                    self.records
                        .push([&header[..], &payload[..]].concat().into());
                    self.client.persisted(self.now, record).unwrap();
                } else {
                    self.actions.push(action);
                }
            }
            let Some(transmit) = self.client.poll_transmit() else {
                return;
            };
            self.last_transmit = transmit.id;
            self.sent.insert(transmit.kind);
            let frame = [&transmit.header[..], &transmit.payload[..]].concat();
            self.frame(frame.into());
        }
    }

    fn frame(&mut self, frame: Bytes) {
        let frame = sfm::parse(frame).unwrap();
        self.kinds.push(frame.kind);
        match frame.kind {
            Kind::Hello if self.greets => self.send(Kind::Ready, 0, &[], b"\x80"),
            Kind::Ping if self.pongs => self.send(Kind::Pong, 0, &[], b"\xc0"),
            Kind::Data => self.message(frame.headers, frame.payload),
            _ => {}
        }
    }

    fn message(&mut self, headers: Bytes, payload: Bytes) {
        let headers = Headers::decode(headers).unwrap();
        if headers.text(key::CHANNEL) == channel::STREAM {
            self.stream_message(headers, payload);
            return;
        }
        self.seen.push_back(Seen {
            origin: headers.text(key::ORIGIN).to_owned(),
            destination: headers.text(key::DESTINATION).to_owned(),
            channel: headers.text(key::CHANNEL).to_owned(),
            topic: headers.text(key::TOPIC).to_owned(),
            id: headers.text(key::REQ_ID).to_owned(),
            is_stream: false,
            body: (headers.text(key::PAYLOAD_ENCODING) == encoding::FOBS)
                .then(|| self.dialect.decode(payload))
                .and_then(|read| match self.reads_nothing_else {
                    true => read.ok(),
                    false => Some(read.unwrap()),
                }),
            headers,
        });
    }

    fn stream_message(&mut self, headers: Headers, bytes: Bytes) {
        let is_chunk = headers.number(stream_key::DATA_TYPE) != Some(data_type::ERROR);
        if headers.text(key::TOPIC) != topic::STREAM_DATA || !is_chunk {
            self.seen.push_back(Seen {
                origin: headers.text(key::ORIGIN).to_owned(),
                destination: headers.text(key::DESTINATION).to_owned(),
                channel: channel::STREAM.to_owned(),
                topic: headers.text(key::TOPIC).to_owned(),
                id: String::new(),
                is_stream: false,
                body: None,
                headers,
            });
            return;
        }
        let number = |key| headers.number(key).unwrap();
        let chunk = Chunk {
            key: (headers.text(key::ORIGIN).to_owned(), number(stream_key::ID)),
            sequence: number(stream_key::SEQUENCE),
            offset: number(stream_key::OFFSET),
            is_last: number(stream_key::DATA_TYPE) == data_type::FINAL,
            total: number(stream_key::SIZE),
            ack_interval: headers.number(stream_key::ACK_INTERVAL),
            bytes,
            headers: headers.clone(),
        };
        let id = chunk.key.1;
        self.last_stream = id;
        match self.inbox.take(self.now, u64::MAX, chunk).unwrap() {
            Taken::Part(Some(ack)) if self.acks => self.ack(&headers, id, ack.offset),
            Taken::Part(_) => {}
            Taken::Again(_) => panic!("a stream number was used twice"),
            Taken::Whole(ack, headers, bytes) => {
                if self.acks {
                    self.ack(&headers, id, ack.offset);
                }
                self.seen.push_back(Seen {
                    origin: headers.text(key::ORIGIN).to_owned(),
                    destination: headers.text(key::DESTINATION).to_owned(),
                    channel: headers.text(stream_key::CHANNEL).to_owned(),
                    topic: headers.text(stream_key::TOPIC).to_owned(),
                    id: headers.text(stream_key::REQUEST_ID).to_owned(),
                    is_stream: true,
                    body: Some(self.dialect.decode(bytes).unwrap()),
                    headers,
                });
            }
        }
    }

    fn ack(&mut self, stream: &Headers, id: u64, offset: u64) {
        let headers = Headers::new()
            .with(stream_key::ID, id)
            .with(stream_key::DATA_TYPE, data_type::ACK)
            .with(stream_key::OFFSET, offset)
            .with(stream_key::SEQUENCE, 0i64)
            .with(key::CHANNEL, channel::STREAM)
            .with(key::TOPIC, topic::STREAM_ACK)
            .with(key::MSG_TYPE, msg_type::REQUEST)
            .with(key::ORIGIN, stream.text(key::DESTINATION))
            .with(key::DESTINATION, stream.text(key::ORIGIN));
        self.deliver(&headers, b"");
    }

    /// The next request, which must be of this topic. Acknowledgements are passed over.
    fn take(&mut self, topic: &str) -> Seen {
        self.pump();
        self.seen.retain(|seen| seen.topic != topic::STREAM_ACK);
        let seen = self.seen.pop_front();
        let seen = seen.unwrap_or_else(|| panic!("no {topic}"));
        assert_eq!(seen.topic, topic);
        seen
    }

    /// How many requests of this topic no test has taken.
    fn count(&self, topic: &str) -> usize {
        self.seen.iter().filter(|seen| seen.topic == topic).count()
    }

    /// Nothing was asked.
    fn quiet(&mut self) {
        self.pump();
        let topics: Vec<_> = self.seen.iter().map(|seen| seen.topic.as_str()).collect();
        assert!(
            topics.iter().all(|topic| *topic == topic::STREAM_ACK),
            "{topics:?}"
        );
    }

    fn answer(&mut self, seen: &Seen, code: &str, headers: Headers, body: Option<&Value>) {
        self.reply(seen, code, headers, body);
        self.pump();
    }

    /// The same, before the client can say anything.
    fn reply(&mut self, seen: &Seen, code: &str, headers: Headers, body: Option<&Value>) {
        let headers = headers
            .with(key::RETURN_CODE, code)
            .with(key::ORIGIN, seen.destination.as_str())
            .with(key::DESTINATION, seen.origin.as_str());
        if seen.is_stream {
            let topic = format!("{}:{}", seen.channel, seen.topic);
            let headers = headers.with(stream_key::REQUEST_ID, seen.id.as_str());
            self.stream(
                headers,
                channel::RETURN_ONLY,
                &topic,
                body.unwrap_or(&Value::Nil),
            );
        } else {
            let headers = headers
                .with(key::MSG_TYPE, msg_type::REPLY)
                .with(key::REQ_ID, seen.id.as_str());
            self.with_body(headers, body);
        }
    }

    /// A request of the server, answered under `ask`.
    fn ask(&mut self, from: &str, to: &str, channel: &str, topic: &str, body: &Value) {
        let headers = Headers::new()
            .with(key::MSG_TYPE, msg_type::REQUEST)
            .with(key::ORIGIN, from)
            .with(key::DESTINATION, to)
            .with(key::CHANNEL, channel)
            .with(key::TOPIC, topic)
            .with(key::REQ_ID, "ask")
            .with(key::REPLY_EXPECTED, true);
        self.with_body(headers, Some(body));
        self.pump();
    }

    /// The same as a stream.
    fn ask_stream(&mut self, from: &str, to: &str, channel: &str, topic: &str, body: &Value) {
        let headers = Headers::new()
            .with(key::ORIGIN, from)
            .with(key::DESTINATION, to)
            .with(stream_key::REQUEST_ID, "ask");
        self.stream(headers, channel, topic, body);
        self.pump();
    }

    fn with_body(&mut self, headers: Headers, body: Option<&Value>) {
        let encoding = if body.is_some() {
            encoding::FOBS
        } else {
            encoding::NONE
        };
        let payload = body.map(|it| self.dialect.encode(it)).unwrap_or_default();
        self.deliver(&headers.with(key::PAYLOAD_ENCODING, encoding), &payload);
    }

    fn stream(&mut self, headers: Headers, channel: &str, topic: &str, body: &Value) {
        for (headers, chunk) in self.cut(headers, channel, topic, body) {
            self.deliver(&headers, &chunk);
        }
    }

    fn cut(
        &mut self,
        headers: Headers,
        channel: &str,
        topic: &str,
        body: &Value,
    ) -> Vec<(Headers, Bytes)> {
        self.streams += 1;
        let headers = headers
            .with(key::MSG_TYPE, msg_type::REQUEST)
            .with(key::CHANNEL, channel::STREAM)
            .with(key::TOPIC, topic::STREAM_DATA)
            .with(stream_key::CHANNEL, channel)
            .with(stream_key::TOPIC, topic)
            .with(stream_key::PAYLOAD_ENCODING, encoding::FOBS)
            .with(stream_key::ID, self.streams)
            .with(stream_key::ACK_INTERVAL, 4u64 << 20);
        let bytes = self.dialect.encode(body);
        let starts: Vec<usize> = (0..bytes.len()).step_by(self.chunk).collect();
        let last = starts.len() - 1;
        let cut = starts.into_iter().enumerate().map(|(index, start)| {
            let end = bytes.len().min(start + self.chunk);
            let kind = if index == last {
                data_type::FINAL
            } else {
                data_type::CHUNK
            };
            let headers = headers
                .clone()
                .with(stream_key::SIZE, bytes.len() as u64)
                .with(stream_key::SEQUENCE, index as u64)
                .with(stream_key::OFFSET, start as u64)
                .with(stream_key::DATA_TYPE, kind);
            (headers, bytes.slice(start..end))
        });
        cut.collect()
    }

    fn deliver(&mut self, headers: &Headers, payload: &[u8]) {
        self.send(Kind::Data, sfm::APP_CELL, &headers.encode(), payload);
    }

    fn send(&mut self, kind: Kind, app: u16, headers: &[u8], payload: &[u8]) {
        let head = sfm::head(kind, app, 1, 1, headers, payload.len()).unwrap();
        let frame = BytesMut::from(&[&head[..], payload].concat()[..]);
        // A drop shows in what the client does not do.
        self.taken
            .extend(self.client.handle_message(self.now, frame));
    }

    fn sign(&self, text: &str) -> Bytes {
        self.signer
            .sign(text.as_bytes(), &mut [3; 32])
            .unwrap()
            .into()
    }

    fn answer_challenge(&mut self, challenge: &Seen) {
        let nonce = challenge.headers.text(key::NONCE).to_owned();
        let signature = self.sign(&["server", &nonce].concat());
        self.answer_challenge_with(challenge, "server", signature);
    }

    fn answer_challenge_with(&mut self, challenge: &Seen, cn: &str, signature: Bytes) {
        let entries = vec![
            (
                "nonce".into(),
                "11111111-2222-3333-4444-555555555555".into(),
            ),
            ("signature".into(), Value::Bytes(signature)),
            ("cn".into(), cn.into()),
            ("cert".into(), Value::Bytes(self.server_cert.clone())),
        ];
        let body = typed::shareable(Vec::new(), entries);
        self.answer(challenge, "ok", Headers::new(), Some(&body));
    }

    fn answer_register(&mut self, register: &Seen) {
        let signature = self.sign(&[SITE, TOKEN].concat());
        let body = Value::map([
            (key::TOKEN, Value::from(TOKEN)),
            (key::TOKEN_SIGNATURE, base64(&signature).into()),
            (key::SSID, "NA".into()),
        ]);
        self.answer(register, "ok", Headers::new(), Some(&body));
    }

    fn took(&mut self, wanted: impl Fn(&ClientAction) -> bool) -> bool {
        self.pump();
        self.actions.iter().any(wanted)
    }
}

/// This certificate as the only one that is revoked.
fn revoked(pem: &[u8]) -> Revoked {
    let lines = core::str::from_utf8(pem).unwrap().lines();
    let body: String = lines.filter(|line| !line.starts_with('-')).collect();
    let mut revoked = Revoked::new();
    revoked.insert_certificate(&unbase64(&body)).unwrap();
    revoked
}

fn base64(bytes: &[u8]) -> String {
    use base64ct::Encoding as _;
    base64ct::Base64::encode_string(bytes)
}

fn unbase64(text: &str) -> Vec<u8> {
    use base64ct::Encoding as _;
    base64ct::Base64::decode_vec(text).unwrap()
}
