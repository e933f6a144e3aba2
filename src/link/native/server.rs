//! The server's end: strangers at the door, and the sessions of those who came in.

mod door;
mod sessions;

pub(crate) use door::{Admission, Door, Entered, Knock, Opened, Opening};
#[cfg(test)]
pub(crate) use sessions::looks;
pub(crate) use sessions::{Beginning, Handle, Process, Sessions, Standing};
