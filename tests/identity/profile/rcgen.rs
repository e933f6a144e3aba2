//! The same certificates, made by rcgen.

use std::collections::BTreeMap;

use fedlink::identity::{LocalSigner, Role};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256, PublicKeyData,
    SanType, date_time_ymd,
};

use super::Tool;
use crate::common::pki::{Authority, Pki, authority_params, key_pair, params, subject};
use crate::wrong_chains::{SITE_SEED, extension};

const MIDDLE: [u8; 32] = [2; 32];
const OTHER: [u8; 32] = [3; 32];

pub(super) struct Rcgen {
    pki: Pki,
    made: BTreeMap<String, Vec<u8>>,
}

impl Tool for Rcgen {
    fn certificate(&self, name: &str) -> Vec<u8> {
        let made = self.made.get(name);
        made.unwrap_or_else(|| panic!("no {name}")).clone()
    }

    fn root_key(&self) -> LocalSigner {
        LocalSigner::from_seed(&self.pki.seed("root"))
    }
}

type Change = fn(&mut CertificateParams);

impl Rcgen {
    pub(super) fn new() -> Self {
        let mut rcgen = Self {
            pki: Pki::new(1),
            made: BTreeMap::new(),
        };
        rcgen.keep("root", rcgen.pki.root().der().to_vec());
        for (name, change) in leaves() {
            let root = rcgen.pki.root();
            let leaf = root.leaf("site-1", Role::Client, SITE_SEED, change);
            rcgen.keep(name, leaf);
        }
        for (name, change) in middles() {
            let middle = rcgen.pki.root().authority("middle", MIDDLE, change);
            rcgen.keep_authority(name, &middle);
        }
        for (name, change) in roots() {
            let root = Authority::root_with("other", OTHER, change);
            rcgen.keep_authority(name, &root);
        }
        rcgen.make_paths();
        rcgen.make_strangers();
        rcgen.make_p256();
        rcgen
    }

    fn make_paths(&mut self) {
        let path_0 = self.pki.root().authority("middle", MIDDLE, path_length_0);
        self.keep_authority("path-0", &path_0);
        let lower = path_0.authority("lower", OTHER, |_| {});
        self.keep_authority("path-0-lower", &lower);
        let root = Authority::root_with("other", OTHER, path_length_0);
        self.keep_authority("root-path-0", &root);
        let middle = root.authority("middle", MIDDLE, |_| {});
        self.keep_authority("root-path-0-middle", &middle);
    }

    fn make_strangers(&mut self) {
        self.keep_authority("same-name", &Authority::root("fedlink test root", OTHER));
        self.keep_authority("stranger", &Authority::root("stranger", OTHER));
    }

    fn make_p256(&mut self) {
        let p256 = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let root_key = key_pair(self.pki.seed("root"));
        let root_params = authority_params("fedlink test root");
        let right = Issuer::from_params(&root_params, &root_key);
        let other_params = authority_params("other");
        let other = Issuer::from_params(&other_params, &p256);
        let site = key_pair(SITE_SEED);
        self.keep("key-p256", issue(&p256, &right));
        self.keep("signed-p256", issue(&site, &other));
    }

    /// Keeps an authority, and a right leaf under it.
    fn keep_authority(&mut self, name: &str, authority: &Authority) {
        self.keep(name, authority.der().to_vec());
        let leaf = authority.leaf("site-1", Role::Client, SITE_SEED, |_| {});
        self.keep(&format!("{name}-leaf"), leaf);
    }

    fn keep(&mut self, name: &str, der: Vec<u8>) {
        let before = self.made.insert(name.to_owned(), der);
        assert_eq!(before, None, "{name}");
    }
}

fn issue(key: &impl PublicKeyData, issuer: &Issuer<'_, &KeyPair>) -> Vec<u8> {
    let leaf = params("site-1").signed_by(key, issuer).unwrap();
    leaf.der().to_vec()
}

fn path_length_0(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
}

fn for_other_use(params: &mut CertificateParams) {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
}

fn for_servers(params: &mut CertificateParams) {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
}

fn constrained(params: &mut CertificateParams) {
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("example.org".into())],
        excluded_subtrees: Vec::new(),
    });
}

fn unknown(params: &mut CertificateParams) {
    params.custom_extensions = vec![extension(&[1, 2, 3, 4], true, &[5, 0])];
}

fn leaves() -> Vec<(&'static str, Change)> {
    vec![
        ("leaf", |_| {}),
        ("no-name", |params| {
            params.distinguished_name.remove(DnType::CommonName);
            let subject = &mut params.distinguished_name;
            subject.push(DnType::OrganizationName, "hospital");
        }),
        ("two-names", |params| {
            let again = DnType::CustomDnType(vec![2, 5, 4, 3]);
            params.distinguished_name.push(again, "site-1");
        }),
        ("control-character", |params| {
            params.distinguished_name = subject("site-1\x07");
        }),
        ("other-name", |params| {
            params.distinguished_name = subject("site-2")
        }),
        ("expired", |params| {
            params.not_after = date_time_ymd(2025, 1, 1)
        }),
        ("not-yet", |params| {
            params.not_before = date_time_ymd(2035, 1, 1)
        }),
        ("never", |params| {
            params.not_before = date_time_ymd(2035, 1, 1);
            params.not_after = date_time_ymd(2025, 1, 1);
        }),
        ("for-ever", |params| {
            params.not_after = date_time_ymd(9999, 12, 31)
        }),
        ("leaf-authority", |params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }),
        ("other-usage", |params| {
            params.key_usages = vec![KeyUsagePurpose::KeyAgreement];
        }),
        ("other-role", for_servers),
        ("any-role", |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
        }),
        ("unknown", unknown),
        ("unknown-not-critical", |params| {
            params.custom_extensions = vec![extension(&[1, 2, 3, 4], false, &[5, 0])];
        }),
        ("critical-other-name", |params| {
            // rcgen never makes its own one critical.
            let names = [&[0x30, 8, 0x82, 6], &b"site-1"[..]].concat();
            params.custom_extensions = vec![extension(&[2, 5, 29, 17], true, &names)];
        }),
        ("other-alternative-name", |params| {
            params.subject_alt_names = vec![SanType::DnsName("site-2".try_into().unwrap())];
        }),
        ("overfull", |params| {
            params.is_ca = IsCa::NoCa;
            let value = &[0x30, 0, 5, 0];
            params.custom_extensions = vec![extension(&[2, 5, 29, 19], true, value)];
        }),
        ("plain", |params| {
            params.is_ca = IsCa::NoCa;
            params.key_usages.clear();
            params.extended_key_usages.clear();
        }),
    ]
}

fn middles() -> Vec<(&'static str, Change)> {
    vec![
        ("middle", |_| {}),
        ("middle-expired", |params| {
            params.not_after = date_time_ymd(2025, 1, 1)
        }),
        ("no-constraints", |params| params.is_ca = IsCa::NoCa),
        ("no-authority", |params| params.is_ca = IsCa::ExplicitNoCa),
        ("middle-other-usage", for_other_use),
        ("middle-other-role", for_servers),
        ("constraints", constrained),
        ("constraints-not-critical", |params| {
            let value = &[0x30, 0];
            params.custom_extensions = vec![extension(&[2, 5, 29, 30], false, value)];
        }),
        ("middle-unknown", unknown),
    ]
}

fn roots() -> Vec<(&'static str, Change)> {
    vec![
        ("root-not-yet", |params| {
            params.not_before = date_time_ymd(2035, 1, 1)
        }),
        ("root-no-authority", |params| {
            params.is_ca = IsCa::ExplicitNoCa
        }),
        ("root-other-usage", for_other_use),
        ("root-other-role", for_servers),
        ("root-constraints", constrained),
        ("root-unknown", unknown),
    ]
}
