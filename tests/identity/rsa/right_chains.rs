//! Chains in PEM that are accepted.

use fedlink::identity::{Revoked, Role, RsaChain, RsaRoots};
use rcgen::{BasicConstraints, IsCa, date_time_ymd};

use super::pki::{Authority, file, judge, judge_at, signer};
use crate::common::pki::{NOT_AFTER, NOT_BEFORE, name};

/// 18 May 2033.
const LATER: u64 = 2_000_000_000;

#[test]
fn a_leaf_under_the_root() {
    let root = Authority::root();
    let verified = judge(&root, &root.leaf(|_| {})).unwrap();
    assert_eq!(verified.key, *signer().public_key());
    assert_eq!(verified.name, name("server"));
    assert_eq!(verified.not_after, Some(NOT_AFTER));
    assert!(verified.dates_checked);
    assert_eq!(verified.certificates.len(), 2);
}

#[test]
fn two_intermediates_with_and_without_the_root() {
    let root = Authority::root();
    let upper = root.authority("upper", file!("upper.key"), |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    });
    let lower = upper.authority("lower", file!("lower.key"), |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    });
    let chain = [lower.leaf(|_| {}), lower.pem, upper.pem].concat();
    let verified = judge(&root, &chain).unwrap();
    assert_eq!(verified.certificates.len(), 4);
    assert_eq!(judge(&root, &(chain + &root.pem)), Ok(verified));
}

#[test]
fn certificates_of_openssl_with_each_hash() {
    let roots = RsaRoots::from_pem(file!("root.crt")).unwrap();
    let pem = [file!("site.crt"), file!("lower.crt"), file!("upper.crt")].concat();
    let chain = RsaChain::from_pem(&pem).unwrap();
    assert_eq!(chain.common_name(), Ok(&name("site-1")));
    for role in [Role::Client, Role::Server] {
        let revoked = Revoked::new();
        let verified = chain.verify(&roots, &revoked, role, &name("site-1"), Some(LATER));
        assert_eq!(verified.unwrap().certificates.len(), 4);
    }
}

#[test]
fn several_roots_of_which_one_is_right() {
    let root = Authority::root();
    let roots = [Authority::impostor().pem, root.pem.clone()].concat();
    let roots = RsaRoots::from_pem(roots.as_bytes()).unwrap();
    let chain = RsaChain::from_pem(root.leaf(|_| {}).as_bytes()).unwrap();
    let (revoked, expected) = (Revoked::new(), name("server"));
    chain
        .verify(&roots, &revoked, Role::Server, &expected, None)
        .unwrap();
}

#[test]
fn the_first_and_the_last_second_count() {
    let root = Authority::root();
    let leaf = root.leaf(|_| {});
    for now in [NOT_BEFORE, NOT_AFTER] {
        judge_at(&root, &leaf, Some(now)).unwrap();
    }
}

#[test]
fn without_a_clock_dates_are_not_checked_and_it_says_so() {
    let root = Authority::root();
    let leaf = root.leaf(|params| params.not_after = date_time_ymd(2021, 1, 1));
    assert!(!judge_at(&root, &leaf, None).unwrap().dates_checked);
}

#[test]
fn text_and_line_ends_around_the_blocks() {
    let root = Authority::root();
    let leaf = root.leaf(|_| {});
    let pem = format!("Certificate:\r\n{}", leaf.replace('\n', "\r\n"));
    judge(&root, &pem).unwrap();
    judge(&root, leaf.trim_end()).unwrap();
}
