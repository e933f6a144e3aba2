//! Blocks of PEM: base64 between a `BEGIN` and an `END` line.

use rsa::pkcs8::der::pem::Base64Decoder;
use zeroize::Zeroizing;

use crate::identity::MAX_CHAIN_BYTES;

/// Most bytes of a peer's certificates in PEM: [`MAX_CHAIN_BYTES`] in base64 take a
/// third more, the rest is for text around them.
pub const MAX_PEM_BYTES: usize = 3 * MAX_CHAIN_BYTES;

/// What stands between a `BEGIN` line and the `END` line with the same label.
pub(super) struct Block<'a> {
    pub(super) label: &'a str,
    text: &'a [u8],
}

/// A `BEGIN` line without its `END` line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfinished;

/// The blocks of `pem`, in order. Text outside of them is passed over, as PEM allows.
pub(super) fn blocks(mut pem: &[u8]) -> impl Iterator<Item = Result<Block<'_>, Unfinished>> {
    std::iter::from_fn(move || {
        loop {
            if let Some(label) = label(take_line(&mut pem)?, b"-----BEGIN ") {
                return Some(take_text(&mut pem, label));
            }
        }
    })
}

impl Block<'_> {
    /// Whether lines of headers come before the base64: a key under a password, in the
    /// way that was usual before PKCS#8.
    pub(super) fn has_headers(&self) -> bool {
        self.text.contains(&b':')
    }

    /// The bytes that the base64 stands for, wiped when dropped.
    pub(super) fn decode(&self) -> Option<Zeroizing<Vec<u8>>> {
        let mut base64 = Zeroizing::new(Vec::with_capacity(self.text.len()));
        base64.extend(self.text.iter().filter(|byte| !byte.is_ascii_whitespace()));
        let mut decoder = Base64Decoder::new(&base64).ok()?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(decoder.remaining_len()));
        decoder.decode_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}

/// Takes the rest of a block off the front of `pem`, with its `END` line.
fn take_text<'a>(pem: &mut &'a [u8], label: &'a str) -> Result<Block<'a>, Unfinished> {
    let start = *pem;
    let mut length = 0;
    while let Some(line) = take_line(pem) {
        if let Some(end) = self::label(line, b"-----END ") {
            let text = start.get(..length).filter(|_| end == label);
            return text.map(|text| Block { label, text }).ok_or(Unfinished);
        }
        length = start.len() - pem.len();
    }
    Err(Unfinished)
}

/// Takes a line off the front of `pem`.
fn take_line<'a>(pem: &mut &'a [u8]) -> Option<&'a [u8]> {
    let line = pem.split_inclusive(|byte| *byte == b'\n').next()?;
    *pem = pem.get(line.len()..)?;
    Some(line)
}

fn label<'a>(line: &'a [u8], prefix: &[u8]) -> Option<&'a str> {
    let label = line.trim_ascii_end().strip_prefix(prefix)?;
    std::str::from_utf8(label.strip_suffix(b"-----")?).ok()
}
