//! Codecs: bytes to messages and back, without settings or state.

pub(crate) mod native;
#[cfg(feature = "nvflare")]
pub(crate) mod nvflare;
