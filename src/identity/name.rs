//! The name of a peer or of a project.

mod rule;

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smol_str::SmolStr;

/// Longest name in bytes: what one length byte can say, and far more than a person
/// would type.
pub const MAX_NAME_BYTES: usize = 255;

/// A name of a peer or of a project, in which nothing hides.
///
/// # What may be a name
///
/// 1 to [`MAX_NAME_BYTES`] bytes of UTF-8 that consist of
///
/// * printable ASCII, in which a space stands alone and between other characters;
/// * other letters, marks and digits that Unicode recommends for identifiers
///   (Identifier_Type "Recommended" of [UTS #39], section 3.1). That leaves out what cannot
///   be seen, what changes the direction of writing, other spaces, code points that are
///   private or not assigned, symbols, and other forms of characters, such as `ﬁ` and `ａ`.
///
/// The letters are of one script, or Latin ones together with Chinese, Japanese or Korean
/// ones ("Highly Restrictive" in UTS #39, section 5.2). A combining mark stands behind a
/// letter and not behind its like. The whole is in normal form C ([UAX #15]).
///
/// Names are compared byte for byte, without case folding. The tables are those of
/// Unicode 18; what was assigned later is refused.
///
/// # What that promises
///
/// Two different names are never equivalent in the sense of Unicode, canonically or by
/// compatibility, and never differ only in what cannot be seen or in the kind and number
/// of spaces. No Cyrillic, Greek or Armenian letter, such as the Cyrillic `а`, stands
/// among Latin ones.
///
/// It does not promise that no two names look alike. `l`, `I` and `1` do, as do words that
/// are written in one script as a whole, such as Cyrillic `сор` and Latin `cop`. `Site` and
/// `site` are two names. Where a name in Hebrew or Arabic holds digits or punctuation, the
/// order in which it is shown depends on what stands around it. Whoever issues
/// certificates gives out names that people can tell apart.
///
/// Up to 23 bytes stand in the name itself, a longer text is shared by its clones.
///
/// [UTS #39]: https://www.unicode.org/reports/tr39/
/// [UAX #15]: https://www.unicode.org/reports/tr15/
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(SmolStr);

impl Name {
    /// Checks and stores a name.
    ///
    /// # Errors
    ///
    /// The first fault found, as a [`NameError`] of its own kind.
    pub fn new(text: &str) -> Result<Self, NameError> {
        rule::check(text)?;
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

impl core::str::FromStr for Name {
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
    /// The text holds a character that is in no name.
    #[error(
        "the name holds U+{:04X}, {}: use letters, digits and the punctuation of ASCII",
        u32::from(*.found),
        rule::fault_of(*.found)
    )]
    Character {
        /// The first of them.
        found: char,
    },
    /// A space at an end, or more than one in a row.
    #[error(
        "the name begins or ends with a space (U+0020), or has several in a row: leave them out"
    )]
    Space,
    /// The text is not in normal form C, so that another text means the same.
    #[error(
        "the name is not in Unicode's normal form C, as U+{:04X} shows: write it with composed letters",
        u32::from(*.found)
    )]
    NotComposed {
        /// A character that is written otherwise there.
        found: char,
    },
    /// A combining mark that has no letter of its own.
    #[error(
        "the mark U+{:04X} in the name stands behind no letter, or twice behind one: leave it out",
        u32::from(*.found)
    )]
    LoneMark {
        /// The mark.
        found: char,
    },
    /// Letters that are not written together.
    #[error(
        "the name mixes scripts, from U+{:04X} on: use letters of one script, or Latin ones with Chinese, Japanese or Korean ones",
        u32::from(*.found)
    )]
    MixedScripts {
        /// The first character of another script.
        found: char,
    },
}
