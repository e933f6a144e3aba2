//! A Register whose cookie and seal are right: who sent it, and what becomes of it.

use bytes::Bytes;
use subtle::ConstantTimeEq;

use super::pending::PendingRegister;
use super::{Admission, Entered};
use crate::Instant;
use crate::digest::Hash;
use crate::entropy::Entropy;
use crate::identity::{self, Chain, ChainError, Check, Identity, Known, PublicKey, Role, Verified};
use crate::link::native::transcript::{self, Binding, Keys, TokenClaims};
use crate::message::limits::{MAX_STRANGER_PROPERTIES, MAX_TEXT};
use crate::message::{PeerId, RejectReason, Token};
use crate::suite::Suite;
use crate::time::millis;
use crate::wire::native::{self, Applicant, Denied, Grant, RefusalSeal, Register};

/// A Register whose cookie and seal are right.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Opening {
    /// The number of its cookie, and when that ends.
    pub(super) number: u64,
    pub(super) until: Instant,
    pub(super) client_nonce: [u8; 16],
    pub(super) suite: Suite,
    pub(super) th2: Hash,
    pub(super) th3: Hash,
    pub(super) proof: Vec<u8>,
    pub(super) applicant: Applicant,
    pub(super) keys: Option<Keys>,
    pub(super) bound_to: Binding,
    /// The identity that the client was shown, which signs its token too.
    pub(super) shown: Identity,
    /// What its chain proves, if that and its proof were found good together with others.
    pub(super) proven: Option<Verified>,
}

/// What a client has proved if some signatures are good.
pub(super) struct Trial {
    pub(super) verified: Verified,
    /// Those that are not known to be good.
    pub(super) of_certificates: Vec<Check>,
    pub(super) proof: Check,
}

impl Opening {
    /// What is left to check if all but the signatures is right.
    pub(super) fn on_trial(
        &self,
        identity: &Identity,
        wall: Option<u64>,
        known: &mut Known,
    ) -> Option<Trial> {
        if self.suite == Suite::Plain {
            return None;
        }
        let mut of_certificates = Vec::new();
        let verified = self.verify_chain(identity, wall, &mut |check| {
            if !known.holds(check) {
                of_certificates.push(check.clone());
            }
            true
        });
        let verified = verified.ok()?;
        Some(Trial {
            proof: self.proof_of(verified.key)?,
            of_certificates,
            verified,
        })
    }

    fn verify_chain(
        &self,
        identity: &Identity,
        wall: Option<u64>,
        good: &mut dyn FnMut(&Check) -> bool,
    ) -> Result<Verified, ChainError> {
        let chain = Chain::parse(&self.applicant.chain)?;
        let trust = (&identity.roots, &identity.revoked);
        let parties = (Role::Client, &self.applicant.name);
        identity::verify_with(&chain, trust, parties, wall, good)
    }

    /// The client's proof, if it has the length of one.
    fn proof_of(&self, key: PublicKey) -> Option<Check> {
        Some(Check {
            key,
            signature: self.proof[..].try_into().ok()?,
            message: transcript::client_proof(&self.th2).into(),
        })
    }

    /// Every check, the cheap ones first.
    pub(super) fn judge(
        &self,
        admission: &Admission<'_>,
        register: &Register,
        known: &mut Known,
    ) -> Result<Option<Verified>, Denied> {
        let (identity, wall) = (admission.identity, admission.wall);
        let verified = match &self.proven {
            _ if self.suite == Suite::Plain => None,
            Some(verified) => Some(verified.clone()),
            None => {
                let verified = known.judge(|good| self.verify_chain(identity, wall, good));
                Some(verified.map_err(|error| {
                    Denied::rejected(
                        RejectReason::Unauthenticated,
                        format!("the client's certificates are not accepted: {error}"),
                    )
                })?)
            }
        };
        (admission.admit)(&self.applicant.name, self.applicant.instance)?;
        if let Some(verified) = &verified
            && self.proven.is_none()
        {
            let proof = self.proof_of(verified.key);
            if !proof.is_some_and(|proof| proof.is_good()) {
                return Err(Denied::rejected(
                    RejectReason::Unauthenticated,
                    "the client's proof does not match this exchange",
                ));
            }
        }
        // After the proof: the answer names the project.
        let project = transcript::project(&self.client_nonce, &admission.config.project);
        if !bool::from(project.ct_eq(&register.challenge.project)) {
            return Err(Denied::rejected(
                RejectReason::WrongProject,
                format!(
                    "this server serves the project `{}`",
                    admission.config.project
                ),
            ));
        }
        Ok(verified)
    }

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
    pub(super) fn grant(
        &mut self,
        peer: PeerId,
        admission: &mut Admission<'_>,
        register: &Register,
        verified: &Option<Verified>,
    ) -> (PendingRegister, Vec<u8>) {
        let suite = register.reply.suite;
        let config = admission.config;
        let token = (suite != Suite::Plain && self.applicant.want_token)
            .then(|| Token::from_bytes(admission.entropy.uuid()));
        let issued = admission
            .wall
            .unwrap_or(admission.now.as_micros() / 1_000_000);
        let not_after = verified
            .as_ref()
            .and_then(|verified| verified.not_after)
            .filter(|_| admission.wall.is_some());
        let expires = issued
            .saturating_add(config.session_lifetime.as_secs())
            .min(not_after.unwrap_or(u64::MAX));
        let grant = Grant {
            token,
            token_signature: Vec::new(),
            ssid: admission.ssid,
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
            number: self.number,
            client_nonce: self.client_nonce,
            entered: Entered {
                client: self.applicant.name.clone(),
                instance: self.applicant.instance,
                bound_to: core::mem::take(&mut self.bound_to),
                address: core::mem::take(&mut self.applicant.address),
                site_info: core::mem::take(&mut self.applicant.site_info),
                context: core::mem::take(&mut self.applicant.context),
                certificates,
                dates_checked,
                lifetime: expires.saturating_sub(issued),
            },
            keys: self.keys.take(),
            th3: self.th3,
            grant,
            until: admission.now + config.registration_window,
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
