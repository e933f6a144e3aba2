//! The bodies of the handshake.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::BufMut;
use serde::{Deserialize, Serialize};

use super::kind::{self, CHALLENGE, CHALLENGE_REPLY, REFUSAL, REGISTER, REGISTER_REPLY};
use crate::identity::Name;
use crate::message::{InstanceId, Properties, RejectReason, SessionId, Ssid, Token};
use crate::suite::Suite;

/// The kind of channel binding that a client takes part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BindingKind {
    None,
    /// The exporter value of RFC 9266.
    TlsExporter,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Challenge {
    pub(crate) suites: Vec<Suite>,
    /// The project's name, hashed with the nonce: the same project looks different each
    /// time, and who does not guess its name learns nothing of it.
    pub(crate) project: [u8; 32],
    pub(crate) binding: BindingKind,
    pub(crate) client_nonce: [u8; 16],
    /// An X25519 public key, in the sealed suite.
    pub(crate) client_share: Option<[u8; 32]>,
    /// Makes a datagram so long that its answer is no amplification.
    pub(crate) padding: Vec<u8>,
}

/// The clear part of a ChallengeReply. The cookie is last, so that what it covers is what
/// stands before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChallengeReply {
    pub(crate) suite: Suite,
    pub(crate) client_nonce: [u8; 16],
    pub(crate) server_nonce: [u8; 16],
    pub(crate) server_share: Option<[u8; 32]>,
    pub(crate) cookie: Cookie,
}

/// All that the server keeps of a challenge, kept by the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cookie {
    /// Noise to all but the server.
    pub(crate) stamp: [u8; 16],
    pub(crate) code: [u8; 32],
}

impl Cookie {
    pub(crate) const LEN: usize = 48;

    /// One that is to be filled in, or is worth nothing.
    pub(crate) const EMPTY: Self = Self {
        stamp: [0; 16],
        code: [0; 32],
    };
}

/// The clear part of a Register.
#[derive(Clone, Debug)]
pub(crate) struct Register {
    pub(crate) hello_c: Vec<u8>,
    pub(crate) hello_s: Vec<u8>,
    pub(crate) challenge: Challenge,
    pub(crate) reply: ChallengeReply,
}

impl Register {
    pub(super) fn parse(hello_c: &[u8], hello_s: &[u8]) -> Option<Self> {
        let challenge = super::decode_all(kind::strip(CHALLENGE, hello_c)?)?;
        let reply = super::decode_all(kind::strip(CHALLENGE_REPLY, hello_s)?)?;
        Some(Self {
            hello_c: hello_c.to_vec(),
            hello_s: hello_s.to_vec(),
            challenge,
            reply,
        })
    }
}

/// What a client says of itself, once it knows whom it tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Applicant {
    pub(crate) name: Name,
    pub(crate) instance: InstanceId,
    pub(crate) chain: Vec<u8>,
    pub(crate) want_token: bool,
    pub(crate) address: String,
    pub(crate) site_info: Properties,
    pub(crate) context: Properties,
}

/// What a registration yields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) token: Option<Token>,
    pub(crate) token_signature: Vec<u8>,
    pub(crate) ssid: Ssid,
    /// Unix seconds; the server's best guess if it was given no wall clock.
    pub(crate) issued: u64,
    pub(crate) expires: u64,
    /// Milliseconds between heartbeats.
    pub(crate) interval: u64,
}

/// Why there is no registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Denial {
    /// For good.
    Rejected(RejectReason),
    /// Not now: not ready, full, or overloaded.
    Busy,
    /// No suite in common.
    NoCommonSuite,
    /// On datagrams: the message has to have this many bytes, since the answer is long.
    TooShort(u32),
}

/// How long a client waits at least whose clock and the server's differ: somebody has to
/// correct one of them, which takes minutes.
const CLOCK_WAIT_MILLIS: u64 = 30_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Denied {
    pub(crate) denial: Denial,
    pub(crate) message: String,
    /// Milliseconds.
    pub(crate) retry_after: Option<u64>,
}

impl Denied {
    /// A denial that leaves it to the client when to try again.
    pub(crate) fn new(denial: Denial, message: impl Into<String>) -> Self {
        Self {
            denial,
            message: message.into(),
            retry_after: None,
        }
    }

    /// The server is busy for this long.
    pub(crate) fn until(wait: Duration, message: impl Into<String>) -> Self {
        let millis = wait.as_micros().div_ceil(1000);
        Self {
            retry_after: Some(u64::try_from(millis).unwrap_or(u64::MAX)),
            ..Self::new(Denial::Busy, message)
        }
    }

    /// For good, by this rule.
    pub(crate) fn rejected(reason: RejectReason, message: impl Into<String>) -> Self {
        Self::new(Denial::Rejected(reason), message)
    }

    /// By this server's clock, a certificate of the client counts no more, or not yet. The
    /// client compares its own clock: if the two differ, it comes again.
    pub(crate) fn out_of_dates(message: impl Into<String>) -> Self {
        Self {
            retry_after: Some(CLOCK_WAIT_MILLIS),
            ..Self::rejected(RejectReason::Unauthenticated, message)
        }
    }

    /// Whether it is certificates that do not count at this time, rather than for good.
    pub(crate) fn is_of_dates(&self) -> bool {
        self.rejection() == Some(RejectReason::Unauthenticated) && self.retry_after.is_some()
    }

    /// Whether the client is refused for good, and by which rule.
    pub(crate) fn rejection(&self) -> Option<RejectReason> {
        match self.denial {
            Denial::Rejected(reason) => Some(reason),
            Denial::Busy | Denial::NoCommonSuite | Denial::TooShort(_) => None,
        }
    }
}

/// Whether a refusal is sealed, and under which key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefusalSeal {
    Clear,
    Sealed { refusal_id: [u8; 16] },
}

impl RefusalSeal {
    pub(super) fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        match bytes.split_first()? {
            (0, rest) => Some((Self::Clear, rest)),
            (1, rest) => {
                let (refusal_id, rest) = rest.split_first_chunk()?;
                Some((
                    Self::Sealed {
                        refusal_id: *refusal_id,
                    },
                    rest,
                ))
            }
            _ => None,
        }
    }
}

/// Appends the length of `item` and `item`.
pub(crate) fn lp(out: &mut impl BufMut, item: &[u8]) {
    out.put_u32(u32::try_from(item.len()).unwrap_or(u32::MAX));
    out.put_slice(item);
}

/// Takes an item behind its length from the front of `bytes`.
pub(crate) fn take_lp(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)
}

/// Two items, each behind its length.
pub(crate) fn lp_pair(first: &[u8], second: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(first.len() + second.len() + 8);
    lp(&mut out, first);
    lp(&mut out, second);
    out
}

/// The two items of [`lp_pair`], if there is nothing else.
pub(crate) fn take_lp_pair(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = take_lp(bytes)?;
    let (second, rest) = take_lp(rest)?;
    rest.is_empty().then_some((first, second))
}

/// `hello_s`: the start of a ChallengeReply up to the end of its cookie.
pub(crate) fn challenge_reply(reply: &ChallengeReply) -> Vec<u8> {
    super::encode(reply, kind::start(CHALLENGE_REPLY))
}

/// The clear part of a Register.
pub(crate) fn register(hello_c: &[u8], hello_s: &[u8]) -> Vec<u8> {
    let mut out = kind::start(REGISTER);
    out.extend_from_slice(&lp_pair(hello_c, hello_s));
    out
}

/// The clear part of a RegisterReply.
pub(crate) fn register_reply_header(client_nonce: &[u8; 16], session: SessionId) -> Vec<u8> {
    let mut out = kind::start(REGISTER_REPLY);
    out.extend_from_slice(client_nonce);
    out.extend_from_slice(session.as_bytes());
    out
}

/// The clear part of a refusal.
pub(crate) fn refusal_header(client_nonce: &[u8; 16], seal: RefusalSeal) -> Vec<u8> {
    let mut out = kind::start(REFUSAL);
    out.extend_from_slice(client_nonce);
    match seal {
        RefusalSeal::Clear => out.push(0),
        RefusalSeal::Sealed { refusal_id } => {
            out.push(1);
            out.extend_from_slice(&refusal_id);
        }
    }
    out
}

/// A whole refusal that nothing protects.
pub(crate) fn refusal(client_nonce: &[u8; 16], denied: &Denied) -> Vec<u8> {
    super::encode(denied, refusal_header(client_nonce, RefusalSeal::Clear))
}
