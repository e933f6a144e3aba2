//! Identities of peers: names, keys and certificate chains, and the rules by which one peer
//! believes another.
//!
//! A peer proves itself with a signature by the key of its [`Chain`]. The chain is
//! either certificates that lead to one of the project's [`Roots`], for which the
//! feature `x509` is needed, or a bare key that the roots pin to the peer's name.
//! [`verify`] judges a chain; it knows no
//! clock, so the time is an argument, and says when there was none to check dates
//! against. Private keys are behind [`Signer`] and need not be in this process.
//!
//! Everything is Ed25519, with signatures checked strictly (small-order points and
//! encodings that are not canonical are refused). For NVFlare alone there are RSA keys,
//! with certificates that are judged by the same rules.

#[cfg(feature = "x509")]
mod anchors;
#[cfg(feature = "x509")]
mod certificate;
mod chain;
#[cfg(feature = "x509")]
mod chain_key;
mod date;
mod der;
mod error;
#[cfg(feature = "x509")]
mod extensions;
#[cfg(all(any(test, fuzzing), feature = "x509"))]
pub(crate) mod fuzz;
mod key;
mod name;
mod own;
#[cfg(feature = "x509")]
mod path;
pub mod pem;
mod revoked;
mod roots;
#[cfg(feature = "nvflare")]
mod rsa;
mod signatures;
mod signer;
mod verify;

#[cfg(feature = "x509")]
pub use certificate::certificate_version;
pub use chain::{Chain, MAX_CERTIFICATES, MAX_CHAIN_BYTES};
pub use date::Date;
pub use error::{ChainError, KeyError};
pub use key::PublicKey;
pub use name::{MAX_NAME_BYTES, Name, NameError};
pub use own::Identity;
pub(crate) use own::Key;
pub use revoked::{CertificateId, Revoked};
pub use roots::Roots;
#[cfg(feature = "nvflare")]
pub use rsa::{
    MAX_PEM_BYTES, MAX_RSA_BITS, MIN_RSA_BITS, RsaChain, RsaKeyError, RsaPublicKey, RsaRoots,
    RsaSigner, SigningFault,
};
pub(crate) use signatures::{Check, Known, are_good};
pub use signer::{LocalSigner, Signer};
pub(crate) use verify::verify_with;
pub use verify::{Role, Verified, verify};
