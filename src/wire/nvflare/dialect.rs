//! How releases of NVFlare write values. The wire has no number of a release: which one
//! the server is of shows in what it writes.
//!
//! What is read becomes what releases since 2.7 write, so that nobody else has to know.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use bytes::Bytes;

use super::fobs::{self, Decoded, FobsError, Head, MAIN, Section};
use super::model::{Content, ModelError};
use super::typed::{self, DATA_KIND, MESSAGE, NDARRAY, SHAREABLE, TENSOR, Type};
use super::value::Value;

/// The header in which 2.5 looks for the context of the peer of a command.
const PEER_OF_2_5: &str = "peer_fl_ctx";

/// The releases that write alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// 2.7 and later.
    #[default]
    Since27,
    /// 2.6: other heads of sections, arrays as plain .npy, kinds of data as text.
    Release26,
    /// 2.5: as 2.6, attributes of data classes without the layer around them, and another name
    /// of the header with the context of the peer.
    Release25,
}

impl Dialect {
    /// In which one a payload of one section is written; none if in none. No payload is of two:
    /// before 2.7 the size stands one byte earlier, so that it would have to be 256 times
    /// itself. 2.5 shows only when it grants a token: see [`Self::granting_in_headers`].
    pub(crate) fn of(payload: &Bytes) -> Option<Self> {
        [Self::Since27, Self::Release26]
            .into_iter()
            .find(|dialect| {
                let mut sections = fobs::sections_with(dialect.head(), payload.clone());
                let main = |it: &Section| it.marker == MAIN && !it.body.is_empty();
                matches!(sections.next(), Some(Ok(it)) if main(&it)) && sections.next().is_none()
            })
    }

    /// Of a server that grants a token in the headers of its answer.
    pub(crate) const fn granting_in_headers(self) -> Self {
        match self {
            Self::Release26 => Self::Release25,
            other => other,
        }
    }

    /// The one that a server which did not understand this one may speak.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Since27 => Self::Release26,
            Self::Release26 | Self::Release25 => Self::Since27,
        }
    }

    /// Reads a payload without copying its bytes.
    pub(crate) fn decode(self, payload: Bytes) -> Result<Decoded, FobsError> {
        let mut decoded = fobs::decode_with(self.head(), payload)?;
        if self != Self::Since27 {
            renew(&mut decoded.value);
        }
        Ok(decoded)
    }

    /// Writes a payload in one piece.
    pub(crate) fn encode(self, value: &Value) -> Bytes {
        fobs::join(self.encode_parts(value, usize::MAX))
    }

    /// Writes a payload; bytes in it of at least `threshold` follow the main body and are
    /// shared, not copied.
    pub(crate) fn encode_parts(self, value: &Value, threshold: usize) -> Vec<Bytes> {
        let data_class = match self {
            Self::Since27 => return fobs::encode_parts(value, threshold),
            Self::Release26 => typed::data_class,
            Self::Release25 => |class: Type, attributes| class.of(attributes),
        };
        let mut value = aged(value, data_class);
        if self == Self::Release25 {
            name_peer(&mut value);
        }
        fobs::encode_parts_with(self.head(), data_class, &value, threshold)
    }

    /// Refuses a result that cannot be written.
    pub(crate) fn admit(self, content: Content) -> Result<Content, ModelError> {
        match content.entries.iter().find_map(|(_, value)| tensor(value)) {
            Some(name) if self != Self::Since27 => Err(ModelError::Form(name.to_owned())),
            _ => Ok(content),
        }
    }

    const fn head(self) -> Head {
        match self {
            Self::Since27 => Head::Typed,
            Self::Release26 | Self::Release25 => Head::Plain,
        }
    }
}

/// Arrays as releases since 2.7 write them. Kinds of data stay text, which is as good.
fn renew(value: &mut Value) {
    if let Some(Value::Bytes(npy)) = NDARRAY.data(value) {
        *value = typed::native(NDARRAY, npy.clone());
        return;
    }
    match value {
        Value::List(items) => items.iter_mut().for_each(renew),
        Value::Map(pairs) => pairs.iter_mut().for_each(|(_, value)| renew(value)),
        _ => {}
    }
}

/// Arrays, kinds of data and messages as a release before 2.7 reads them.
fn aged(value: &Value, data_class: fn(Type, Value) -> Value) -> Value {
    let native = |data: &Value| data.get("data").and_then(Value::as_bytes).cloned();
    if let Some(npy) = NDARRAY.data(value).and_then(native) {
        return NDARRAY.of(npy);
    }
    if let Some(kind) = DATA_KIND.data(value) {
        return kind.clone();
    }
    let aged = |value: &Value| aged(value, data_class);
    if let Some(attributes) = typed::message_attributes(value) {
        return data_class(MESSAGE, aged(attributes));
    }
    match value {
        Value::List(items) => items.iter().map(aged).collect::<Vec<_>>().into(),
        Value::Map(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| (key.clone(), aged(value)));
            Value::Map(pairs.collect())
        }
        plain => plain.clone(),
    }
}

/// Has the context of the peer stand under the name too by which 2.5 looks for it in commands.
fn name_peer(shareable: &mut Value) {
    let peer = typed::headers(shareable).and_then(|headers| headers.get("__peer_ctx__"));
    if let Some(peer) = peer.cloned()
        && let Some(entries) = SHAREABLE.data_mut(shareable)
        && let Some(Value::Map(headers)) = typed::entry_mut(entries, typed::HEADERS)
        && headers
            .iter()
            .all(|(key, _)| key.as_str() != Some(PEER_OF_2_5))
    {
        headers.push((PEER_OF_2_5.into(), peer));
    }
}

/// Under which name there is a torch tensor.
fn tensor(value: &Value) -> Option<&str> {
    let is_tensor = |value: &Value| TENSOR.data(value).is_some();
    match value {
        Value::List(items) => items.iter().find_map(tensor),
        Value::Map(pairs) => pairs.iter().find_map(|(key, value)| {
            let own = || is_tensor(value).then(|| key.as_str().unwrap_or_default());
            own().or_else(|| tensor(value))
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Dialect; 2] = [Dialect::Since27, Dialect::Release26];

    fn array() -> Value {
        typed::native(NDARRAY, Bytes::from_static(b"npy"))
    }

    #[test]
    fn no_payload_is_of_both() {
        for len in [0, 1, 9, 200, 300, 65_535, 70_000] {
            let value = Value::Bytes(vec![0; len].into());
            for dialect in BOTH {
                let payload = dialect.encode(&value);
                assert_eq!(Dialect::of(&payload), Some(dialect), "{len}");
                assert!(dialect.other().decode(payload).is_err(), "{len}");
            }
        }
        for nothing in [
            &b""[..],
            b"d",
            b"d\0\0\0\0\0\0\0\0\0",
            b"nothing of the kind",
        ] {
            assert_eq!(Dialect::of(&Bytes::copy_from_slice(nothing)), None);
        }
        let two = fobs::encode_parts(&Value::Bytes(vec![1; 99].into()), 9).concat();
        assert_eq!(Dialect::of(&two.into()), None);
    }

    #[test]
    fn arrays_and_kinds_come_back() {
        let value = Value::map([
            ("kind", DATA_KIND.of("WEIGHTS")),
            ("data", Value::map([("w", array())])),
            ("list", Value::List(vec![array(), Value::Nil])),
        ]);
        let old = Dialect::Release26.encode(&value);
        let written = fobs::decode_with(Head::Plain, old.clone()).unwrap().value;
        let w = written.get("data").and_then(|data| data.get("w")).unwrap();
        let npy = NDARRAY.data(w).and_then(Value::as_bytes);
        assert_eq!(npy, Some(&Bytes::from_static(b"npy")));
        assert_eq!(written.get("kind"), Some(&"WEIGHTS".into()));
        let read = Dialect::Release26.decode(old).unwrap().value;
        assert_eq!(read.get("data"), value.get("data"));
        assert_eq!(read.get("list"), value.get("list"));
        let now = Dialect::Since27.encode(&value);
        assert_eq!(Dialect::Since27.decode(now).unwrap().value, value);
    }

    #[test]
    fn release_2_5_has_no_layer_around_attributes() {
        let message = typed::message("1", "train.abort", array(), Value::Map(Vec::new()));
        let value = Value::map([("m", message), ("b", Value::Bytes(vec![1; 99].into()))]);
        let written = fobs::join(Dialect::Release25.encode_parts(&value, 90));
        let mut sections = fobs::sections_with(Head::Plain, written.clone());
        let main = sections.next().unwrap().unwrap().body;
        assert!(sections.next().is_some());
        let plain = super::super::msgpack::decode(main).unwrap();
        for (key, class, attribute) in [("m", MESSAGE, "topic"), ("b", typed::DATUM_REF, "unwrap")]
        {
            let data = class.data(plain.get(key).unwrap()).unwrap();
            assert!(data.get(attribute).is_some() && data.get("data").is_none());
        }
        let read = Dialect::Release25.decode(written).unwrap().value;
        let attributes = typed::message_attributes(read.get("m").unwrap()).unwrap();
        assert_eq!(attributes.get("topic"), Some(&"train.abort".into()));
        assert_eq!(attributes.get("body"), Some(&array()));
        assert_eq!(read.get("b"), value.get("b"));
    }

    #[test]
    fn release_2_5_finds_the_peer_under_its_own_name() {
        let context = typed::fl_context([("__run_num__", "job".into())]);
        let headers = vec![("__peer_ctx__".into(), context.clone())];
        let command = typed::shareable(headers, Vec::new());
        for (dialect, found) in [
            (Dialect::Release25, Some(&context)),
            (Dialect::Release26, None),
        ] {
            let read = dialect.decode(dialect.encode(&command)).unwrap().value;
            let headers = typed::headers(&read).unwrap();
            assert_eq!(headers.get("peer_fl_ctx"), found);
            assert_eq!(headers.get("__peer_ctx__"), Some(&context));
        }
    }

    #[test]
    fn a_tensor_is_not_written_for_an_old_release() {
        let data = Value::map([("w", typed::native(TENSOR, Bytes::new()))]);
        let content = Content {
            headers: Vec::new(),
            entries: vec![("DXO".into(), Value::map([("data", data)]))],
        };
        assert!(Dialect::Since27.admit(content.clone()).is_ok());
        let refused = Dialect::Release26.admit(content);
        assert_eq!(refused, Err(ModelError::Form("w".into())));
        let arrays = Content {
            headers: Vec::new(),
            entries: vec![("DXO".into(), array())],
        };
        assert!(Dialect::Release26.admit(arrays).is_ok());
    }
}
