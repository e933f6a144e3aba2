//! RSA certificates, made on the spot with the keys in `tests/certificates/rsa/`.

use fedlink::identity::{
    ChainError, Revoked, Role, RsaChain, RsaPublicKey, RsaRoots, RsaSigner, Verified,
};
use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyUsagePurpose, PKCS_RSA_SHA256,
    PublicKeyData, SignatureAlgorithm, SigningKey,
};
use rsa::PrivateKey;
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::DecodePrivateKey;
use sha2::Sha256;

use crate::common::pki::{NOW, authority_params, name, params};

macro_rules! file {
    ($name:literal) => {
        &include_bytes!(concat!("../../certificates/rsa/", $name))[..]
    };
}
pub(crate) use file;

/// A key that signs certificates with SHA-256.
pub(crate) struct Key {
    key: PrivateKey,
    public: Vec<u8>,
}

impl Key {
    fn from_pem(pem: &[u8]) -> Self {
        let key = PrivateKey::from_pkcs8_pem(std::str::from_utf8(pem).unwrap()).unwrap();
        let public = key.to_public_key().to_pkcs1_der().unwrap().into_vec();
        Self { key, public }
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.key.pkcs1v15_sign::<Sha256>(message).unwrap())
    }
}

/// A certificate that may issue others, with its key.
pub(crate) struct Authority {
    params: CertificateParams,
    key: Key,
    pub(crate) pem: String,
}

impl Authority {
    /// The root of most tests.
    pub(crate) fn root() -> Self {
        Self::root_with(|_| {})
    }

    /// The same, after a change to what it says.
    pub(crate) fn root_with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        Self::self_signed(file!("root.key"), change)
    }

    /// A certificate that calls itself the root too, but has another key.
    pub(crate) fn impostor() -> Self {
        Self::self_signed(file!("site.key"), |_| {})
    }

    /// An authority below this one, after a change to what it says.
    pub(crate) fn authority(
        &self,
        name: &str,
        key: &[u8],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = authority_params(name);
        change(&mut params);
        let key = Key::from_pem(key);
        let pem = self.issue(&params, &key);
        Self { params, key, pem }
    }

    /// A server's leaf in PEM, with the key `site.key`, after a change to what it says.
    pub(crate) fn leaf(&self, change: impl FnOnce(&mut CertificateParams)) -> String {
        let mut params = params("server");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        self.issue(&params, &Key::from_pem(file!("site.key")))
    }

    fn self_signed(key: &[u8], change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = authority_params("root");
        change(&mut params);
        let key = Key::from_pem(key);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { params, key, pem }
    }

    fn issue(&self, params: &CertificateParams, key: &Key) -> String {
        let issuer = Issuer::from_params(&self.params, &self.key);
        params.signed_by(key, &issuer).unwrap().pem()
    }
}

/// The private key of the leaves.
pub(crate) fn signer() -> RsaSigner {
    RsaSigner::from_pem(file!("site.key")).unwrap()
}

/// Judges a chain in PEM as that of `server`.
pub(crate) fn judge(root: &Authority, pem: &str) -> Result<Verified<RsaPublicKey>, ChainError> {
    judge_at(root, pem, Some(NOW))
}

/// The same at another time, or without a clock.
pub(crate) fn judge_at(
    root: &Authority,
    pem: &str,
    now: Option<u64>,
) -> Result<Verified<RsaPublicKey>, ChainError> {
    let roots = RsaRoots::from_pem(root.pem.as_bytes())?;
    let chain = RsaChain::from_pem(pem.as_bytes())?;
    chain.verify(&roots, &Revoked::new(), Role::Server, &name("server"), now)
}
