//! Properties of the codec for any message: run by the fuzzer, and by a test over its corpus.

#![allow(unreachable_pub, reason = "public for the fuzzer")]

use core::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::HEADER;
use super::envelope::{self, Envelope};
use super::hello::{self, Applicant, Challenge, ChallengeReply, Denied, Grant};
use crate::encoding;
use crate::message::{Reply, Request};

/// A message, or the body of one: what is read is written again as the same bytes, so
/// that a hash or a signature of a message covers all that was read of it.
pub fn decode(data: &[u8]) {
    if let Ok(envelope) = envelope::parse(data) {
        check(data, envelope);
    }
    check_body::<Request>(data);
    check_body::<Reply>(data);
    check_body::<Challenge>(data);
    check_body::<ChallengeReply>(data);
    check_body::<Applicant>(data);
    check_body::<Grant>(data);
    check_body::<Denied>(data);
    if let Some((first, second)) = hello::take_lp_pair(data) {
        assert_eq!(hello::lp_pair(first, second), data);
    }
}

fn check(message: &[u8], envelope: Envelope) {
    let _ = format!("{envelope:?}");
    let is_of_session = matches!(envelope, Envelope::Sealed { .. } | Envelope::Clear { .. });
    assert_eq!(envelope::is_of_session(message), is_of_session);
    let (written, end) = match envelope {
        Envelope::Versions(versions) => {
            let count = u8::try_from(versions.len()).expect("one byte tells how many");
            ([&[0, count], &versions[..]].concat(), message.len())
        }
        // Nothing of it is known but that it is one.
        Envelope::ForeignChallenge(_) => return,
        Envelope::Challenge(challenge) => (envelope::challenge(&challenge), message.len()),
        Envelope::ChallengeReply { reply, hello } => (hello::challenge_reply(&reply), hello),
        Envelope::Register { register, clear } => {
            assert_eq!(envelope::challenge(&register.challenge), register.hello_c);
            assert_eq!(hello::challenge_reply(&register.reply), register.hello_s);
            (hello::register(&register.hello_c, &register.hello_s), clear)
        }
        Envelope::RegisterReply {
            client_nonce,
            session,
            clear,
        } => (hello::register_reply_header(&client_nonce, session), clear),
        Envelope::Refusal {
            client_nonce,
            seal,
            clear,
        } => (hello::refusal_header(&client_nonce, seal), clear),
        Envelope::InvalidSession(echo) => (envelope::invalid_session(echo).to_vec(), message.len()),
        Envelope::Sealed { session, number } => {
            assert_eq!(envelope::session_of(message), Some(session));
            (envelope::sealed_header(session, number).to_vec(), HEADER)
        }
        Envelope::Clear {
            session,
            request,
            token,
            clear,
        } => {
            assert_eq!(envelope::session_of(message), Some(session));
            let mut header = Vec::new();
            envelope::clear_header(&mut header, session, request, token.as_ref());
            (header, clear)
        }
    };
    assert_eq!(written, message[..end]);
}

fn check_body<T: Serialize + DeserializeOwned + Debug>(data: &[u8]) {
    if let Some((value, rest)) = encoding::decode::<T>(data) {
        let read = &data[..data.len() - rest.len()];
        assert_eq!(encoding::encode(&value, Vec::new()), read, "{value:?}");
    }
}
