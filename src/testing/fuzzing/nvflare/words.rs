//! The messages that such a server may send.

use bytes::Bytes;

use super::{SERVER, SITE};
use crate::message::JobId;
use crate::testing::fuzzing::script::Script;
use crate::wire::nvflare::cell::{channel, encoding, key, msg_type, stream_key, topic};
use crate::wire::nvflare::value::Value;
use crate::wire::nvflare::{fobs, msgpack, typed};

/// Headers that a message may be given at random, and texts to put into them.
pub(super) const KEYS: [&str; 16] = [
    key::MSG_TYPE,
    key::REQ_ID,
    key::REPLY_EXPECTED,
    key::TOPIC,
    key::CHANNEL,
    key::ORIGIN,
    key::DESTINATION,
    key::RETURN_CODE,
    key::ABORT_JOBS,
    key::PAYLOAD_ENCODING,
    stream_key::ID,
    stream_key::DATA_TYPE,
    stream_key::SEQUENCE,
    stream_key::OFFSET,
    stream_key::SIZE,
    stream_key::ACK_INTERVAL,
];
pub(super) const TEXTS: [&str; 16] = [
    "",
    SITE,
    SERVER,
    "ok",
    "unauthenticated",
    "invalid_session",
    encoding::FOBS,
    encoding::BYTES,
    msg_type::REQUEST,
    msg_type::REPLY,
    msg_type::RETURN,
    channel::RETURN_ONLY,
    channel::STREAM,
    topic::STREAM_ACK,
    topic::STREAM_ERROR,
    topic::BYE,
];

/// Return codes of answers.
pub(super) const CODES: [&str; 6] = [
    "ok",
    "ok",
    "comm_error",
    "timeout",
    "unauthenticated",
    "authentication_error",
];

/// What a server asks of a site, as channel and topic.
pub(super) const ASKED: [(&str, &str); 5] = [
    (channel::ADMIN, topic::ADMIN),
    (channel::AUX, topic::END_RUN),
    (channel::AUX, topic::TASK_CHECK),
    (channel::CELLNET, topic::BYE),
    (channel::DOWNLOAD, topic::DOWNLOAD),
];

/// Orders on the channel of the administrator.
pub(super) const ORDERS: [&str; 5] = [
    "scheduler.check_resource",
    "train.deploy",
    "train.start_job",
    "train.abort",
    "train.abort_task",
];

/// The payload that such a request hopes for.
pub(super) fn sensible(topic: &str) -> Bytes {
    let ok = |name: &str| typed::shareable(vec![("__rc__".into(), name.into())], Vec::new());
    fobs::encode(&match topic {
        topic::REGISTER => Value::map([
            (
                key::TOKEN,
                Value::from("819e135a-904f-41fa-a64f-5d76d6d041ca"),
            ),
            (key::TOKEN_SIGNATURE, "NA".into()),
            (key::SSID, "NA".into()),
        ]),
        topic::GET_TASK => {
            let headers = vec![
                ("task_name".into(), "train".into()),
                (
                    "__task_id__".into(),
                    "75f811bc-28b0-4fee-a78c-f12a0951bd23".into(),
                ),
            ];
            let dxo = Value::map([
                ("kind", typed::DATA_KIND.of("WEIGHTS")),
                ("data", Value::map([("w", Value::Float(0.5))])),
                ("meta", Value::Map(Vec::new())),
            ]);
            typed::shareable(headers, vec![("DXO".into(), dxo)])
        }
        _ => ok("OK"),
    })
}

/// A payload: one that makes sense, a value in FOBS, or bytes.
pub(super) fn body(script: &mut Script<'_>) -> Bytes {
    match script.below(3) {
        0 => sensible(topic::GET_TASK),
        1 => fobs::encode(&value(script)),
        _ => Bytes::copy_from_slice(script.bytes()),
    }
}

/// A value of any kind.
pub(super) fn value(script: &mut Script<'_>) -> Value {
    match script.below(5) {
        0 => TEXTS[script.below(TEXTS.len())].into(),
        1 => (script.below(256) as u64).into(),
        2 => Value::Int([-1, i64::MIN, i64::MAX][script.below(3)]),
        3 => job(script.below(3)).to_string().into(),
        _ => msgpack::decode(Bytes::copy_from_slice(script.bytes())).unwrap_or(Value::Nil),
    }
}

pub(super) fn job(number: usize) -> JobId {
    JobId::from_bytes([number as u8; 16])
}
