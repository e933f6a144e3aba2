//! A machine's own RSA identity.

use std::sync::Arc;

use fedlink::error::ConfigError;
use fedlink::identity::{ChainError, Identity, RsaSigner};
use fedlink::{Client, ClientConfig, Instant, Server, ServerConfig};

use super::pki::{Authority, file, signer};
use crate::common::pki::{name, subject};

/// The configuration fault of an identity as `server`.
fn fault(chain: &str, signer: RsaSigner, roots: &str) -> ConfigError {
    Identity::rsa(name("server"), chain.as_bytes(), signer, roots.as_bytes()).unwrap_err()
}

#[test]
fn a_right_one() {
    let root = Authority::root();
    let (leaf, roots) = (root.leaf(|_| {}), root.pem.as_bytes());
    let identity = Identity::rsa(name("server"), leaf.as_bytes(), signer(), roots).unwrap();
    assert_eq!(identity.name(), &name("server"));
    assert_eq!(format!("{identity:?}"), "Identity(server)");
}

#[test]
fn each_fault_is_named() {
    let root = Authority::root();
    let leaf = root.leaf(|_| {});

    let other = RsaSigner::from_pem(file!("upper.key")).unwrap();
    assert_eq!(fault(&leaf, other, &root.pem), ConfigError::KeyMismatch);

    let elsewhere = root.leaf(|params| params.distinguished_name = subject("site-1"));
    let (certificate, configured) = ("site-1".to_owned(), name("server"));
    assert_eq!(
        fault(&elsewhere, signer(), &root.pem),
        ConfigError::NameMismatch {
            certificate,
            configured
        }
    );

    assert_eq!(fault(&leaf, signer(), ""), ConfigError::NoRoots);
    assert_eq!(
        fault("", signer(), &root.pem),
        ConfigError::Chain(ChainError::Empty)
    );
    let no_root = ConfigError::Roots(ChainError::NotACa { position: 0 });
    assert_eq!(fault(&leaf, signer(), &leaf), no_root);
}

/// It must not be sent to a server together with the certificate.
#[test]
fn a_private_key_among_the_certificates_is_refused() {
    let root = Authority::root();
    let key = std::str::from_utf8(file!("site.key")).unwrap();
    let not_alone = ConfigError::Chain(ChainError::NotACertificate { position: 1 });
    assert_eq!(
        fault(&(root.leaf(|_| {}) + key), signer(), &root.pem),
        not_alone
    );
}

#[test]
fn the_native_protocol_does_not_take_it() {
    let root = Authority::root();
    let (leaf, roots) = (root.leaf(|_| {}), root.pem.as_bytes());
    let identity = Identity::rsa(name("server"), leaf.as_bytes(), signer(), roots).unwrap();
    let now = Instant::from_micros(1);
    let config = Arc::new(ClientConfig::new(name("project")));
    let client = Client::new(config, identity.clone(), [1; 32], now);
    assert_eq!(client.err(), Some(ConfigError::RsaIdentity));
    let config = Arc::new(ServerConfig::new(name("project")));
    let server = Server::new(config, identity, [1; 32], now);
    assert_eq!(server.err(), Some(ConfigError::RsaIdentity));
}
