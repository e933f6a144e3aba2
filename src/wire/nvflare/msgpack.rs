//! MessagePack, byte for byte as Python's msgpack writes it.

use alloc::vec::Vec;

use bytes::{Buf, BufMut, Bytes};

use super::value::Value;

/// How deep lists and maps may nest. Python refuses 512; real messages have less than 20,
/// and whoever walks over a value afterwards may use the stack.
pub(crate) const MAX_DEPTH: usize = 64;
/// Most values in one message, so that one byte of it never costs more than this many
/// times the size of a [`Value`] in all.
pub(crate) const MAX_NODES: usize = 1 << 20;
/// Room that a list or a map gets at once, whatever length it claims.
const ROOM: usize = 16;

/// The bytes are not one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MsgpackError {
    /// The bytes end too early.
    #[error("the value is cut short")]
    Truncated,
    /// Bytes are left over.
    #[error("{0} bytes follow the value")]
    Trailing(usize),
    /// Lists and maps nest too deeply.
    #[error("the value nests deeper than {MAX_DEPTH}")]
    TooDeep,
    /// Too many values.
    #[error("the value has more than {MAX_NODES} parts")]
    TooMany,
    /// An extension type, which NVFlare never sends, or a byte that starts nothing.
    #[error("no value starts with byte {0:#04x}")]
    Unknown(u8),
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    Text,
}

/// Reads the one value that `input` is. Bytes in it are slices of `input`.
pub(crate) fn decode(input: Bytes) -> Result<Value, MsgpackError> {
    let mut decoder = Decoder {
        input,
        left: MAX_NODES,
    };
    let value = decoder.value(MAX_DEPTH)?;
    match decoder.input.len() {
        0 => Ok(value),
        more => Err(MsgpackError::Trailing(more)),
    }
}

/// Appends `value`.
pub(crate) fn encode(value: &Value, out: &mut Vec<u8>) {
    encode_with(value, &mut |_| None, out);
}

/// Appends `value`; where `replace` returns another for some bytes in it, that one instead.
/// It must replace bytes beyond 4 GiB.
pub(crate) fn encode_with(
    value: &Value,
    replace: &mut dyn FnMut(&Bytes) -> Option<Value>,
    out: &mut Vec<u8>,
) {
    match value {
        Value::Nil => out.put_u8(0xc0),
        Value::Bool(value) => out.put_u8(0xc2 + u8::from(*value)),
        Value::Int(value) => encode_int(*value, out),
        Value::UInt(value) => encode_uint(*value, out),
        Value::Float(value) => {
            out.put_u8(0xcb);
            out.put_f64(*value);
        }
        Value::Str(text) => {
            encode_len(text.len(), &STR, out);
            out.put_slice(text.as_bytes());
        }
        Value::Bytes(bytes) => match replace(bytes) {
            Some(other) => encode_with(&other, &mut |_| None, out),
            None => {
                encode_len(bytes.len(), &BIN, out);
                out.put_slice(bytes);
            }
        },
        Value::List(items) => {
            encode_len(items.len(), &LIST, out);
            for item in items {
                encode_with(item, replace, out);
            }
        }
        Value::Map(pairs) => {
            encode_len(pairs.len(), &MAP, out);
            for (key, value) in pairs {
                encode_with(key, replace, out);
                encode_with(value, replace, out);
            }
        }
    }
}

/// The bytes that announce something that has a length.
struct Family {
    /// The first byte of short ones and how many of those there are.
    short: (u8, usize),
    /// With a length of 8 bits, if there is such a form.
    eight: Option<u8>,
    sixteen: u8,
    thirty_two: u8,
}

const STR: Family = Family {
    short: (0xa0, 32),
    eight: Some(0xd9),
    sixteen: 0xda,
    thirty_two: 0xdb,
};
const BIN: Family = Family {
    short: (0, 0),
    eight: Some(0xc4),
    sixteen: 0xc5,
    thirty_two: 0xc6,
};
const LIST: Family = Family {
    short: (0x90, 16),
    eight: None,
    sixteen: 0xdc,
    thirty_two: 0xdd,
};
const MAP: Family = Family {
    short: (0x80, 16),
    eight: None,
    sixteen: 0xde,
    thirty_two: 0xdf,
};

fn encode_len(len: usize, family: &Family, out: &mut Vec<u8>) {
    let (first, shorts) = family.short;
    match (u8::try_from(len), u16::try_from(len), family.eight) {
        (Ok(len), ..) if usize::from(len) < shorts => out.put_u8(first + len),
        (Ok(len), _, Some(marker)) => out.put_slice(&[marker, len]),
        (_, Ok(len), _) => {
            out.put_u8(family.sixteen);
            out.put_u16(len);
        }
        _ => {
            out.put_u8(family.thirty_two);
            out.put_u32(u32::try_from(len).unwrap_or(u32::MAX));
        }
    }
}

fn encode_int(value: i64, out: &mut Vec<u8>) {
    if let Ok(value) = u64::try_from(value) {
        encode_uint(value, out);
    } else if value >= -32 {
        out.put_i8(value as i8);
    } else if let Ok(value) = i8::try_from(value) {
        out.put_u8(0xd0);
        out.put_i8(value);
    } else if let Ok(value) = i16::try_from(value) {
        out.put_u8(0xd1);
        out.put_i16(value);
    } else if let Ok(value) = i32::try_from(value) {
        out.put_u8(0xd2);
        out.put_i32(value);
    } else {
        out.put_u8(0xd3);
        out.put_i64(value);
    }
}

fn encode_uint(value: u64, out: &mut Vec<u8>) {
    if let Ok(value) = u8::try_from(value) {
        if value >= 0x80 {
            out.put_u8(0xcc);
        }
        out.put_u8(value);
    } else if let Ok(value) = u16::try_from(value) {
        out.put_u8(0xcd);
        out.put_u16(value);
    } else if let Ok(value) = u32::try_from(value) {
        out.put_u8(0xce);
        out.put_u32(value);
    } else {
        out.put_u8(0xcf);
        out.put_u64(value);
    }
}

/// Takes values off the front of `input`.
struct Decoder {
    input: Bytes,
    /// How many more values there may be.
    left: usize,
}

impl Decoder {
    fn value(&mut self, depth: usize) -> Result<Value, MsgpackError> {
        self.left = self.left.checked_sub(1).ok_or(MsgpackError::TooMany)?;
        let marker = self.u8()?;
        Ok(match marker {
            0x00..=0x7f => Value::Int(marker.into()),
            0x80..=0x8f => self.map(usize::from(marker & 0x0f), depth)?,
            0x90..=0x9f => self.list(usize::from(marker & 0x0f), depth)?,
            0xa0..=0xbf => self.text(usize::from(marker & 0x1f))?,
            0xc0 => Value::Nil,
            0xc2 => Value::Bool(false),
            0xc3 => Value::Bool(true),
            0xc4..=0xc6 => {
                let len = self.length(marker - 0xc4)?;
                Value::Bytes(self.take(len)?)
            }
            0xca => Value::Float(f32::from_be_bytes(self.array()?).into()),
            0xcb => Value::Float(f64::from_be_bytes(self.array()?)),
            0xcc => Value::Int(self.u8()?.into()),
            0xcd => Value::Int(u16::from_be_bytes(self.array()?).into()),
            0xce => Value::Int(u32::from_be_bytes(self.array()?).into()),
            0xcf => u64::from_be_bytes(self.array()?).into(),
            0xd0 => Value::Int(i8::from_be_bytes(self.array()?).into()),
            0xd1 => Value::Int(i16::from_be_bytes(self.array()?).into()),
            0xd2 => Value::Int(i32::from_be_bytes(self.array()?).into()),
            0xd3 => Value::Int(i64::from_be_bytes(self.array()?)),
            0xd9..=0xdb => {
                let len = self.length(marker - 0xd9)?;
                self.text(len)?
            }
            0xdc | 0xdd => {
                let len = self.length(marker - 0xdc + 1)?;
                self.list(len, depth)?
            }
            0xde | 0xdf => {
                let len = self.length(marker - 0xde + 1)?;
                self.map(len, depth)?
            }
            0xe0..=0xff => Value::Int(i64::from(marker) - 256),
            0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8 => return Err(MsgpackError::Unknown(marker)),
        })
    }

    fn list(&mut self, len: usize, depth: usize) -> Result<Value, MsgpackError> {
        let depth = depth.checked_sub(1).ok_or(MsgpackError::TooDeep)?;
        let mut items = Vec::with_capacity(len.min(ROOM));
        for _ in 0..len {
            items.push(self.value(depth)?);
        }
        Ok(Value::List(items))
    }

    fn map(&mut self, len: usize, depth: usize) -> Result<Value, MsgpackError> {
        let depth = depth.checked_sub(1).ok_or(MsgpackError::TooDeep)?;
        let mut pairs = Vec::with_capacity(len.min(ROOM));
        for _ in 0..len {
            pairs.push((self.value(depth)?, self.value(depth)?));
        }
        Ok(Value::Map(pairs))
    }

    fn text(&mut self, len: usize) -> Result<Value, MsgpackError> {
        let bytes = self.take(len)?;
        let text = core::str::from_utf8(&bytes).map_err(|_| MsgpackError::Text)?;
        Ok(text.into())
    }

    /// A length of 8, 16 or 32 bits for a `width` of 0, 1 or 2.
    fn length(&mut self, width: u8) -> Result<usize, MsgpackError> {
        Ok(match width {
            0 => self.u8()?.into(),
            1 => u16::from_be_bytes(self.array()?).into(),
            _ => usize::try_from(u32::from_be_bytes(self.array()?)).unwrap_or(usize::MAX),
        })
    }

    fn take(&mut self, len: usize) -> Result<Bytes, MsgpackError> {
        if len > self.input.len() {
            return Err(MsgpackError::Truncated);
        }
        Ok(self.input.split_to(len))
    }

    fn u8(&mut self) -> Result<u8, MsgpackError> {
        self.array().map(u8::from_be_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], MsgpackError> {
        let array = *self.input.first_chunk().ok_or(MsgpackError::Truncated)?;
        self.input.advance(N);
        Ok(array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        encode(value, &mut out);
        out
    }

    #[test]
    fn every_form_comes_back_and_is_the_smallest() {
        let ints: [(i64, &[u8]); 12] = [
            (0, b"\x00"),
            (127, b"\x7f"),
            (128, b"\xcc\x80"),
            (256, b"\xcd\x01\x00"),
            (65_536, b"\xce\x00\x01\x00\x00"),
            (1 << 32, b"\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
            (-1, b"\xff"),
            (-32, b"\xe0"),
            (-33, b"\xd0\xdf"),
            (-129, b"\xd1\xff\x7f"),
            (-32_769, b"\xd2\xff\xff\x7f\xff"),
            (-2_147_483_649, b"\xd3\xff\xff\xff\xff\x7f\xff\xff\xff"),
        ];
        for (int, bytes) in ints {
            assert_eq!(encoded(&Value::Int(int)), bytes);
        }
        for len in [0, 15, 16, 31, 32, 255, 256, 65_535, 65_536] {
            for value in [
                Value::Str("x".repeat(len)),
                Value::Bytes(vec![1; len].into()),
                Value::List(vec![Value::Nil; len]),
                Value::Map(vec![(Value::Float(1.5), Value::Bool(true)); len]),
            ] {
                assert_eq!(decode(encoded(&value).into()), Ok(value));
            }
        }
        let values = ints.map(|(int, _)| Value::Int(int)).to_vec();
        let values = [values, vec![Value::from(u64::MAX), Value::Int(i64::MIN)]].concat();
        let values = Value::List(values);
        assert_eq!(decode(encoded(&values).into()), Ok(values));
    }

    #[test]
    fn bytes_are_shared_not_copied() {
        let input = Bytes::from(encoded(&Value::Bytes(vec![7; 100].into())));
        let Ok(Value::Bytes(bytes)) = decode(input.clone()) else {
            panic!()
        };
        assert_eq!(bytes.as_ptr(), input[2..].as_ptr());
    }

    #[test]
    fn what_is_not_one_bounded_value_is_refused() {
        let cases: [(&[u8], MsgpackError); 9] = [
            (b"", MsgpackError::Truncated),
            (b"\xdd\xff\xff\xff\xff", MsgpackError::Truncated),
            (b"\xdf\xff\xff\xff\xff", MsgpackError::Truncated),
            (b"\xc6\xff\xff\xff\xff", MsgpackError::Truncated),
            (b"\xdb\xff\xff\xff\xffx", MsgpackError::Truncated),
            (b"\xc0\xc0", MsgpackError::Trailing(1)),
            (b"\xc1", MsgpackError::Unknown(0xc1)),
            (b"\xd4\x01\x01", MsgpackError::Unknown(0xd4)),
            (b"\xa1\xff", MsgpackError::Text),
        ];
        for (bytes, error) in cases {
            assert_eq!(decode(Bytes::from_static(bytes)), Err(error));
        }
    }

    #[test]
    fn depth_and_count_are_bounded() {
        let nested = |depth| Bytes::from([vec![0x91; depth], vec![0xc0]].concat());
        assert!(decode(nested(MAX_DEPTH)).is_ok());
        assert_eq!(decode(nested(MAX_DEPTH + 1)), Err(MsgpackError::TooDeep));
        assert_eq!(decode(nested(1 << 20)), Err(MsgpackError::TooDeep));
        let wide = |len: u32| {
            let items = vec![0xc0; len as usize];
            Bytes::from([&[0xdd][..], &len.to_be_bytes(), &items].concat())
        };
        let most = u32::try_from(MAX_NODES - 1).unwrap();
        assert!(decode(wide(most)).is_ok());
        assert_eq!(decode(wide(most + 1)), Err(MsgpackError::TooMany));
    }
}
