//! Small maps of text: contexts, headers of tasks and results, facts about a site.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;

use serde::{Deserialize, Serialize};

/// An ordered map of text to text, cheap to clone.
///
/// As a context it rides on Register (at most 16 KiB), Heartbeat, PullTask, SubmitResult
/// and Quit (at most 64 KiB); sizes are those of the encoding, about the sum of all keys
/// and values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(test, derive(Hash))]
pub struct Properties(
    /// Nothing for an empty map.
    #[serde(with = "shared")]
    Option<Arc<BTreeMap<String, String>>>,
);

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
        let map = self.0.get_or_insert_default();
        Arc::make_mut(map).insert(key.into(), value.into());
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.as_ref()?.get(key).map(String::as_str)
    }

    /// All entries in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = self.0.iter().flat_map(|map| map.iter());
        entries.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// An upper bound of the memory that it takes, in bytes, if nobody shares it.
    pub(crate) fn memory(&self) -> usize {
        /// Two texts in a node of the map that is filled as little as one may be.
        const ENTRY: usize = 128;
        self.size() + self.iter().count() * ENTRY
    }

    /// An upper bound of the encoded size in bytes.
    pub(crate) fn size(&self) -> usize {
        /// The longest prefix that a length takes.
        const LENGTH: usize = 5;
        let entries = self.iter();
        let sizes = entries.map(|(key, value)| key.len() + value.len() + 2 * LENGTH);
        sizes.sum::<usize>() + LENGTH
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        let map: BTreeMap<_, _> = entries
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        Self((!map.is_empty()).then(|| Arc::new(map)))
    }
}

/// Serialises the map behind the `Arc`, or that it is empty. Keys must come in strictly
/// growing order, so that a map has one encoding and a repeated key is an error.
mod shared {
    use alloc::collections::BTreeMap;
    use alloc::string::String;
    use alloc::sync::Arc;
    use core::fmt;

    use serde::de::{Error, MapAccess, Visitor};
    use serde::{Deserializer, Serialize, Serializer};

    type Map = BTreeMap<String, String>;

    pub(super) fn serialize<S: Serializer>(
        map: &Option<Arc<Map>>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        map.as_deref().unwrap_or(&Map::new()).serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<Arc<Map>>, D::Error> {
        let map = input.deserialize_map(Ordered)?;
        Ok((!map.is_empty()).then(|| Arc::new(map)))
    }

    struct Ordered;

    impl<'de> Visitor<'de> for Ordered {
        type Value = Map;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of text to text with its keys in order")
        }

        // spec: P-14
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
    fn each_entry_is_counted_with_the_room_that_it_takes() {
        let map = Properties::new().with("key", "value").with("k", "v");
        assert_eq!(map.memory(), map.size() + 2 * 128);
    }

    #[test]
    fn what_is_no_map_is_told_what_was_expected() {
        use serde::de::value::{Error, U32Deserializer};

        let number = U32Deserializer::<Error>::new(7);
        let error = Properties::deserialize(number).unwrap_err().to_string();
        assert!(error.ends_with("expected a map of text to text with its keys in order"));
    }

    // spec: P-14
    #[test]
    fn a_map_has_one_encoding() {
        let map = Properties::new().with("b", "2").with("a", "1");
        let bytes = postcard::to_allocvec(&map).unwrap();
        assert_eq!(bytes, b"\x02\x01a\x011\x01b\x012");
        assert_eq!(postcard::from_bytes::<Properties>(&bytes).unwrap(), map);
        assert!(bytes.len() <= map.size());
        let none = [(); 0].map(|()| ("", ""));
        for empty in [Properties::new(), none.into_iter().collect()] {
            assert_eq!(postcard::to_allocvec(&empty).unwrap(), b"\0");
            assert_eq!(postcard::from_bytes::<Properties>(b"\0").unwrap(), empty);
            assert!(empty.is_empty());
        }
        for bad in [
            &b"\x02\x01b\x011\x01a\x012"[..],
            b"\x02\x01a\x011\x01a\x012",
        ] {
            assert!(postcard::from_bytes::<Properties>(bad).is_err());
        }
    }
}
