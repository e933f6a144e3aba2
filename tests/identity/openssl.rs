//! Certificates and keys that OpenSSL made: see `tests/certificates/README.md`.

use fedlink::identity::{
    Chain, ChainError, KeyError, LocalSigner, Revoked, Role, Roots, Signer, verify,
};

use crate::common::pki::name;

macro_rules! file {
    ($name:literal) => {
        &include_bytes!(concat!("../certificates/", $name))[..]
    };
}

/// 18 May 2033.
const NOW: u64 = 2_000_000_000;

const RSA: &str = "1.2.840.113549.1.1.1";
const EC: &str = "1.2.840.10045.2.1";
const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";

fn roots() -> Roots {
    Roots::new().certificate(file!("root.der")).unwrap()
}

#[test]
fn a_chain_is_accepted() {
    let site = Chain::from_der(vec![file!("site.der"), file!("intermediate.der")]).unwrap();
    let key = LocalSigner::from_pkcs8_der(file!("site.key.der")).unwrap();
    let verified = verify(
        &site,
        &roots(),
        &Revoked::new(),
        Role::Client,
        &name("site-1"),
        Some(NOW),
    )
    .unwrap();
    assert_eq!(verified.key, key.public_key());
    assert_eq!(verified.certificates.len(), 3);

    let coordinator = Chain::from_der(vec![file!("coordinator.der")]).unwrap();
    for role in [Role::Server, Role::Client] {
        verify(
            &coordinator,
            &roots(),
            &Revoked::new(),
            role,
            &name("coordinator"),
            Some(NOW),
        )
        .unwrap();
    }
}

#[test]
fn a_key_that_is_not_ed25519_is_refused() {
    assert_eq!(
        Chain::from_der(vec![file!("rsa.der")]),
        Err(ChainError::WrongKeyType {
            position: 0,
            oid: RSA.into()
        })
    );
    assert_eq!(
        Roots::new().certificate(file!("p256.der")).unwrap_err(),
        ChainError::WrongKeyType {
            position: 0,
            oid: EC.into()
        }
    );
}

#[test]
fn a_signature_that_is_not_ed25519_is_refused() {
    assert_eq!(
        Chain::from_der(vec![file!("under-p256.der")]),
        Err(ChainError::WrongSignatureType {
            position: 0,
            oid: ECDSA_SHA256.into()
        })
    );
}

#[test]
fn private_keys_of_other_kinds_are_named() {
    for (file, oid) in [(file!("rsa.key.der"), RSA), (file!("p256.key.der"), EC)] {
        assert_eq!(
            LocalSigner::from_pkcs8_der(file).unwrap_err(),
            KeyError::WrongAlgorithm { oid: oid.into() }
        );
    }
    assert_eq!(
        LocalSigner::from_pkcs8_der(file!("rsa.pkcs1.der")).unwrap_err(),
        KeyError::NotPkcs8
    );
    assert_eq!(
        LocalSigner::from_pkcs8_der(file!("site.encrypted.der")).unwrap_err(),
        KeyError::Encrypted
    );
}
