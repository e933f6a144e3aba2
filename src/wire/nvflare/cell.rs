//! The headers of cell messages, and the addresses of cells in them.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::msgpack::{self, MsgpackError};
use super::value::{Value, shown};

/// Keys of headers.
pub(crate) mod key {
    pub(crate) const MSG_TYPE: &str = "cn__msg_type";
    pub(crate) const REQ_ID: &str = "cn__req_id";
    pub(crate) const REPLY_EXPECTED: &str = "cn__reply_expected";
    pub(crate) const TOPIC: &str = "cn__topic";
    pub(crate) const CHANNEL: &str = "cn__channel";
    pub(crate) const ORIGIN: &str = "cn__origin";
    pub(crate) const DESTINATION: &str = "cn__destination";
    pub(crate) const FROM: &str = "cn__from";
    pub(crate) const TO: &str = "cn__to";
    pub(crate) const RETURN_CODE: &str = "cn__return_code";
    pub(crate) const ERROR: &str = "cn__error";
    pub(crate) const PAYLOAD_ENCODING: &str = "cn__payload_encoding";
    pub(crate) const PAYLOAD_LEN: &str = "cn__payload_len";
    pub(crate) const ROUTE: &str = "cn__route";
    pub(crate) const SEND_TIME: &str = "cn__send_time";
    pub(crate) const SECURE: &str = "cn__secure";
    pub(crate) const OPTIONAL: &str = "cn__optional";
    pub(crate) const MSG_ROOT_ID: &str = "cn__msg_root_id";

    pub(crate) const CLIENT_NAME: &str = "client_name";
    pub(crate) const CLIENT_TYPE: &str = "client_type";
    pub(crate) const CLIENT_IP: &str = "client_ip";
    pub(crate) const PROJECT_NAME: &str = "project_name";
    pub(crate) const TOKEN: &str = "__token__";
    pub(crate) const TOKEN_SIGNATURE: &str = "__token_signature__";
    pub(crate) const SSID: &str = "ssid";
    pub(crate) const JOB_IDS: &str = "job_ids";
    pub(crate) const ABORT_JOBS: &str = "abort_jobs";
    pub(crate) const MESSAGE: &str = "message";
    pub(crate) const PROTOCOL_VERSION: &str = "federation_protocol_version";
    pub(crate) const NVFLARE_VERSION: &str = "nvflare_version";
    pub(crate) const NONCE: &str = "nonce";
    pub(crate) const CN: &str = "cn";
}

/// Keys of the headers of streams.
pub(crate) mod stream_key {
    pub(crate) const ID: &str = "sm__id";
    pub(crate) const DATA_TYPE: &str = "sm__dt";
    pub(crate) const SEQUENCE: &str = "sm__sq";
    pub(crate) const OFFSET: &str = "sm__os";
    pub(crate) const SIZE: &str = "sm__sz";
    pub(crate) const CHANNEL: &str = "sm__ch";
    pub(crate) const TOPIC: &str = "sm__tp";
    pub(crate) const REQUEST_ID: &str = "sm__ri";
    pub(crate) const PAYLOAD_ENCODING: &str = "sm__pe";
    pub(crate) const RELIABLE: &str = "sm__rs";
    pub(crate) const OPTIONAL: &str = "sm__op";
    pub(crate) const CHUNK_SIZE: &str = "sm__cs";
    pub(crate) const WINDOW: &str = "sm__ws";
    pub(crate) const ACK_INTERVAL: &str = "sm__ai";
    pub(crate) const ERROR_TEXT: &str = "sm__em";
}

/// Channels.
pub(crate) mod channel {
    pub(crate) const TASK: &str = "task";
    pub(crate) const ADMIN: &str = "admin";
    pub(crate) const AUX: &str = "aux_communication";
    pub(crate) const SERVER_COMMAND: &str = "server_command";
    pub(crate) const RETURN_ONLY: &str = "return_only";
    pub(crate) const CELLNET: &str = "cellnet.channel";
    pub(crate) const STREAM: &str = "sm__STREAM";
    pub(crate) const DOWNLOAD: &str = "download_service__";
}

/// Topics.
pub(crate) mod topic {
    pub(crate) const CHALLENGE: &str = "challenge";
    pub(crate) const REGISTER: &str = "register";
    pub(crate) const HEARTBEAT: &str = "heart_beat";
    pub(crate) const QUIT: &str = "quit";
    pub(crate) const REPORT_JOB_FAILURE: &str = "report_job_failure";
    /// The topic of all requests of the admin channel; what they ask stands in the body.
    #[cfg(any(test, fuzzing))]
    pub(crate) const ADMIN: &str = "admin";
    pub(crate) const GET_TASK: &str = "get_task";
    pub(crate) const SUBMIT_UPDATE: &str = "submit_update";
    pub(crate) const SYNC_RUNNER: &str = "__sync_runner__";
    pub(crate) const JOB_HEARTBEAT: &str = "__job_heartbeat__";
    pub(crate) const TASK_CHECK: &str = "__task_check__";
    pub(crate) const END_RUN: &str = "__end_run__";
    pub(crate) const DOWNLOAD: &str = "download_service__download";
    pub(crate) const BYE: &str = "bye";
    pub(crate) const STREAM_DATA: &str = "sm__DATA";
    pub(crate) const STREAM_ACK: &str = "sm__ACK";
    pub(crate) const STREAM_ERROR: &str = "sm__ERROR";
}

/// Values of `cn__msg_type`.
pub(crate) mod msg_type {
    pub(crate) const REQUEST: &str = "req";
    pub(crate) const REPLY: &str = "reply";
    pub(crate) const RETURN: &str = "return";
}

/// Values of `cn__payload_encoding`.
pub(crate) mod encoding {
    pub(crate) const NONE: &str = "none";
    pub(crate) const BYTES: &str = "bytes";
    pub(crate) const FOBS: &str = "fobs";
}

/// Values of `sm__dt`.
pub(crate) mod data_type {
    pub(crate) const CHUNK: u64 = 1;
    pub(crate) const FINAL: u64 = 2;
    pub(crate) const ACK: u64 = 3;
    pub(crate) const ERROR: u64 = 6;
}

/// The headers of one message, in their order. They are few, so a list serves as the map.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Headers(Vec<(String, Value)>);

/// The headers of a message cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadersError {
    #[error("the headers are malformed: {0}")]
    Malformed(#[from] MsgpackError),
    #[error("the headers are not a map from text")]
    NotAMap,
    #[error("header `{0}` stands there twice")]
    Twice(String),
}

impl Headers {
    /// No headers.
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Reads the headers of a frame. Other than in Python no key may repeat: what a filter
    /// on the way looked at is then what is used here.
    pub(crate) fn decode(bytes: Bytes) -> Result<Self, HeadersError> {
        let Value::Map(pairs) = msgpack::decode(bytes)? else {
            return Err(HeadersError::NotAMap);
        };
        let headers: Vec<_> = pairs
            .into_iter()
            .map(|(key, value)| match key {
                Value::Str(key) => Ok((key, value)),
                _ => Err(HeadersError::NotAMap),
            })
            .collect::<Result<_, _>>()?;
        let mut keys: Vec<_> = headers.iter().map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        match keys.iter().zip(keys.iter().skip(1)).find(|(a, b)| a == b) {
            Some((twice, _)) => Err(HeadersError::Twice((*twice).to_owned())),
            None => Ok(Self(headers)),
        }
    }

    /// Writes the headers; [`super::sfm::head`] refuses more than 65,535 bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        msgpack::encode(&self.clone().into_value(), &mut out);
        out
    }

    /// What stands under `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.0
            .iter()
            .find_map(|(k, value)| (k == key).then_some(value))
    }

    /// Sets one header: in its place if it exists, else as the last one.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        match self.0.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    /// Sets one header and returns all, for building.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.set(key, value);
        self
    }

    /// All headers in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The text under `key`; empty if there is none.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The truth value under `key`; false if there is none.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or_default()
    }

    /// The number under `key`, if it is not negative.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.get(key).and_then(Value::as_u64)
    }

    /// The texts of the list under `key`, without what is not text.
    pub(crate) fn texts(&self, key: &str) -> impl Iterator<Item = &str> {
        self.get(key)
            .and_then(Value::as_list)
            .unwrap_or_default()
            .iter()
            .filter_map(Value::as_str)
    }

    /// The requests that a reply answers: one text, or a list of them.
    pub(crate) fn request_ids(&self) -> impl Iterator<Item = &str> {
        self.get(key::REQ_ID)
            .and_then(Value::as_str)
            .into_iter()
            .chain(self.texts(key::REQ_ID))
    }

    /// The headers as a plain map.
    pub(crate) fn into_value(self) -> Value {
        Value::Map(
            self.0
                .into_iter()
                .map(|(key, value)| (Value::Str(key), value))
                .collect(),
        )
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.iter()
                    .map(|(key, value)| (key, shown(Some(key), value))),
            )
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_keep_their_order_and_come_back() {
        let mut headers = Headers::new()
            .with("b", "x")
            .with(key::REPLY_EXPECTED, true)
            .with(stream_key::ID, 1_u64 << 50);
        headers.set("b", "y");
        let back = Headers::decode(headers.encode().into()).unwrap();
        assert_eq!(back, headers);
        let keys: Vec<_> = back.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["b", key::REPLY_EXPECTED, stream_key::ID]);
        assert_eq!((back.text("b"), back.text("none")), ("y", ""));
        assert!(back.flag(key::REPLY_EXPECTED) && !back.flag("none"));
        assert_eq!(back.number(stream_key::ID), Some(1 << 50));
    }

    #[test]
    fn a_request_id_may_be_a_list() {
        let one = Headers::new().with(key::REQ_ID, "a");
        assert_eq!(one.request_ids().collect::<Vec<_>>(), ["a"]);
        let ids = vec![Value::from("a"), Value::Nil, Value::from("b")];
        let many = Headers::new().with(key::REQ_ID, ids);
        assert_eq!(many.request_ids().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(Headers::new().request_ids().count(), 0);
    }

    #[test]
    fn what_is_not_a_map_of_text_is_refused() {
        let decode = |bytes: &'static [u8]| Headers::decode(Bytes::from_static(bytes));
        assert_eq!(decode(b"\x90"), Err(HeadersError::NotAMap));
        assert_eq!(decode(b"\x81\x01\x01"), Err(HeadersError::NotAMap));
        assert_eq!(
            decode(b"\x83\xa1a\x01\xa1b\x01\xa1a\x01"),
            Err(HeadersError::Twice("a".into()))
        );
        assert!(matches!(decode(b"\x81"), Err(HeadersError::Malformed(_))));
    }

    #[test]
    fn debug_hides_the_token() {
        let headers = Headers::new().with(key::TOKEN, "abc").with(key::SSID, "NA");
        assert_eq!(
            format!("{headers:?}"),
            r#"{"__token__": (hidden), "ssid": "NA"}"#
        );
    }
}
