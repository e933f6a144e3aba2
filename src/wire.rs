//! Pure codecs: bytes to messages and back.

pub(crate) mod native;
