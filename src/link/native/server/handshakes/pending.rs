//! Answers of a handshake that wait for a signature from a key that is not in this process.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::{HandshakeOutcome, Registrant};
use crate::Instant;
use crate::digest::Hash;
use crate::identity::Name;
use crate::link::native::seal;
use crate::link::native::session::{End, Protection, Seal, Session};
use crate::link::native::transcript::Keys;
use crate::message::{PeerId, SessionId};
use crate::suite::Suite;
use crate::wire::native::{self, ChallengeReply, Grant, TAG, lp_pair};

/// Bytes of an Ed25519 signature.
const SIGNATURE_LENGTH: usize = 64;

#[cfg_attr(test, derive(Clone))]
pub(super) enum Pending {
    Challenge(Box<PendingChallenge>),
    Register(Box<PendingRegister>),
}

#[cfg_attr(test, derive(Clone))]
pub(super) struct PendingChallenge {
    pub(super) peer: PeerId,
    /// Bytes of the message that asks for it.
    pub(super) asked: usize,
    pub(super) hello_s: Vec<u8>,
    pub(super) keys: Option<Keys>,
    pub(super) chain: Vec<u8>,
    pub(super) until: Instant,
}

#[cfg_attr(test, derive(Clone))]
pub(super) struct PendingRegister {
    pub(super) peer: PeerId,
    /// Bytes of the message that asks for it.
    pub(super) asked: usize,
    /// The number of its cookie.
    pub(super) number: u64,
    pub(super) client_nonce: [u8; 16],
    pub(super) entered: Registrant,
    pub(super) keys: Option<Keys>,
    pub(super) th3: Hash,
    pub(super) grant: Grant,
    pub(super) until: Instant,
}

impl Pending {
    pub(super) fn until(&self) -> Instant {
        match self {
            Self::Challenge(it) => it.until,
            Self::Register(it) => it.until,
        }
    }

    /// Who has proved itself.
    pub(super) fn client(&self) -> Option<&Name> {
        match self {
            Self::Challenge(_) => None,
            Self::Register(it) => Some(&it.entered.client),
        }
    }

    pub(super) fn peer(&self) -> PeerId {
        match self {
            Self::Challenge(it) => it.peer,
            Self::Register(it) => it.peer,
        }
    }
}

/// How long the whole answer to a challenge is.
pub(super) fn len_of_reply(reply: &ChallengeReply, chain: &[u8]) -> usize {
    let (proof, tag) = match reply.suite {
        Suite::Plain => (0, 0),
        Suite::Bearer => (SIGNATURE_LENGTH, 0),
        Suite::Sealed => (SIGNATURE_LENGTH, TAG),
    };
    // Both behind their lengths.
    let protected = 4 + chain.len() + 4 + proof;
    native::challenge_reply(reply).len() + protected + tag
}

impl PendingChallenge {
    pub(super) fn finish(self, proof: &[u8]) -> Bytes {
        let key = self.keys.as_ref().map(Keys::server_hello);
        let protected = lp_pair(&self.chain, proof);
        seal::cover(key.as_ref(), self.hello_s, &protected).into()
    }
}

impl PendingRegister {
    /// An id names a place in the table of sessions, so it is drawn when that is taken at
    /// once, not when the signature is asked for.
    pub(super) fn finish(mut self, id: SessionId, signature: &[u8]) -> HandshakeOutcome {
        self.grant.token_signature = signature.to_vec();
        let keys = self.keys.map(|keys| keys.session(&self.th3, id));
        let header = native::register_reply_header(&self.client_nonce, id);
        let grant = Zeroizing::new(native::encode(&self.grant, Vec::new()));
        let reply_key = keys.as_ref().map(|keys| &keys.to_client);
        let reply = seal::cover(reply_key, header, &grant);
        let protection = match (keys, self.grant.token) {
            (Some(keys), _) => Protection::Sealed(Box::new(Seal::new(keys, End::Server))),
            (None, Some(token)) => Protection::Bearer(token),
            (None, None) => Protection::Plain,
        };
        let session = Session::new(id, protection);
        HandshakeOutcome::Registered(Box::new(self.entered), session, reply.into())
    }
}
