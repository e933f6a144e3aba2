//! Messages that an attacker on the way makes of those that it sees.

use bytes::BytesMut;

use super::{Federation, Side};
use crate::message::{PeerId, RejectReason};
use crate::testing::fuzzing::script::Script;
use crate::wire::native::{self, Challenge, Denial, Denied, Envelope, InvalidSession, TAG};

impl Federation {
    /// A message that was seen, changed.
    pub(super) fn forge(&mut self, script: &mut Script<'_>) {
        let Some(mut message) = self.remembered(script) else {
            return;
        };
        let at = script.place(message.len());
        match script.below(5) {
            0 => message.truncate(at),
            1 => message[at] ^= script.next().unwrap_or(0),
            2 => message.extend_from_slice(script.bytes()),
            3 => {
                let new = script.bytes();
                message.truncate(at);
                message.extend_from_slice(new);
            }
            _ => {
                // The start of one and the end of another.
                let other = self.remembered(script).unwrap_or_default();
                message.truncate(at);
                message.extend_from_slice(&other[script.place(other.len())..]);
            }
        }
        self.attack(message, script);
    }

    /// A message that was seen, as it was.
    pub(super) fn replay(&mut self, script: &mut Script<'_>) {
        if let Some(message) = self.remembered(script) {
            self.attack(message, script);
        }
    }

    fn remembered(&mut self, script: &mut Script<'_>) -> Option<BytesMut> {
        // The latest is number 0.
        let place = script.below(self.seen.len());
        self.seen
            .get(self.seen.len().checked_sub(place + 1)?)
            .cloned()
    }

    /// Any bytes.
    pub(super) fn invent(&mut self, script: &mut Script<'_>) {
        let message = BytesMut::from(script.bytes());
        self.attack(message, script);
    }

    /// A message that is made without a key, out of what was seen: a refusal, the answer
    /// of a server that lost the session, or a list of versions.
    pub(super) fn compose(&mut self, script: &mut Script<'_>) {
        let Some(seen) = self.remembered(script) else {
            return;
        };
        let message = match native::parse(&seen) {
            Ok(Envelope::Challenge(Challenge { client_nonce, .. }))
            | Ok(Envelope::RegisterReply { client_nonce, .. }) => refusal(&client_nonce, script),
            Ok(Envelope::ChallengeReply { reply, .. }) => refusal(&reply.client_nonce, script),
            Ok(Envelope::Register { register, .. }) => {
                refusal(&register.challenge.client_nonce, script)
            }
            Ok(Envelope::Sealed { session, number }) => {
                let tag = seen.last_chunk().copied().unwrap_or_default();
                native::invalid_session(InvalidSession {
                    session,
                    number,
                    tag,
                })
            }
            Ok(Envelope::Clear {
                session, request, ..
            }) => native::invalid_session(InvalidSession {
                session,
                number: request.0,
                tag: [0; TAG],
            }),
            _ => {
                let versions = script.bytes();
                [&[0, versions.len() as u8], versions].concat()[..].into()
            }
        };
        self.attack(message, script);
    }

    /// Gives a message to the side under attack; now and then the server gets it from a
    /// peer of which it knows nothing.
    fn attack(&mut self, message: BytesMut, script: &mut Script<'_>) {
        // What became of it shows in what must hold.
        let _ = match self.victim {
            Side::Client => self.client.handle_message(self.now, message),
            Side::Server => {
                let peer = [self.peer, PeerId(u64::MAX)][script.below(2)];
                self.server.handle_message(self.now, peer, message)
            }
        };
    }
}

fn refusal(client_nonce: &[u8; 16], script: &mut Script<'_>) -> BytesMut {
    let denials = [
        Denial::Rejected(RejectReason::Replaced),
        Denial::Rejected(RejectReason::Disabled),
        Denial::Busy,
        Denial::NoCommonSuite,
        Denial::TooShort(2_000),
    ];
    let denied = Denied {
        retry_after: (script.below(2) == 0).then_some(u64::MAX >> script.below(64)),
        ..Denied::new(denials[script.below(denials.len())], "no")
    };
    native::refusal(client_nonce, &denied)[..].into()
}
