//! TLS with the certificates of a test's project.

use std::sync::Arc;

use fedlink::identity::Role;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::SERVER;
use super::pki::{Pki, pkcs8};

/// The name that the server's TLS certificate is for.
pub fn server_name() -> ServerName<'static> {
    SERVER.try_into().unwrap()
}

/// Both ends, each with a certificate of the project.
pub fn configs(pki: &Pki) -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let (chain, key) = leaf(pki, SERVER, Role::Server);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(pki), provider());
    let server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    (client_config(pki, pki), Arc::new(server))
}

/// A site of the project `own` that trusts the roots of `trusted`.
pub fn client_config(own: &Pki, trusted: &Pki) -> Arc<ClientConfig> {
    let (chain, key) = leaf(own, "site-1", Role::Client);
    let client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(trusted))
        .with_client_auth_cert(chain, key)
        .unwrap();
    Arc::new(client)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(pki: &Pki) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(pki.root().der().to_vec().into()).unwrap();
    Arc::new(roots)
}

fn leaf(
    pki: &Pki,
    name: &str,
    role: Role,
) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let seed = pki.seed(name);
    let der = pki.root().leaf(name, role, seed, |params| {
        let name = name.try_into().unwrap();
        params.subject_alt_names.push(rcgen::SanType::DnsName(name));
    });
    let key = PrivateKeyDer::Pkcs8(pkcs8(seed).into());
    (vec![der.into()], key)
}
