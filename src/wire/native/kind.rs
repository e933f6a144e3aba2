//! The first two bytes of each message: the version of the protocol, and the message's kind.

use alloc::vec;
use alloc::vec::Vec;

/// The protocol's version. Whatever else changes, each message begins with the version and
/// its kind, a Challenge has this kind, and a list of versions its form: so peers of
/// different versions can tell their hosts which of them is to be updated.
// spec: P-129
pub(crate) const VERSION: u8 = 2;
/// The first byte of a list of versions.
pub(super) const VERSIONS: u8 = 0;

pub(super) const CHALLENGE: u8 = 0x01;
pub(super) const CHALLENGE_REPLY: u8 = 0x02;
pub(super) const REGISTER: u8 = 0x03;
pub(super) const REGISTER_REPLY: u8 = 0x04;
pub(super) const REFUSAL: u8 = 0x05;
pub(super) const INVALID_SESSION: u8 = 0x06;
pub(super) const SEALED: u8 = 0x10;
pub(super) const CLEAR: u8 = 0x11;

/// The start of a message of this kind.
pub(super) fn start(kind: u8) -> Vec<u8> {
    vec![VERSION, kind]
}

/// What follows the start of a message, if it is of this kind.
pub(super) fn strip(kind: u8, message: &[u8]) -> Option<&[u8]> {
    message.strip_prefix(&[VERSION, kind])
}
