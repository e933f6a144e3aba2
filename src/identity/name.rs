//! The name of a peer or of a project.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smol_str::SmolStr;

/// Longest name in bytes: what one length byte can say, and far more than a person
/// would type.
pub const MAX_NAME_BYTES: usize = 255;

/// A name of 1 to [`MAX_NAME_BYTES`] bytes of UTF-8 without control characters.
///
/// Names are compared byte for byte: no case folding, no normalisation. Up to 23 bytes
/// stand in the name itself, a longer text is shared by its clones.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(SmolStr);

impl Name {
    /// Checks and stores a name.
    ///
    /// # Errors
    ///
    /// If the text is empty, too long, or holds a control character.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > MAX_NAME_BYTES {
            return Err(NameError::TooLong { found: text.len() });
        }
        // They would let one name pass for another in a log or on a terminal.
        if text.chars().any(char::is_control) {
            return Err(NameError::ControlCharacter);
        }
        Ok(Self(SmolStr::new(text)))
    }

    /// A name that nobody can have.
    pub(crate) fn nobody() -> Self {
        Self(SmolStr::default())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}

/// Why a text is no [`Name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is no text.
    #[error("the name is empty: give one of 1 to {MAX_NAME_BYTES} bytes")]
    Empty,
    /// The text has more than [`MAX_NAME_BYTES`] bytes.
    #[error("the name has {found} bytes: shorten it to {MAX_NAME_BYTES}")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// The text holds a control character, such as a line break.
    #[error("the name holds a control character, such as a line break: remove it")]
    ControlCharacter,
}
