//! The messages of the native protocol as bytes: version, kind and body, with the payload
//! behind them.

mod envelope;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod hello;
mod kind;
#[cfg(test)]
mod vectors;

pub(crate) use crate::encoding::{decode, decode_all, encode};
pub(crate) use envelope::{
    Envelope, HEADER, InvalidSession, NoEnvelope, TAG, challenge, clear_header, invalid_session,
    is_of_session, is_register, kind_outside_sessions, parse, sealed_header, session_of, versions,
};
pub use envelope::{MAX_MESSAGE, MAX_STRANGER};
pub(crate) use frame::Frames;
pub use frame::{FrameError, frame_header};
pub(crate) use hello::{
    Applicant, BindingKind, Challenge, ChallengeReply, Cookie, Denial, Denied, Grant, RefusalSeal,
    Register, challenge_reply, lp, lp_pair, refusal, refusal_header, register,
    register_reply_header, take_lp_pair,
};
pub(crate) use kind::VERSION;
