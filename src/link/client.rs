//! The client's link over either protocol, behind one interface for the client's policy.

#[cfg(feature = "nvflare")]
use alloc::boxed::Box;

use bytes::{Bytes, BytesMut};

use super::event::{Event, JobEnd, LinkContext, Unsent};
#[cfg(feature = "nvflare")]
use super::nvflare;
use super::{ChannelBinding, native};
use crate::Instant;
use crate::config::ClientConfig;
use crate::error::Dropped;
use crate::identity::Revoked;
use crate::message::{JobId, MessageKind, Request, RequestId};
use crate::suite::Suite;
use crate::transmit::Transmit;

/// The client's end of one session, and the handshake that makes one.
pub(crate) enum Link {
    Native(native::client::Link),
    #[cfg(feature = "nvflare")]
    Nvflare(Box<nvflare::Link>),
}

/// Calls the same method of whichever binding there is.
macro_rules! either {
    ($link:expr, $it:ident => $call:expr) => {
        match $link {
            Link::Native($it) => $call,
            #[cfg(feature = "nvflare")]
            Link::Nvflare($it) => $call,
        }
    };
}

/// What both bindings have.
impl Link {
    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        either!(self, link => link.poll_transmit())
    }

    pub(crate) fn has_session(&self) -> bool {
        either!(self, link => link.has_session())
    }

    /// Whether one of the certificates that the server proved itself with is revoked now.
    pub(crate) fn server_is_revoked(&self, revoked: &Revoked) -> bool {
        either!(self, link => link.server_is_revoked(revoked))
    }

    /// Starts a handshake with a fresh nonce; one under way is forgotten.
    pub(crate) fn challenge(&mut self, cx: &mut LinkContext<'_>) {
        either!(self, link => link.challenge(cx));
    }

    /// Stops a handshake; a late answer to it is dropped.
    pub(crate) fn drop_handshake(&mut self) {
        either!(self, link => link.drop_handshake());
    }

    /// Forgets the session and what waits for it.
    pub(crate) fn drop_session(&mut self) {
        either!(self, link => link.drop_session());
    }

    /// The carrier is gone: what was not sent yet will not be.
    pub(crate) fn drop_transmits(&mut self) {
        either!(self, link => link.drop_transmits());
    }

    /// The request is given up: a late answer to it is dropped.
    pub(crate) fn cancel(&mut self, id: RequestId) {
        either!(self, link => link.cancel(id));
    }

    /// Stops waiting for every request.
    pub(crate) fn cancel_all(&mut self) {
        either!(self, link => link.cancel_all());
    }

    /// What the transmit of this number was for, if it still matters.
    pub(crate) fn send_failed(&mut self, transmit: u64) -> Option<Unsent> {
        either!(self, link => link.send_failed(transmit))
    }

    /// Sends a request, or sends it again under the same id. False without a session, or
    /// when the session is used up.
    pub(crate) fn request(
        &mut self,
        cx: &mut LinkContext<'_>,
        id: RequestId,
        request: &Request,
        payload: &Bytes,
    ) -> bool {
        either!(self, link => link.request(cx, id, request, payload))
    }
}

/// What one of the bindings does without.
impl Link {
    /// For this configuration.
    pub(crate) fn new(config: &ClientConfig) -> Self {
        match &config.binding {
            crate::Binding::Native => Self::Native(native::client::Link::default()),
            #[cfg(feature = "nvflare")]
            crate::Binding::Nvflare(settings) => {
                Self::Nvflare(Box::new(nvflare::Link::new(settings.clone())))
            }
        }
    }

    /// Takes one message, and gives what it was. What else came of it is told by
    /// [`Self::poll_event`].
    pub(crate) fn handle_message(
        &mut self,
        cx: &mut LinkContext<'_>,
        message: BytesMut,
    ) -> Result<(MessageKind, Option<Event>), Dropped> {
        match self {
            Self::Native(link) => {
                let (kind, event) = link.handle_message(cx, message)?;
                Ok((kind, Some(event)))
            }
            #[cfg(feature = "nvflare")]
            Self::Nvflare(link) => Ok((link.handle_message(cx, message)?, None)),
        }
    }

    /// What came of earlier inputs.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        match self {
            Self::Native(_) => None,
            #[cfg(feature = "nvflare")]
            Self::Nvflare(link) => link.poll_event(),
        }
    }

    /// When the link has something to do by itself.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        match self {
            Self::Native(_) => None,
            #[cfg(feature = "nvflare")]
            Self::Nvflare(link) => link.next_timeout(),
        }
    }

    pub(crate) fn handle_timeout(&mut self, cx: &mut LinkContext<'_>) {
        match self {
            Self::Native(_) => {}
            #[cfg(feature = "nvflare")]
            Self::Nvflare(link) => link.handle_timeout(cx),
        }
        #[cfg(not(feature = "nvflare"))]
        let _ = cx;
    }

    /// A carrier stands.
    pub(crate) fn connected(&mut self, cx: &mut LinkContext<'_>) {
        match self {
            Self::Native(_) => {}
            #[cfg(feature = "nvflare")]
            Self::Nvflare(link) => link.connected(cx),
        }
        #[cfg(not(feature = "nvflare"))]
        let _ = cx;
    }

    /// Whether this carrier permits one of the suites that the configuration wants.
    pub(crate) fn fits(&self, config: &ClientConfig, binding: &ChannelBinding) -> bool {
        match self {
            Self::Native(_) => !native::client::Link::offered(config, binding).is_empty(),
            #[cfg(feature = "nvflare")]
            Self::Nvflare(_) => true,
        }
    }

    /// The suite of the session.
    pub(crate) fn suite(&self) -> Option<Suite> {
        match self {
            Self::Native(link) => link.suite(),
            #[cfg(feature = "nvflare")]
            Self::Nvflare(_) => None,
        }
    }

    /// Sends the Register again; false if that cannot be.
    pub(crate) fn repeat_register(&mut self) -> bool {
        match self {
            Self::Native(link) => link.repeat_register(),
            // Its nonce serves once.
            #[cfg(feature = "nvflare")]
            Self::Nvflare(_) => false,
        }
    }

    /// Whether a better answer may follow one that cannot be trusted.
    pub(crate) fn answers_again(&self) -> bool {
        match self {
            Self::Native(_) => true,
            // Anybody else's answer had to name the request, which only the server knows.
            #[cfg(feature = "nvflare")]
            Self::Nvflare(_) => false,
        }
    }

    /// Goes on with the handshake that waited for a signature; false when none does.
    pub(crate) fn signed(&mut self, signature: &[u8; 64]) -> bool {
        match self {
            Self::Native(link) => link.signed(signature),
            #[cfg(feature = "nvflare")]
            Self::Nvflare(_) => false,
        }
    }

    /// A job has ended here.
    pub(crate) fn job_ended(&mut self, cx: &mut LinkContext<'_>, job: JobId, end: JobEnd) {
        match self {
            Self::Native(_) => {}
            #[cfg(feature = "nvflare")]
            Self::Nvflare(link) => link.job_ended(cx, job, end),
        }
        #[cfg(not(feature = "nvflare"))]
        let _ = (cx, job, end);
    }
}

/// Only the native binding is checked.
#[cfg(test)]
impl Clone for Link {
    fn clone(&self) -> Self {
        match self {
            Self::Native(link) => Self::Native(link.clone()),
            #[cfg(feature = "nvflare")]
            Self::Nvflare(_) => unreachable!("it is not checked"),
        }
    }
}

#[cfg(test)]
impl core::hash::Hash for Link {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        match self {
            Self::Native(link) => link.hash(state),
            #[cfg(feature = "nvflare")]
            Self::Nvflare(_) => unreachable!("it is not checked"),
        }
    }
}
