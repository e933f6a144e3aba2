//! Values as bytes, in messages and in records: postcard, read strictly, so that one value has
//! one encoding.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Appends the encoding of `value` to `out`.
///
/// postcard fails only where a sink is full or a length is unknown; one that grows is never
/// full, and the types of messages and records know their lengths.
pub(crate) fn encode<B: Extend<u8> + Default>(value: &impl Serialize, out: B) -> B {
    let encoded = postcard::to_extend(value, out);
    debug_assert!(encoded.is_ok());
    encoded.unwrap_or_default()
}

/// Decodes one value from the front of `bytes`; returns it with what follows.
///
/// postcard takes padded varints. They are the only second encoding of a value that it
/// takes, and are longer than the first: a value is accepted when its own encoding has
/// the length that was read.
// spec: P-13
pub(crate) fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<(T, &[u8])> {
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).ok()?;
    let shortest = postcard::experimental::serialized_size(&value).ok()?;
    (shortest == bytes.len() - rest.len()).then_some((value, rest))
}

/// Decodes one value that fills `bytes`.
pub(crate) fn decode_all<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match decode(bytes)? {
        (value, []) => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: P-13
    #[test]
    fn padded_varints_and_trailing_bytes_are_refused() {
        assert_eq!(decode_all::<u64>(&[5]), Some(5));
        assert_eq!(decode_all::<u64>(&[0x85, 0x00]), None);
        assert_eq!(decode_all::<u64>(&[5, 5]), None);
        assert_eq!(decode::<u64>(&[5, 6]), Some((5, &[6][..])));
        assert_eq!(decode_all::<Vec<u64>>(&[0x81, 0x00, 5]), None);
        assert_eq!(decode_all::<Option<u64>>(&[2]), None);
    }

    #[test]
    fn an_encoding_is_appended() {
        assert_eq!(encode(&300u64, vec![9]), [9, 0xac, 0x02]);
    }
}
