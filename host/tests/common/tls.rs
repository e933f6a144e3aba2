//! TLS with the certificates of a test's project.

use std::sync::Arc;

use fedlink::identity::Role;
use rustls::pki_types::{PrivateKeyDer, ServerName};
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
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(pki.root().der().to_vec().into()).unwrap();
    let roots = Arc::new(roots);
    let leaf = |name: &str, role| {
        let seed = pki.seed(name);
        let der = pki.root().leaf(name, role, seed, |params| {
            let name = name.try_into().unwrap();
            params.subject_alt_names.push(rcgen::SanType::DnsName(name));
        });
        let key = PrivateKeyDer::Pkcs8(pkcs8(seed).into());
        (vec![der.into()], key)
    };
    let (chain, key) = leaf("site-1", Role::Client);
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(Arc::clone(&roots))
        .with_client_auth_cert(chain, key)
        .unwrap();
    let (chain, key) = leaf(SERVER, Role::Server);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .build()
        .unwrap();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    (Arc::new(client), Arc::new(server))
}
