//! Every way in which a chain can be wrong, one at a time, each with its own error.

use fedlink::identity::{
    Chain, ChainError, LocalSigner, Revoked, Role, Roots, Signer, Verified, verify,
};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, GeneralSubtree,
    IsCa, KeyUsagePurpose, NameConstraints, date_time_ymd,
};

use crate::common::pki::{Authority, NOT_AFTER, NOT_BEFORE, NOW, Pki, name, subject};

pub(crate) const SITE_SEED: [u8; 32] = [1; 32];

pub(crate) fn judge(pki: &Pki, ders: &[&[u8]]) -> Result<Verified, ChainError> {
    judge_at(pki, ders, Some(NOW))
}

fn judge_at(pki: &Pki, ders: &[&[u8]], now: Option<u64>) -> Result<Verified, ChainError> {
    judge_under(&pki.roots(), ders, now)
}

fn judge_under(roots: &Roots, ders: &[&[u8]], now: Option<u64>) -> Result<Verified, ChainError> {
    let chain = Chain::from_der(ders.to_vec())?;
    let (revoked, expected) = (Revoked::new(), name("site-1"));
    verify(&chain, roots, &revoked, Role::Client, &expected, now)
}

/// The fault of a leaf of site-1 that was changed before it was issued.
pub(crate) fn fault_of_leaf(change: impl FnOnce(&mut CertificateParams)) -> ChainError {
    let pki = Pki::new(1);
    let leaf = pki.root().leaf("site-1", Role::Client, SITE_SEED, change);
    judge(&pki, &[&leaf]).unwrap_err()
}

/// The fault of a good leaf under an intermediate that was changed.
fn fault_of_intermediate(change: impl FnOnce(&mut CertificateParams)) -> ChainError {
    let pki = Pki::new(1);
    let middle = pki.root().authority("middle", [2; 32], change);
    let leaf = middle.leaf("site-1", Role::Client, SITE_SEED, |_| {});
    judge(&pki, &[&leaf, middle.der()]).unwrap_err()
}

/// Why a root that was changed is not taken as one.
fn fault_of_root(change: impl FnOnce(&mut CertificateParams)) -> ChainError {
    let root = Authority::root_with("root", [3; 32], change);
    Roots::new().certificate(root.der()).unwrap_err()
}

pub(crate) fn extension(oid: &[u64], critical: bool, value: &[u8]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, value.to_vec());
    extension.set_criticality(critical);
    extension
}

/// Replaces the only (or, of several, the last) occurrence of `from`.
pub(crate) fn replace_last(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let at = bytes
        .windows(from.len())
        .rposition(|window| window == from)
        .unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
}

#[test]
fn a_gap_in_the_chain() {
    let pki = Pki::new(1);
    let upper = pki.root().authority("upper", [2; 32], |_| {});
    let lower = upper.authority("lower", [3; 32], |_| {});
    let leaf = lower.leaf("site-1", Role::Client, SITE_SEED, |_| {});
    for ders in [
        [&leaf, upper.der(), lower.der()],
        [&leaf, upper.der(), pki.root().der()],
    ] {
        let fault = judge(&pki, &ders);
        assert_eq!(fault, Err(ChainError::NotIssuedByNext { position: 0 }));
    }
    assert_eq!(
        judge(&pki, &[&leaf, lower.der()]),
        Err(ChainError::UnknownRoot { position: 1 })
    );
}

#[test]
fn a_root_that_nobody_configured() {
    let pki = Pki::new(1);
    let stranger = Authority::root("stranger", [2; 32]);
    let leaf = stranger.leaf("site-1", Role::Client, SITE_SEED, |_| {});
    assert_eq!(
        judge(&pki, &[&leaf]),
        Err(ChainError::UnknownRoot { position: 0 })
    );
    assert_eq!(
        judge(&pki, &[&leaf, stranger.der()]),
        Err(ChainError::UnknownRoot { position: 1 })
    );
}

#[test]
fn a_root_of_the_same_name_with_another_key() {
    let pki = Pki::new(1);
    let stranger = Authority::root("fedlink test root", [2; 32]);
    let leaf = stranger.leaf("site-1", Role::Client, SITE_SEED, |_| {});
    assert_eq!(
        judge(&pki, &[&leaf]),
        Err(ChainError::BadSignature { position: 0 })
    );
    assert_eq!(
        judge(&pki, &[&leaf, stranger.der()]),
        Err(ChainError::BadSignature { position: 1 })
    );
}

#[test]
fn an_intermediate_that_did_not_sign() {
    let pki = Pki::new(1);
    let right = pki.root().authority("middle", [2; 32], |_| {});
    let wrong = pki.root().authority("middle", [3; 32], |_| {});
    let leaf = wrong.leaf("site-1", Role::Client, SITE_SEED, |_| {});
    assert_eq!(
        judge(&pki, &[&leaf, right.der()]),
        Err(ChainError::BadSignature { position: 0 })
    );
}

#[test]
fn a_changed_certificate() {
    let pki = Pki::new(1);
    let mut leaf = pki.root().leaf("site-2", Role::Client, SITE_SEED, |_| {});
    replace_last(&mut leaf, b"site-2", b"site-1");
    assert_eq!(
        judge(&pki, &[&leaf]),
        Err(ChainError::BadSignature { position: 0 })
    );
}

#[test]
fn an_expired_leaf() {
    let pki = Pki::new(1);
    let leaf = pki.root().leaf("site-1", Role::Client, SITE_SEED, |_| {});
    assert_eq!(
        judge_at(&pki, &[&leaf], Some(NOT_AFTER + 1)),
        Err(ChainError::Expired {
            position: 0,
            not_after: NOT_AFTER
        })
    );
}

#[test]
fn a_leaf_that_is_not_valid_yet() {
    let pki = Pki::new(1);
    let leaf = pki.root().leaf("site-1", Role::Client, SITE_SEED, |_| {});
    assert_eq!(
        judge_at(&pki, &[&leaf], Some(NOT_BEFORE - 1)),
        Err(ChainError::NotYetValid {
            position: 0,
            not_before: NOT_BEFORE
        })
    );
}

#[test]
fn an_expired_intermediate() {
    let fault = fault_of_intermediate(|params| params.not_after = date_time_ymd(2025, 1, 1));
    assert!(matches!(fault, ChainError::Expired { position: 1, .. }));
}

#[test]
fn a_root_that_is_not_valid_yet() {
    let root = Authority::root_with("root", [2; 32], |params| {
        params.not_before = date_time_ymd(2035, 1, 1);
    });
    let leaf = root.leaf("site-1", Role::Client, SITE_SEED, |_| {});
    let roots = Roots::new().certificate(root.der()).unwrap();
    let fault = judge_under(&roots, &[&leaf], Some(NOW));
    assert!(matches!(
        fault,
        Err(ChainError::NotYetValid { position: 1, .. })
    ));
}

#[test]
fn an_issuer_that_is_no_authority() {
    for is_ca in [IsCa::NoCa, IsCa::ExplicitNoCa] {
        let fault = fault_of_intermediate(|params| params.is_ca = is_ca);
        assert_eq!(fault, ChainError::NotACa { position: 1 });
        let fault = fault_of_root(|params| params.is_ca = is_ca);
        assert_eq!(fault, ChainError::NotACa { position: 0 });
    }
}

#[test]
fn a_leaf_that_is_an_authority() {
    let fault = fault_of_leaf(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert_eq!(fault, ChainError::LeafIsCa);
}

#[test]
fn more_intermediates_than_the_path_length() {
    let pki = Pki::new(1);
    let upper = pki.root().authority("upper", [2; 32], |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let lower = upper.authority("lower", [3; 32], |_| {});
    let leaf = lower.leaf("site-1", Role::Client, SITE_SEED, |_| {});
    assert_eq!(
        judge(&pki, &[&leaf, lower.der(), upper.der()]),
        Err(ChainError::PathTooLong { position: 2 })
    );
}

#[test]
fn more_intermediates_than_the_path_length_of_the_root() {
    let root = Authority::root_with("root", [2; 32], |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let middle = root.authority("middle", [3; 32], |_| {});
    let leaf = middle.leaf("site-1", Role::Client, SITE_SEED, |_| {});
    let roots = Roots::new().certificate(root.der()).unwrap();
    assert_eq!(
        judge_under(&roots, &[&leaf, middle.der()], Some(NOW)),
        Err(ChainError::PathTooLong { position: 2 })
    );
}

#[test]
fn a_key_usage_for_something_else() {
    let fault = fault_of_leaf(|params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement]);
    let needed = "digitalSignature";
    assert_eq!(
        fault,
        ChainError::KeyUsage {
            position: 0,
            needed
        }
    );

    let needed = "keyCertSign";
    let other = vec![KeyUsagePurpose::DigitalSignature];
    let fault = fault_of_intermediate(|params| params.key_usages = other.clone());
    assert_eq!(
        fault,
        ChainError::KeyUsage {
            position: 1,
            needed
        }
    );
    let fault = fault_of_root(|params| params.key_usages = other);
    assert_eq!(
        fault,
        ChainError::KeyUsage {
            position: 0,
            needed
        }
    );
}

#[test]
fn a_certificate_for_the_other_role() {
    let pki = Pki::new(1);
    let (roots, revoked) = (pki.roots(), Revoked::new());
    for (chain, role, needed) in [
        (pki.site("a").0, Role::Server, "serverAuth"),
        (pki.server("a").0, Role::Client, "clientAuth"),
    ] {
        assert_eq!(
            verify(&chain, &roots, &revoked, role, &name("a"), Some(NOW)),
            Err(ChainError::ExtendedKeyUsage {
                position: 0,
                needed
            })
        );
    }
}

#[test]
fn a_root_for_the_other_role() {
    let root = Authority::root_with("root", [2; 32], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let leaf = root.leaf("site-1", Role::Client, SITE_SEED, |_| {});
    let roots = Roots::new().certificate(root.der()).unwrap();
    let needed = "clientAuth";
    assert_eq!(
        judge_under(&roots, &[&leaf], Some(NOW)),
        Err(ChainError::ExtendedKeyUsage {
            position: 1,
            needed
        })
    );
}

#[test]
fn a_purpose_for_everything_is_not_one_for_this() {
    let any = vec![ExtendedKeyUsagePurpose::Any];
    let fault = fault_of_leaf(|params| params.extended_key_usages = any.clone());
    let needed = "clientAuth";
    assert_eq!(
        fault,
        ChainError::ExtendedKeyUsage {
            position: 0,
            needed
        }
    );
    let fault = fault_of_intermediate(|params| params.extended_key_usages = any);
    assert_eq!(
        fault,
        ChainError::ExtendedKeyUsage {
            position: 1,
            needed
        }
    );
}

// spec: P-35
#[test]
fn somebody_elses_name() {
    for found in ["site-2", "Site-1", "site-1.", "site"] {
        let fault = fault_of_leaf(|params| params.distinguished_name = subject(found));
        let (expected, found) = (name("site-1"), name(found));
        assert_eq!(fault, ChainError::WrongName { expected, found });
    }
}

// spec: P-36
#[test]
fn each_revoked_certificate_of_the_chain() {
    let pki = Pki::new(1);
    let middle = pki.root().authority("middle", [2; 32], |_| {});
    let leaf = middle.leaf("site-1", Role::Client, SITE_SEED, |_| {});
    let ders = [&leaf, middle.der(), pki.root().der()];
    let short = Chain::from_der(ders[..2].to_vec()).unwrap();
    let long = Chain::from_der(ders.to_vec()).unwrap();
    let (roots, expected) = (pki.roots(), name("site-1"));
    let judge = |chain: &Chain, revoked: &Revoked| {
        verify(chain, &roots, revoked, Role::Client, &expected, Some(NOW))
    };
    let ids = judge(&short, &Revoked::new()).unwrap().certificates;
    for (position, der) in ders.iter().enumerate() {
        let mut revoked = Revoked::new();
        revoked.insert_certificate(der).unwrap();
        assert!(revoked.contains(&ids[position]));
        for chain in [&short, &long] {
            let fault = judge(chain, &revoked);
            assert_eq!(fault, Err(ChainError::Revoked { position }));
        }
    }
}

#[test]
fn a_certificate_revoked_by_issuer_and_serial_number() {
    let pki = Pki::new(1);
    let leaf = pki
        .root()
        .leaf("site-1", Role::Client, SITE_SEED, |params| {
            params.serial_number = Some(vec![0x80, 1].into());
        });
    let chain = Chain::from_der(vec![leaf]).unwrap();
    let issuer = [
        &[0x30, 28, 0x31, 26, 0x30, 24, 6, 3, 0x55, 4, 3, 12, 17],
        &b"fedlink test root"[..],
    ];
    let (roots, expected) = (pki.roots(), name("site-1"));
    for (serial, is_revoked) in [
        (&[0x80, 1][..], true),
        (&[0, 0x80, 1], true),
        (&[0x80, 2], false),
    ] {
        let mut revoked = Revoked::new();
        revoked.insert(&issuer.concat(), serial);
        let answer = verify(&chain, &roots, &revoked, Role::Client, &expected, Some(NOW));
        assert_eq!(answer.is_err(), is_revoked, "{serial:?}");
    }
}

#[test]
fn a_critical_extension_that_is_not_understood() {
    let unknown = || vec![extension(&[1, 2, 3, 4], true, &[5, 0])];
    let fault = |position| ChainError::UnknownCriticalExtension {
        position,
        oid: "1.2.3.4".into(),
    };
    let found = fault_of_leaf(|params| params.custom_extensions = unknown());
    assert_eq!(found, fault(0));
    let found = fault_of_intermediate(|params| params.custom_extensions = unknown());
    assert_eq!(found, fault(1));
    let found = fault_of_root(|params| params.custom_extensions = unknown());
    assert_eq!(found, fault(0));
}

#[test]
fn an_extension_that_is_not_critical_may_be_unknown() {
    let pki = Pki::new(1);
    let leaf = pki
        .root()
        .leaf("site-1", Role::Client, SITE_SEED, |params| {
            params.custom_extensions = vec![extension(&[1, 2, 3, 4], false, &[5, 0])];
        });
    judge(&pki, &[&leaf]).unwrap();
}

#[test]
fn name_constraints() {
    let constraints = NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("example.org".into())],
        excluded_subtrees: Vec::new(),
    };
    let fault = fault_of_intermediate(|params| params.name_constraints = Some(constraints.clone()));
    assert_eq!(fault, ChainError::NameConstraints { position: 1 });
    let fault = fault_of_root(|params| params.name_constraints = Some(constraints));
    assert_eq!(fault, ChainError::NameConstraints { position: 0 });

    let not_critical = vec![extension(&[2, 5, 29, 30], false, &[0x30, 0])];
    let fault = fault_of_intermediate(|params| params.custom_extensions = not_critical);
    assert_eq!(fault, ChainError::NameConstraints { position: 1 });
}

// spec: P-36
#[test]
fn a_key_that_is_not_pinned_to_the_name() {
    let key = LocalSigner::from_seed(&SITE_SEED).public_key();
    let other = LocalSigner::from_seed(&[2; 32]).public_key();
    let expected = name("site-1");
    let pki = Pki::new(1);
    for roots in [
        pki.roots(),
        Roots::new().pin(name("site-2"), key),
        Roots::new().pin(name("site-1"), other),
    ] {
        let (chain, revoked) = (Chain::pinned(key), Revoked::new());
        assert_eq!(
            verify(&chain, &roots, &revoked, Role::Client, &expected, Some(NOW)),
            Err(ChainError::NotPinned {
                expected: expected.clone()
            })
        );
    }
}

#[test]
fn a_pin_is_not_a_root_for_certificates() {
    let pki = Pki::new(1);
    let (chain, key) = pki.site("site-1");
    let roots = Roots::new().pin(name("site-1"), key.public_key());
    let (revoked, expected) = (Revoked::new(), name("site-1"));
    assert_eq!(
        verify(&chain, &roots, &revoked, Role::Client, &expected, Some(NOW)),
        Err(ChainError::UnknownRoot { position: 0 })
    );
}

#[test]
fn cheap_faults_are_found_before_a_wrong_signature() {
    let pki = Pki::new(1);
    let stranger = Authority::root("fedlink test root", [2; 32]);
    let fault = |change: fn(&mut CertificateParams)| {
        let leaf = stranger.leaf("site-1", Role::Client, SITE_SEED, change);
        judge(&pki, &[&leaf]).unwrap_err()
    };
    assert_eq!(fault(|_| {}), ChainError::BadSignature { position: 0 });
    let expired = fault(|params| params.not_after = date_time_ymd(2025, 1, 1));
    assert!(matches!(expired, ChainError::Expired { .. }));
    let usage = fault(|params| params.key_usages = vec![KeyUsagePurpose::KeyAgreement]);
    assert!(matches!(usage, ChainError::KeyUsage { .. }));
    let wrong_name = fault(|params| params.distinguished_name = subject("site-2"));
    assert!(matches!(wrong_name, ChainError::WrongName { .. }));
}
