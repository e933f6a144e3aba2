//! The client's end of the native protocol: its session, and the requests that wait for
//! answers.

mod handshake;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use super::room::Room;
use super::session::{Opened, Session};
use crate::Instant;
use crate::error::Dropped;
use crate::identity::{CertificateId, Revoked};
use crate::link::event::{Event, LinkContext, Unsent};
use crate::message::{MessageKind, Reply, Request, RequestId, SessionId};
use crate::suite::Suite;
use crate::transmit::Transmit;
use crate::wire::native::{self, Envelope, InvalidSession, NoEnvelope, TAG};
use handshake::Handshake;

/// The client's link.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Link {
    handshake: Handshake,
    session: Option<Session>,
    outstanding: BTreeMap<RequestId, Outstanding>,
    transmits: VecDeque<Transmit>,
    room: Room,
    /// Numbers transmits, for the carrier to report those that it could not send.
    sent: u64,
    /// The latest message of the handshake.
    handshake_transmit: Option<u64>,
    /// Bytes that the next challenge has to have, says somebody.
    least: usize,
    /// What the server of the session proved itself with.
    server_certificates: Vec<CertificateId>,
}

/// A request that waits for its answer.
#[cfg_attr(test, derive(Clone, Hash))]
struct Outstanding {
    sent_at: Instant,
    /// What a server without this session would echo of the latest copy.
    number: u64,
    tag: [u8; TAG],
    transmit: u64,
}

impl Link {
    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    pub(crate) fn has_session(&self) -> bool {
        self.session.is_some()
    }

    pub(crate) fn session_id(&self) -> Option<SessionId> {
        self.session.as_ref().map(|session| session.id)
    }

    /// The suite of the session.
    pub(crate) fn suite(&self) -> Option<Suite> {
        self.session
            .as_ref()
            .map(|session| session.protection.suite())
    }

    /// Whether one of the certificates that the server proved itself with is revoked now.
    pub(crate) fn server_is_revoked(&self, revoked: &Revoked) -> bool {
        self.server_certificates
            .iter()
            .any(|certificate| revoked.contains(certificate))
    }

    /// Stops waiting for every request. What of them was not sent yet will not be.
    pub(crate) fn cancel_all(&mut self) {
        for request in core::mem::take(&mut self.outstanding).into_values() {
            self.withdraw(request.transmit);
        }
    }

    /// What the transmit of this number was for, if it still matters.
    pub(crate) fn send_failed(&mut self, transmit: u64) -> Option<Unsent> {
        let request = self
            .outstanding
            .iter()
            .find_map(|(id, it)| (it.transmit == transmit).then_some(*id));
        if let Some(id) = request {
            self.outstanding.remove(&id);
            return Some(Unsent::Request(id));
        }
        (self.handshake_transmit == Some(transmit)).then_some(Unsent::Handshake)
    }

    /// Forgets the session and what waits for it.
    pub(crate) fn drop_session(&mut self) {
        self.session = None;
        self.cancel_all();
    }

    /// The carrier is gone: what was not sent yet will not be.
    pub(crate) fn drop_transmits(&mut self) {
        self.transmits.clear();
    }

    /// Sends a request, or sends it again under the same id. False without a session, or
    /// when the session is used up.
    pub(crate) fn request(
        &mut self,
        cx: &LinkContext<'_>,
        id: RequestId,
        request: &Request,
        payload: &Bytes,
    ) -> bool {
        let Some(written) = self
            .session
            .as_mut()
            .and_then(|session| session.write(id, request, payload, &mut self.room))
        else {
            return false;
        };
        let sent_at = self
            .outstanding
            .get(&id)
            .map_or(cx.now, |known| known.sent_at);
        let transmit = self.transmit(written.header, written.payload, request.kind());
        let latest = Outstanding {
            sent_at,
            number: written.number,
            tag: written.tag,
            transmit,
        };
        if let Some(older) = self.outstanding.insert(id, latest) {
            self.withdraw(older.transmit);
        }
        true
    }

    /// The request is given up: a late answer to it is dropped, and if it was not sent yet
    /// it will not be.
    pub(crate) fn cancel(&mut self, id: RequestId) {
        if let Some(request) = self.outstanding.remove(&id) {
            self.withdraw(request.transmit);
        }
    }

    // spec: P-3, P-17
    pub(crate) fn handle_message(
        &mut self,
        cx: &mut LinkContext<'_>,
        message: BytesMut,
    ) -> Result<(MessageKind, Event), Dropped> {
        if message.len() > native::MAX_MESSAGE {
            return Err(Dropped::TooLong);
        }
        let kind = native::kind_outside_sessions(&message);
        let event = match native::parse(&message) {
            Ok(Envelope::ChallengeReply {
                reply,
                hello: hello_len,
            }) => self.challenge_reply(cx, &message, &reply, hello_len),
            Ok(Envelope::RegisterReply {
                client_nonce,
                session,
                clear,
            }) => self.register_reply(cx, &message, client_nonce, session, clear),
            Ok(Envelope::Refusal {
                client_nonce,
                seal,
                clear,
            }) => self.refusal(&message, client_nonce, seal, clear),
            Ok(Envelope::Versions(versions)) => self.versions(&versions),
            Ok(Envelope::InvalidSession(echo)) => self.invalid_session(echo),
            Ok(Envelope::Sealed { session, number }) => {
                let opened = self.session_mut(session)?.open_sealed(number, message)?;
                return self.reply(cx.now, opened);
            }
            Ok(Envelope::Clear {
                session,
                request,
                token,
                clear,
            }) => {
                let opened = self
                    .session_mut(session)?
                    .open_clear(request, token, message, clear)?;
                return self.reply(cx.now, opened);
            }
            Ok(
                Envelope::Challenge(_) | Envelope::ForeignChallenge(_) | Envelope::Register { .. },
            ) => Err(Dropped::Unexpected),
            Err(NoEnvelope::Malformed) => Err(Dropped::Malformed),
            Err(NoEnvelope::Version) => Err(Dropped::Version),
        };
        Ok((kind, event?))
    }

    // spec: P-84
    fn invalid_session(&self, echo: InvalidSession) -> Result<Event, Dropped> {
        let known = self.session_id() == Some(echo.session)
            && self
                .outstanding
                .values()
                .any(|request| request.number == echo.number && request.tag == echo.tag);
        if known {
            Ok(Event::SessionDoubted)
        } else {
            Err(Dropped::Unasked)
        }
    }

    // spec: P-80
    fn reply(&mut self, now: Instant, opened: Opened) -> Result<(MessageKind, Event), Dropped> {
        let body = opened.body.freeze();
        let (reply, rest) = native::decode::<Reply>(&body).ok_or(Dropped::Malformed)?;
        let payload = body.slice(body.len() - rest.len()..);
        let request = self
            .outstanding
            .remove(&opened.request)
            .ok_or(Dropped::Unasked)?;
        let kind = reply.kind();
        let event = Event::Reply {
            id: opened.request,
            reply,
            payload: payload.into(),
            elapsed: now.since(request.sent_at),
        };
        Ok((kind, event))
    }

    fn session_mut(&mut self, id: SessionId) -> Result<&mut Session, Dropped> {
        self.session
            .as_mut()
            .filter(|session| session.id == id)
            .ok_or(Dropped::NoSession)
    }

    /// Takes a message back that was not sent yet: a carrier that stands still would
    /// otherwise find every try of every request.
    fn withdraw(&mut self, transmit: u64) {
        let place = self
            .transmits
            .binary_search_by_key(&transmit, |queued| queued.id);
        if let Ok(place) = place {
            self.transmits.remove(place);
        }
    }

    pub(super) fn transmit(&mut self, header: Bytes, payload: Bytes, kind: MessageKind) -> u64 {
        self.sent += 1;
        self.transmits.push_back(Transmit {
            header: header.into(),
            payload: payload.into(),
            id: self.sent,
            kind,
        });
        self.sent
    }
}
