//! What NVFlare 2.9 made: see `tests/certificates/README.md`.

use fedlink::identity::{ChainError, Revoked, Role, RsaChain, RsaRoots};

use crate::common::pki::name;

const ROOT: &[u8] = include_bytes!("../../certificates/nvflare/rootCA.pem");
const SITE: &[u8] = include_bytes!("../../certificates/nvflare/site-1.crt");
const SERVER: &[u8] = include_bytes!("../../certificates/nvflare/server.crt");
const SIGNATURE: &[u8] = include_bytes!("../../certificates/nvflare/site-1.signature");
const SIGNED: &[u8] = b"site-111111111-2222-3333-4444-555555555555";

/// First and last second of the server's certificate: 24 November 2026, 05:40:09, and
/// 19 November 2027, the same time.
const NOT_BEFORE: u64 = 1_795_498_809;
const NOT_AFTER: u64 = 1_826_602_809;

#[test]
fn its_certificates_lead_to_its_root() {
    let roots = RsaRoots::from_pem(ROOT).unwrap();
    for (pem, role, common_name) in [
        (SITE, Role::Client, "site-1"),
        (SERVER, Role::Server, "localhost"),
    ] {
        let chain = RsaChain::from_pem(pem).unwrap();
        let judge = |time| chain.verify(&roots, &Revoked::new(), role, &name(common_name), time);
        let verified = judge(Some(NOT_BEFORE + 3600)).unwrap();
        assert_eq!(verified.key, *chain.key());
        assert_eq!(verified.key.bits(), 2048);
        assert_eq!(verified.certificates.len(), 2);
        assert!(verified.dates_checked);
        assert!(!judge(None).unwrap().dates_checked);
        assert!(matches!(
            judge(Some(NOT_AFTER + 1)),
            Err(ChainError::Expired { .. })
        ));
    }
}

#[test]
fn its_dates_are_read() {
    let roots = RsaRoots::from_pem(ROOT).unwrap();
    let chain = RsaChain::from_pem(SERVER).unwrap();
    let judge = |time| {
        let expected = name("localhost");
        chain.verify(&roots, &Revoked::new(), Role::Server, &expected, Some(time))
    };
    for time in [NOT_BEFORE, NOT_AFTER] {
        assert_eq!(judge(time).unwrap().not_after, Some(NOT_AFTER));
    }
    let (position, not_before, not_after) = (0, NOT_BEFORE, NOT_AFTER);
    assert_eq!(
        judge(NOT_BEFORE - 1),
        Err(ChainError::NotYetValid {
            position,
            not_before
        })
    );
    assert_eq!(
        judge(NOT_AFTER + 1),
        Err(ChainError::Expired {
            position,
            not_after
        })
    );
}

#[test]
fn its_signature_with_the_longest_salt_is_verified() {
    let key = RsaChain::from_pem(SITE).unwrap().key().clone();
    assert!(key.verify(SIGNED, SIGNATURE));
    assert!(!key.verify(b"site-2", SIGNATURE));
    let other = RsaChain::from_pem(SERVER).unwrap().key().clone();
    assert!(!other.verify(SIGNED, SIGNATURE));
    for byte in 0..SIGNATURE.len() {
        let mut changed = SIGNATURE.to_vec();
        changed[byte] ^= 1;
        assert!(!key.verify(SIGNED, &changed), "byte {byte}");
    }
    assert!(!key.verify(SIGNED, &SIGNATURE[1..]));
    assert!(!key.verify(SIGNED, &[&[0], SIGNATURE].concat()));
    assert!(!key.verify(SIGNED, &[]));
}
