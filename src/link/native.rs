//! The native protocol: handshakes, keys and sessions of fedlink's own peers.

pub(crate) mod attempts;
pub(crate) mod budget;
pub(crate) mod client;
pub(crate) mod cookie;
pub(crate) mod permutation;
pub(crate) mod room;
pub(crate) mod seal;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod transcript;
#[cfg(test)]
mod vectors;
