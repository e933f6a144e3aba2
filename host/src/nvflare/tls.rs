//! TLS to a server of NVIDIA FLARE.
//!
//! The server's certificate must come from the kit's root and count now; the host name in
//! it does not matter. Kits are made before anybody knows at which address a server will
//! be reached, so the names in their certificates often are not those, and the Python
//! client does not compare them either. Who the server is shows when the site registers: a
//! secure server answers the challenge with a signature, and its certificate must carry
//! the identity that the kit names.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};

use crate::tls::{TlsError, provider, unusable};

/// What the Python server speaks.
const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// TLS for a site that trusts `roots`, and shows a certificate of its `own` if it has to.
pub(super) fn client_config(
    roots: &Arc<RootCertStore>,
    own: Option<&Arc<CertifiedKey>>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = provider();
    let verifier = IssuedByRoots {
        roots: Arc::clone(roots),
        algorithms: provider.signature_verification_algorithms,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(VERSIONS)
        .map_err(unusable)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match own {
        Some(own) => {
            let certified = SingleCertAndKey::from(Arc::clone(own));
            builder.with_client_cert_resolver(Arc::new(certified))
        }
        None => builder.with_no_client_auth(),
    };
    // Each connection shows its certificates anew.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Accepts a server whose certificate was issued by one of these roots, whatever its name.
#[derive(Debug)]
struct IssuedByRoots {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for IssuedByRoots {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let leaf = ParsedCertificate::try_from(leaf)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&leaf, &self.roots, between, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
