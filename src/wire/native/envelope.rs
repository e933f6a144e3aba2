//! The clear part of each message: which message it is and which session it names, before any
//! key is used.

use alloc::vec::Vec;

use bytes::{BufMut, BytesMut};

use super::hello::{self, Challenge, ChallengeReply, RefusalSeal, Register};
use super::kind::{
    self, CHALLENGE, CHALLENGE_REPLY, CLEAR, INVALID_SESSION, REFUSAL, REGISTER, REGISTER_REPLY,
    SEALED, VERSION, VERSIONS,
};
use crate::message::{MessageKind, RequestId, SessionId};

/// Longest message: a chunk or an inline payload with room to spare.
pub const MAX_MESSAGE: usize = 2 << 20;
/// Longest message before registration: two chains, a context and site information.
pub const MAX_STRANGER: usize = 32 << 10;
/// Length of a Poly1305 tag.
pub(crate) const TAG: usize = 16;
/// Length of the clear part of a sealed message: version, kind, session, number.
pub(crate) const HEADER: usize = 26;

/// A message taken apart as far as that needs no key. Offsets lead into the message.
#[derive(Debug)]
pub(crate) enum Envelope {
    /// The peer does not speak our version, but these.
    Versions(Vec<u8>),
    /// A Challenge of this version, which we do not speak.
    ForeignChallenge(u8),
    Challenge(Challenge),
    /// `hello` is the length of `hello_s`; the server's chain and proof follow.
    ChallengeReply {
        reply: ChallengeReply,
        hello: usize,
    },
    /// Identity and proof start at `clear`.
    Register {
        register: Register,
        clear: usize,
    },
    /// The grant starts at `clear`.
    RegisterReply {
        client_nonce: [u8; 16],
        session: SessionId,
        clear: usize,
    },
    Refusal {
        client_nonce: [u8; 16],
        seal: RefusalSeal,
        clear: usize,
    },
    InvalidSession(InvalidSession),
    Sealed {
        session: SessionId,
        number: u64,
    },
    /// The body starts at `clear`.
    Clear {
        session: SessionId,
        request: RequestId,
        token: Option<[u8; 16]>,
        clear: usize,
    },
}

/// Why a message is no envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoEnvelope {
    Malformed,
    Version,
}

/// What a server without the session echoes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidSession {
    pub(crate) session: SessionId,
    pub(crate) number: u64,
    /// The request's last 16 bytes; zeros for a clear message.
    pub(crate) tag: [u8; TAG],
}

/// Whether the message says that it belongs to a session, if one of another version, so
/// that it may be long.
pub(crate) fn is_of_session(message: &[u8]) -> bool {
    matches!(message, [version, SEALED | CLEAR, ..] if *version != VERSIONS)
}

/// Whether the message says that it is a Register.
pub(crate) fn is_register(message: &[u8]) -> bool {
    matches!(message, [VERSION, REGISTER, ..])
}

/// What a message is, if it is none of a session.
pub(crate) fn kind_outside_sessions(message: &[u8]) -> MessageKind {
    match message {
        [VERSION, REGISTER, ..] => MessageKind::Register,
        [VERSION, CHALLENGE_REPLY, ..] => MessageKind::ChallengeReply,
        [VERSION, REGISTER_REPLY, ..] => MessageKind::RegisterReply,
        [VERSION, REFUSAL, ..] => MessageKind::Refusal,
        [VERSION, INVALID_SESSION, ..] => MessageKind::InvalidSession,
        [VERSIONS, ..] => MessageKind::Versions,
        [_, CHALLENGE, ..] => MessageKind::Challenge,
        _ => MessageKind::Other,
    }
}

// spec: P-15
pub(crate) fn parse(message: &[u8]) -> Result<Envelope, NoEnvelope> {
    let (version, rest) = message.split_first().ok_or(NoEnvelope::Malformed)?;
    let (kind, body) = rest.split_first().ok_or(NoEnvelope::Malformed)?;
    match *version {
        VERSION => parse_kind(message, *kind, body).ok_or(NoEnvelope::Malformed),
        VERSIONS if usize::from(*kind) == body.len() => Ok(Envelope::Versions(body.to_vec())),
        VERSIONS => Err(NoEnvelope::Malformed),
        other if *kind == CHALLENGE => Ok(Envelope::ForeignChallenge(other)),
        _ => Err(NoEnvelope::Version),
    }
}

/// The session that a message names which begins so; none if it is of no session, or too
/// little of it is there to tell.
pub(crate) fn session_of(start: &[u8]) -> Option<SessionId> {
    let (&[version, kind], rest) = start.split_first_chunk()?;
    let named = version == VERSION && matches!(kind, SEALED | CLEAR);
    let id = rest.first_chunk().filter(|_| named)?;
    Some(SessionId::from_bytes(*id))
}

// spec: P-18
fn parse_kind(message: &[u8], kind: u8, body: &[u8]) -> Option<Envelope> {
    let rest_at = |rest: &[u8]| message.len() - rest.len();
    Some(match kind {
        CHALLENGE => Envelope::Challenge(super::decode_all(body)?),
        CHALLENGE_REPLY => {
            let (reply, rest) = super::decode(body)?;
            Envelope::ChallengeReply {
                reply,
                hello: rest_at(rest),
            }
        }
        REGISTER => {
            let (hello_c, rest) = hello::take_lp(body)?;
            let (hello_s, rest) = hello::take_lp(rest)?;
            Envelope::Register {
                register: Register::parse(hello_c, hello_s)?,
                clear: rest_at(rest),
            }
        }
        REGISTER_REPLY => {
            let (client_nonce, rest) = body.split_first_chunk()?;
            let (session, rest) = rest.split_first_chunk()?;
            Envelope::RegisterReply {
                client_nonce: *client_nonce,
                session: SessionId::from_bytes(*session),
                clear: rest_at(rest),
            }
        }
        REFUSAL => {
            let (client_nonce, rest) = body.split_first_chunk()?;
            let (seal, rest) = RefusalSeal::parse(rest)?;
            Envelope::Refusal {
                client_nonce: *client_nonce,
                seal,
                clear: rest_at(rest),
            }
        }
        INVALID_SESSION => {
            let (session, rest) = body.split_first_chunk()?;
            let (number, rest) = rest.split_first_chunk()?;
            Envelope::InvalidSession(InvalidSession {
                session: SessionId::from_bytes(*session),
                number: u64::from_be_bytes(*number),
                tag: rest.try_into().ok()?,
            })
        }
        SEALED => {
            let (session, rest) = body.split_first_chunk()?;
            let (number, rest) = rest.split_first_chunk()?;
            // The shortest plaintext is a request id and the number of a variant.
            if rest.len() < TAG + 9 {
                return None;
            }
            Envelope::Sealed {
                session: SessionId::from_bytes(*session),
                number: u64::from_be_bytes(*number),
            }
        }
        CLEAR => {
            let (session, rest) = body.split_first_chunk()?;
            let (request, rest) = rest.split_first_chunk()?;
            let (token, rest) = hello::take_lp(rest)?;
            Envelope::Clear {
                session: SessionId::from_bytes(*session),
                request: RequestId(u64::from_be_bytes(*request)),
                token: match token {
                    [] => None,
                    token => Some(token.try_into().ok()?),
                },
                clear: rest_at(rest),
            }
        }
        _ => return None,
    })
}

/// Tells a peer of another version which ones are spoken here.
pub(crate) fn versions() -> BytesMut {
    BytesMut::from(&[VERSIONS, 1, VERSION][..])
}

pub(crate) fn challenge(challenge: &Challenge) -> Vec<u8> {
    super::encode(challenge, kind::start(CHALLENGE))
}

pub(crate) fn invalid_session(echo: InvalidSession) -> BytesMut {
    let mut out = BytesMut::with_capacity(HEADER + TAG);
    out.put_slice(&[VERSION, INVALID_SESSION]);
    out.put_slice(echo.session.as_bytes());
    out.put_u64(echo.number);
    out.put_slice(&echo.tag);
    out
}

/// The clear part of a sealed message.
pub(crate) fn sealed_header(session: SessionId, number: u64) -> [u8; HEADER] {
    header(SEALED, session, number)
}

/// The start of a clear session message, up to its body.
pub(crate) fn clear_header(
    out: &mut impl BufMut,
    session: SessionId,
    request: RequestId,
    token: Option<&[u8; 16]>,
) {
    out.put_slice(&header(CLEAR, session, request.0));
    hello::lp(out, token.map_or(&[], <[u8; 16]>::as_slice));
}

fn header(kind: u8, session: SessionId, number: u64) -> [u8; HEADER] {
    let mut out = [0; HEADER];
    out[0] = VERSION;
    out[1] = kind;
    out[2..18].copy_from_slice(session.as_bytes());
    out[18..].copy_from_slice(&number.to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_of_a_message_is_known_from_its_first_bytes() {
        let id = SessionId::from_bytes([7; 16]);
        for kind in [SEALED, CLEAR] {
            let header = header(kind, id, 1);
            assert_eq!(session_of(&header[..18]), Some(id));
            assert_eq!(session_of(&header[..17]), None);
        }
        for other in [[VERSION, REGISTER], [VERSION + 1, SEALED]] {
            let mut header = sealed_header(id, 1);
            header[..2].copy_from_slice(&other);
            assert_eq!(session_of(&header), None, "{other:?}");
        }
    }

    #[test]
    fn a_register_is_known_from_its_first_bytes() {
        assert!(is_register(&[VERSION, REGISTER, 0]));
        assert!(!is_register(&[VERSION, SEALED, 0]));
        assert!(!is_register(&[VERSION + 1, REGISTER]));
        assert!(!is_register(&[VERSION]));
    }

    /// A message of an older peer is counted for what it is, however long it is.
    #[test]
    fn messages_of_other_versions_are_told_from_nonsense() {
        for other in [1, VERSION + 1, u8::MAX] {
            let mut message = sealed_header(SessionId::from_bytes([7; 16]), 1);
            message[0] = other;
            assert!(is_of_session(&message), "{other}");
            assert_eq!(session_of(&message), None, "{other}");
            assert_eq!(parse(&message).err(), Some(NoEnvelope::Version), "{other}");
            let challenge = parse(&[other, CHALLENGE]);
            assert!(matches!(challenge, Ok(Envelope::ForeignChallenge(it)) if it == other));
        }
        assert!(!is_of_session(&[VERSIONS, SEALED]));
    }

    // spec: P-18
    #[test]
    fn a_sealed_message_has_room_for_the_shortest_request() {
        let mut message = sealed_header(SessionId::from_bytes([7; 16]), 1).to_vec();
        message.resize(HEADER + 8 + 1 + TAG, 0);
        assert!(matches!(parse(&message), Ok(Envelope::Sealed { .. })));
        while message.len() > HEADER {
            message.pop();
            assert_eq!(parse(&message).err(), Some(NoEnvelope::Malformed));
        }
    }

    #[test]
    fn a_list_of_versions_is_as_long_as_it_says_and_never_a_challenge() {
        assert!(matches!(parse(&[0, 1, 9]), Ok(Envelope::Versions(it)) if it == [9]));
        for wrong in [&[0, 1][..], &[0, 1, 9, 9], &[0, 2, 9]] {
            assert_eq!(parse(wrong).err(), Some(NoEnvelope::Malformed));
        }
    }
}
