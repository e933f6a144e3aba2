//! The outline of a payload: the names and shapes of its arrays, found without putting its
//! parts together, which would hold a large model twice.

use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;
use fedlink::message::Payload;
use fedlink::nvflare::Array;
use zip::ZipArchive;

/// Bytes of a .npy file that hold its header: more than numpy writes for a type that is read
/// here.
const MAX_HEADER: u64 = 64 << 10;

/// What is known of one array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outline {
    /// A numpy array: its type as numpy names it, and its shape.
    Array(String, Vec<usize>),
    /// A torch tensor, which is not looked into.
    Tensor,
}

/// The arrays of a payload, by name.
pub(super) fn outlines(payload: &Payload) -> Result<Vec<(String, Outline)>, String> {
    let unreadable = |error: zip::result::ZipError| format!("the task is no .npz file: {error}");
    let mut archive = ZipArchive::new(PartsReader::new(payload.parts())).map_err(unreadable)?;
    let mut found = Vec::new();
    for member in 0..archive.len() {
        let file = archive.by_index(member).map_err(unreadable)?;
        let name = file.name().map_err(unreadable)?.into_owned();
        if let Some(name) = name.strip_suffix(".npy") {
            let mut start = Vec::new();
            file.take(MAX_HEADER)
                .read_to_end(&mut start)
                .map_err(|error| format!("array `{name}` cannot be read: {error}"))?;
            let (descr, shape) =
                Array::describe(&start).map_err(|error| format!("array `{name}`: {error}"))?;
            found.push((name.to_owned(), Outline::Array(descr, shape)));
        } else if let Some(name) = name.strip_suffix(".safetensors") {
            found.push((name.to_owned(), Outline::Tensor));
        }
    }
    Ok(found)
}

/// Reads parts one after another, as if they were one.
struct PartsReader<'a> {
    parts: &'a [Bytes],
    len: u64,
    at: u64,
}

impl<'a> PartsReader<'a> {
    fn new(parts: &'a [Bytes]) -> Self {
        Self {
            parts,
            len: parts.iter().map(|part| part.len() as u64).sum(),
            at: 0,
        }
    }

    /// What follows in the part that the next byte is in; nothing at the end.
    fn rest(&self) -> &'a [u8] {
        let mut before = 0;
        for part in self.parts {
            let end = before + part.len() as u64;
            if self.at < end {
                let from = usize::try_from(self.at - before).unwrap_or(part.len());
                return part.get(from..).unwrap_or_default();
            }
            before = end;
        }
        &[]
    }
}

impl Read for PartsReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.rest().read(out)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for PartsReader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use fedlink::nvflare::Model;

    use super::*;

    #[test]
    fn a_payload_in_parts_of_any_length_tells_what_is_in_it_and_is_not_joined() {
        let mut model = Model::new();
        model.insert("a/w", Array::new([2, 3], [0.5_f32; 6]).unwrap());
        model.insert("n", Array::new([], [7_i64]).unwrap());
        model.insert_tensor("t", Bytes::from_static(b"\x02\0\0\0\0\0\0\0{}"));
        let whole = model.to_payload().unwrap().bytes().clone();
        for length in [1, 7, 64, whole.len()] {
            let parts: Vec<Bytes> = whole.chunks(length).map(Bytes::copy_from_slice).collect();
            let payload = Payload::from_parts(parts, "", "");
            let mut found = outlines(&payload).unwrap();
            found.sort_by(|one, other| one.0.cmp(&other.0));
            let expected = [
                (
                    "a/w".to_owned(),
                    Outline::Array("<f4".to_owned(), vec![2, 3]),
                ),
                ("n".to_owned(), Outline::Array("<i8".to_owned(), vec![])),
                ("t".to_owned(), Outline::Tensor),
            ];
            assert_eq!(found, expected, "{length}");
        }
        assert!(outlines(&Payload::new("no archive")).is_err());
    }
}
