//! Small maps of text: contexts, headers of tasks and results, facts about a site.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// An ordered map of text to text, cheap to clone.
///
/// As a context it rides on Register (at most 16 KiB), Heartbeat, PullTask, SubmitResult
/// and Quit (at most 64 KiB); sizes are those of the encoding, about the sum of all keys
/// and values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(test, derive(Hash))]
pub struct Properties(#[serde(with = "shared")] Arc<BTreeMap<String, String>>);

impl Properties {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one entry and returns the map, for building.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.insert(key, value);
        self
    }

    /// Sets one entry.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        Arc::make_mut(&mut self.0).insert(key.into(), value.into());
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// All entries in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// An upper bound of the memory that it takes, in bytes, if nobody shares it.
    pub(crate) fn memory(&self) -> usize {
        /// Two texts in a node of the map that is filled as little as one may be.
        const ENTRY: usize = 128;
        self.size() + self.0.len() * ENTRY
    }

    /// An upper bound of the encoded size in bytes.
    pub(crate) fn size(&self) -> usize {
        /// The longest prefix that a length takes.
        const LENGTH: usize = 5;
        self.0
            .iter()
            .map(|(key, value)| key.len() + value.len() + 2 * LENGTH)
            .sum::<usize>()
            + LENGTH
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self(Arc::new(
            entries
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        ))
    }
}

/// Serialises the map behind the `Arc`. Keys must come in strictly growing order, so that
/// a map has one encoding and a repeated key is an error.
mod shared {
    use std::collections::BTreeMap;
    use std::fmt;
    use std::sync::Arc;

    use serde::de::{Error, MapAccess, Visitor};
    use serde::{Deserializer, Serialize, Serializer};

    type Map = BTreeMap<String, String>;

    pub(super) fn serialize<S: Serializer>(map: &Arc<Map>, out: S) -> Result<S::Ok, S::Error> {
        map.as_ref().serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Arc<Map>, D::Error> {
        input.deserialize_map(Ordered).map(Arc::new)
    }

    struct Ordered;

    impl<'de> Visitor<'de> for Ordered {
        type Value = Map;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of text to text with its keys in order")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Map, A::Error> {
            let mut map = Map::new();
            while let Some((key, value)) = entries.next_entry::<String, String>()? {
                if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
                    return Err(A::Error::custom("keys out of order"));
                }
                map.insert(key, value);
            }
            Ok(map)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_has_one_encoding() {
        let map = Properties::new().with("b", "2").with("a", "1");
        let bytes = postcard::to_allocvec(&map).unwrap();
        assert_eq!(bytes, b"\x02\x01a\x011\x01b\x012");
        assert_eq!(postcard::from_bytes::<Properties>(&bytes).unwrap(), map);
        assert!(bytes.len() <= map.size());
        for bad in [
            &b"\x02\x01b\x011\x01a\x012"[..],
            b"\x02\x01a\x011\x01a\x012",
        ] {
            assert!(postcard::from_bytes::<Properties>(bad).is_err());
        }
    }
}
