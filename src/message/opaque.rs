//! Bytes that are never shown in traces or errors.

use core::fmt;
use core::ops::Deref;

use bytes::Bytes;

/// Bytes of which `Debug` shows only how many there are.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub struct Opaque(Bytes);

impl Opaque {
    /// The bytes themselves.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl From<Bytes> for Opaque {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl Deref for Opaque {
    type Target = Bytes;

    fn deref(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_come_out_as_they_went_in_and_are_not_shown() {
        let opaque = Opaque::from(Bytes::from("secret"));
        assert_eq!(format!("{opaque:?}"), "6 bytes");
        assert_eq!(opaque.into_bytes(), "secret");
    }
}
