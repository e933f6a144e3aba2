//! Pure codecs: bytes to messages and back.

pub(crate) mod native;
#[cfg(feature = "nvflare")]
pub(crate) mod nvflare;
