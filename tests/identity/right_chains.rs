//! Chains that are accepted, and what is then known.

use fedlink::identity::{
    Chain, ChainError, LocalSigner, Revoked, Role, Roots, Signer, Verified, verify,
};
use rcgen::{BasicConstraints, DnType, DnValue, IsCa, date_time_ymd};

use crate::common::pki::{Authority, NOT_AFTER, NOT_BEFORE, NOW, Pki, name};

fn judge(chain: &Chain, roots: &Roots, now: Option<u64>) -> Result<Verified, ChainError> {
    let expected = name("site-1");
    verify(chain, roots, &Revoked::new(), Role::Client, &expected, now)
}

#[test]
fn a_leaf_under_the_root() {
    let pki = Pki::new(1);
    let (chain, key) = pki.site("site-1");
    let verified = judge(&chain, &pki.roots(), Some(NOW)).unwrap();
    assert_eq!(verified.key, key.public_key());
    assert_eq!(verified.name, name("site-1"));
    assert_eq!(verified.not_after, Some(NOT_AFTER));
    assert!(verified.dates_checked);
    assert_eq!(verified.certificates.len(), 2);
}

#[test]
fn a_server_in_its_role() {
    let pki = Pki::new(1);
    let (chain, _) = pki.server("coordinator");
    let expected = name("coordinator");
    let revoked = Revoked::new();
    verify(
        &chain,
        &pki.roots(),
        &revoked,
        Role::Server,
        &expected,
        Some(NOW),
    )
    .unwrap();
}

#[test]
fn two_intermediates_and_the_root_itself() {
    let pki = Pki::new(1);
    let upper = pki.root().authority("upper", pki.seed("upper"), |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    });
    let lower = upper.authority("lower", pki.seed("lower"), |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.not_after = date_time_ymd(2035, 1, 1);
    });
    let leaf = lower.leaf("site-1", Role::Client, pki.seed("site-1"), |_| {});
    let ders = [&leaf, lower.der(), upper.der(), pki.root().der()];

    let whole = Chain::from_der(ders.to_vec()).unwrap();
    let without_root = Chain::from_der(ders[..3].to_vec()).unwrap();
    let verified = judge(&whole, &pki.roots(), Some(NOW)).unwrap();
    assert_eq!(verified.not_after, Some(2_051_222_400), "the earliest end");
    assert_eq!(verified.certificates.len(), 4);
    assert_eq!(judge(&without_root, &pki.roots(), Some(NOW)), Ok(verified));
}

#[test]
fn an_intermediate_that_is_trusted_itself_ends_the_path() {
    let pki = Pki::new(1);
    let middle = pki.root().authority("middle", pki.seed("middle"), |_| {});
    let leaf = middle.leaf("site-1", Role::Client, pki.seed("site-1"), |_| {});
    let chain = Chain::from_der(vec![&leaf[..], middle.der(), pki.root().der()]).unwrap();
    let roots = Roots::new().certificate(middle.der()).unwrap();
    assert_eq!(
        judge(&chain, &roots, Some(NOW)).unwrap().certificates.len(),
        2
    );
}

#[test]
fn roots_that_share_a_name_are_each_tried() {
    let pki = Pki::new(1);
    let follower = Authority::root("fedlink test root", pki.seed("follower"));
    let roots = Roots::new()
        .certificate(follower.der())
        .and_then(|roots| roots.certificate(pki.root().der()))
        .unwrap();
    judge(&pki.site("site-1").0, &roots, Some(NOW)).unwrap();
    let leaf = follower.leaf("site-1", Role::Client, [1; 32], |_| {});
    judge(&Chain::from_der(vec![leaf]).unwrap(), &roots, Some(NOW)).unwrap();
}

#[test]
fn a_root_renewed_with_its_key_takes_the_place_of_the_one_sent() {
    let pki = Pki::new(1);
    let old = Authority::root_with("renewed", pki.seed("renewed"), |params| {
        params.not_after = date_time_ymd(2025, 1, 1);
    });
    let new = Authority::root("renewed", pki.seed("renewed"));
    let leaf = old.leaf("site-1", Role::Client, [1; 32], |_| {});
    let chain = Chain::from_der(vec![&leaf[..], old.der()]).unwrap();
    let trust = |root: &Authority| Roots::new().certificate(root.der()).unwrap();
    judge(&chain, &trust(&new), Some(NOW)).unwrap();
    let expired = judge(&chain, &trust(&old), Some(NOW));
    assert!(matches!(
        expired,
        Err(ChainError::Expired { position: 1, .. })
    ));
    let both = trust(&old).certificate(new.der()).unwrap();
    judge(&chain, &both, Some(NOW)).unwrap();
}

// spec: P-34
#[test]
fn the_first_and_the_last_second_count() {
    let pki = Pki::new(1);
    let (chain, _) = pki.site("site-1");
    for now in [NOT_BEFORE, NOT_AFTER] {
        judge(&chain, &pki.roots(), Some(now)).unwrap();
    }
}

// spec: P-34
#[test]
fn without_a_clock_dates_are_not_checked_and_it_says_so() {
    let pki = Pki::new(1);
    let leaf = pki.root().leaf("site-1", Role::Client, [1; 32], |params| {
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let chain = Chain::from_der(vec![leaf]).unwrap();
    let verified = judge(&chain, &pki.roots(), None).unwrap();
    assert!(!verified.dates_checked);
    assert_eq!(verified.not_after, Some(1_609_459_200));
}

#[test]
fn a_leaf_without_extensions() {
    let pki = Pki::new(1);
    let leaf = pki.root().leaf("site-1", Role::Client, [1; 32], |params| {
        params.is_ca = IsCa::NoCa;
        params.key_usages.clear();
        params.extended_key_usages.clear();
    });
    let chain = Chain::from_der(vec![leaf]).unwrap();
    judge(&chain, &pki.roots(), Some(NOW)).unwrap();
}

#[test]
fn a_common_name_in_printable_string_beside_other_attributes() {
    let pki = Pki::new(1);
    let leaf = pki.root().leaf("x", Role::Client, [1; 32], |params| {
        let subject = &mut params.distinguished_name;
        subject.push(DnType::OrganizationName, "hospital");
        let text = DnValue::PrintableString("site-1".try_into().unwrap());
        subject.push(DnType::CommonName, text);
    });
    let chain = Chain::from_der(vec![leaf]).unwrap();
    judge(&chain, &pki.roots(), Some(NOW)).unwrap();
}

#[test]
fn a_pinned_key_under_its_name() {
    let key = LocalSigner::from_seed(&[1; 32]).public_key();
    let follower = LocalSigner::from_seed(&[2; 32]).public_key();
    let roots = Roots::new()
        .pin(name("site-1"), key)
        .pin(name("site-1"), follower);
    for key in [key, follower] {
        let verified = judge(&Chain::pinned(key), &roots, None).unwrap();
        assert_eq!(verified.key, key);
        assert_eq!(verified.name, name("site-1"));
        assert_eq!(verified.not_after, None);
        assert!(verified.dates_checked);
        assert!(verified.certificates.is_empty());
    }
}
