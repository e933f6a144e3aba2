//! Messages that no server would send. Nothing panics, nothing piles up, and the client
//! goes on.

use super::*;
use crate::entropy::Entropy;
use crate::wire::nvflare::fobs;

/// Rounds of the storm. Each brings a few messages.
const ROUNDS: u64 = 3_000;

/// Words that stand in the headers of real messages, and some that do not.
const WORDS: [&str; 30] = [
    "",
    "req",
    "reply",
    "return",
    "ok",
    "comm_error",
    "unauthenticated",
    "fobs",
    "bytes",
    "none",
    "task",
    "admin",
    "aux_communication",
    "server_command",
    "return_only",
    "download_service__",
    "sm__STREAM",
    "sm__DATA",
    "sm__ACK",
    "sm__ERROR",
    "challenge",
    "register",
    "heart_beat",
    "__end_run__",
    "get_task",
    "cellnet.channel",
    "server",
    SITE,
    "site-2",
    TOKEN,
];

const KEYS: [&str; 20] = [
    key::MSG_TYPE,
    key::REQ_ID,
    key::REPLY_EXPECTED,
    key::TOPIC,
    key::CHANNEL,
    key::ORIGIN,
    key::DESTINATION,
    key::RETURN_CODE,
    key::ERROR,
    key::PAYLOAD_ENCODING,
    key::ABORT_JOBS,
    stream_key::ID,
    stream_key::DATA_TYPE,
    stream_key::SEQUENCE,
    stream_key::OFFSET,
    stream_key::SIZE,
    stream_key::CHANNEL,
    stream_key::TOPIC,
    stream_key::REQUEST_ID,
    stream_key::ACK_INTERVAL,
];

struct Storm {
    entropy: Entropy,
}

impl Storm {
    fn below(&mut self, bound: usize) -> usize {
        let last = u64::try_from(bound).unwrap() - 1;
        usize::try_from(self.entropy.between(0, last)).unwrap()
    }

    fn word(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len())]
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 6 } else { 9 }) {
            0 => Value::Nil,
            1 => Value::Bool(self.below(2) == 0),
            2 => Value::Int([0, 1, 2, 3, 6, -1, i64::MAX, 1 << 40][self.below(8)]),
            3 => Value::UInt(u64::MAX),
            4 => Value::Float([0.5, -1.0, f64::NAN, f64::INFINITY][self.below(4)]),
            5 => self.word().into(),
            6 => (0..self.below(4))
                .map(|_| self.value(depth - 1))
                .collect::<Vec<_>>()
                .into(),
            7 => {
                let pairs =
                    (0..self.below(4)).map(|_| (self.value(depth - 1), self.value(depth - 1)));
                Value::Map(pairs.collect())
            }
            _ => {
                let headers = (0..self.below(4))
                    .map(|_| {
                        let name = ["task_name", "__task_id__", "__rc__", "__wait_time__"];
                        (name[self.below(4)].into(), self.value(depth - 1))
                    })
                    .collect();
                typed::shareable(headers, Vec::new())
            }
        }
    }

    /// A message that is real but for some of its headers.
    fn message(&mut self, rig: &Rig) -> (Headers, Bytes) {
        let mut headers = match rig.seen.back() {
            Some(seen) if self.below(2) == 0 => {
                let kind = if seen.is_stream {
                    msg_type::REQUEST
                } else {
                    msg_type::REPLY
                };
                Headers::new()
                    .with(key::MSG_TYPE, kind)
                    .with(key::REQ_ID, seen.id.as_str())
                    .with(stream_key::REQUEST_ID, seen.id.as_str())
                    .with(key::ORIGIN, seen.destination.as_str())
                    .with(key::DESTINATION, seen.origin.as_str())
            }
            _ => Headers::new()
                .with(key::MSG_TYPE, msg_type::REQUEST)
                .with(key::ORIGIN, ["server", "site-2", "server.x"][self.below(3)])
                .with(key::DESTINATION, SITE)
                .with(key::REPLY_EXPECTED, true)
                .with(key::REQ_ID, "1"),
        };
        if self.below(2) == 0 {
            for (key, value) in [
                (key::CHANNEL, channel::STREAM),
                (key::TOPIC, topic::STREAM_DATA),
                (stream_key::CHANNEL, channel::RETURN_ONLY),
            ] {
                headers.set(key, value);
            }
            for key in [stream_key::ID, stream_key::SEQUENCE, stream_key::SIZE] {
                headers.set(key, self.below(4) as u64);
            }
            headers.set(stream_key::DATA_TYPE, 1 + self.below(2) as u64);
        }
        for _ in 0..self.below(4) {
            let value = if self.below(2) == 0 {
                self.word().into()
            } else {
                self.value(2)
            };
            headers.set(KEYS[self.below(KEYS.len())], value);
        }
        let mut payload = fobs::encode(&self.value(4)).to_vec();
        if self.below(4) == 0 {
            let at = self.below(payload.len());
            payload[at] ^= 1 << self.below(8);
            payload.truncate(self.below(payload.len()) + 1);
        }
        headers.set(key::PAYLOAD_ENCODING, encoding::FOBS);
        headers.set(stream_key::PAYLOAD_ENCODING, encoding::FOBS);
        (headers, payload.into())
    }
}

#[test]
fn no_message_stops_the_client_or_fills_it() {
    let mut storm = Storm {
        entropy: Entropy::new(&mut [9; 32]),
    };
    let mut rig = Rig::active_with(|config| config.max_jobs = 8);
    for round in 0..ROUNDS {
        let id = job(u8::try_from(round % 8).unwrap());
        let _ = rig.client.job_started(rig.now, id);
        let _ = rig.client.pull_task(rig.now, id);
        if rig.client.phase() != crate::Phase::Active {
            let _ = rig.client.register(rig.now);
        }
        if round % 100 == 0 {
            rig.client.handle_disconnected(rig.now);
            rig.connect();
        }
        for _ in 0..4 {
            let (headers, payload) = storm.message(&rig);
            rig.deliver(&headers, &payload);
        }
        rig.wait(Duration::from_millis(storm.below(2_000) as u64));
        rig.actions.clear();
        rig.seen.truncate(8);
    }
    // Whatever has come, a server that makes sense is talked to.
    rig.client.quit(rig.now, "");
    rig.client.handle_disconnected(rig.now);
    rig.pump();
    assert_eq!(rig.client.phase(), crate::Phase::Closed);
    rig.seen.clear();
    rig.client.register(rig.now).unwrap();
    rig.connect();
    let challenge = rig.take(topic::CHALLENGE);
    rig.answer_challenge(&challenge);
    let register = rig.take(topic::REGISTER);
    rig.answer_register(&register);
    assert!(rig.took(|action| matches!(action, ClientAction::SetAuth(_))));
}

#[test]
fn recorded_frames_with_one_wrong_bit_are_harmless() {
    let mut storm = Storm {
        entropy: Entropy::new(&mut [8; 32]),
    };
    let mut rig = Rig::active();
    for frame in crate::wire::nvflare::vectors::files() {
        for _ in 0..20 {
            let mut frame = BytesMut::from(&frame[..]);
            let at = storm.below(frame.len());
            frame[at] ^= 1 << storm.below(8);
            let _ = rig.client.handle_message(rig.now, frame);
            rig.wait(Duration::from_millis(10));
            rig.seen.clear();
            rig.actions.clear();
        }
    }
}
