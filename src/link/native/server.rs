//! The server's end: strangers at the door, and the sessions of those who came in.

mod door;
mod sessions;

pub(crate) use door::{Admission, Door, Entered, Knock, Opening};
pub(crate) use sessions::{Beginning, Process, Sessions, Standing};
