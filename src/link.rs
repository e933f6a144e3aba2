//! One peer of one binding: handshake, protection, correlation.

pub(crate) mod native;
