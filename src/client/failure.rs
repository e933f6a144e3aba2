//! The classification of failures: some pass, others last until a person changes something at
//! this client.
//!
//! A client that ends for a failure that would have passed is lost to its federation until
//! somebody looks. So a failure is permanent only if nothing that happens elsewhere can mend
//! it: a clock that is corrected, a server that is started anew, updated, or given a new
//! certificate, an attacker who goes away.

use super::{RetryReason, Suspicion};
use crate::identity::ChainError;
use crate::message::RejectReason;

/// Whether a failure passes without a change at this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// It may pass by itself, or by what others do: try again, for as long as it takes.
    Transient,
    /// Only a person at this end can mend it, with another kit, key, name or address.
    Permanent,
}

impl RetryReason {
    /// Always [`FailureKind::Transient`]: the machine tries again by itself.
    #[must_use]
    pub fn failure_kind(self) -> FailureKind {
        match self {
            Self::NotConnected
            | Self::Disconnected
            | Self::SendFailed
            | Self::ChallengeUnanswered
            | Self::ChallengeSuspect
            | Self::RegisterUnanswered
            | Self::ServerBusy
            | Self::NoCommonSuite
            | Self::ChallengeTooShort
            | Self::ServerOlder
            | Self::ServerNewer
            | Self::CertificateDates
            | Self::SignerSilent
            | Self::Heartbeat(_)
            | Self::PullTask(_)
            | Self::SubmitResult(_)
            | Self::Transfer(_)
            | Self::SessionSilent
            | Self::Replaced => FailureKind::Transient,
        }
    }
}

impl RejectReason {
    /// Always [`FailureKind::Permanent`]: a server refuses for good only what it can tell
    /// for certain. Dates, which depend on clocks, it refuses
    /// [for now](RetryReason::CertificateDates).
    #[must_use]
    pub fn failure_kind(self) -> FailureKind {
        match self {
            Self::Unauthenticated | Self::Disabled | Self::WrongProject | Self::Replaced => {
                FailureKind::Permanent
            }
        }
    }
}

impl Suspicion {
    /// Give up on a permanent one once it is `repeated`; a single answer proves little.
    #[must_use]
    pub fn failure_kind(&self) -> FailureKind {
        match self {
            Self::Chain(error) => of_servers_chain(error),
            // The server refuses what this client's kit proves.
            Self::NoToken => FailureKind::Permanent,
            // Somebody on the way changes what the server says, or the server is at fault.
            Self::Proof
            | Self::Seal
            | Self::Suite
            | Self::TokenSignature
            | Self::Malformed
            | Self::AuthDropped => FailureKind::Transient,
        }
    }
}

/// Of a server whose certificates are not accepted.
fn of_servers_chain(error: &ChainError) -> FailureKind {
    match error {
        // Another server than that of the kit, or the kit of another one.
        ChainError::UnknownRoot { .. }
        | ChainError::BadSignature { .. }
        | ChainError::WrongName { .. }
        | ChainError::NotPinned { .. }
        | ChainError::NoX509 => FailureKind::Permanent,
        // A clock is wrong, or the server needs another certificate.
        ChainError::Expired { .. }
        | ChainError::NotYetValid { .. }
        | ChainError::Revoked { .. }
        | ChainError::Empty
        | ChainError::TooMany
        | ChainError::TooLarge { .. }
        | ChainError::BadFraming
        | ChainError::Malformed { .. }
        | ChainError::WrongKeyType { .. }
        | ChainError::WeakKey { .. }
        | ChainError::WrongSignatureType { .. }
        | ChainError::NotACertificate { .. }
        | ChainError::NotAnRsaKey { .. }
        | ChainError::RsaKeySize { .. }
        | ChainError::ImpossibleRsaKey { .. }
        | ChainError::NotAnRsaSignature { .. }
        | ChainError::NotIssuedByNext { .. }
        | ChainError::NotACa { .. }
        | ChainError::LeafIsCa
        | ChainError::PathTooLong { .. }
        | ChainError::KeyUsage { .. }
        | ChainError::ExtendedKeyUsage { .. }
        | ChainError::NoCommonName
        | ChainError::SeveralCommonNames
        | ChainError::CommonNameEncoding
        | ChainError::BadCommonName { .. }
        | ChainError::UnknownCriticalExtension { .. }
        | ChainError::NameConstraints { .. } => FailureKind::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Name;

    #[test]
    fn a_clock_an_attacker_and_a_faulty_server_pass() {
        let (position, not_after, not_before) = (0, 1, 2);
        for suspicion in [
            Suspicion::Chain(ChainError::NotYetValid {
                position,
                not_before,
            }),
            Suspicion::Chain(ChainError::Expired {
                position,
                not_after,
            }),
            Suspicion::Chain(ChainError::Revoked { position }),
            Suspicion::Proof,
            Suspicion::Seal,
            Suspicion::Suite,
            Suspicion::TokenSignature,
            Suspicion::Malformed,
            Suspicion::AuthDropped,
        ] {
            assert_eq!(suspicion.failure_kind(), FailureKind::Transient);
        }
    }

    #[test]
    fn another_kit_is_for_a_person() {
        let name = |name: &str| Name::new(name).unwrap();
        let (expected, found) = (name("a"), name("b"));
        for suspicion in [
            Suspicion::Chain(ChainError::UnknownRoot { position: 0 }),
            Suspicion::Chain(ChainError::BadSignature { position: 0 }),
            Suspicion::Chain(ChainError::WrongName {
                expected: expected.clone(),
                found,
            }),
            Suspicion::Chain(ChainError::NotPinned { expected }),
            Suspicion::Chain(ChainError::NoX509),
            Suspicion::NoToken,
        ] {
            assert_eq!(suspicion.failure_kind(), FailureKind::Permanent);
        }
    }
}
