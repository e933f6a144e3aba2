//! Pure codecs: bytes to messages and back.

pub(crate) mod native;
#[cfg(feature = "nvflare")]
#[allow(dead_code, reason = "the link that speaks it follows")]
pub(crate) mod nvflare;
