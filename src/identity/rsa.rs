//! RSA identities, for NVFlare: keys and certificates in PEM, as its provisioning
//! writes them.
//!
//! A peer signs with RSASSA-PSS (SHA-256, MGF1 with SHA-256) and the longest salt that
//! fits its key. Certificates are signed with PKCS#1 v1.5 and SHA-256, SHA-384 or
//! SHA-512. Keys have [`MIN_RSA_BITS`] to [`MAX_RSA_BITS`] bits.

mod chain;
mod error;
mod key;
mod proof;
mod signer;

pub use chain::{MAX_PEM_BYTES, RsaChain, RsaRoots};
pub use error::{RsaKeyError, SigningFault};
pub use key::{MAX_RSA_BITS, MIN_RSA_BITS, RsaPublicKey};
pub(crate) use proof::RsaProof;
pub use signer::RsaSigner;
