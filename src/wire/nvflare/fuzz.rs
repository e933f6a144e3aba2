//! Properties of the codecs of NVFlare for any bytes: run by the fuzzer, and by a test over
//! damaged recordings.

#![allow(unreachable_pub, reason = "public for the fuzzer")]

use alloc::collections::BTreeMap;

use bytes::Bytes;

use super::cell::Headers;
use super::dialect::Dialect;
use super::fobs::{self, ArrayKind};
use super::model::{self, Model};
use super::msgpack;
use super::npy::Array;
use super::npz;
use super::sfm::{self, Frames};
use super::value::Value;
use crate::message::Properties;

/// The limit for frames and models here, in bytes.
const LIMIT: usize = 1 << 20;

/// A byte stream in chunks whose size the first byte says: memory follows what came, and
/// whole frames add up to it.
pub fn sfm(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else {
        return;
    };
    let mut frames = Frames::with_limit(LIMIT);
    let mut whole = 0;
    for chunk in stream.chunks(usize::from(*size) + 1) {
        frames.buffer().extend_from_slice(chunk);
        loop {
            match frames.next_frame() {
                Err(_) => return,
                Ok(None) => break,
                Ok(Some(frame)) => {
                    whole += frame.len();
                    check_frame(frame.freeze());
                }
            }
        }
        assert!(frames.buffer().capacity() <= 2 * stream.len().max(64 << 10));
    }
    assert_eq!(whole + frames.buffer().len(), stream.len());
}

fn check_frame(bytes: Bytes) {
    let Ok(frame) = sfm::parse(bytes.clone()) else {
        return;
    };
    let head = sfm::head(
        frame.kind,
        frame.app_id,
        frame.stream_id,
        frame.sequence,
        &frame.headers,
        frame.payload.len(),
    );
    let head = head.expect("it was a frame before");
    assert_eq!(head.len() + frame.payload.len(), bytes.len());
    cell_headers(frame.headers);
}

/// A frame of a cell, or the headers of one: what is read is written again.
pub fn cell(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let headers = sfm::parse(bytes.clone()).map_or(bytes, |frame| frame.headers);
    cell_headers(headers);
}

fn cell_headers(bytes: Bytes) {
    let Ok(headers) = Headers::decode(bytes) else {
        return;
    };
    let encoded = headers.encode();
    let again = Headers::decode(encoded.clone().into()).expect("it was written here");
    assert_eq!(again.encode(), encoded);
    assert_eq!(again.request_ids().count(), headers.request_ids().count());
    let _ = format!("{headers:?}");
}

/// A FOBS payload of any release, or a frame with one: what is read is written again, whether
/// in one piece or with datums, and becomes a task or an error.
pub fn fobs(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let payload = sfm::parse(bytes.clone()).map_or(bytes, |frame| frame.payload);
    if let Ok(value) = msgpack::decode(payload.clone()) {
        check_value(&value);
    }
    for dialect in [Dialect::Since27, Dialect::Release26, Dialect::Release25] {
        let Ok(decoded) = dialect.decode(payload.clone()) else {
            continue;
        };
        check_value(&decoded.value);
        let again = dialect.encode(&decoded.value);
        let of_again = Dialect::of(&again).map(|it| match dialect {
            Dialect::Release25 => it.granting_in_headers(),
            _ => it,
        });
        assert_eq!(of_again, Some(dialect));
        let _ = dialect.decode(again);
        check_task(decoded.value);
    }
}

fn check_value(value: &Value) {
    let plain = fobs::encode(value);
    for payload in [plain.clone(), fobs::join(fobs::encode_parts(value, 16))] {
        // What the sender wrote like a reference to a datum is none of ours.
        if let Ok(again) = fobs::decode(payload) {
            assert_eq!(fobs::encode(&again.value), plain);
        }
    }
    let _ = format!("{value:?}");
}

fn check_task(task: Value) {
    let fetched = BTreeMap::from([("T0.npy".to_owned(), Bytes::new())]);
    let Ok(task) = model::to_host(task, &fetched, LIMIT as u64) else {
        return;
    };
    let payload = fobs::join(task.parts);
    npz::read(&payload).expect("it was written here");
    check_result(&payload, task.shape.as_ref());
}

/// An .npz, and each way in which one is used: members are slices of it that do not add up
/// to more than it is.
pub fn npz(data: &[u8]) {
    let archive = Bytes::copy_from_slice(data);
    if let Ok(members) = npz::read(&archive) {
        let sum: usize = members.iter().map(|member| member.bytes.len()).sum();
        assert!(sum <= archive.len());
        for member in members {
            check_array(member.bytes);
        }
    }
    check_array(archive.clone());
    if let Ok(model) = Model::read(&archive) {
        let _ = model.to_payload();
    }
    for kind in [ArrayKind::Numpy, ArrayKind::Tensor] {
        let _ = model::items(archive.clone(), kind);
    }
    check_result(&archive, None);
}

fn check_array(bytes: Bytes) {
    if let Ok(array) = Array::parse(bytes) {
        let again = Array::parse(array.to_npy()).expect("it was written here");
        assert_eq!(again, array);
        let _ = array.values::<f32>();
    }
}

fn check_result(payload: &Bytes, shape: Option<&Value>) {
    if let Ok(content) = model::from_host(&Properties::new(), payload, true, shape) {
        let _ = fobs::encode_parts(&Value::Map(content.entries), 1 << 10);
    }
}

#[cfg(test)]
mod tests {
    use super::super::vectors;
    use super::*;

    /// The same numbers in every run.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, below: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 >> 16).unwrap() % below.max(1)
        }

        /// A copy of `bytes` with one to four wounds.
        fn wound(&mut self, bytes: &[u8]) -> Vec<u8> {
            let mut bytes = bytes.to_vec();
            for _ in 0..=self.roll(4) {
                let at = self.roll(bytes.len());
                let Some(byte) = bytes.get_mut(at) else {
                    break;
                };
                match self.roll(6) {
                    0 => *byte ^= 1 << self.roll(8),
                    1 => *byte = 0xff,
                    2 => *byte = 0,
                    3 => bytes.truncate(at),
                    4 => bytes.insert(at, 0x91),
                    _ => {
                        let end = bytes.len().min(at + self.roll(32));
                        let part = bytes[at..end].to_vec();
                        let to = self.roll(bytes.len());
                        bytes.splice(to..to, part);
                    }
                }
            }
            bytes
        }
    }

    /// Everything that was recorded, and one archive.
    fn seeds() -> Vec<Bytes> {
        let mut model = Model::new();
        model.insert("a", Array::new([2, 2], [1.0_f64; 4]).unwrap());
        model.insert("b/c", Array::new([3], [1_u8, 2, 3]).unwrap());
        let archive = model.to_payload().unwrap().bytes().clone();
        vectors::files().chain([archive]).collect()
    }

    #[test]
    fn nothing_that_was_damaged_breaks_anything() {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for seed in seeds() {
            for round in 0..40 {
                let bytes = match round {
                    0 => seed.to_vec(),
                    _ => dice.wound(&seed),
                };
                sfm(&[&[dice.roll(256) as u8], &bytes[..]].concat());
                cell(&bytes);
                fobs(&bytes);
                npz(&bytes);
            }
        }
    }

    #[test]
    fn every_prefix_and_every_lie_about_a_length_is_survived() {
        for number in ["053_", "129_", "131_", "134_"] {
            let payload = vectors::payload_of(number);
            for at in 0..payload.len() {
                fobs(&payload[..at]);
                let mut lie = payload.to_vec();
                for marker in [0xc6, 0xdb, 0xdd, 0xdf, 0xff] {
                    lie[at] = marker;
                    fobs(&lie);
                }
            }
        }
    }
}
