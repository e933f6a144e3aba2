//! The PEM files of kits, fedlink's own and those of NVFlare.

use core::fmt;

use fedlink::identity::certificate_version;
use fedlink::identity::pem::{self, Block, Unfinished};
use rustls::pki_types::CertificateDer;

/// Why a PEM file has not what is looked for in it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PemFault {
    /// It is text of two bytes a character, as some programs of Windows write it.
    #[error("is text in UTF-16: save it as UTF-8, or run `iconv -f UTF-16 -t UTF-8` on it")]
    Utf16,
    /// It is what PEM stands for, before it is written as text.
    #[error(
        "is DER or PKCS#12, not PEM: convert it with `openssl x509 -inform DER`, `openssl pkey -inform DER` or `openssl pkcs12 -nodes`"
    )]
    Binary,
    /// `BEGIN` or `END` stand beside something else.
    #[error(
        "has a BEGIN that is no line of its own: put each BEGIN and END on a line of its own, with the base64 between them"
    )]
    Lines,
    /// It holds something else, or nothing.
    #[error("has no such PEM block: this is some other file, or it is empty{}", found(.0))]
    Nothing(Vec<String>),
    /// A block has no end.
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
    /// A block is not base64.
    #[error("holds a damaged PEM block: copy the file again")]
    Damaged,
    /// An own certificate in a version of X.509 that cannot say what it is for.
    #[error(
        "certificate {position} is of X.509 version {found}, which TLS refuses: have it issued in version 3, as `openssl x509 -req` does with -extfile"
    )]
    Version {
        /// Which certificate, from 0.
        position: usize,
        /// Its version.
        found: u8,
    },
    /// There is more than one private key.
    #[error("holds several private keys: leave the one that belongs to the certificate")]
    SeveralKeys,
}

/// The certificates, in their order. Blocks of other kinds are passed over.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemFault> {
    let blocks = blocks(text)?;
    let certificates = blocks.iter().filter(|block| block.is_certificate());
    let found: Vec<_> = certificates
        .map(|block| block.certificate().ok_or(PemFault::Damaged))
        .collect::<Result<_, _>>()?;
    match found.is_empty() {
        true => Err(nothing(&blocks)),
        false => Ok(found.into_iter().map(|der| der.to_vec().into()).collect()),
    }
}

/// The only private key. Blocks of other kinds are passed over.
pub(crate) fn private_key(text: &[u8]) -> Result<Block<'_>, PemFault> {
    let mut blocks = blocks(text)?;
    let is_key = Block::is_private_key;
    match blocks.iter().filter(|block| is_key(block)).count() {
        0 => Err(nothing(&blocks)),
        1 => {
            blocks.retain(is_key);
            blocks.pop().ok_or(PemFault::Damaged)
        }
        _ => Err(PemFault::SeveralKeys),
    }
}

/// These certificates, and nothing else, as the usual programs write them.
#[cfg(feature = "nvflare")]
pub(crate) fn encode(certificates: &[CertificateDer<'_>]) -> Vec<u8> {
    let blocks = certificates
        .iter()
        .map(|der| pem::encode("CERTIFICATE", der));
    blocks.collect::<String>().into_bytes()
}

/// What TLS demands of each of the own certificates. What is no certificate is told elsewhere.
pub(crate) fn check_versions(certificates: &[CertificateDer<'_>]) -> Result<(), PemFault> {
    for (position, der) in certificates.iter().enumerate() {
        if let Some(found @ 1..=2) = certificate_version(der) {
            return Err(PemFault::Version { position, found });
        }
    }
    Ok(())
}

fn blocks(text: &[u8]) -> Result<Vec<Block<'_>>, PemFault> {
    let blocks: Vec<Block<'_>> = pem::blocks(text).collect::<Result<_, _>>()?;
    match text {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err(PemFault::Utf16),
        // A SEQUENCE of more than 127 bytes, which every certificate and most keys are.
        [0x30, 0x80..=0x84, ..] => Err(PemFault::Binary),
        // A shorter one, which a key of Ed25519 is.
        [0x30, length, rest @ ..] if usize::from(*length) == rest.len() => Err(PemFault::Binary),
        _ if blocks.is_empty() && text.windows(BEGIN.len()).any(|part| part == BEGIN) => {
            Err(PemFault::Lines)
        }
        _ => Ok(blocks),
    }
}

const BEGIN: &[u8] = b"-----BEGIN ";

fn nothing(found: &[Block<'_>]) -> PemFault {
    PemFault::Nothing(found.iter().map(|block| block.label().to_owned()).collect())
}

fn found(labels: &[String]) -> impl fmt::Display {
    match labels {
        [] => String::new(),
        // Whatever a file says there is not repeated at length.
        [first, ..] => {
            let label: String = first.chars().take(40).collect();
            format!(" (it has {label:?})")
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
