//! The handshake at the server. Nothing is kept of a stranger before it has proved itself.

#[cfg(test)]
mod inspect;
mod opened_register;
mod pending;
mod proven;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use zeroize::Zeroizing;

pub(crate) use opened_register::{CheckedRegister, OpenedRegister};
use pending::{Pending, PendingChallenge};
use proven::{Proven, Registered};

use crate::Instant;
use crate::config::Check;
use crate::config::ServerConfig;
use crate::entropy::Entropy;
use crate::error::Dropped;
use crate::identity::{self, CertificateId, Chain, Identity, Key, Known, Name};
use crate::link::ChannelBinding;
use crate::link::native::attempts::Attempts;
use crate::link::native::budget::{Beyond, Budgets};
use crate::link::native::cookie::{Cookies, Exchange};
use crate::link::native::seal;
use crate::link::native::session::Session;
use crate::link::native::transcript::{self, Keys};
use crate::message::limits::MAX_AMPLIFICATION;
use crate::message::{InstanceId, PeerId, Properties, SessionId, SignatureId, Ssid};
use crate::suite::Suite;
use crate::wire::native::{
    self, Applicant, BindingKind, Challenge, ChallengeReply, Cookie, Denial, Denied, Register,
    take_lp_pair,
};

/// Signatures awaited from a key that is elsewhere, at once. More would only wait longer.
const MAX_SIGNING: usize = 64;

/// Of these, the ones that may be for Challenges, which anybody sends. The rest is for
/// those who have proved themselves, so that strangers hold up none of them.
const MAX_SIGNING_CHALLENGES: usize = MAX_SIGNING / 2;

/// Handshakes with strangers, and the budgets that they draw on.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Handshakes {
    cookies: Cookies,
    budgets: Budgets,
    attempts: Attempts,
    proven: Proven,
    signing: BTreeMap<SignatureId, Pending>,
    next_signature: u64,
    /// The identity before the latest change, while cookies made under it count.
    previous: Option<(Identity, Instant)>,
    /// Signatures on certificates.
    known: Known,
}

/// What a handshake is lent of the server.
pub(crate) struct HandshakeContext<'a> {
    pub(crate) now: Instant,
    /// Bytes of the message that came.
    pub(crate) asked: usize,
    pub(crate) config: &'a ServerConfig,
    pub(crate) identity: &'a Identity,
    pub(crate) entropy: &'a mut Entropy,
    pub(crate) ssid: Ssid,
    /// Unix seconds.
    pub(crate) wall: Option<u64>,
    pub(crate) binding: &'a ChannelBinding,
    /// Draws an id for a session.
    pub(crate) draw_id: &'a dyn Fn(&mut Entropy) -> SessionId,
    /// Whether a name may come in, should it prove itself. Must change nothing.
    pub(crate) admit: &'a dyn Fn(&Name, InstanceId) -> Result<(), Denied>,
}

impl<'a> HandshakeContext<'a> {
    /// The binding that a client takes part in, as far as this end knows it.
    // spec: P-25
    fn binding_of(&self, challenge: &Challenge) -> &'a ChannelBinding {
        match challenge.binding {
            BindingKind::None => &ChannelBinding::None,
            BindingKind::TlsExporter => self.binding,
        }
    }
}

/// Who has registered.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Registrant {
    pub(crate) client: Name,
    pub(crate) instance: InstanceId,
    /// The channel binding without which the session counts for nothing, if it has one.
    pub(crate) bound_to: ChannelBinding,
    pub(crate) address: String,
    pub(crate) site_info: Properties,
    pub(crate) context: Properties,
    pub(crate) certificates: Box<[CertificateId]>,
    pub(crate) dates_checked: bool,
    /// When the first of its certificates ends, in Unix seconds.
    pub(crate) not_after: Option<u64>,
    /// Seconds that the session may last.
    pub(crate) lifetime: u64,
}

/// What a message of a handshake led to.
pub(crate) enum HandshakeOutcome {
    /// Something goes back; nothing is kept.
    Answer(Bytes),
    /// A refusal goes back, to somebody who gave this name or none yet; nothing is kept.
    Refused(Bytes, Box<(Option<Name>, Denied)>),
    /// The message is to come again, and longer, says what goes back.
    TooShort(Bytes),
    /// A key that is elsewhere has to sign first.
    Sign(SignatureId, Bytes),
    /// Somebody has proved who they are. The session, which waits for its first valid
    /// message, is to be entered before anything else, and before the answer goes back.
    Registered(Box<Registrant>, Session, Bytes),
    /// The same Register is being worked on, or it is no longer to be answered.
    Wait,
}

impl Handshakes {
    pub(crate) fn new(config: &ServerConfig, now: Instant, entropy: &mut Entropy) -> Self {
        let cookies = Cookies::new(config.registration_window, now, entropy);
        let budgets = Budgets::new(config.challenge_budget, config.peer_budget, now, entropy);
        Self {
            attempts: Attempts::new(config, &budgets.key_for("fedlink v2 attempts")),
            cookies,
            budgets,
            proven: Proven::default(),
            signing: BTreeMap::new(),
            next_signature: 0,
            previous: None,
            known: Known::default(),
        }
    }

    /// Forgets what is too old. Call it before any input is handled.
    pub(crate) fn rotate(&mut self, now: Instant, entropy: &mut Entropy) {
        self.cookies.rotate(now, entropy);
        self.proven.forget(now);
        self.previous.take_if(|(_, until)| *until <= now);
        self.signing.retain(|_, pending| pending.until() > now);
    }

    /// When to forget something next, if there is something: secrets to the moment, all
    /// else by `latest`.
    pub(crate) fn next_end(&self, latest: Instant) -> Option<Instant> {
        let secrets = self.cookies.next_end();
        let idle = self.proven.len() == 0 && self.previous.is_none() && self.signing.is_empty();
        let rest = (!idle).then_some(latest);
        secrets.into_iter().chain(rest).min()
    }

    /// Cookies made under `identity` go on counting for one window.
    pub(crate) fn identity_changed(
        &mut self,
        config: &ServerConfig,
        now: Instant,
        identity: Identity,
    ) {
        self.previous = Some((identity, now + config.registration_window));
    }

    /// A connection is gone: nobody waits on it for a signature.
    pub(crate) fn disconnected(&mut self, peer: PeerId) {
        self.signing.retain(|_, pending| pending.peer() != peer);
    }

    /// What strangers may take of the server's time.
    pub(crate) fn budgets(&mut self) -> &mut Budgets {
        &mut self.budgets
    }

    /// The answer to a challenge for which there is no time now, if there is to be one.
    pub(crate) fn beyond(challenge: &Challenge, beyond: Beyond) -> Option<Bytes> {
        match beyond {
            Beyond::Peer => None,
            Beyond::All(wait) => {
                let denied = Denied::until(wait, "many come at once");
                Some(native::refusal(&challenge.client_nonce, &denied).into())
            }
        }
    }

    pub(crate) fn challenge(
        &mut self,
        peer: PeerId,
        context: &mut HandshakeContext<'_>,
        hello_c: &[u8],
        challenge: &Challenge,
    ) -> HandshakeOutcome {
        let refuse = |denial, message: &str| {
            let denied = Denied::new(denial, message);
            let answer = native::refusal(&challenge.client_nonce, &denied).into();
            HandshakeOutcome::Refused(answer, Box::new((None, denied)))
        };
        let binding = context.binding_of(challenge);
        let Some(suite) = choose_suite(context.config, binding, challenge) else {
            return refuse(
                Denial::NoCommonSuite,
                "no suite that both sides accept on this connection",
            );
        };
        let chain = context.identity.chain_bytes(suite);
        let mut reply = ChallengeReply {
            suite,
            client_nonce: challenge.client_nonce,
            server_nonce: context.entropy.uuid(),
            // As long as the one to come.
            server_share: (suite == Suite::Sealed).then_some([0; 32]),
            cookie: Cookie::EMPTY,
        };
        // spec: P-9
        let least = pending::len_of_reply(&reply, chain).div_ceil(MAX_AMPLIFICATION);
        if context.config.datagram && context.asked < least {
            let least = u32::try_from(least).unwrap_or(u32::MAX);
            let denied = Denied::new(Denial::TooShort(least), "a longer challenge is needed");
            let refusal = native::refusal(&challenge.client_nonce, &denied);
            return HandshakeOutcome::TooShort(refusal.into());
        }
        let exchange = Exchange { hello_c, chain };
        let secret = self
            .cookies
            .issue(context.now, &exchange, &mut reply, suite == Suite::Sealed);
        self.attempts.begin(self.cookies.latest(), peer);
        let hello_s = native::challenge_reply(&reply);
        let th0 = transcript::hello(hello_c, &hello_s, binding);
        let keys = match (&secret, challenge.client_share) {
            (Some(secret), Some(share)) => match Keys::new(secret, share, &th0) {
                Some(keys) => Some(keys),
                None => return refuse(Denial::NoCommonSuite, "the share is not a valid one"),
            },
            _ => None,
        };
        let to_sign = transcript::server_proof(&transcript::server(&th0, chain));
        let pending = PendingChallenge {
            peer,
            asked: context.asked,
            hello_s,
            keys,
            chain: chain.to_vec(),
            until: context.now + context.config.registration_window,
        };
        match context.identity.proof() {
            _ if suite == Suite::Plain => HandshakeOutcome::Answer(pending.finish(&[])),
            Some((_, Key::Here(signer))) => {
                HandshakeOutcome::Answer(pending.finish(&signer.sign(&to_sign)))
            }
            Some((_, Key::Elsewhere)) if self.may_sign_challenge() => {
                let id = self.await_signature(Pending::Challenge(Box::new(pending)));
                HandshakeOutcome::Sign(id, to_sign.into())
            }
            Some((_, Key::Elsewhere)) | None => refuse(Denial::Busy, "the signer is busy"),
        }
    }

    /// Checks together what several Registers are signed with: first the proofs, then the
    /// certificates. Those that are found good are not checked again when their turn comes;
    /// if there is a bad one, all are.
    pub(crate) fn check_together(
        &mut self,
        identity: &Identity,
        wall: Option<u64>,
        registers: &mut [&mut OpenedRegister],
    ) {
        let (mut proofs, mut proving) = (Vec::new(), Vec::new());
        for opened in registers {
            if let Some(proof) = opened.proof() {
                proofs.push(proof);
                proving.push(opened);
            }
        }
        if proofs.len() < 2 || !identity::are_good(&proofs) {
            return;
        }
        let mut of_certificates = Vec::new();
        for opened in &mut proving {
            opened.proven = true;
            opened.on_trial(identity, wall, &mut self.known, &mut of_certificates);
        }
        if identity::are_good(&of_certificates) {
            for check in &of_certificates {
                self.known.remember(check);
            }
        } else {
            for opened in proving {
                opened.verified = None;
            }
        }
    }

    /// Judges a Register. Nothing depends on the name that it claims before its proof was
    /// found good, now or when the same Register came before.
    // spec: P-58
    pub(crate) fn register(
        &mut self,
        peer: PeerId,
        context: &mut HandshakeContext<'_>,
        register: &Register,
        checked: CheckedRegister,
    ) -> Result<HandshakeOutcome, Dropped> {
        let CheckedRegister {
            number,
            until,
            copy,
            opened,
        } = checked;
        let once = context.config.enforces(Check::CookieOnce);
        if let Some(before) = self.proven.of_cookie(number).filter(|_| once) {
            return match &before.reply {
                _ if before.copy != copy => Err(Dropped::Repeated),
                Some(reply) => Ok(HandshakeOutcome::Answer(reply.clone())),
                None => Ok(HandshakeOutcome::Wait),
            };
        }
        let mut opened = opened.ok_or(Dropped::Repeated)?;
        let verified = match opened.judge(context, register, &mut self.known) {
            Ok(verified) => verified,
            Err(denied) => {
                let answer = opened.refuse(context.entropy, &denied);
                let name = Some(opened.applicant.name.clone());
                return Ok(HandshakeOutcome::Refused(answer, Box::new((name, denied))));
            }
        };
        let name = opened.applicant.name.clone();
        // spec: P-59
        let newest = self.proven.newest_of(&name);
        if newest.is_some_and(|newest| once && number < newest) {
            return Err(Dropped::Repeated);
        }
        // As many as there may be clients: one each, forgotten within a window.
        // spec: P-56
        if newest.is_none() && self.proven.len() >= context.config.max_clients {
            let denied = Denied::new(Denial::Busy, "the server is full");
            return Ok(HandshakeOutcome::Answer(
                opened.refuse(context.entropy, &denied),
            ));
        }
        let shown = opened.shown.clone();
        let (pending, to_sign) = opened.grant(peer, context, number, &verified);
        let mut begin = || (context.draw_id)(context.entropy);
        let outcome = match shown.proof() {
            _ if register.reply.suite == Suite::Plain => pending.finish(begin(), &[]),
            Some((_, Key::Here(signer))) => pending.finish(begin(), &signer.sign(&to_sign)),
            Some((_, Key::Elsewhere)) if self.may_sign_register(&name) => {
                let id = self.await_signature(Pending::Register(Box::new(pending)));
                HandshakeOutcome::Sign(id, to_sign.into())
            }
            Some((_, Key::Elsewhere)) | None => return Err(Dropped::OverBudget),
        };
        let reply = match &outcome {
            HandshakeOutcome::Registered(_, _, reply) => Some(reply.clone()),
            HandshakeOutcome::Answer(_)
            | HandshakeOutcome::Refused(..)
            | HandshakeOutcome::TooShort(_)
            | HandshakeOutcome::Sign(..)
            | HandshakeOutcome::Wait => None,
        };
        let registered = Registered {
            client: name,
            copy,
            reply,
            until,
        };
        if let Some(older) = self.proven.insert(number, registered) {
            self.attempts.spend(older);
        }
        Ok(outcome)
    }

    /// A signature has come from elsewhere: where what it was for goes, how many bytes had
    /// come from there, and what it was for. `begin` draws the id of a session, if who asked
    /// to come in still may.
    pub(crate) fn signed(
        &mut self,
        id: SignatureId,
        signature: &[u8; 64],
        begin: impl FnOnce(&Registrant) -> Option<SessionId>,
    ) -> Option<(PeerId, usize, HandshakeOutcome)> {
        match self.signing.remove(&id)? {
            Pending::Challenge(pending) => {
                let (peer, asked) = (pending.peer, pending.asked);
                Some((
                    peer,
                    asked,
                    HandshakeOutcome::Answer(pending.finish(signature)),
                ))
            }
            Pending::Register(pending) => {
                let (peer, asked) = (pending.peer, pending.asked);
                // Signatures may come in any order: a newer Register stays the newest.
                let newest = self.proven.reply_of(pending.number);
                let begun = newest.and_then(|known| Some((known, begin(&pending.entered)?)));
                let Some((known, session)) = begun else {
                    return Some((peer, asked, HandshakeOutcome::Wait));
                };
                let outcome = pending.finish(session, signature);
                if let HandshakeOutcome::Registered(_, _, reply) = &outcome {
                    *known = Some(reply.clone());
                }
                Some((peer, asked, outcome))
            }
        }
    }

    // spec: P-70
    fn may_sign_challenge(&self) -> bool {
        let strangers = self.signing.values().filter(|it| it.client().is_none());
        strangers.count() < MAX_SIGNING_CHALLENGES
    }

    /// Whether there is room for a registration. An older one of the same name makes room:
    /// its signature would come too late.
    // spec: P-70
    fn may_sign_register(&mut self, name: &Name) -> bool {
        self.signing.retain(|_, it| it.client() != Some(name));
        self.signing.len() < MAX_SIGNING
    }

    fn await_signature(&mut self, pending: Pending) -> SignatureId {
        self.next_signature += 1;
        let id = SignatureId(self.next_signature);
        self.signing.insert(id, pending);
        id
    }

    /// Checks the cookie and opens what the client said of itself. Keeps nothing of it.
    // spec: P-52
    pub(crate) fn open(
        &mut self,
        peer: PeerId,
        context: &HandshakeContext<'_>,
        message: &[u8],
        register: &Register,
        clear: usize,
    ) -> Result<CheckedRegister, Dropped> {
        // spec: P-50
        let identities = [
            Some(context.identity),
            self.previous.as_ref().map(|(it, _)| it),
        ];
        let suite = register.reply.suite;
        let (identity_used, chain, cookie) = identities
            .into_iter()
            .flatten()
            .find_map(|identity| {
                let chain = identity.chain_bytes(suite);
                let exchange = Exchange {
                    hello_c: &register.hello_c,
                    chain,
                };
                let cookie = self
                    .cookies
                    .check(context.now, &exchange, &register.reply)?;
                Some((identity, chain, cookie))
            })
            .ok_or(Dropped::Cookie)?;
        let binding = context.binding_of(&register.challenge);
        let checked = CheckedRegister {
            number: cookie.number,
            until: cookie.until,
            copy: transcript::copy(message, binding),
            opened: None,
        };
        let proven = self.proven.of_cookie(checked.number).is_some();
        if proven && context.config.enforces(Check::CookieOnce) {
            return Ok(checked);
        }
        // A Register with a cookie draws on the budget of all who have one, and only a few
        // times for each cookie.
        let window = context.config.registration_window;
        if !self.attempts.are_left(checked.number, peer)
            || !self.budgets.register(context.now, cookie.age, window)
        {
            return Err(Dropped::OverBudget);
        }
        self.attempts.count(checked.number);
        let th0 = transcript::hello(&register.hello_c, &register.hello_s, binding);
        let keys = match (cookie.secret, register.challenge.client_share) {
            (Some(secret), Some(share)) => {
                Some(Keys::new(&secret, share, &th0).ok_or(Dropped::Malformed)?)
            }
            (Some(_), None) => return Err(Dropped::Malformed),
            (None, _) => None,
        };
        let key = keys.as_ref().map(Keys::client_hello);
        let protected = seal::uncover(key.as_ref(), message, clear)
            .map(Zeroizing::new)
            .ok_or(Dropped::Unauthentic)?;
        let (identity, proof) = take_lp_pair(&protected).ok_or(Dropped::Malformed)?;
        let applicant: Applicant = native::decode_all(identity).ok_or(Dropped::Malformed)?;
        if !applicant.fits() {
            return Err(Dropped::Malformed);
        }
        let th2 = transcript::client(&transcript::server(&th0, chain), identity);
        let bound_to = match suite {
            Suite::Bearer => binding.clone(),
            Suite::Plain | Suite::Sealed => ChannelBinding::None,
        };
        let opened = OpenedRegister {
            client_nonce: register.challenge.client_nonce,
            th3: transcript::session(&th2, proof),
            th2,
            proof: proof.to_vec(),
            chain: Chain::parse(&applicant.chain),
            applicant,
            keys,
            bound_to,
            shown: identity_used.clone(),
            suite,
            proven: false,
            verified: None,
        };
        Ok(CheckedRegister {
            opened: Some(opened),
            ..checked
        })
    }
}

/// The best suite that both accept and that this carrier permits.
// spec: P-21, P-22, P-23
fn choose_suite(
    config: &ServerConfig,
    binding: &ChannelBinding,
    challenge: &Challenge,
) -> Option<Suite> {
    let offered: Vec<Suite> = challenge
        .suites
        .iter()
        .copied()
        .filter(|suite| match suite {
            Suite::Plain => challenge.suites.len() == 1,
            Suite::Bearer => config.trusted_path || *binding != ChannelBinding::None,
            Suite::Sealed => challenge.client_share.is_some(),
        })
        .collect();
    config.suites.best_common(&offered)
}

/// Budgets and attempts are left out: of these, servers of the checker have enough.
#[cfg(test)]
impl core::hash::Hash for Handshakes {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        assert!(self.signing.is_empty() && self.previous.is_none());
        (&self.cookies, &self.proven, self.next_signature).hash(state);
    }
}
