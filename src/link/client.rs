//! The client's link, whatever its binding: what the policy asks of it, and what it tells
//! the policy.

use core::time::Duration;

use bytes::{Bytes, BytesMut};

use super::native;
use super::native::transcript::Binding as ChannelBinding;
#[cfg(feature = "nvflare")]
use super::nvflare;
use crate::Instant;
use crate::client::{Auth, ClientConfig, Suspicion};
use crate::entropy::Entropy;
use crate::error::Dropped;
use crate::identity::{Identity, Name, Revoked};
use crate::message::{InstanceId, JobId, Parts, Properties, Reply, Request, RequestId};
use crate::suite::Suite;
use crate::transmit::Transmit;
use crate::wire::native::Denied;

/// The client's end of one session, and the handshake that makes one.
pub(crate) enum Link {
    Native(native::client::Link),
    #[cfg(feature = "nvflare")]
    Nvflare(Box<nvflare::Link>),
}

/// What the client lends its link while an input is handled.
pub(crate) struct LinkCx<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a ClientConfig,
    pub(crate) identity: &'a Identity,
    pub(crate) entropy: &'a mut Entropy,
    /// The name that the server must prove.
    pub(crate) server: &'a Name,
    pub(crate) instance: InstanceId,
    pub(crate) address: &'a str,
    pub(crate) site_info: &'a Properties,
    pub(crate) context: &'a Properties,
    /// Unix seconds.
    pub(crate) wall: Option<u64>,
    pub(crate) binding: &'a ChannelBinding,
}

/// What a message that could not be sent was for.
pub(crate) enum Unsent {
    Handshake,
    Request(RequestId),
}

/// What a message meant.
pub(crate) enum Event {
    Handshake(HandshakeEvent),
    /// A session stands. The one before is gone, and its requests with it.
    Registered(Auth),
    /// The answer to a request.
    Reply {
        id: RequestId,
        reply: Reply,
        payload: Parts,
        elapsed: Duration,
    },
    /// The server may have forgotten the session.
    SessionDoubted,
    #[cfg(feature = "nvflare")]
    Nvflare(nvflare::Event),
}

/// What a message meant for the handshake.
pub(crate) enum HandshakeEvent {
    /// The server proved itself. The Register is on its way, or waits for a signature.
    Proven {
        to_sign: Option<Bytes>,
        dates_checked: bool,
        /// When the first of the server's certificates ends, in Unix seconds.
        not_after: Option<u64>,
    },
    /// Something that claims to come from the server cannot be trusted.
    Suspect(Suspicion),
    /// The server refuses; `protected` if nobody else can have said so.
    Denied { denied: Denied, protected: bool },
    /// The server speaks no version of ours, but a newer one, or only older ones.
    OtherVersion { newer: bool },
}

/// How a job ended here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JobEnd {
    /// It is over, or was stopped because the server said so.
    Over,
    /// It failed, for this reason.
    Failed(String),
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
    pub(crate) fn challenge(&mut self, cx: &mut LinkCx<'_>) {
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
        cx: &mut LinkCx<'_>,
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

    /// Takes one message. What else came of it is told by [`Self::poll_event`].
    pub(crate) fn handle_message(
        &mut self,
        cx: &mut LinkCx<'_>,
        message: BytesMut,
    ) -> Result<Option<Event>, Dropped> {
        match self {
            Self::Native(link) => link.handle_message(cx, message).map(Some),
            #[cfg(feature = "nvflare")]
            Self::Nvflare(link) => link.handle_message(cx, message).map(|()| None),
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

    pub(crate) fn handle_timeout(&mut self, cx: &mut LinkCx<'_>) {
        match self {
            Self::Native(_) => {}
            #[cfg(feature = "nvflare")]
            Self::Nvflare(link) => link.handle_timeout(cx),
        }
        #[cfg(not(feature = "nvflare"))]
        let _ = cx;
    }

    /// A carrier stands.
    pub(crate) fn connected(&mut self, cx: &mut LinkCx<'_>) {
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
    pub(crate) fn job_ended(&mut self, cx: &mut LinkCx<'_>, job: JobId, end: JobEnd) {
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
