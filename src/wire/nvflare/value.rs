//! Values as Python has them: what FOBS payloads and the headers of cells carry.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

/// The longest text that `Debug` shows, in bytes.
const SHOWN_TEXT: usize = 128;

/// A value as Python knows it. Maps keep their order and may have keys of any type.
///
/// What is neither of these, such as a tuple, an enum or an array, is a *typed map*: its
/// Python type is a name beside its data, and no code of it is ever run. A typed map that
/// nobody here knows passes through unchanged.
///
/// `Debug` hides whatever stands under a name such as `__token__`, and shows only the
/// length of bytes and of long text.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// None.
    Nil,
    /// A truth value.
    Bool(bool),
    /// An integer that fits into 64 bits with a sign.
    Int(i64),
    /// An integer above [`i64::MAX`].
    UInt(u64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Str(String),
    /// Bytes, shared when cloned.
    Bytes(Bytes),
    /// A list.
    List(Vec<Self>),
    /// A dict in its own order. If a key repeats, the last one counts.
    Map(Vec<(Self, Self)>),
}

impl Value {
    /// A map from pairs.
    #[must_use]
    pub fn map<K: Into<Self>, const N: usize>(pairs: [(K, Self); N]) -> Self {
        Self::Map(
            pairs
                .into_iter()
                .map(|(key, value)| (key.into(), value))
                .collect(),
        )
    }

    /// What a map has under the text `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?
            .iter()
            .rev()
            .find_map(|(k, value)| (k.as_str() == Some(key)).then_some(value))
    }

    /// The truth value, if it is one.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, if it is one and fits.
    #[must_use]
    pub const fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, if it is one and not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Int(value) => u64::try_from(*value).ok(),
            Self::UInt(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, whether it has a fraction or not.
    #[must_use]
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            Self::Int(value) => Some(*value as f64),
            Self::UInt(value) => Some(*value as f64),
            _ => None,
        }
    }

    /// The text, if it is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The bytes, if it is bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The items, if it is a list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The pairs, if it is a map.
    #[must_use]
    pub fn as_map(&self) -> Option<&[(Self, Self)]> {
        match self {
            Self::Map(pairs) => Some(pairs),
            _ => None,
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Self::UInt(value), Self::Int)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text)
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<Self>> for Value {
    fn from(items: Vec<Self>) -> Self {
        Self::List(items)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::UInt(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Str(text) if text.len() > SHOWN_TEXT => write!(f, "{} bytes of text", text.len()),
            Self::Str(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Map(pairs) => f
                .debug_map()
                .entries(
                    pairs
                        .iter()
                        .map(|(key, value)| (key, shown(key.as_str(), value))),
                )
                .finish(),
        }
    }
}

/// A value for `Debug`, unless its name says that it is a secret.
pub(crate) fn shown<'a>(name: Option<&str>, value: &'a Value) -> &'a dyn fmt::Debug {
    /// Parts of names under which secrets and bearer credentials stand.
    const SECRET: [&str; 4] = ["token", "signature", "nonce", "password"];
    if name.is_some_and(|name| SECRET.iter().any(|part| name.contains(part))) {
        &Hidden
    } else {
        value
    }
}

struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_secrets_nor_bulk() {
        let value = Value::map([
            ("__token__", Value::from("abc")),
            ("x", Value::map([("token_signature", Value::Int(7))])),
            ("long", Value::from("y".repeat(1000))),
            ("blob", Value::from(Bytes::from_static(b"zzz"))),
        ]);
        assert_eq!(
            format!("{value:?}"),
            r#"{"__token__": (hidden), "x": {"token_signature": (hidden)}, "long": 1000 bytes of text, "blob": 3 bytes}"#
        );
    }

    #[test]
    fn integers_beyond_the_signed_ones_are_integers() {
        for value in [0, i64::MAX as u64, u64::MAX] {
            assert_eq!(Value::from(value).as_u64(), Some(value));
        }
        assert_eq!(Value::Int(-1).as_u64(), None);
    }

    #[test]
    fn the_last_of_equal_keys_counts_as_in_python() {
        let value = Value::map([("a", Value::Int(1)), ("a", Value::Int(2))]);
        assert_eq!(value.get("a"), Some(&Value::Int(2)));
        assert_eq!(value.get("b"), None);
    }
}
