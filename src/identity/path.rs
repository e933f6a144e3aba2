//! The path from a peer's certificate up to a trusted root, and the checks along it.

use alloc::vec::Vec;

use bytes::Bytes;

use super::anchors::Anchors;
use super::certificate::Certificate;
use super::chain_key::ChainKey;
use super::{ChainError, Name, Revoked, Role, Verified};

/// Whether a key made a signature of a message.
pub(super) type Made<'a, K> = &'a mut dyn FnMut(&K, &<K as ChainKey>::Signature, &Bytes) -> bool;

/// The certificates of a chain, of one kind of key.
pub(super) struct Certificates<K: ChainKey> {
    pub(super) leaf: Certificate<K>,
    /// The leaf's issuer, and so on.
    issuers: Vec<Certificate<K>>,
}

impl<K: ChainKey> Certificates<K> {
    /// Reads certificates in DER, the leaf first. The caller has checked that they are
    /// within the limits of a chain.
    pub(super) fn read(ders: impl IntoIterator<Item = Bytes>) -> Result<Self, ChainError> {
        let mut certificates = ders
            .into_iter()
            .enumerate()
            .map(|(position, der)| Certificate::from_der(der, position));
        let leaf = certificates.next().ok_or(ChainError::Empty)??;
        let issuers = certificates.collect::<Result<_, _>>()?;
        Ok(Self { leaf, issuers })
    }

    /// When the first of them ends, in Unix seconds.
    pub(super) fn not_after(&self) -> u64 {
        let issuers = self.issuers.iter().map(|issuer| issuer.not_after);
        issuers.fold(self.leaf.not_after, u64::min)
    }

    /// The judgement that [`verify`](super::verify) describes.
    // spec: P-35
    pub(super) fn verify(
        &self,
        (roots, revoked): (&Anchors<K>, &Revoked),
        (role, expected): (Role, &Name),
        unix_time: Option<u64>,
        made: Made<'_, K>,
    ) -> Result<Verified<K>, ChainError> {
        let found = self.leaf.common_name()?;
        if found != expected {
            return Err(ChainError::WrongName {
                expected: expected.clone(),
                found: found.clone(),
            });
        }
        let path = Path::new(self, roots);
        self.check_revoked(revoked)?;
        path.check(role, unix_time)?;
        let usable = path.roots(roots, revoked, role, unix_time)?;
        let root = path.check_signatures(&usable, made)?;
        Ok(path.verified(root, expected, unix_time))
    }

    // spec: P-36
    fn check_revoked(&self, revoked: &Revoked) -> Result<(), ChainError> {
        let mut sent = core::iter::once(&self.leaf).chain(&self.issuers);
        match sent.position(|certificate| revoked.contains(&certificate.id)) {
            Some(position) => Err(ChainError::Revoked { position }),
            None => Ok(()),
        }
    }
}

/// The way from the leaf up to a root, the root not included.
struct Path<'a, K: ChainKey> {
    leaf: &'a Certificate<K>,
    intermediates: Vec<&'a Certificate<K>>,
}

impl<'a, K: ChainKey> Path<'a, K> {
    fn new(certificates: &'a Certificates<K>, roots: &Anchors<K>) -> Self {
        Self {
            leaf: &certificates.leaf,
            intermediates: certificates
                .issuers
                .iter()
                .take_while(|issuer| !roots.holds(issuer))
                .collect(),
        }
    }

    /// Everything about the path itself except signatures.
    // spec: P-33
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
        roots: &'r Anchors<K>,
        revoked: &Revoked,
        role: Role,
        unix_time: Option<u64>,
    ) -> Result<Vec<&'r Certificate<K>>, ChainError> {
        let below = self.intermediates.len();
        let position = below + 1;
        let check = |root: &Certificate<K>| {
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
        roots: &[&'r Certificate<K>],
        made: Made<'_, K>,
    ) -> Result<&'r Certificate<K>, ChainError> {
        for (position, (certificate, issuer)) in self.links().enumerate() {
            if !certificate.is_signed_by(&issuer.key, made) {
                return Err(ChainError::BadSignature { position });
            }
        }
        let top = self.top();
        let issuer = roots.iter().find(|root| top.is_signed_by(&root.key, made));
        issuer.copied().ok_or(ChainError::BadSignature {
            position: self.intermediates.len(),
        })
    }

    fn verified(&self, root: &Certificate<K>, name: &Name, unix_time: Option<u64>) -> Verified<K> {
        let all = || self.certificates().chain([root]);
        Verified {
            key: self.leaf.key.clone(),
            name: name.clone(),
            not_after: all().map(|certificate| certificate.not_after).min(),
            dates_checked: unix_time.is_some(),
            certificates: all().map(|certificate| certificate.id).collect(),
        }
    }

    /// The certificate that a root issued.
    fn top(&self) -> &'a Certificate<K> {
        self.intermediates.last().unwrap_or(&self.leaf)
    }

    fn certificates(&self) -> impl Iterator<Item = &'a Certificate<K>> {
        core::iter::once(self.leaf).chain(self.intermediates.iter().copied())
    }

    /// Each certificate with the one after it.
    fn links(&self) -> impl Iterator<Item = (&'a Certificate<K>, &'a Certificate<K>)> {
        self.certificates().zip(self.intermediates.iter().copied())
    }
}
