//! One peer of one binding: handshake, protection, correlation.

pub(crate) mod client;
pub(crate) mod native;
#[cfg(feature = "nvflare")]
pub(crate) mod nvflare;
