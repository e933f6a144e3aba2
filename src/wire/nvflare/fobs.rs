//! FOBS payloads: a main body in MessagePack, then the datums that it refers to.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::msgpack::{self, MsgpackError};
use super::typed::{self, DATUM_REF, Type};
use super::value::Value;

/// Most datums in one payload: NVFlare makes one for each leaf of 10 MiB and one for each
/// type of array.
const MAX_DATUMS: usize = 1 << 16;
/// A datum begins with its id.
const ID: usize = 16;
/// Bytes that are longer cannot stand in the main body: a length there has 32 bits.
const MAX_LEAF: usize = u32::MAX as usize;

pub(crate) const MAIN: u8 = 100;
const TEXT: u8 = 101;
const BLOB: u8 = 102;

/// What stands before the body of each section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// A marker, the type of an object, and a size: since 2.7.
    Typed,
    /// A marker and a size.
    Plain,
}

impl Head {
    const fn len(self) -> usize {
        match self {
            Self::Typed => 10,
            Self::Plain => 9,
        }
    }

    fn write(self, marker: u8, len: usize) -> BytesMut {
        let mut head = BytesMut::with_capacity(self.len() + len.min(1 << 10));
        head.put_u8(marker);
        if self == Self::Typed {
            head.put_u8(0);
        }
        head.put_u64(len as u64);
        head
    }
}

/// What a payload says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decoded {
    /// The value, with text and blobs that followed it put in their places.
    pub(crate) value: Value,
    /// Where arrays that it only refers to are to be fetched.
    pub(crate) sources: Vec<Source>,
}

/// Where the arrays of one type are held ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) kind: ArrayKind,
    /// The cell that has them.
    pub(crate) fqcn: String,
    /// What to ask it for.
    pub(crate) ref_id: String,
}

/// The two types of arrays that travel by reference. Each counts its references from T0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ArrayKind {
    /// numpy.ndarray, fetched as .npz with one member.
    Numpy,
    /// torch.Tensor, fetched as safetensors with one tensor.
    Tensor,
}

impl ArrayKind {
    /// The type of its typed maps.
    pub(crate) const fn of_type(self) -> typed::Type {
        match self {
            Self::Numpy => typed::NDARRAY,
            Self::Tensor => typed::TENSOR,
        }
    }
}

/// The bytes are not a FOBS payload that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FobsError {
    /// A section is cut short, empty, or not where it may be.
    #[error("the sections of the payload are malformed")]
    Section,
    /// A kind of datum that is not known: a file, or an object of an unknown type.
    #[error("datum of kind {marker}, object type {object}, is not supported")]
    Datum {
        /// What its section is marked with.
        marker: u8,
        /// The type of object, 0 for none.
        object: u8,
    },
    /// More than 65,536 datums, or one id twice.
    #[error("too many datums, or one of them twice")]
    Datums,
    /// Where arrays are to be fetched cannot be read.
    #[error("a reference to arrays is malformed")]
    Source,
    /// The value refers to a datum that is not there, or refers to one twice.
    #[error("the value refers to a datum that is not there (any more)")]
    Reference,
    /// The main body.
    #[error("the main body is malformed: {0}")]
    Body(#[from] MsgpackError),
}

/// Reads a payload without copying its bytes.
pub(crate) fn decode(payload: Bytes) -> Result<Decoded, FobsError> {
    decode_with(Head::Typed, payload)
}

/// The same with these heads of sections.
pub(crate) fn decode_with(head: Head, payload: Bytes) -> Result<Decoded, FobsError> {
    let mut sections = sections_with(head, payload);
    let main = sections.next().ok_or(FobsError::Section)??;
    if main.marker != MAIN || main.body.is_empty() {
        return Err(FobsError::Section);
    }
    let mut datums = Datums::default();
    let mut sources = Vec::new();
    for section in sections {
        let section = section?;
        let kind = match (section.marker, section.object) {
            (TEXT | BLOB, 0) => None,
            (TEXT | BLOB, 3) => Some(ArrayKind::Numpy),
            (TEXT | BLOB, 6) => Some(ArrayKind::Tensor),
            (marker, object) => return Err(FobsError::Datum { marker, object }),
        };
        if datums.0.len() + sources.len() >= MAX_DATUMS {
            return Err(FobsError::Datums);
        }
        match kind {
            None => datums.add(section)?,
            Some(kind) => sources.push(source(kind, &section.body)?),
        }
    }
    let value = datums.resolve(msgpack::decode(main.body)?)?;
    Ok(Decoded { value, sources })
}

/// Writes a payload in one piece, all inline.
pub(crate) fn encode(value: &Value) -> Bytes {
    join(encode_parts(value, usize::MAX))
}

/// Writes a payload; bytes in it of at least `threshold` follow the main body and are
/// shared, not copied.
pub(crate) fn encode_parts(value: &Value, threshold: usize) -> Vec<Bytes> {
    encode_parts_with(Head::Typed, typed::data_class, value, threshold)
}

/// The same with these heads of sections, and data classes made so.
pub(crate) fn encode_parts_with(
    head: Head,
    data_class: fn(Type, Value) -> Value,
    value: &Value,
    threshold: usize,
) -> Vec<Bytes> {
    let threshold = threshold.min(MAX_LEAF);
    let mut blobs = Vec::new();
    let mut body = Vec::new();
    let mut replace = |bytes: &Bytes| {
        (bytes.len() >= threshold).then(|| {
            // An id is unique within its payload, which is all that it has to be.
            let id = Uuid::from_u128(blobs.len() as u128);
            blobs.push((id, bytes.clone()));
            let attributes = [("datum_id", id.to_string().into()), ("unwrap", true.into())];
            data_class(DATUM_REF, Value::map(attributes))
        })
    };
    msgpack::encode_with(value, &mut replace, &mut body);
    let mut main = head.write(MAIN, body.len());
    main.put_slice(&body);
    let mut parts = vec![main.freeze()];
    for (id, blob) in blobs {
        let mut datum = head.write(BLOB, ID + blob.len());
        datum.put_slice(id.as_bytes());
        parts.push(datum.freeze());
        parts.push(blob);
    }
    parts
}

/// The parts in one piece; without a copy if there is only one.
pub(crate) fn join(mut parts: Vec<Bytes>) -> Bytes {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => parts
            .into_iter()
            .chain(last)
            .collect::<Vec<_>>()
            .concat()
            .into(),
    }
}

/// A section of a payload.
pub(crate) struct Section {
    pub(crate) marker: u8,
    /// The type of object that a datum stands for, 0 for none.
    pub(crate) object: u8,
    pub(crate) body: Bytes,
}

/// The sections of a payload; nothing follows an error.
#[cfg(test)]
pub(crate) fn sections(payload: Bytes) -> impl Iterator<Item = Result<Section, FobsError>> {
    sections_with(Head::Typed, payload)
}

/// The same with these heads.
pub(crate) fn sections_with(
    head: Head,
    mut payload: Bytes,
) -> impl Iterator<Item = Result<Section, FobsError>> {
    core::iter::from_fn(move || {
        if payload.is_empty() {
            return None;
        }
        let section = take_section(head, &mut payload).ok_or(FobsError::Section);
        if section.is_err() {
            payload.clear();
        }
        Some(section)
    })
}

fn take_section(head: Head, payload: &mut Bytes) -> Option<Section> {
    let (marker, object, size) = match head {
        Head::Typed => {
            let [marker, object, size @ ..] = *payload.first_chunk::<{ Head::Typed.len() }>()?;
            (marker, object, size)
        }
        Head::Plain => {
            let [marker, size @ ..] = *payload.first_chunk::<{ Head::Plain.len() }>()?;
            (marker, 0, size)
        }
    };
    let size = usize::try_from(u64::from_be_bytes(size)).ok()?;
    if size > payload.len() - head.len() {
        return None;
    }
    payload.advance(head.len());
    Some(Section {
        marker,
        object,
        body: payload.split_to(size),
    })
}

/// Datums by id. Each is used once, as the sender made it for one place: a text that stood
/// in many places would be a small message that grows large.
#[derive(Default)]
struct Datums(BTreeMap<Uuid, Value>);

impl Datums {
    fn add(&mut self, section: Section) -> Result<(), FobsError> {
        let mut body = section.body;
        let id = Uuid::from_bytes(*body.first_chunk::<ID>().ok_or(FobsError::Section)?);
        body.advance(ID);
        let value = if section.marker == TEXT {
            core::str::from_utf8(&body)
                .map_err(|_| FobsError::Body(MsgpackError::Text))?
                .into()
        } else {
            Value::Bytes(body)
        };
        match self.0.insert(id, value) {
            None => Ok(()),
            Some(_) => Err(FobsError::Datums),
        }
    }

    fn resolve(&mut self, value: Value) -> Result<Value, FobsError> {
        if let Some(data) = DATUM_REF.data(&value) {
            return self.take(data);
        }
        Ok(match value {
            Value::List(items) => Value::List(
                items
                    .into_iter()
                    .map(|item| self.resolve(item))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Map(pairs) => Value::Map(
                pairs
                    .into_iter()
                    .map(|(key, value)| Ok((self.resolve(key)?, self.resolve(value)?)))
                    .collect::<Result<_, FobsError>>()?,
            ),
            plain => plain,
        })
    }

    /// What a reference stands for. One that the application made for itself, with `unwrap`
    /// false, stands for the same here: only its wrapping is lost.
    fn take(&mut self, reference: &Value) -> Result<Value, FobsError> {
        let id = typed::attributes(reference)
            .get("datum_id")
            .and_then(Value::as_str)
            .and_then(|id| Uuid::try_parse(id).ok())
            .ok_or(FobsError::Reference)?;
        self.0.remove(&id).ok_or(FobsError::Reference)
    }
}

/// Reads `id ‖ {"fqcn": …, "ref_id": …}`.
fn source(kind: ArrayKind, body: &Bytes) -> Result<Source, FobsError> {
    #[derive(serde::Deserialize)]
    struct Place {
        fqcn: String,
        ref_id: String,
    }
    let text = body.get(ID..).ok_or(FobsError::Source)?;
    let place: Place = serde_json::from_slice(text).map_err(|_| FobsError::Source)?;
    Ok(Source {
        kind,
        fqcn: place.fqcn,
        ref_id: place.ref_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(byte: u8, len: usize) -> Value {
        Value::Bytes(vec![byte; len].into())
    }

    #[test]
    fn large_bytes_leave_the_body_and_come_back() {
        let value = Value::map([
            ("small", blob(1, 99)),
            ("large", blob(2, 100)),
            ("larger", Value::List(vec![blob(3, 5000)])),
        ]);
        let parts = encode_parts(&value, 100);
        assert_eq!(parts.len(), 5);
        let large = value.get("large").unwrap().as_bytes().unwrap();
        assert_eq!(parts[2].as_ptr(), large.as_ptr(), "shared, not copied");
        for payload in [join(parts), encode(&value)] {
            let decoded = decode(payload).unwrap();
            assert_eq!(decoded.value, value);
            assert_eq!(decoded.sources, []);
        }
    }

    #[test]
    fn one_part_is_joined_without_a_copy() {
        let part = Bytes::from(vec![1; 100]);
        assert_eq!(join(vec![part.clone()]).as_ptr(), part.as_ptr());
    }

    fn put_datum(payload: &mut Vec<u8>, marker: u8, object: u8, id: usize, bytes: &[u8]) {
        payload.extend_from_slice(&[marker, object]);
        payload.extend_from_slice(&((ID + bytes.len()) as u64).to_be_bytes());
        payload.extend_from_slice(&(id as u128).to_be_bytes());
        payload.extend_from_slice(bytes);
    }

    #[test]
    fn datums_and_sources_are_bounded_together() {
        let source = br#"{"fqcn": "server.j", "ref_id": "r"}"#;
        let mut payload = encode(&Value::Nil).to_vec();
        put_datum(&mut payload, TEXT, 3, 0, source);
        put_datum(&mut payload, TEXT, 6, 0, source);
        for id in 2..MAX_DATUMS {
            put_datum(&mut payload, BLOB, 0, id, b"");
        }
        let decoded = decode(Bytes::copy_from_slice(&payload));
        assert_eq!(decoded.unwrap().sources.len(), 2);
        put_datum(&mut payload, TEXT, 6, 0, source);
        assert_eq!(decode(payload.into()), Err(FobsError::Datums));
    }

    #[test]
    fn sources_of_arrays_are_found() {
        let json = br#"{"fqcn": "server.j", "ref_id": "r\u0031"}"#;
        let mut payload = encode(&Value::Nil).to_vec();
        put_datum(&mut payload, TEXT, 6, 0, json);
        let source = Source {
            kind: ArrayKind::Tensor,
            fqcn: "server.j".into(),
            ref_id: "r1".into(),
        };
        assert_eq!(decode(payload.into()).unwrap().sources, [source]);
    }

    #[test]
    fn a_datum_stands_in_one_place() {
        let parts = encode_parts(&blob(1, 2000), 1000);
        let [main, head, bytes] = &parts[..] else {
            panic!()
        };
        let lone = decode(main.clone());
        assert_eq!(lone, Err(FobsError::Reference));
        let twice = [&main[..], head, bytes, head, bytes].concat();
        assert_eq!(decode(twice.into()), Err(FobsError::Datums));
        let reference = msgpack::decode(main.slice(Head::Typed.len()..)).unwrap();
        let both = encode(&Value::List(vec![reference.clone(), reference]));
        let both = [&both[..], head, bytes].concat();
        assert_eq!(decode(both.into()), Err(FobsError::Reference));
    }

    #[test]
    fn sections_that_lie_are_refused() {
        let good = encode_parts(&blob(1, 2000), 1000).concat();
        for len in 0..good.len() {
            assert!(decode(Bytes::copy_from_slice(&good[..len])).is_err());
        }
        let head = Head::Typed.len() + usize::from(good[9]);
        for (at, byte) in [(0, BLOB), (0, 99), (2, 0xff), (head, 103), (head + 1, 1)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(decode(bad.into()).is_err(), "{at} {byte}");
        }
    }
}
