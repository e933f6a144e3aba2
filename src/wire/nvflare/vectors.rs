//! What a genuine NVFlare sent, recorded in `tests/nvflare/vectors/`: 2.9 and, where they
//! differ, releases before.

// The core may not touch files; its tests read theirs.
#![allow(clippy::disallowed_methods)]

use std::path::PathBuf;

use bytes::Bytes;
use serde_json::Value as Json;

use super::cell::{Headers, encoding, key, stream_key};
use super::dialect::Dialect;
use super::fobs::{self, Head, Section};
use super::msgpack;
use super::npy::Array;
use super::sfm::{self, Kind};
use super::typed;
use super::value::Value;

/// A file of the folder and what its index says of it.
struct Vector {
    file: String,
    bytes: Bytes,
    said: Json,
}

fn all() -> Vec<Vector> {
    of("")
}

fn before_2_7() -> Vec<Vector> {
    of("before-2.7")
}

fn of(folder: &str) -> Vec<Vector> {
    let vectors = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/nvflare/vectors");
    let folder = vectors.join(folder);
    let index = std::fs::read(folder.join("index.json")).unwrap();
    let index: Vec<Json> = serde_json::from_slice(&index).unwrap();
    index
        .into_iter()
        .map(|said| {
            let file = said["file"].as_str().unwrap().to_owned();
            let bytes = std::fs::read(folder.join(&file)).unwrap().into();
            Vector { file, bytes, said }
        })
        .collect()
}

/// The bytes of all files.
pub(crate) fn files() -> impl Iterator<Item = Bytes> {
    let all = all().into_iter().chain(before_2_7());
    all.map(|vector| vector.bytes)
}

/// What 2.6 or 2.5 said in the file that begins with `number`, as it is understood here.
pub(super) fn before_2_7_said(number: &str) -> Value {
    let vector = before_2_7()
        .into_iter()
        .find(|vector| vector.file.starts_with(number));
    let payload = payload(&vector.unwrap()).unwrap();
    Dialect::Release26.decode(payload).unwrap().value
}

/// The FOBS payload of the file that begins with `number`.
pub(super) fn payload_of(number: &str) -> Bytes {
    let vector = all()
        .into_iter()
        .find(|vector| vector.file.starts_with(number));
    payload(&vector.unwrap()).unwrap()
}

/// The FOBS payload of a frame or of a file that is one.
fn payload(vector: &Vector) -> Option<Bytes> {
    if vector.said.get("prefix").is_none() {
        return vector
            .said
            .get("payload_lobs")
            .map(|_| vector.bytes.clone());
    }
    let frame = sfm::parse(vector.bytes.clone()).unwrap();
    if frame.kind != Kind::Data {
        return None;
    }
    let headers = Headers::decode(frame.headers).unwrap();
    let is_fobs = |key| headers.text(key) == encoding::FOBS;
    (is_fobs(key::PAYLOAD_ENCODING) || is_fobs(stream_key::PAYLOAD_ENCODING))
        .then_some(frame.payload)
        .filter(|payload| !payload.is_empty())
}

#[test]
fn every_vector_decodes_to_what_the_index_says() {
    let mut seen = [0, 0, 0];
    for vector in all() {
        let said = &vector.said;
        if said.get("prefix").is_some() {
            let frame = sfm::parse(vector.bytes.clone()).unwrap();
            if frame.kind == Kind::Data {
                let headers = Headers::decode(frame.headers).unwrap();
                check(&headers.into_value(), &said["headers"], &vector.file);
            } else {
                let value = msgpack::decode(frame.payload).unwrap();
                check(&value, &said["payload"], &vector.file);
            }
            seen[0] += 1;
        } else if said.get("payload_lobs").is_some() {
            seen[1] += 1;
        } else {
            // A signature, or a certificate: for the identity to verify.
            assert!(vector.bytes.len() == 256 || vector.bytes.starts_with(b"-----BEGIN"));
            seen[2] += 1;
        }
        if let Some(payload) = payload(&vector) {
            fobs::decode(payload.clone()).unwrap();
            let main = fobs::sections(payload).next().unwrap().unwrap().body;
            let key = ["payload_lobs", "payload_lobs_of_stream_chunk"]
                .into_iter()
                .find(|key| said.get(*key).is_some())
                .unwrap();
            let value = msgpack::decode(main).unwrap();
            check(&value, &said[key][0]["main"], &vector.file);
        }
    }
    assert_eq!(seen, [107, 28, 4]);
}

/// Compares a value with what Python read. Keys that are not text and bytes beyond the
/// first 64 are not in the index.
fn check(value: &Value, said: &Json, file: &str) {
    let same = match value {
        Value::Nil => said.is_null(),
        Value::Bool(value) => said.as_bool() == Some(*value),
        Value::Int(value) => said.as_i64() == Some(*value),
        Value::UInt(value) => said.as_u64() == Some(*value),
        Value::Float(value) => said.as_f64() == Some(*value),
        Value::Str(text) => said.as_str() == Some(text),
        Value::Bytes(bytes) => {
            let hex: String = bytes
                .iter()
                .take(64)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            said["$bytes_hex"] == hex.as_str()
        }
        Value::List(items) => {
            let said = said.as_array().unwrap();
            items
                .iter()
                .zip(said)
                .for_each(|(item, said)| check(item, said, file));
            items.len() == said.len()
        }
        Value::Map(pairs) => {
            for (key, value) in pairs {
                if let Value::Str(key) = key {
                    check(value, &said[key], file);
                }
            }
            said.as_object()
                .is_some_and(|said| said.len() == pairs.len())
        }
    };
    assert!(same, "{file}: {value:?} is not {said}");
}

#[test]
fn what_can_be_encoded_again_comes_out_byte_for_byte() {
    let mut again = 0;
    for vector in all() {
        let bytes = vector.bytes.clone();
        let encoded = if vector.said.get("prefix").is_some() {
            frame_again(&vector)
        } else if vector.said.get("payload_lobs").is_some() {
            sections_again(bytes.clone())
        } else {
            continue;
        };
        assert_eq!(encoded, bytes, "{}", vector.file);
        again += 1;
    }
    assert_eq!(again, 135);
}

fn frame_again(vector: &Vector) -> Vec<u8> {
    let frame = sfm::parse(vector.bytes.clone()).unwrap();
    let (headers, body) = if frame.kind == Kind::Data {
        let headers = Headers::decode(frame.headers).unwrap().encode();
        let body = match payload(vector) {
            Some(payload) => sections_again(payload),
            None => frame.payload.to_vec(),
        };
        (headers, body)
    } else {
        (Vec::new(), value_again(frame.payload))
    };
    let head = sfm::head(
        frame.kind,
        frame.app_id,
        frame.stream_id,
        frame.sequence,
        &headers,
        body.len(),
    );
    [&head.unwrap()[..], &body].concat()
}

fn value_again(bytes: Bytes) -> Vec<u8> {
    let mut out = Vec::new();
    msgpack::encode(&msgpack::decode(bytes).unwrap(), &mut out);
    out
}

/// Encodes the main body again and keeps the datums: their ids are the sender's.
fn sections_again(payload: Bytes) -> Vec<u8> {
    let mut out = Vec::new();
    for section in fobs::sections(payload.clone()) {
        let Section {
            marker,
            object,
            body,
        } = section.unwrap();
        let body = match marker {
            fobs::MAIN => value_again(body),
            _ => body.to_vec(),
        };
        out.extend([marker, object]);
        out.extend((body.len() as u64).to_be_bytes());
        out.extend(body);
    }
    if fobs::sections(payload.clone()).count() == 1 {
        let value = fobs::decode(payload).unwrap().value;
        assert_eq!(fobs::encode(&value), out);
    }
    out
}

#[test]
fn releases_before_2_7_are_read_and_written_byte_for_byte() {
    let mut seen = [0, 0];
    for vector in before_2_7() {
        let Some(payload) = payload(&vector) else {
            continue;
        };
        let key = ["payload_lobs", "payload_lobs_of_stream_chunk"]
            .into_iter()
            .find(|key| vector.said.get(*key).is_some())
            .unwrap();
        let mut sections = fobs::sections_with(Head::Plain, payload.clone());
        let main = sections.next().unwrap().unwrap().body;
        let value = msgpack::decode(main).unwrap();
        check(&value, &vector.said[key][0]["main"], &vector.file);
        let dialect = if vector.file.contains("2.5.2") {
            Dialect::Release25
        } else {
            Dialect::Release26
        };
        let understood = dialect.decode(payload.clone()).unwrap().value;
        seen[0] += 1;
        if sections.next().is_none() {
            let file = &vector.file;
            assert_eq!(Dialect::of(&payload), Some(Dialect::Release26), "{file}");
            assert_eq!(dialect.encode(&understood), payload, "{file}");
            seen[1] += 1;
        }
    }
    assert_eq!(seen, [42, 40]);
}

#[test]
fn release_2_5_grants_in_headers() {
    let is_grant = |vector: &Vector| vector.file.contains("2.5.2_CP_rx_task_register_reply");
    let grant = before_2_7().into_iter().find(is_grant).unwrap();
    let headers = Headers::decode(sfm::parse(grant.bytes).unwrap().headers).unwrap();
    assert!(!headers.text(key::TOKEN).is_empty());
    assert!(!headers.text(key::TOKEN_SIGNATURE).is_empty());
    assert_eq!(headers.text(key::PAYLOAD_ENCODING), encoding::NONE);
}

#[test]
fn blobs_and_text_that_follow_the_body_are_put_in_place() {
    let payload = payload_of("134_");
    let value = fobs::decode(payload).unwrap().value;
    assert_eq!(
        value.get("big"),
        Some(&Value::Bytes(vec![b'z'; 2000].into()))
    );
    assert_eq!(value.get("txt"), Some(&"y".repeat(1500).into()));
    assert_eq!(value.get("small"), Some(&Value::Bytes("s".into())));
}

#[test]
fn arrays_have_the_header_that_numpy_writes() {
    let mut seen = 0;
    for vector in all()
        .iter()
        .filter(|vector| vector.file.contains("_fobs_np_"))
    {
        let value = fobs::decode(vector.bytes.clone()).unwrap().value;
        let Some(data) = typed::NDARRAY.data(&value) else {
            continue;
        };
        let npy = data.get("data").unwrap().as_bytes().unwrap();
        let array = Array::parse(npy.clone()).unwrap();
        assert_eq!(array.to_npy(), npy, "{}", vector.file);
        seen += 1;
    }
    assert_eq!(seen, 5);
}
