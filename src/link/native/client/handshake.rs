//! The handshake at the client: it challenges the server, checks the answer, and proves
//! itself.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::Link;
use crate::config::ClientConfig;
use crate::digest::Hash;
use crate::error::Dropped;
use crate::identity::{self, Chain, ChainError, Key, Role, Verified};
use crate::link::event::{Event, HandshakeEvent, LinkContext};
use crate::link::native::seal;
use crate::link::native::session::{End, Protection, Seal, Session};
use crate::link::native::transcript::{self, Keys};
use crate::link::{Auth, ChannelBinding, Suspicion};
use crate::message::SessionId;
use crate::suite::Suite;
use crate::wire::native::{
    self, Applicant, Challenge, ChallengeReply, Denial, Denied, Grant, RefusalSeal, lp_pair,
    take_lp_pair,
};

/// Answers to one challenge that are checked, signatures and all: what somebody on the
/// way can make a client work.
const MAX_CHECKED: u8 = 4;

/// Bytes of a padded challenge. A reply with a chain of the usual two certificates stays
/// below three times that.
const PADDED_CHALLENGE: usize = 1200;

/// The longest that a challenge is padded to: enough for three times as much to hold the
/// longest chain. Anybody may have said that it has to be long.
const MAX_PADDED_CHALLENGE: usize = 6 << 10;

#[derive(Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(super) enum Handshake {
    #[default]
    Idle,
    Challenged(Box<Challenged>),
    Signing(Box<Signing>),
    Registering(Box<Registering>),
}

#[cfg_attr(test, derive(Clone))]
pub(super) struct Challenged {
    hello_c: Vec<u8>,
    client_nonce: [u8; 16],
    secret: Option<x25519_dalek::StaticSecret>,
    binding: ChannelBinding,
    checked: u8,
}

/// Everything of a Register but its proof.
#[cfg_attr(test, derive(Clone))]
pub(super) struct Signing {
    client_nonce: [u8; 16],
    suite: Suite,
    keys: Option<Keys>,
    clear: Vec<u8>,
    identity: Vec<u8>,
    th2: Hash,
    server: Option<Verified>,
}

#[cfg_attr(test, derive(Clone))]
pub(super) struct Registering {
    client_nonce: [u8; 16],
    suite: Suite,
    keys: Option<Keys>,
    register: Bytes,
    th3: Hash,
    server: Option<Verified>,
}

impl Link {
    /// The suites that this carrier permits: bearer needs one that protects end to end.
    // spec: P-22
    pub(crate) fn offered(config: &ClientConfig, binding: &ChannelBinding) -> Vec<Suite> {
        let safe = config.trusted_path || *binding != ChannelBinding::None;
        let suites = config.suites.as_slice().iter().copied();
        suites
            .filter(|suite| *suite != Suite::Bearer || safe)
            .collect()
    }

    /// Stops a handshake; a late answer to it is dropped.
    pub(crate) fn drop_handshake(&mut self) {
        self.handshake = Handshake::Idle;
    }

    /// Starts a handshake with a fresh nonce; one under way is forgotten.
    // spec: P-8, P-38
    pub(crate) fn challenge(&mut self, cx: &mut LinkContext<'_>) {
        let secret = cx
            .config
            .suites
            .contains(Suite::Sealed)
            .then(|| cx.entropy.share());
        let client_nonce = cx.entropy.uuid();
        let mut challenge = Challenge {
            suites: Self::offered(cx.config, cx.binding),
            project: transcript::project(&client_nonce, &cx.config.project),
            binding: cx.binding.kind(),
            client_nonce,
            client_share: secret
                .as_ref()
                .map(|secret| x25519_dalek::PublicKey::from(secret).to_bytes()),
            padding: Vec::new(),
        };
        // spec: P-10
        let mut least = core::mem::take(&mut self.least).min(MAX_PADDED_CHALLENGE);
        if cx.config.datagram {
            least = least.max(PADDED_CHALLENGE);
        }
        let len = native::challenge(&challenge).len();
        challenge.padding = vec![0; least.saturating_sub(len)];
        let hello_c = native::challenge(&challenge);
        self.transmit_handshake(hello_c.clone().into());
        self.handshake = Handshake::Challenged(Box::new(Challenged {
            hello_c,
            client_nonce,
            secret,
            binding: cx.binding.clone(),
            checked: 0,
        }));
    }

    /// Sends the Register again, byte for byte; false if none has been sent.
    pub(crate) fn repeat_register(&mut self) -> bool {
        let Handshake::Registering(registering) = &self.handshake else {
            return false;
        };
        let register = registering.register.clone();
        self.transmit_handshake(register);
        true
    }

    /// Goes on with the handshake that waited for a signature; false when none does.
    pub(crate) fn signed(&mut self, signature: &[u8; 64]) -> bool {
        match core::mem::take(&mut self.handshake) {
            Handshake::Signing(signing) => {
                self.register(*signing, signature);
                true
            }
            other => {
                self.handshake = other;
                false
            }
        }
    }

    // spec: P-39
    pub(super) fn challenge_reply(
        &mut self,
        cx: &mut LinkContext<'_>,
        message: &[u8],
        reply: &ChallengeReply,
        hello_len: usize,
    ) -> Result<Event, Dropped> {
        let Handshake::Challenged(challenged) = &mut self.handshake else {
            return Err(Dropped::Unasked);
        };
        if reply.client_nonce != challenged.client_nonce {
            return Err(Dropped::Unasked);
        }
        // spec: P-41
        if challenged.checked >= MAX_CHECKED {
            return Err(Dropped::OverBudget);
        }
        challenged.checked += 1;
        let signing = match challenged.accept(cx, message, reply, hello_len) {
            Ok(accepted) => accepted,
            Err(suspicion) => return Ok(Event::Handshake(HandshakeEvent::Suspect(suspicion))),
        };
        let dates_checked = signing
            .server
            .as_ref()
            .is_none_or(|server| server.dates_checked);
        let not_after = signing.server.as_ref().and_then(|server| server.not_after);
        let bytes = transcript::client_proof(&signing.th2);
        let proof = cx.identity.proof().filter(|_| signing.server.is_some());
        let mut to_sign = None;
        match proof {
            Some((_, Key::Here(signer))) => self.register(signing, &signer.sign(&bytes)),
            Some((_, Key::Elsewhere)) => {
                self.handshake = Handshake::Signing(Box::new(signing));
                to_sign = Some(bytes.into());
            }
            None => self.register(signing, &[]),
        }
        Ok(Event::Handshake(HandshakeEvent::Proven {
            to_sign,
            dates_checked,
            not_after,
        }))
    }

    fn register(&mut self, signing: Signing, proof: &[u8]) {
        let th3 = transcript::session(&signing.th2, proof);
        let protected = Zeroizing::new(lp_pair(&signing.identity, proof));
        let key = signing.keys.as_ref().map(Keys::client_hello);
        let register = Bytes::from(seal::cover(key.as_ref(), signing.clear, &protected));
        self.transmit_handshake(register.clone());
        self.handshake = Handshake::Registering(Box::new(Registering {
            client_nonce: signing.client_nonce,
            suite: signing.suite,
            keys: signing.keys,
            register,
            th3,
            server: signing.server,
        }));
    }

    // spec: P-39
    pub(super) fn register_reply(
        &mut self,
        cx: &LinkContext<'_>,
        message: &[u8],
        client_nonce: [u8; 16],
        session: SessionId,
        clear: usize,
    ) -> Result<Event, Dropped> {
        let Handshake::Registering(registering) = &self.handshake else {
            return Err(Dropped::Unasked);
        };
        if client_nonce != registering.client_nonce {
            return Err(Dropped::Unasked);
        }
        let (auth, protection) = match registering.accept(cx, message, session, clear) {
            Ok(accepted) => accepted,
            Err(suspicion) => return Ok(Event::Handshake(HandshakeEvent::Suspect(suspicion))),
        };
        self.server_certificates = registering
            .server
            .as_ref()
            .map(|server| server.certificates.clone())
            .unwrap_or_default();
        self.handshake = Handshake::Idle;
        self.outstanding.clear();
        self.session = Some(Session::new(session, protection));
        Ok(Event::Registered(auth))
    }

    // spec: P-46
    pub(super) fn refusal(
        &mut self,
        message: &[u8],
        client_nonce: [u8; 16],
        seal: RefusalSeal,
        clear: usize,
    ) -> Result<Event, Dropped> {
        let (expected, suite, keys) = match &self.handshake {
            Handshake::Idle => return Err(Dropped::Unasked),
            Handshake::Challenged(it) => (it.client_nonce, None, None),
            Handshake::Signing(it) => (it.client_nonce, None, None),
            Handshake::Registering(it) => (
                it.client_nonce,
                Some(it.suite),
                it.keys.as_ref().zip(Some(&it.th3)),
            ),
        };
        if client_nonce != expected {
            return Err(Dropped::Unasked);
        }
        let (denied, protected) = match (seal, keys) {
            (RefusalSeal::Clear, _) => {
                let body = message.get(clear..).ok_or(Dropped::Malformed)?;
                // A clear refusal is as protected as its carrier, once the server has
                // proved itself on it.
                let protected = matches!(suite, Some(Suite::Bearer | Suite::Plain));
                (native::decode_all(body), protected)
            }
            (RefusalSeal::Sealed { refusal_id }, Some((keys, th3))) => {
                let body = keys
                    .refusal(th3, &refusal_id)
                    .open_once(message, clear)
                    .ok_or(Dropped::Unauthentic)?;
                (native::decode_all(&body), true)
            }
            (RefusalSeal::Sealed { .. }, None) => return Err(Dropped::Unasked),
        };
        let denied: Denied = denied.ok_or(Dropped::Malformed)?;
        if protected {
            self.handshake = Handshake::Idle;
        } else if let Denial::TooShort(least) = denied.denial {
            // For one challenge: on a path where so long a one is lost, the next is not.
            self.least = usize::try_from(least).unwrap_or(usize::MAX);
        }
        Ok(Event::Handshake(HandshakeEvent::Denied {
            denied,
            protected,
        }))
    }

    // spec: P-20
    pub(super) fn versions(&self, versions: &[u8]) -> Result<Event, Dropped> {
        let newest = versions.iter().max().ok_or(Dropped::Malformed)?;
        match self.handshake {
            Handshake::Challenged(_) if !versions.contains(&native::VERSION) => {
                Ok(Event::Handshake(HandshakeEvent::OtherVersion {
                    newer: *newest > native::VERSION,
                }))
            }
            _ => Err(Dropped::Unasked),
        }
    }

    fn transmit_handshake(&mut self, message: Bytes) {
        let kind = native::kind_outside_sessions(&message);
        let latest = self.transmit(message, Bytes::new(), kind);
        if let Some(older) = self.handshake_transmit.replace(latest) {
            self.withdraw(older);
        }
    }
}

impl Challenged {
    /// Checks the server's answer and prepares the Register, all but its proof.
    // spec: P-40
    fn accept(
        &self,
        cx: &LinkContext<'_>,
        message: &[u8],
        reply: &ChallengeReply,
        hello_len: usize,
    ) -> Result<Signing, Suspicion> {
        // spec: P-24
        if !Link::offered(cx.config, &self.binding).contains(&reply.suite) {
            return Err(Suspicion::Suite);
        }
        // spec: P-12
        let hello_s = message.get(..hello_len).ok_or(Suspicion::Malformed)?;
        let th0 = transcript::hello(&self.hello_c, hello_s, &self.binding);
        let keys = match (reply.suite, &self.secret, reply.server_share) {
            (Suite::Sealed, Some(secret), Some(share)) => {
                Some(Keys::new(secret, share, &th0).ok_or(Suspicion::Malformed)?)
            }
            (Suite::Sealed, ..) | (_, _, Some(_)) => return Err(Suspicion::Malformed),
            (Suite::Plain | Suite::Bearer, _, None) => None,
        };
        let key = keys.as_ref().map(Keys::server_hello);
        let protected = seal::uncover(key.as_ref(), message, hello_len).ok_or(Suspicion::Seal)?;
        let (chain, proof) = take_lp_pair(&protected).ok_or(Suspicion::Malformed)?;
        let th1 = transcript::server(&th0, chain);
        let server = if reply.suite == Suite::Plain {
            None
        } else {
            let chain = Chain::parse(chain).map_err(Suspicion::Chain)?;
            let verified = identity::verify(
                &chain,
                &cx.identity.roots,
                &cx.identity.revoked,
                Role::Server,
                cx.server,
                cx.wall,
            )
            .map_err(Suspicion::Chain)?;
            let proof = proof.try_into().map_err(|_| Suspicion::Proof)?;
            if !verified.key.verify(&transcript::server_proof(&th1), proof) {
                return Err(Suspicion::Proof);
            }
            Some(verified)
        };
        // spec: P-42
        let applicant = Applicant {
            name: cx.identity.name().clone(),
            instance: cx.instance,
            chain: cx.identity.chain_bytes(reply.suite).to_vec(),
            want_token: cx.config.want_token || reply.suite == Suite::Bearer,
            address: cx.address.to_owned(),
            site_info: cx.site_info.clone(),
            context: cx.context.clone(),
        };
        let identity = native::encode(&applicant, Vec::new());
        Ok(Signing {
            client_nonce: self.client_nonce,
            suite: reply.suite,
            keys,
            clear: native::register(&self.hello_c, hello_s),
            th2: transcript::client(&th1, &identity),
            identity,
            server,
        })
    }
}

impl Registering {
    /// Checks what the server granted.
    // spec: P-44
    fn accept(
        &self,
        cx: &LinkContext<'_>,
        message: &[u8],
        session: SessionId,
        clear: usize,
    ) -> Result<(Auth, Protection), Suspicion> {
        let keys = self
            .keys
            .as_ref()
            .map(|keys| keys.session(&self.th3, session));
        let key = keys.as_ref().map(|keys| &keys.to_client);
        let body = seal::uncover(key, message, clear).ok_or(Suspicion::Seal)?;
        let grant: Grant = native::decode_all(&body).ok_or(Suspicion::Malformed)?;
        let auth = Auth {
            token: grant.token,
            token_signature: Bytes::from(grant.token_signature).into(),
            name: cx.identity.name().clone(),
            suite: self.suite,
            ssid: grant.ssid,
            issued: grant.issued,
            expires: grant.expires,
            heartbeat_interval: Duration::from_millis(grant.interval),
            session_hash: self.th3,
        };
        if let Some(server) = &self.server {
            // It may have been revoked since it proved itself.
            let mut certificates = server.certificates.iter();
            let revoked = certificates.position(|it| cx.identity.revoked.contains(it));
            if let Some(position) = revoked {
                return Err(Suspicion::Chain(ChainError::Revoked { position }));
            }
            if !auth.is_signed_by(&server.key, &cx.config.project) {
                return Err(Suspicion::TokenSignature);
            }
        }
        let protection = match (self.suite, keys, &auth.token) {
            (Suite::Plain, ..) => Protection::Plain,
            (Suite::Bearer, _, Some(token)) => Protection::Bearer(token.clone()),
            (Suite::Sealed, Some(keys), _) => {
                Protection::Sealed(Box::new(Seal::new(keys, End::Client)))
            }
            (Suite::Bearer | Suite::Sealed, ..) => return Err(Suspicion::Malformed),
        };
        Ok((auth, protection))
    }
}

/// The hello names the secret: both come from one place of one generator.
#[cfg(test)]
impl core::hash::Hash for Challenged {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        (&self.hello_c, self.checked).hash(state);
    }
}

#[cfg(test)]
impl core::hash::Hash for Signing {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.th2.hash(state);
    }
}

#[cfg(test)]
impl core::hash::Hash for Registering {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.th3.hash(state);
    }
}
