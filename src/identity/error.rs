//! Errors about keys and certificate chains.

use alloc::string::String;

use super::{Date, MAX_CERTIFICATES, MAX_CHAIN_BYTES, Name, NameError};

/// Why a [`Chain`](super::Chain) is refused.
///
/// `position` counts certificates from the leaf, which is 0. A root that the peer
/// did not send counts as if it came last.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// There is no certificate.
    #[error("the chain is empty: put the leaf certificate first, then its issuers")]
    Empty,
    /// More than [`MAX_CERTIFICATES`].
    #[error(
        "the chain has more than {MAX_CERTIFICATES} certificates: leave out what is not on the way to the root"
    )]
    TooMany,
    /// More than [`MAX_CHAIN_BYTES`] of DER.
    #[error(
        "the chain has {found} bytes of certificates, the limit is {MAX_CHAIN_BYTES}: issue smaller certificates or send fewer"
    )]
    TooLarge {
        /// Its length in bytes, without the framing around each certificate.
        found: usize,
    },
    /// Chain bytes that are neither certificates nor a pinned key.
    #[error(
        "these are no chain bytes: a type byte, then each certificate or the key after its length"
    )]
    BadFraming,
    /// Not one X.509 certificate in DER, or bytes follow it.
    #[error(
        "certificate {position} is not a certificate in strict DER: export it again (PEM has to be decoded first)"
    )]
    Malformed {
        /// Which certificate.
        position: usize,
    },
    /// A public key that is not Ed25519.
    #[error(
        "certificate {position} has a key of type {oid}: issue it for an Ed25519 key (1.3.101.112)"
    )]
    WrongKeyType {
        /// Which certificate.
        position: usize,
        /// The object identifier of the key's type.
        oid: String,
    },
    /// An Ed25519 public key that no honest program makes.
    #[error("certificate {position} has a damaged or weak Ed25519 key: make a new key")]
    WeakKey {
        /// Which certificate.
        position: usize,
    },
    /// A signature that is not Ed25519, or said to be of two kinds.
    #[error(
        "certificate {position} is signed with {oid}: have it signed by an issuer with an Ed25519 key (1.3.101.112)"
    )]
    WrongSignatureType {
        /// Which certificate.
        position: usize,
        /// The object identifier of the signature's type.
        oid: String,
    },
    /// A block of PEM that holds no certificate.
    #[error(
        "block {position} of the PEM is damaged or no certificate: put whole `CERTIFICATE` blocks there and nothing else"
    )]
    NotACertificate {
        /// Which block, from 0.
        position: usize,
    },
    /// A public key that is not RSA, where RSA is needed.
    #[error(
        "certificate {position} has a key of type {oid}: issue it for an RSA key (1.2.840.113549.1.1.1)"
    )]
    NotAnRsaKey {
        /// Which certificate.
        position: usize,
        /// The object identifier of the key's type.
        oid: String,
    },
    /// An RSA key that is too short to be safe, or too long to be used in reasonable
    /// time.
    #[error(
        "certificate {position} has an RSA key of {bits} bits: issue it for a key of 2048 to 8192 bits"
    )]
    RsaKeySize {
        /// Which certificate.
        position: usize,
        /// The bits of the key's modulus.
        bits: usize,
    },
    /// Numbers that are no RSA key.
    #[error("certificate {position} has an impossible RSA key: make a new key")]
    ImpossibleRsaKey {
        /// Which certificate.
        position: usize,
    },
    /// A signature that is not RSA with a hash that is still safe, or said to be of two
    /// kinds.
    #[error(
        "certificate {position} is signed with {oid}: have it signed with sha256WithRSAEncryption (1.2.840.113549.1.1.11), or with SHA-384 or SHA-512"
    )]
    NotAnRsaSignature {
        /// Which certificate.
        position: usize,
        /// The object identifier of the signature's type.
        oid: String,
    },
    /// The next certificate is not the issuer of this one.
    #[error(
        "certificate {position} was not issued by the one after it: order the chain from the leaf to the root, without gaps"
    )]
    NotIssuedByNext {
        /// Which certificate.
        position: usize,
    },
    /// The chain leads to no configured root.
    #[error(
        "the chain leads to no trusted root: configure the root that issued certificate {position}, or use a certificate of this project"
    )]
    UnknownRoot {
        /// The last certificate on the way.
        position: usize,
    },
    /// The issuer's key did not make this signature.
    #[error(
        "the signature of certificate {position} is not its issuer's: the certificate was changed, or another issuer of the same name made it: take certificate and root from one and the same project"
    )]
    BadSignature {
        /// Which certificate.
        position: usize,
    },
    /// The last day has passed.
    #[error(
        "certificate {position} expired on {}: renew it, or correct the clock", Date(*.not_after)
    )]
    Expired {
        /// Which certificate.
        position: usize,
        /// Its last second, in seconds since 1970.
        not_after: u64,
    },
    /// The first day is still to come.
    #[error(
        "certificate {position} is not valid before {}: wait, or correct the clock",
        Date(*.not_before)
    )]
    NotYetValid {
        /// Which certificate.
        position: usize,
        /// Its first second, in seconds since 1970.
        not_before: u64,
    },
    /// An issuer that may not issue: basicConstraints does not say so.
    #[error(
        "certificate {position} issued another but is no authority: issue with one that has basicConstraints CA:TRUE"
    )]
    NotACa {
        /// Which certificate.
        position: usize,
    },
    /// A leaf that is itself an authority.
    #[error(
        "the peer's own certificate is an authority's: issue it one with basicConstraints CA:FALSE"
    )]
    LeafIsCa,
    /// More intermediates below an issuer than its path length allows.
    #[error(
        "certificate {position} allows fewer intermediates below it than there are: issue it with a larger path length, or the leaf closer to the root"
    )]
    PathTooLong {
        /// The issuer that limits the path.
        position: usize,
    },
    /// keyUsage is present and lacks what the certificate is used for.
    #[error(
        "certificate {position} has a keyUsage without {needed}: issue it with that, or without keyUsage"
    )]
    KeyUsage {
        /// Which certificate.
        position: usize,
        /// The missing use, as RFC 5280 names it.
        needed: &'static str,
    },
    /// extendedKeyUsage is present and lacks the peer's role.
    #[error(
        "certificate {position} has an extendedKeyUsage without {needed}: issue it with that, or without extendedKeyUsage"
    )]
    ExtendedKeyUsage {
        /// Which certificate.
        position: usize,
        /// The missing purpose, as RFC 5280 names it.
        needed: &'static str,
    },
    /// A leaf without a common name.
    #[error("the leaf has no common name: issue it with the peer's name as CN")]
    NoCommonName,
    /// A leaf with several common names.
    #[error("the leaf has several common names: issue it with the peer's name as its only CN")]
    SeveralCommonNames,
    /// A common name of a type that may hold other bytes than UTF-8, or with such bytes.
    #[error(
        "the leaf's common name is not text in UTF-8: issue it as a UTF8String or PrintableString"
    )]
    CommonNameEncoding,
    /// A common name that is not a [`Name`].
    #[error("the leaf's common name is no name of a peer: {fault}")]
    BadCommonName {
        /// What is wrong with it.
        fault: NameError,
    },
    /// The leaf belongs to somebody else.
    #[error(
        "the certificate is {found}'s, not {expected}'s: correct the expected name, or use the right certificate"
    )]
    WrongName {
        /// The name asked for.
        expected: Name,
        /// The leaf's common name.
        found: Name,
    },
    /// A revoked certificate.
    #[error("certificate {position} is revoked: have a new one issued")]
    Revoked {
        /// Which certificate.
        position: usize,
    },
    /// A critical extension that is not understood here.
    #[error(
        "certificate {position} has a critical extension that is not understood, {oid}: issue it without, or not critical"
    )]
    UnknownCriticalExtension {
        /// Which certificate.
        position: usize,
        /// The extension's object identifier.
        oid: String,
    },
    /// Name constraints, critical or not: they speak of host names, which peers'
    /// names are not, and to pass over them would widen what the issuer allowed.
    #[error(
        "certificate {position} has name constraints, which are not supported: issue it without"
    )]
    NameConstraints {
        /// Which certificate.
        position: usize,
    },
    /// A bare key that the roots do not pin to the expected name.
    #[error(
        "the peer's key is not pinned to the name {expected}: pin it, or give the peer a certificate"
    )]
    NotPinned {
        /// The name asked for.
        expected: Name,
    },
    /// Certificates, where this program was built to know pinned keys alone.
    #[error(
        "the chain is of X.509 certificates, which this program was built without: build fedlink with its feature `x509`, or give the peer a pinned key"
    )]
    NoX509,
}

/// Why bytes are no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not a private key in PKCS#8, or cut off.
    #[error(
        "this is not a private key in PKCS#8 DER, or it is cut off: write it with `openssl pkcs8 -topk8 -nocrypt -outform DER`"
    )]
    NotPkcs8,
    /// PKCS#8 under a password.
    #[error("the private key is encrypted: decrypt it first with `openssl pkey -outform DER`")]
    Encrypted,
    /// A private key that is not Ed25519.
    #[error(
        "the private key is of type {oid}: make an Ed25519 key (1.3.101.112) with `openssl genpkey -algorithm ed25519`"
    )]
    WrongAlgorithm {
        /// The object identifier of the key's type.
        oid: String,
    },
    /// An Ed25519 private key has 32 bytes.
    #[error("the Ed25519 private key has {found} bytes instead of 32: export it again")]
    WrongLength {
        /// Its length in bytes.
        found: usize,
    },
    /// The file states a public key that is not this private key's.
    #[error("the public key beside the private key is another's: export the key again")]
    PublicKeyMismatch,
    /// 32 bytes that are no Ed25519 public key, or one of small order.
    #[error("these 32 bytes are no Ed25519 public key: copy the key again from its owner")]
    NotAPublicKey,
}
