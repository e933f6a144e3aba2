//! Properties of the judgement for any chain: run by the fuzzer, and by a test over its
//! corpus.

#![allow(unreachable_pub, reason = "public for the fuzzer")]

use super::chain::split;
use super::{Chain, Name, Revoked, Role, Roots, verify};

/// A moment at which the certificates count: 1 January 2030, in seconds since 1970.
const NOW: u64 = 1_893_456_000;

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/certificates/", $name)) as &[u8]
    };
}

const ROOT: &[u8] = file!("root.der");

/// All that the root and those below it have signed.
const ISSUED: [&[u8]; 4] = [
    ROOT,
    file!("intermediate.der"),
    file!("site.der"),
    file!("coordinator.der"),
];

/// Chain bytes, read as Ed25519 certificates and as RSA certificates in DER; or one
/// certificate, or a file in PEM. Nobody but the root's holder makes a chain that is
/// believed: every certificate of one is, byte for byte, one that was issued.
pub fn certificate(data: &[u8]) {
    if let Ok(chain) = Chain::parse(data) {
        assert_eq!(chain.as_bytes(), data);
        judge(&chain);
    }
    if let Ok(chain) = Chain::from_der(vec![data]) {
        assert_eq!(chain.leaf_der(), Some(data));
        assert_eq!(Chain::parse(chain.as_bytes()), Ok(chain.clone()));
        judge(&chain);
    }
    let _ = Roots::new().certificate(data);
    #[cfg(feature = "nvflare")]
    rsa::certificate(data);
}

fn judge(chain: &Chain) {
    let _ = format!("{chain:?}");
    let Some(name) = chain.common_name() else {
        return;
    };
    let roots = Roots::new().certificate(ROOT).expect("it is one");
    for role in [Role::Client, Role::Server] {
        let judge = |revoked: &Revoked, name: &Name, time| {
            verify(chain, &roots, revoked, role, name, Some(time))
        };
        let Ok(verified) = judge(&Revoked::new(), &name, NOW) else {
            continue;
        };
        assert_issued(
            &ders(chain.as_bytes()),
            verified.certificates.len(),
            &ISSUED,
        );
        let other = Name::new("somebody else").expect("it is one");
        assert!(judge(&Revoked::new(), &other, NOW).is_err());
        let not_after = verified.not_after.expect("certificates end");
        assert!(judge(&Revoked::new(), &name, not_after).is_ok());
        assert!(judge(&Revoked::new(), &name, not_after + 1).is_err());
        for certificate in verified.certificates {
            let mut revoked = Revoked::new();
            revoked.insert_id(certificate);
            assert!(judge(&revoked, &name, NOW).is_err());
        }
    }
}

/// Of a chain of so many certificates up to the root, those below the root must have been
/// issued. The root itself is known by its key, and what follows is not looked at.
fn assert_issued(ders: &[&[u8]], certificates: usize, issued: &[&[u8]]) {
    for der in &ders[..certificates - 1] {
        assert!(issued.contains(der), "a forged certificate is believed");
    }
}

/// The items of chain bytes, whatever their type; none if they are framed wrongly.
fn ders(chain: &[u8]) -> Vec<&[u8]> {
    split(chain.get(1..).unwrap_or_default()).unwrap_or_default()
}

#[cfg(feature = "nvflare")]
mod rsa {
    use std::sync::LazyLock;

    use base64ct::{Base64, Encoding};

    use super::{NOW, assert_issued, ders};
    use crate::identity::{Revoked, Role, RsaChain, RsaRoots};

    const ROOT: &[u8] = file!("rsa/root.crt");

    /// All that the root and those below it have signed, in DER, but for certificates
    /// that are refused for what they are.
    static ISSUED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let files = [
            ROOT,
            file!("rsa/upper.crt"),
            file!("rsa/lower.crt"),
            file!("rsa/site.crt"),
            file!("rsa/odd.crt"),
        ];
        files.map(der_of_file).to_vec()
    });

    pub(super) fn certificate(data: &[u8]) {
        let ders = ders(data);
        if let Ok(chain) = RsaChain::from_pem(pem(&ders).as_bytes()) {
            judge(&chain, &ders);
        }
        if let Ok(chain) = RsaChain::from_pem(data) {
            let _ = format!("{chain:?}");
        }
        let _ = RsaRoots::from_pem(data);
    }

    fn judge(chain: &RsaChain, ders: &[&[u8]]) {
        let Ok(name) = chain.common_name() else {
            return;
        };
        let roots = RsaRoots::from_pem(ROOT).expect("it is one");
        let revoked = Revoked::new();
        for role in [Role::Client, Role::Server] {
            if let Ok(verified) = chain.verify(&roots, &revoked, role, name, Some(NOW)) {
                let issued: Vec<&[u8]> = ISSUED.iter().map(Vec::as_slice).collect();
                assert_issued(ders, verified.certificates.len(), &issued);
            }
        }
    }

    fn pem(ders: &[&[u8]]) -> String {
        ders.iter()
            .map(|der| {
                let body = Base64::encode_string(der);
                format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
            })
            .collect()
    }

    fn der_of_file(pem: &[u8]) -> Vec<u8> {
        let text = str::from_utf8(pem).expect("PEM is text");
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        Base64::decode_vec(&body).expect("it is base64")
    }
}
