//! A client against a server of NVFlare whose messages are made of the fuzzer's bytes.

#[cfg(test)]
mod jumps;
mod words;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::script::Script;
use crate::error::ConfigError;
use crate::identity::{Identity, Name};
use crate::message::{Outcome, Payload, Properties, TaskId};
use crate::nvflare::Settings;
use crate::wire::nvflare::cell::{
    Headers, channel, data_type, encoding, key, msg_type, stream_key, topic,
};
use crate::wire::nvflare::sfm::{self, Kind};
use crate::wire::nvflare::value::Value;
use crate::wire::nvflare::{fobs, typed};
use crate::{Carrier, Client, ClientAction, ClientConfig, Instant, Phase};
use words::{ASKED, CODES, KEYS, ORDERS, body, job, sensible, value};

const SITE: &str = "site-1";
const SERVER: &str = "server";

/// Most steps of a script, so that a run stays short.
const MAX_STEPS: usize = 120;

/// Requests that the server remembers.
const MEMORY: usize = 16;

/// More jobs and tasks than these are refused by the configuration.
const FEW: usize = 4;

/// Any answers, orders and streams. Whatever comes, the client holds no more than it may,
/// and is ready in the end for a server that makes sense.
pub fn nvflare_client(data: &[u8]) {
    let mut script = Script(data);
    let mut server = Server::new();
    server.register();
    for _ in 0..MAX_STEPS {
        let Some(step) = script.next() else { break };
        server.step(step, &mut script);
        server.pump();
        assert!(server.client.outbox_len() <= FEW * 2);
        assert!(server.client.held_len() <= FEW * 2);
    }
    server.client.quit(server.now, "");
    server.client.handle_disconnected(server.now);
    server.pump();
    assert_eq!(server.client.phase(), Phase::Closed);
    server.seen.clear();
    server.register();
    assert_eq!(server.client.phase(), Phase::Active);
}

/// A request of the client: its headers, and whether it came as a stream.
struct Seen {
    headers: Headers,
    is_stream: bool,
}

impl Seen {
    fn topic(&self) -> &str {
        self.headers.text(if self.is_stream {
            stream_key::TOPIC
        } else {
            key::TOPIC
        })
    }
}

struct Server {
    now: Instant,
    client: Client,
    seen: VecDeque<Seen>,
    last_frame: Bytes,
    streams: u64,
    working: Vec<TaskId>,
}

impl Server {
    fn new() -> Self {
        let settings = Settings {
            secure: false,
            ..Settings::DEFAULT
        };
        Self::with(config(settings), Instant::default()).expect("it works")
    }

    fn with(config: ClientConfig, now: Instant) -> Result<Self, ConfigError> {
        let identity = Identity::unproven(name(SITE));
        let client = Client::new(Arc::new(config), identity, [7; 32], now)?;
        Ok(Self {
            now,
            client,
            seen: VecDeque::new(),
            last_frame: Bytes::new(),
            streams: 0,
            working: Vec::new(),
        })
    }

    /// Does what a server does until the client is registered.
    fn register(&mut self) {
        self.client.register(self.now).expect("it may");
        self.connect();
        self.pump();
        let latest = self.seen.len() - 1;
        self.answer(latest, "ok", &sensible(topic::REGISTER));
        self.pump();
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 10 {
            0 | 1 => {
                let seen = script.below(self.seen.len());
                let Some(topic) = self.seen.get(seen).map(Seen::topic) else {
                    return;
                };
                let body = sensible(topic);
                self.answer(seen, "ok", &body);
            }
            2 => {
                let seen = script.below(self.seen.len());
                let code = CODES[script.below(CODES.len())];
                let body = body(script);
                self.answer(seen, code, &body);
            }
            3 => self.ask(script),
            4 => {
                let mut frame = self.last_frame.to_vec();
                let at = script.place(frame.len());
                if let Some(byte) = frame.get_mut(at) {
                    *byte ^= script.next().unwrap_or(0);
                }
                self.deliver_frame(&frame);
            }
            5 => self.deliver_frame(script.bytes()),
            6 => self.chunk(script),
            7 => self.wait(Duration::from_millis(50 * script.below(256) as u64)),
            8 => self.command(script),
            _ => match script.below(4) {
                0 => self.client.handle_disconnected(self.now),
                1 => self
                    .client
                    .handle_send_failed(self.now, script.below(16) as u64),
                _ => self.connect(),
            },
        }
    }

    fn connect(&mut self) {
        let connected = self.client.handle_connected(self.now, Carrier::default());
        assert_eq!(connected, Ok(()));
    }

    fn command(&mut self, script: &mut Script<'_>) {
        let (now, client) = (self.now, &mut self.client);
        let command = script.below(8);
        let job = job(script.below(3));
        // Many of them make no sense now, which is a misuse that changes nothing.
        let _ = match command {
            0 => client.register(now),
            1 => client.job_started(now, job),
            2 => client.job_ended(now, job),
            3 => client.job_failed(now, job, "reason"),
            4 | 5 => client.pull_task(now, job),
            6 => client.heartbeat_ready(now, None),
            _ => {
                let Some(task) = self.working.pop() else {
                    return;
                };
                let payload = Payload::new(script.bytes().to_vec());
                client.submit(now, task, Outcome::Ok, Properties::new(), payload)
            }
        };
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
                    assert!(next.is_none_or(|(next, _)| next > self.now));
                }
                _ => break,
            }
        }
        self.now = end;
    }

    /// Takes what the client wants; greetings are answered.
    fn pump(&mut self) {
        loop {
            while let Some(action) = self.client.poll_action() {
                let _ = format!("{action:?}");
                match action {
                    ClientAction::Persist { record, .. } => {
                        assert_eq!(self.client.persisted(self.now, record), Ok(()));
                    }
                    ClientAction::TaskAssigned(task) => self.working.push(task.id),
                    _ => {}
                }
            }
            let Some(transmit) = self.client.poll_transmit() else {
                return;
            };
            let frame = [&transmit.header[..], &transmit.payload[..]].concat();
            let frame = sfm::parse(frame.into()).expect("the client wrote it");
            match frame.kind {
                Kind::Hello => self.send(Kind::Ready, &[], b"\x80"),
                Kind::Ping => self.send(Kind::Pong, &[], b"\xc0"),
                Kind::Data => self.remember(frame.headers),
                _ => {}
            }
        }
    }

    fn remember(&mut self, headers: Bytes) {
        let headers = Headers::decode(headers).expect("the client wrote it");
        let is_stream = headers.text(key::CHANNEL) == channel::STREAM;
        if is_stream && headers.text(key::TOPIC) != topic::STREAM_DATA {
            return;
        }
        self.seen.push_back(Seen { headers, is_stream });
        let forgotten = self.seen.len().saturating_sub(MEMORY);
        self.seen.drain(..forgotten);
    }

    fn answer(&mut self, seen: usize, code: &str, body: &[u8]) {
        let Some(Seen { headers, is_stream }) = self.seen.get(seen) else {
            return;
        };
        let answer = Headers::new()
            .with(key::RETURN_CODE, code)
            .with(key::ORIGIN, headers.text(key::DESTINATION))
            .with(key::DESTINATION, headers.text(key::ORIGIN));
        if *is_stream {
            let [channel, topic, id] = [
                stream_key::CHANNEL,
                stream_key::TOPIC,
                stream_key::REQUEST_ID,
            ]
            .map(|key| headers.text(key));
            let answer = answer.with(stream_key::REQUEST_ID, id);
            let topic = format!("{channel}:{topic}");
            self.stream(answer, channel::RETURN_ONLY, &topic, body);
        } else {
            let answer = answer
                .with(key::MSG_TYPE, msg_type::REPLY)
                .with(key::REQ_ID, headers.text(key::REQ_ID))
                .with(key::PAYLOAD_ENCODING, encoding::FOBS);
            self.send(Kind::Data, &answer.encode(), body);
        }
    }

    /// A request of the server, to the site or to one of its jobs.
    fn ask(&mut self, script: &mut Script<'_>) {
        let (channel, topic) = ASKED[script.below(ASKED.len())];
        let job = job(script.below(3));
        let (from, to) = match script.below(2) {
            0 => (SERVER.to_owned(), SITE.to_owned()),
            _ => (format!("{SERVER}.{job}"), format!("{SITE}.{job}")),
        };
        let body = match topic {
            topic::ADMIN => {
                let headers = Value::map([("job_id", Value::from(job.to_string()))]);
                let order = ORDERS[script.below(ORDERS.len())];
                fobs::encode(&typed::message("1", order, value(script), headers))
            }
            _ => body(script),
        };
        let headers = Headers::new()
            .with(key::ORIGIN, from)
            .with(key::DESTINATION, to);
        if script.below(2) == 0 {
            let headers = headers.with(stream_key::REQUEST_ID, "ask");
            self.stream(headers, channel, topic, &body);
            return;
        }
        let mut headers = headers
            .with(key::MSG_TYPE, msg_type::REQUEST)
            .with(key::CHANNEL, channel)
            .with(key::TOPIC, topic)
            .with(key::REQ_ID, "ask")
            .with(key::REPLY_EXPECTED, true)
            .with(key::PAYLOAD_ENCODING, encoding::FOBS);
        for _ in 0..script.below(3) {
            headers.set(KEYS[script.below(KEYS.len())], value(script));
        }
        self.send(Kind::Data, &headers.encode(), &body);
    }

    /// A whole stream of one chunk.
    fn stream(&mut self, headers: Headers, channel: &str, topic: &str, body: &[u8]) {
        self.streams += 1;
        let headers = headers
            .with(key::MSG_TYPE, msg_type::REQUEST)
            .with(key::CHANNEL, channel::STREAM)
            .with(key::TOPIC, topic::STREAM_DATA)
            .with(stream_key::CHANNEL, channel)
            .with(stream_key::TOPIC, topic)
            .with(stream_key::PAYLOAD_ENCODING, encoding::FOBS)
            .with(stream_key::ID, self.streams)
            .with(stream_key::SIZE, body.len() as u64)
            .with(stream_key::SEQUENCE, 0_u64)
            .with(stream_key::OFFSET, 0_u64)
            .with(stream_key::DATA_TYPE, data_type::FINAL);
        self.send(Kind::Data, &headers.encode(), body);
    }

    /// A chunk or an acknowledgement of any stream.
    fn chunk(&mut self, script: &mut Script<'_>) {
        let topics = [topic::STREAM_DATA, topic::STREAM_ACK, topic::STREAM_ERROR];
        let mut headers = Headers::new()
            .with(key::MSG_TYPE, msg_type::REQUEST)
            .with(key::CHANNEL, channel::STREAM)
            .with(key::TOPIC, topics[script.below(topics.len())])
            .with(key::ORIGIN, SERVER)
            .with(key::DESTINATION, SITE);
        for key in [
            stream_key::ID,
            stream_key::SEQUENCE,
            stream_key::OFFSET,
            stream_key::SIZE,
            stream_key::DATA_TYPE,
        ] {
            headers.set(key, script.below(8) as u64);
        }
        for _ in 0..script.below(3) {
            headers.set(KEYS[script.below(KEYS.len())], value(script));
        }
        self.send(Kind::Data, &headers.encode(), script.bytes());
    }

    fn send(&mut self, kind: Kind, headers: &[u8], payload: &[u8]) {
        let app = if kind == Kind::Data { sfm::APP_CELL } else { 0 };
        // Headers may have grown too long.
        if let Some(head) = sfm::head(kind, app, 1, 1, headers, payload.len()) {
            let frame = [&head[..], payload].concat();
            self.deliver_frame(&frame);
            self.last_frame = frame.into();
        }
    }

    fn deliver_frame(&mut self, frame: &[u8]) {
        // A drop shows in what must hold.
        let _ = self.client.handle_message(self.now, BytesMut::from(frame));
    }
}

fn config(settings: Settings) -> ClientConfig {
    ClientConfig {
        max_jobs: FEW,
        max_held: FEW,
        max_payload: 1 << 20,
        ..ClientConfig::nvflare(name("project"), name(SERVER), settings)
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("it is one")
}
