//! A project's certificates, made on the spot: the same seed gives the same bytes.

use fedlink::identity::{Chain, LocalSigner, Name, Role, Roots};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, PublicKeyData, date_time_ymd,
};
use sha2::{Digest, Sha256};

/// First second of every certificate: 1 January 2020.
pub const NOT_BEFORE: u64 = 1_577_836_800;
/// Last second of every certificate: 1 January 2040.
pub const NOT_AFTER: u64 = 2_208_988_800;
/// A time at which every certificate counts: 1 January 2030.
pub const NOW: u64 = 1_893_456_000;

/// A project: one root, and leaves that it issued.
pub struct Pki {
    seed: u64,
    root: Authority,
}

impl Pki {
    /// A project whose keys all follow from `seed`.
    pub fn new(seed: u64) -> Self {
        let root = Authority::root("fedlink test root", key_seed(seed, "root"));
        Self { seed, root }
    }

    /// A site's chain (the leaf alone) and key.
    pub fn site(&self, name: &str) -> (Chain, LocalSigner) {
        self.leaf(name, Role::Client)
    }

    /// A server's chain (the leaf alone) and key.
    pub fn server(&self, name: &str) -> (Chain, LocalSigner) {
        self.leaf(name, Role::Server)
    }

    /// What every peer of the project trusts.
    pub fn roots(&self) -> Roots {
        Roots::new().certificate(self.root.der()).unwrap()
    }

    /// The root, to issue something out of the ordinary.
    pub fn root(&self) -> &Authority {
        &self.root
    }

    /// The seed of the key called `label`, unlike that of any other label or project.
    pub fn seed(&self, label: &str) -> [u8; 32] {
        key_seed(self.seed, label)
    }

    fn leaf(&self, name: &str, role: Role) -> (Chain, LocalSigner) {
        let seed = self.seed(name);
        let der = self.root.leaf(name, role, seed, |_| {});
        let chain = Chain::from_der(vec![der]).unwrap();
        (chain, LocalSigner::from_seed(&seed))
    }
}

/// A certificate that may issue others, with its key.
pub struct Authority {
    params: CertificateParams,
    key: KeyPair,
    der: Vec<u8>,
}

impl Authority {
    /// A certificate signed by itself.
    pub fn root(name: &str, seed: [u8; 32]) -> Self {
        Self::root_with(name, seed, |_| {})
    }

    /// The same, after a change to what it says.
    pub fn root_with(
        name: &str,
        seed: [u8; 32],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = authority_params(name);
        change(&mut params);
        let key = key_pair(seed);
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { params, key, der }
    }

    /// An authority below this one, after a change to what it says.
    pub fn authority(
        &self,
        name: &str,
        seed: [u8; 32],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params = authority_params(name);
        change(&mut params);
        let key = key_pair(seed);
        let der = self.issue(&params, &key);
        Self { params, key, der }
    }

    /// A leaf certificate in DER, after a change to what it says.
    pub fn leaf(
        &self,
        name: &str,
        role: Role,
        seed: [u8; 32],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Vec<u8> {
        let mut params = params(name);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match role {
            Role::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Role::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        change(&mut params);
        self.issue(&params, &key_pair(seed))
    }

    /// The certificate itself.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    fn issue(&self, params: &CertificateParams, key: &impl PublicKeyData) -> Vec<u8> {
        let issuer = Issuer::from_params(&self.params, &self.key);
        params.signed_by(key, &issuer).unwrap().der().to_vec()
    }
}

/// A name that is known to be one.
pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// The subject with only this common name.
pub fn subject(common_name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, common_name);
    subject
}

/// The private key of this seed in PKCS#8, as RFC 8410 writes it.
pub fn pkcs8(seed: [u8; 32]) -> Vec<u8> {
    let mut der = vec![
        0x30, 46, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 34, 4, 32,
    ];
    der.extend(seed);
    der
}

/// What every authority says.
pub fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// What every certificate says.
pub fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params
}

/// The key pair of this seed, for rcgen.
pub fn key_pair(seed: [u8; 32]) -> KeyPair {
    KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8(seed).into(), &PKCS_ED25519).unwrap()
}

fn key_seed(project: u64, label: &str) -> [u8; 32] {
    let hash = Sha256::new()
        .chain_update(project.to_be_bytes())
        .chain_update(label);
    hash.finalize().into()
}
