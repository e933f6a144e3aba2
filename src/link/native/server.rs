//! The server's end of the native protocol: handshakes with strangers, and the sessions of
//! registered clients.

mod handshakes;
mod sessions;

pub(crate) use handshakes::{
    CheckedRegister, HandshakeContext, HandshakeOutcome, Handshakes, OpenedRegister, Registrant,
};
#[cfg(test)]
pub(crate) use sessions::looks;
pub(crate) use sessions::{Beginning, Handle, Process, Sessions, Standing};
