//! The server's end of TLS, as the Python server sets it up.

use std::sync::Arc;

use rcgen::CertificateParams;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::VERSIONS;
use crate::nvflare::testing::{Root, SERVER_KEY};
use crate::tls::provider;

/// A server's certificate for a name that is not its address.
pub(in crate::nvflare) fn certificate(
    root: &Root,
    change: impl FnOnce(&mut CertificateParams),
) -> String {
    root.issue("fl-server", SERVER_KEY, change)
}

/// Its settings; `mutual` is whether sites have to show their certificates.
pub(in crate::nvflare) fn server_config(
    root: &Root,
    certificate: &str,
    mutual: bool,
) -> ServerConfig {
    let provider = provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(VERSIONS)
        .unwrap();
    let builder = if mutual {
        let mut roots = RootCertStore::empty();
        let trusted = CertificateDer::from_pem_slice(root.pem.as_bytes()).unwrap();
        roots.add(trusted).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let leaf = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(SERVER_KEY.as_bytes()).unwrap();
    builder.with_single_cert(vec![leaf], key).unwrap()
}
