//! Verification of a chain against roots, revocations, dates, role and name.

use alloc::vec::Vec;

#[cfg(feature = "x509")]
use bytes::Bytes;

use super::chain::Evidence;
use super::{CertificateId, Chain, ChainError, Check, Name, PublicKey, Revoked, Roots};

/// What a peer is in the exchange, and so what its certificate must be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The coordinator: extendedKeyUsage, if present, has to list `serverAuth`.
    Server,
    /// A site: extendedKeyUsage, if present, has to list `clientAuth`.
    Client,
}

/// What a chain has proved. Whether the peer holds the key is a matter of its
/// signature, checked with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<K = PublicKey> {
    /// The peer's key.
    pub key: K,
    /// The peer's name.
    pub name: Name,
    /// The last second in which every certificate counts, in seconds since 1970;
    /// `None` for a pinned key, which has no end.
    pub not_after: Option<u64>,
    /// Whether no date was left unchecked: false if there were certificates and no
    /// clock.
    pub dates_checked: bool,
    /// The certificates from the leaf up to the root, to compare with a later
    /// [`Revoked`]; empty for a pinned key.
    pub certificates: Vec<CertificateId>,
}

/// Judges whether `chain` is that of `expected` in this role.
///
/// `unix_time` is the host's wall clock in seconds since 1970; without one, dates
/// are not checked and the answer says so. All cheap checks come before the first
/// signature. Certificates past the first that speaks for a root are not needed and
/// not looked at, except for revocation.
///
/// # Errors
///
/// The first fault found, as a [`ChainError`] of its own kind.
pub fn verify(
    chain: &Chain,
    roots: &Roots,
    revoked: &Revoked,
    role: Role,
    expected: &Name,
    unix_time: Option<u64>,
) -> Result<Verified, ChainError> {
    let parties = (role, expected);
    verify_with(
        chain,
        (roots, revoked),
        parties,
        unix_time,
        &mut Check::is_good,
    )
}

/// The same, with signatures checked by `good`.
#[cfg_attr(
    not(feature = "x509"),
    expect(unused_variables, reason = "a pinned key has no dates and no issuers")
)]
pub(crate) fn verify_with(
    chain: &Chain,
    (roots, revoked): (&Roots, &Revoked),
    (role, expected): (Role, &Name),
    unix_time: Option<u64>,
    good: &mut dyn FnMut(&Check) -> bool,
) -> Result<Verified, ChainError> {
    match chain.evidence() {
        Evidence::Pinned(key) => verify_pinned(key, roots, expected),
        #[cfg(feature = "x509")]
        Evidence::Certificates(certificates) => {
            let trust = (roots.certificates(), revoked);
            let made = &mut |key: &PublicKey, signature: &[u8; 64], message: &Bytes| {
                good(&Check {
                    key: *key,
                    signature: *signature,
                    message: message.clone(),
                })
            };
            certificates.verify(trust, (role, expected), unix_time, made)
        }
    }
}

// spec: P-36
fn verify_pinned(key: &PublicKey, roots: &Roots, expected: &Name) -> Result<Verified, ChainError> {
    if !roots.pins(expected, key) {
        return Err(ChainError::NotPinned {
            expected: expected.clone(),
        });
    }
    Ok(Verified {
        key: *key,
        name: expected.clone(),
        not_after: None,
        dates_checked: true,
        certificates: Vec::new(),
    })
}
