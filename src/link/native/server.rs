//! The server's end: handshakes with strangers, and the sessions of those who have registered.

mod handshakes;
mod sessions;

pub(crate) use handshakes::{
    CheckedRegister, HandshakeContext, HandshakeOutcome, Handshakes, OpenedRegister, Registrant,
};
#[cfg(test)]
pub(crate) use sessions::looks;
pub(crate) use sessions::{Beginning, Handle, Process, Sessions, Standing};
