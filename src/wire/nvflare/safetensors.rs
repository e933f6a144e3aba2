//! Torch tensors in the safetensors format, which are passed on by name and never looked into.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Map, Value as Json};

/// Bytes of the length in front.
const LENGTH: usize = 8;
/// The longest header that is read, in bytes: it describes one tensor.
const MAX_HEADER: usize = 64 << 10;
/// Tensors in a file begin at a multiple of this many bytes.
const ALIGN: usize = 8;
/// A member of the header that is no tensor.
const METADATA: &str = "__metadata__";

/// The name of the only tensor in `file`. `None` if there is not exactly one.
pub(crate) fn name(file: &Bytes) -> Option<String> {
    let (header, _) = split(file)?;
    only_name(&header).map(str::to_owned)
}

/// The file with its only tensor named `to`, as parts to be read one after another: only
/// the header is written anew. `None` if there is not exactly one tensor.
pub(crate) fn rename(file: &Bytes, to: &str) -> Option<Vec<Bytes>> {
    let (mut header, data) = split(file)?;
    let from = only_name(&header)?.to_owned();
    if from == to {
        return Some(vec![file.clone()]);
    }
    let tensor = header.remove(&from)?;
    header.insert(to.to_owned(), tensor);
    let text = Json::Object(header).to_string();
    let padded = text.len().next_multiple_of(ALIGN);
    let mut head = BytesMut::with_capacity(LENGTH + padded);
    head.put_u64_le(padded as u64);
    head.put_slice(text.as_bytes());
    head.put_bytes(b' ', padded - text.len());
    Some(vec![head.freeze(), data])
}

/// The header and what follows it.
fn split(file: &Bytes) -> Option<(Map<String, Json>, Bytes)> {
    let len = usize::try_from(u64::from_le_bytes(*file.first_chunk()?)).ok()?;
    if len > MAX_HEADER {
        return None;
    }
    let header = serde_json::from_slice(file.get(LENGTH..LENGTH + len)?).ok()?;
    Some((header, file.slice(LENGTH + len..)))
}

fn only_name(header: &Map<String, Json>) -> Option<&str> {
    let mut names = header.keys().filter(|name| *name != METADATA);
    let name = names.next()?;
    names.next().is_none().then_some(name)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A file with two numbers under `name`.
    pub(crate) fn file(name: &str) -> Bytes {
        let header = format!(r#"{{"{name}":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}}}"#);
        let padded = header.len().next_multiple_of(8);
        let len = (padded as u64).to_le_bytes();
        let header = format!("{header:<padded$}");
        [&len[..], header.as_bytes(), &[7; 8]].concat().into()
    }

    #[test]
    fn the_only_tensor_gets_another_name() {
        let file = file("T12");
        assert_eq!(name(&file).as_deref(), Some("T12"));
        let parts = rename(&file, "t").unwrap();
        assert_eq!(parts[1].as_ptr(), file[file.len() - 8..].as_ptr());
        let renamed = Bytes::from(parts.concat());
        assert_eq!(name(&renamed).as_deref(), Some("t"));
        assert_eq!(renamed.len() % 8, 0);
        assert_eq!(rename(&renamed, "t").unwrap().concat(), renamed);
        assert!(renamed.ends_with(&[7; 8]));
    }

    #[test]
    fn a_header_has_a_longest_length() {
        let padded = |len: usize| {
            let header = br#"{"a":1}"#;
            let blanks = vec![b' '; len - header.len()];
            Bytes::from([&(len as u64).to_le_bytes()[..], header, &blanks].concat())
        };
        assert!(name(&padded(MAX_HEADER)).is_some());
        assert!(name(&padded(MAX_HEADER + 1)).is_none());
    }

    #[test]
    fn what_does_not_hold_one_tensor_has_no_name() {
        let with = |header: &str, len: u64| {
            Bytes::from([&len.to_le_bytes()[..], header.as_bytes()].concat())
        };
        let whole = |header: &str| with(header, header.len() as u64);
        assert!(name(&whole(r#"{"a":1,"__metadata__":{}}"#)).is_some());
        for bad in [
            with("{}", u64::MAX),
            with("{\"a\":1}", 8),
            whole("{}"),
            whole(r#"{"a":1,"b":2}"#),
            whole("[1]"),
            whole(&format!("{{\"a\":{}", "[".repeat(1000))),
            Bytes::from_static(b"1234567"),
        ] {
            assert_eq!(name(&bad), None);
            assert_eq!(rename(&bad, "t"), None);
        }
    }
}
