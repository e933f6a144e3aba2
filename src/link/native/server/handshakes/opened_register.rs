//! A Register whose cookie and seal are right: the checks of its sender, and the grant or the
//! refusal that follows.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use subtle::ConstantTimeEq;

use super::pending::PendingRegister;
use super::{HandshakeContext, Registrant};
use crate::Instant;
use crate::digest::Hash;
use crate::entropy::Entropy;
use crate::identity::{self, Chain, ChainError, Check, Identity, Known, Role, Verified};
use crate::link::native::server::sessions::LONGEST;
use crate::link::native::transcript::{self, Keys};
use crate::link::{ChannelBinding, TokenClaims};
use crate::message::limits::{MAX_STRANGER_PROPERTIES, MAX_TEXT};
use crate::message::{PeerId, RejectReason, Token};
use crate::suite::Suite;
use crate::time::millis;
use crate::wire::native::{self, Applicant, Denied, Grant, RefusalSeal, Register};

/// No session is granted that would end sooner than this with a certificate: clients that
/// come again and again in its last moments would get ever shorter ones.
const LEAST_GRANT: Duration = Duration::from_secs(60);

/// A Register whose cookie is right.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct CheckedRegister {
    /// The number of its cookie.
    pub(super) number: u64,
    /// When that ends.
    pub(super) until: Instant,
    /// Its bytes and the binding of its connection.
    pub(super) copy: Hash,
    /// Not opened if a Register with this cookie has been proved.
    pub(super) opened: Option<OpenedRegister>,
}

impl CheckedRegister {
    /// What is to be proved.
    pub(crate) fn opened(&mut self) -> Option<&mut OpenedRegister> {
        self.opened.as_mut()
    }
}

/// A Register whose cookie and seal are right.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct OpenedRegister {
    pub(super) client_nonce: [u8; 16],
    pub(super) suite: Suite,
    pub(super) th2: Hash,
    pub(super) th3: Hash,
    pub(super) proof: Vec<u8>,
    pub(super) applicant: Applicant,
    /// Its chain, read.
    pub(super) chain: Result<Chain, ChainError>,
    pub(super) keys: Option<Keys>,
    pub(super) bound_to: ChannelBinding,
    /// The identity that the client was shown, which signs its token too.
    pub(super) shown: Identity,
    /// Whether its proof was found good together with others.
    pub(super) proven: bool,
    /// What its chain proves, if that was found good together with others.
    pub(super) verified: Option<Verified>,
}

impl OpenedRegister {
    /// Looks at all of the chain but the signatures, and returns those that are not known to
    /// be good. What it proves counts if they are.
    pub(super) fn on_trial(
        &mut self,
        identity: &Identity,
        wall: Option<u64>,
        known: &mut Known,
        of_certificates: &mut Vec<Check>,
    ) {
        let before = of_certificates.len();
        let verified = self.verify_chain(identity, wall, &mut |check| {
            if !known.holds(check) {
                of_certificates.push(check.clone());
            }
            true
        });
        self.verified = verified.ok();
        if self.verified.is_none() {
            of_certificates.truncate(before);
        }
    }

    fn verify_chain(
        &self,
        identity: &Identity,
        wall: Option<u64>,
        good: &mut dyn FnMut(&Check) -> bool,
    ) -> Result<Verified, ChainError> {
        let chain = self.chain.as_ref().map_err(Clone::clone)?;
        let trust = (&identity.roots, &identity.revoked);
        let parties = (Role::Client, &self.applicant.name);
        identity::verify_with(chain, trust, parties, wall, good)
    }

    /// The client's proof, if it has the length of one; none in the plain suite.
    pub(super) fn proof(&self) -> Option<Check> {
        let chain = self.chain.as_ref().ok()?;
        if self.suite == Suite::Plain {
            return None;
        }
        Some(Check {
            key: chain.key(),
            signature: self.proof[..].try_into().ok()?,
            message: transcript::client_proof(&self.th2).into(),
        })
    }

    /// Every check. That the client has the key that it shows comes first: who has only
    /// seen a site's certificate learns nothing of what is known of the site, neither from
    /// the answer nor from the time that it takes.
    // spec: P-52
    pub(super) fn judge(
        &self,
        context: &HandshakeContext<'_>,
        register: &Register,
        known: &mut Known,
    ) -> Result<Option<Verified>, Denied> {
        let verified = match self.suite {
            Suite::Plain => None,
            Suite::Bearer | Suite::Sealed => Some(self.verify(context, known)?),
        };
        let not_after = verified.as_ref().and_then(|verified| verified.not_after);
        // spec: P-53
        if let Some((not_after, wall)) = not_after.zip(context.wall) {
            let left = Duration::from_secs(not_after.saturating_sub(wall));
            if left < LEAST_GRANT.min(context.config.session_lifetime) {
                return Err(Denied::rejected(
                    RejectReason::Unauthenticated,
                    format!(
                        "a certificate of the client ends in {} s: renew it",
                        left.as_secs()
                    ),
                ));
            }
        }
        // spec: P-54
        let project = transcript::project(&self.client_nonce, &context.config.project);
        if !bool::from(project.ct_eq(&register.challenge.project)) {
            return Err(Denied::rejected(
                RejectReason::WrongProject,
                format!(
                    "this server serves the project `{}`",
                    context.config.project
                ),
            ));
        }
        (context.admit)(&self.applicant.name, self.applicant.instance)?;
        Ok(verified)
    }

    fn verify(
        &self,
        context: &HandshakeContext<'_>,
        known: &mut Known,
    ) -> Result<Verified, Denied> {
        let unauthenticated = |message| Denied::rejected(RejectReason::Unauthenticated, message);
        let not_accepted = |error: ChainError| {
            let message = format!("the client's certificates are not accepted: {error}");
            match error {
                ChainError::Expired { .. } | ChainError::NotYetValid { .. } => {
                    Denied::out_of_dates(message)
                }
                _ => unauthenticated(message),
            }
        };
        if let Err(error) = &self.chain {
            return Err(not_accepted(error.clone()));
        }
        if !self.proven && !self.proof().is_some_and(|proof| proof.is_good()) {
            let message = "the client's proof does not match this exchange";
            return Err(unauthenticated(message.to_owned()));
        }
        if let Some(verified) = &self.verified {
            return Ok(verified.clone());
        }
        let (identity, wall) = (context.identity, context.wall);
        known
            .judge(|good| self.verify_chain(identity, wall, good))
            .map_err(not_accepted)
    }

    // spec: P-57
    pub(super) fn refuse(&self, entropy: &mut Entropy, denied: &Denied) -> Bytes {
        match &self.keys {
            None => native::refusal(&self.client_nonce, denied),
            Some(keys) => {
                let refusal_id = entropy.bytes();
                transcript::seal_refusal(
                    &keys.refusal(&self.th3, &refusal_id),
                    native::refusal_header(&self.client_nonce, RefusalSeal::Sealed { refusal_id }),
                    denied,
                )
            }
        }
        .into()
    }

    /// What who has proved itself is granted, all but the token's signature and the
    /// session; and what that has to sign.
    // spec: P-60, P-61
    pub(super) fn grant(
        &mut self,
        peer: PeerId,
        context: &mut HandshakeContext<'_>,
        number: u64,
        verified: &Option<Verified>,
    ) -> (PendingRegister, Vec<u8>) {
        let suite = self.suite;
        let config = context.config;
        let token = (suite != Suite::Plain && self.applicant.want_token)
            .then(|| Token::from_bytes(context.entropy.uuid()));
        let issued = context.wall.unwrap_or(context.now.as_micros() / 1_000_000);
        let not_after = verified.as_ref().and_then(|verified| verified.not_after);
        let expires = issued
            .saturating_add(config.session_lifetime.min(LONGEST).as_secs())
            .min(
                not_after
                    .filter(|_| context.wall.is_some())
                    .unwrap_or(u64::MAX),
            );
        let grant = Grant {
            token,
            token_signature: Vec::new(),
            ssid: context.ssid,
            issued,
            expires,
            interval: millis(config.heartbeat_interval),
        };
        let to_sign = TokenClaims {
            suite,
            project: config.project.as_str(),
            name: self.applicant.name.as_str(),
            token: grant.token.as_ref(),
            ssid: grant.ssid,
            issued,
            expires,
            interval: grant.interval,
            th3: &self.th3,
        }
        .to_sign();
        let (certificates, dates_checked) = verified.as_ref().map_or_else(
            || (Box::default(), true),
            |it| (it.certificates.clone().into(), it.dates_checked),
        );
        let pending = PendingRegister {
            peer,
            asked: context.asked,
            number,
            client_nonce: self.client_nonce,
            entered: Registrant {
                client: self.applicant.name.clone(),
                instance: self.applicant.instance,
                bound_to: core::mem::take(&mut self.bound_to),
                address: core::mem::take(&mut self.applicant.address),
                site_info: core::mem::take(&mut self.applicant.site_info),
                context: core::mem::take(&mut self.applicant.context),
                certificates,
                dates_checked,
                not_after,
                lifetime: expires.saturating_sub(issued),
            },
            keys: self.keys.take(),
            th3: self.th3,
            grant,
            until: context.now + config.registration_window,
        };
        (pending, to_sign)
    }
}

impl Applicant {
    pub(super) fn fits(&self) -> bool {
        self.address.len() <= MAX_TEXT
            && self.site_info.size() <= MAX_STRANGER_PROPERTIES
            && self.context.size() <= MAX_STRANGER_PROPERTIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Name;
    use crate::message::{InstanceId, Properties};

    // spec: P-52
    #[test]
    fn a_stranger_may_say_only_so_much_of_itself() {
        let modest = Applicant {
            name: Name::nobody(),
            instance: InstanceId::from_bytes([1; 16]),
            chain: Vec::new(),
            want_token: false,
            address: "a".repeat(MAX_TEXT),
            site_info: Properties::new(),
            context: Properties::new(),
        };
        assert!(modest.fits());
        let mut talkative = [(); 3].map(|()| modest.clone());
        let much = Properties::new().with("key", "x".repeat(MAX_STRANGER_PROPERTIES));
        talkative[0].address.push('a');
        talkative[1].site_info = much.clone();
        talkative[2].context = much;
        assert!(talkative.iter().all(|applicant| !applicant.fits()));
    }
}
