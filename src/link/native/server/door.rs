//! The handshake as the server sees it. Nothing is kept of a stranger before its proof.

#[cfg(test)]
mod inspect;
mod opening;
mod pending;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use zeroize::Zeroizing;

pub(crate) use opening::Opening;
use pending::{Pending, PendingChallenge};

use crate::Instant;
use crate::digest::{self, Hash};
use crate::entropy::Entropy;
use crate::error::Dropped;
use crate::guard::Guard;
use crate::identity::{self, CertificateId, Identity, Key, Known, Name};
use crate::link::native::budget::{Beyond, Budgets};
use crate::link::native::cookie::{Cookies, Exchange};
use crate::link::native::seal;
use crate::link::native::session::Session;
use crate::link::native::transcript::{self, Binding, Keys};
use crate::message::{InstanceId, PeerId, Properties, SessionId, SignatureId, Ssid};
use crate::server::ServerConfig;
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

/// Where strangers are met.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Door {
    cookies: Cookies,
    budgets: Budgets,
    /// The newest registration of each name, until its cookie ends.
    remembered: BTreeMap<Name, Remembered>,
    forget: BTreeSet<(Instant, Name)>,
    signing: BTreeMap<SignatureId, Pending>,
    next_signature: u64,
    /// The identity before the latest change, while cookies made under it count.
    previous: Option<(Identity, Instant)>,
    /// Signatures on certificates.
    known: Known,
}

#[cfg_attr(test, derive(Clone, Hash))]
struct Remembered {
    number: u64,
    register: Hash,
    /// None while a signature is awaited.
    reply: Option<Bytes>,
    until: Instant,
}

/// What the door needs of the house.
pub(crate) struct Admission<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a ServerConfig,
    pub(crate) identity: &'a Identity,
    pub(crate) entropy: &'a mut Entropy,
    pub(crate) ssid: Ssid,
    /// Unix seconds.
    pub(crate) wall: Option<u64>,
    pub(crate) binding: &'a Binding,
    /// Draws an id for a session.
    pub(crate) draw_id: &'a dyn Fn(&mut Entropy) -> SessionId,
    /// Whether a name may come in, should it prove itself. Must change nothing.
    pub(crate) admit: &'a dyn Fn(&Name, InstanceId) -> Result<(), Denied>,
}

impl<'a> Admission<'a> {
    /// The binding that a client takes part in, as far as this end knows it.
    fn binding_of(&self, challenge: &Challenge) -> &'a Binding {
        match challenge.binding {
            BindingKind::None => &Binding::None,
            BindingKind::TlsExporter => self.binding,
        }
    }
}

/// Who came in.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Entered {
    pub(crate) client: Name,
    pub(crate) instance: InstanceId,
    /// The channel binding without which the session counts for nothing, if it has one.
    pub(crate) bound_to: Binding,
    pub(crate) address: String,
    pub(crate) site_info: Properties,
    pub(crate) context: Properties,
    pub(crate) certificates: Box<[CertificateId]>,
    pub(crate) dates_checked: bool,
    /// Seconds that the session may last.
    pub(crate) lifetime: u64,
}

/// What a knock at the door led to.
pub(crate) enum Knock {
    /// Something goes back; nothing is kept.
    Answer(Bytes),
    /// A key that is elsewhere has to sign first.
    Sign(SignatureId, Bytes),
    /// Somebody has proved who they are. The session, which waits for its first valid
    /// message, is to be entered before anything else, and before the answer goes back.
    Entered(Box<Entered>, Session, Bytes),
    /// The same Register is being worked on, or it is no longer to be answered.
    Wait,
}

impl Door {
    pub(crate) fn new(config: &ServerConfig, now: Instant, entropy: &mut Entropy) -> Self {
        Self {
            cookies: Cookies::new(config.registration_window, now, entropy),
            budgets: Budgets::new(config.challenge_budget, config.peer_budget, now, entropy),
            remembered: BTreeMap::new(),
            forget: BTreeSet::new(),
            signing: BTreeMap::new(),
            next_signature: 0,
            previous: None,
            known: Known::default(),
        }
    }

    /// Forgets what is too old. Call it before any input is handled.
    pub(crate) fn rotate(&mut self, now: Instant, entropy: &mut Entropy) {
        self.cookies.rotate(now, entropy);
        while self.forget.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, name)) = self.forget.pop_first() else {
                break;
            };
            if self
                .remembered
                .get(&name)
                .is_some_and(|known| known.until <= now)
            {
                self.remembered.remove(&name);
            }
        }
        self.previous.take_if(|(_, until)| *until <= now);
        self.signing.retain(|_, pending| pending.until() > now);
    }

    /// When to forget something next, if there is something: secrets to the moment, all
    /// else by `latest`.
    pub(crate) fn next_end(&self, latest: Instant) -> Option<Instant> {
        let secrets = self.cookies.next_end();
        let idle = self.remembered.is_empty() && self.previous.is_none() && self.signing.is_empty();
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
        admission: &mut Admission<'_>,
        hello_c: &[u8],
        challenge: &Challenge,
    ) -> Knock {
        let refuse = |denial, message: &str| {
            let denied = Denied::new(denial, message);
            Knock::Answer(native::refusal(&challenge.client_nonce, &denied).into())
        };
        let binding = admission.binding_of(challenge);
        let Some(suite) = choose_suite(admission.config, binding, challenge) else {
            return refuse(
                Denial::NoCommonSuite,
                "no suite that both sides accept on this connection",
            );
        };
        let chain = admission.identity.chain_bytes(suite);
        let mut reply = ChallengeReply {
            suite,
            client_nonce: challenge.client_nonce,
            server_nonce: admission.entropy.uuid(),
            server_share: None,
            cookie: Cookie::EMPTY,
        };
        let exchange = Exchange { hello_c, chain };
        let secret =
            self.cookies
                .issue(admission.now, &exchange, &mut reply, suite == Suite::Sealed);
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
            hello_s,
            keys,
            chain: chain.to_vec(),
            until: admission.now + admission.config.registration_window,
        };
        match admission.identity.proof() {
            _ if suite == Suite::Plain => Knock::Answer(pending.finish(&[])),
            Some((_, Key::Here(signer))) => Knock::Answer(pending.finish(&signer.sign(&to_sign))),
            Some((_, Key::Elsewhere)) if self.may_sign_challenge() => {
                let id = self.await_signature(Pending::Challenge(Box::new(pending)));
                Knock::Sign(id, to_sign.into())
            }
            Some((_, Key::Elsewhere)) | None => refuse(Denial::Busy, "the signer is busy"),
        }
    }

    /// Checks together what several Registers are signed with. Those that are found good
    /// are not checked again when their turn comes; if there is a bad one, all are.
    pub(crate) fn check_together(
        &mut self,
        identity: &Identity,
        wall: Option<u64>,
        openings: &mut [&mut Opening],
    ) {
        let (mut of_certificates, mut proofs, mut tried) = (Vec::new(), Vec::new(), Vec::new());
        for opening in openings {
            if let Some(trial) = opening.on_trial(identity, wall, &mut self.known) {
                of_certificates.extend(trial.of_certificates);
                proofs.push(trial.proof);
                tried.push((opening, trial.verified));
            }
        }
        let certificates = of_certificates.len();
        let all = [of_certificates, proofs].concat();
        if tried.len() < 2 || !identity::are_good(&all) {
            return;
        }
        for check in &all[..certificates] {
            self.known.remember(check);
        }
        for (opening, verified) in tried {
            opening.proven = Some(verified);
        }
    }

    pub(crate) fn register(
        &mut self,
        peer: PeerId,
        admission: &mut Admission<'_>,
        message: &[u8],
        register: &Register,
        mut opening: Opening,
    ) -> Result<Knock, Dropped> {
        let applicant = &opening.applicant;
        let (number, until) = (opening.number, opening.until);
        let hash = digest::bare(message);
        let known = self.remembered.get(&applicant.name);
        if let Some(known) = known.filter(|_| admission.config.keeps(Guard::CookieOnce)) {
            if number < known.number || (number == known.number && hash != known.register) {
                return Err(Dropped::Repeated);
            }
            if number == known.number {
                return Ok(known.reply.clone().map_or(Knock::Wait, Knock::Answer));
            }
        }
        let verified = match opening.judge(admission, register, &mut self.known) {
            Ok(verified) => verified,
            Err(denied) => {
                let answer = opening.refuse(admission.entropy, &denied);
                return Ok(Knock::Answer(answer));
            }
        };
        // As many as there may be clients: one each, forgotten within a window.
        if self.remembered.len() >= admission.config.max_clients
            && !self.remembered.contains_key(&opening.applicant.name)
        {
            let denied = Denied::new(Denial::Busy, "the server is full");
            return Ok(Knock::Answer(opening.refuse(admission.entropy, &denied)));
        }
        let name = opening.applicant.name.clone();
        let shown = opening.shown.clone();
        let (pending, to_sign) = opening.grant(peer, admission, register, &verified);
        let mut begin = || (admission.draw_id)(admission.entropy);
        let knock = match shown.proof() {
            _ if register.reply.suite == Suite::Plain => pending.finish(begin(), &[]),
            Some((_, Key::Here(signer))) => pending.finish(begin(), &signer.sign(&to_sign)),
            Some((_, Key::Elsewhere)) if self.may_sign_register(&name) => {
                let id = self.await_signature(Pending::Register(Box::new(pending)));
                Knock::Sign(id, to_sign.into())
            }
            Some((_, Key::Elsewhere)) | None => return Err(Dropped::OverBudget),
        };
        let reply = match &knock {
            Knock::Entered(_, _, reply) => Some(reply.clone()),
            Knock::Answer(_) | Knock::Sign(..) | Knock::Wait => None,
        };
        let newest = Remembered {
            number,
            register: hash,
            reply,
            until,
        };
        if let Some(older) = self.remembered.insert(name.clone(), newest) {
            self.forget.remove(&(older.until, name.clone()));
        }
        self.forget.insert((until, name));
        Ok(knock)
    }

    /// A signature has come from elsewhere: what it was for, and where that goes. `begin`
    /// draws the id of a session, if who asked to come in still may.
    pub(crate) fn signed(
        &mut self,
        id: SignatureId,
        signature: &[u8; 64],
        begin: impl FnOnce(&Entered) -> Option<SessionId>,
    ) -> Option<(PeerId, Knock)> {
        match self.signing.remove(&id)? {
            Pending::Challenge(pending) => {
                Some((pending.peer, Knock::Answer(pending.finish(signature))))
            }
            Pending::Register(pending) => {
                let peer = pending.peer;
                let known = self.remembered.get_mut(&pending.entered.client);
                // Signatures may come in any order: a newer Register stays the newest.
                let newest = known.filter(|known| known.number == pending.number);
                let begun = newest.and_then(|known| Some((known, begin(&pending.entered)?)));
                let Some((known, session)) = begun else {
                    return Some((peer, Knock::Wait));
                };
                let knock = pending.finish(session, signature);
                if let Knock::Entered(_, _, reply) = &knock {
                    known.reply = Some(reply.clone());
                }
                Some((peer, knock))
            }
        }
    }

    fn may_sign_challenge(&self) -> bool {
        let strangers = self.signing.values().filter(|it| it.client().is_none());
        strangers.count() < MAX_SIGNING_CHALLENGES
    }

    /// Whether there is room for a registration. An older one of the same name makes room:
    /// its signature would come too late.
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
    pub(crate) fn open(
        &mut self,
        admission: &Admission<'_>,
        message: &[u8],
        register: &Register,
        clear: usize,
    ) -> Result<Opening, Dropped> {
        let identities = [
            Some(admission.identity),
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
                    .check(admission.now, &exchange, &register.reply)?;
                Some((identity, chain, cookie))
            })
            .ok_or(Dropped::Cookie)?;
        // Only who has a cookie draws on what is there for all who have one.
        if !self.budgets.register(admission.now) {
            return Err(Dropped::OverBudget);
        }
        let binding = admission.binding_of(&register.challenge);
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
            Suite::Plain | Suite::Sealed => Binding::None,
        };
        Ok(Opening {
            number: cookie.number,
            until: cookie.until,
            client_nonce: register.challenge.client_nonce,
            th3: transcript::session(&th2, proof),
            th2,
            proof: proof.to_vec(),
            applicant,
            keys,
            bound_to,
            shown: identity_used.clone(),
            suite,
            proven: None,
        })
    }
}

/// The best suite that both accept and that this carrier permits.
fn choose_suite(config: &ServerConfig, binding: &Binding, challenge: &Challenge) -> Option<Suite> {
    let offered: Vec<Suite> = challenge
        .suites
        .iter()
        .copied()
        .filter(|suite| match suite {
            Suite::Plain => challenge.suites.len() == 1,
            Suite::Bearer => config.trusted_path || *binding != Binding::None,
            Suite::Sealed => challenge.client_share.is_some(),
        })
        .collect();
    config.suites.best_common(&offered)
}

/// Budgets are left out: they are about time.
#[cfg(test)]
impl core::hash::Hash for Door {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        assert!(self.signing.is_empty() && self.previous.is_none());
        (&self.cookies, &self.remembered, self.next_signature).hash(state);
    }
}
