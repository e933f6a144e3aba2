//! Refuses clients with a revoked certificate in the handshake of TLS.

use std::sync::Arc;

use fedlink::identity::{CertificateId, Revoked};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

/// Refuses revoked certificates, and leaves the rest to another verifier.
#[derive(Debug)]
pub(super) struct Refusing {
    verifier: Arc<dyn ClientCertVerifier>,
    revoked: Revoked,
}

impl Refusing {
    pub(super) fn new(verifier: Arc<dyn ClientCertVerifier>, revoked: Revoked) -> Self {
        Self { verifier, revoked }
    }
}

impl ClientCertVerifier for Refusing {
    fn client_auth_mandatory(&self) -> bool {
        self.verifier.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.verifier.verify_client_cert(leaf, between, now)?;
        for certificate in std::iter::once(leaf).chain(between) {
            let id = CertificateId::of_certificate(certificate)
                .map_err(|_| CertificateError::BadEncoding)?;
            if self.revoked.contains(&id) {
                return Err(CertificateError::Revoked.into());
            }
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
