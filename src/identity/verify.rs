//! The judgement over a chain.

use super::certificate::Certificate;
use super::chain::Evidence;
use super::{CertificateId, Chain, ChainError, Name, PublicKey, Revoked, Roots};

/// What a peer is in the exchange, and so what its certificate must be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The coordinator: extendedKeyUsage, if present, has to list `serverAuth`.
    Server,
    /// A site: extendedKeyUsage, if present, has to list `clientAuth`.
    Client,
}

/// What a chain has proved. Whether the peer holds the key is a matter of its
/// signature, checked with [`PublicKey::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The peer's key.
    pub key: PublicKey,
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
    match chain.evidence() {
        Evidence::Pinned(key) => verify_pinned(key, roots, expected),
        Evidence::Certificates(leaf, issuers) => {
            let found = leaf.common_name()?;
            if found != expected {
                return Err(ChainError::WrongName {
                    expected: expected.clone(),
                    found: found.clone(),
                });
            }
            let path = Path::new(leaf, issuers, roots);
            check_revoked(leaf, issuers, revoked)?;
            path.check(role, unix_time)?;
            let usable = path.roots(roots, revoked, role, unix_time)?;
            let root = path.check_signatures(&usable)?;
            Ok(path.verified(root, expected, unix_time))
        }
    }
}

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

fn check_revoked(
    leaf: &Certificate,
    issuers: &[Certificate],
    revoked: &Revoked,
) -> Result<(), ChainError> {
    let mut sent = std::iter::once(leaf).chain(issuers);
    match sent.position(|certificate| revoked.contains(&certificate.id)) {
        Some(position) => Err(ChainError::Revoked { position }),
        None => Ok(()),
    }
}

/// The way from the leaf up to a root, the root not included.
struct Path<'a> {
    leaf: &'a Certificate,
    intermediates: Vec<&'a Certificate>,
}

impl<'a> Path<'a> {
    fn new(leaf: &'a Certificate, issuers: &'a [Certificate], roots: &Roots) -> Self {
        Self {
            leaf,
            intermediates: issuers
                .iter()
                .take_while(|issuer| !roots.holds(issuer))
                .collect(),
        }
    }

    /// Everything about the path itself except signatures.
    fn check(&self, role: Role, unix_time: Option<u64>) -> Result<(), ChainError> {
        for (position, (certificate, issuer)) in self.links().enumerate() {
            if certificate.issuer != issuer.subject {
                return Err(ChainError::NotIssuedByNext { position });
            }
        }
        self.leaf.check_leaf(role)?;
        for (below, issuer) in self.intermediates.iter().enumerate() {
            issuer.check_issuer(below + 1, below)?;
            issuer.check_purpose(below + 1, role)?;
        }
        if let Some(unix_time) = unix_time {
            for (position, certificate) in self.certificates().enumerate() {
                certificate.check_dates(position, unix_time)?;
            }
        }
        Ok(())
    }

    /// The configured roots that may have issued the top of the path: at least one.
    fn roots<'r>(
        &'r self,
        roots: &'r Roots,
        revoked: &Revoked,
        role: Role,
        unix_time: Option<u64>,
    ) -> Result<Vec<&'r Certificate>, ChainError> {
        let below = self.intermediates.len();
        let position = below + 1;
        let check = |root: &Certificate| {
            if revoked.contains(&root.id) {
                return Err(ChainError::Revoked { position });
            }
            root.check_issuer(position, below)?;
            root.check_purpose(position, role)?;
            unix_time.map_or(Ok(()), |time| root.check_dates(position, time))
        };

        let mut usable = Vec::new();
        let mut refusal = ChainError::UnknownRoot { position: below };
        for root in roots.named(&self.top().issuer) {
            match check(root) {
                Ok(()) => usable.push(root),
                Err(error) => refusal = error,
            }
        }
        if usable.is_empty() {
            return Err(refusal);
        }
        Ok(usable)
    }

    /// Checks each signature and returns the root that made the last one.
    fn check_signatures<'r>(
        &self,
        roots: &[&'r Certificate],
    ) -> Result<&'r Certificate, ChainError> {
        for (position, (certificate, issuer)) in self.links().enumerate() {
            if !certificate.is_signed_by(&issuer.key) {
                return Err(ChainError::BadSignature { position });
            }
        }
        let top = self.top();
        let made = roots.iter().find(|root| top.is_signed_by(&root.key));
        made.copied().ok_or(ChainError::BadSignature {
            position: self.intermediates.len(),
        })
    }

    fn verified(&self, root: &Certificate, name: &Name, unix_time: Option<u64>) -> Verified {
        let all = || self.certificates().chain([root]);
        Verified {
            key: self.leaf.key,
            name: name.clone(),
            not_after: all().map(|certificate| certificate.not_after).min(),
            dates_checked: unix_time.is_some(),
            certificates: all().map(|certificate| certificate.id).collect(),
        }
    }

    /// The certificate that a root issued.
    fn top(&self) -> &'a Certificate {
        self.intermediates.last().unwrap_or(&self.leaf)
    }

    fn certificates(&self) -> impl Iterator<Item = &'a Certificate> {
        std::iter::once(self.leaf).chain(self.intermediates.iter().copied())
    }

    /// Each certificate with the one after it.
    fn links(&self) -> impl Iterator<Item = (&'a Certificate, &'a Certificate)> {
        self.certificates().zip(self.intermediates.iter().copied())
    }
}
