//! Blocks of PEM: base64 between a `BEGIN` and an `END` line.
//!
//! Files pass through editors, mails and configuration on their way. So what stands around
//! the lines does not matter: a byte order mark, indentation, any ends of lines, text before
//! and after a block, and headers inside it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use base64ct::{Base64, Decoder, Encoding};
use bytes::Bytes;
use zeroize::Zeroizing;

use super::der::{self, SEQUENCE};

/// The byte order mark of UTF-8. Files that were put together have it inside, too.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Characters of base64 a line.
const WIDTH: usize = 64;

/// Labels of certificates. OpenSSL writes the last one, with settings after the certificate.
const CERTIFICATES: [&str; 3] = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"];

/// What stands between a `BEGIN` line and the `END` line with the same label.
pub struct Block<'a> {
    label: &'a str,
    text: &'a [u8],
}

/// A `BEGIN` line without its `END` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ends in the middle of a PEM block: copy the whole file again")]
pub struct Unfinished;

/// The blocks of `pem`, in order. Text outside of them is passed over, as PEM allows.
pub fn blocks(mut pem: &[u8]) -> impl Iterator<Item = Result<Block<'_>, Unfinished>> {
    core::iter::from_fn(move || {
        loop {
            if let Some(label) = label(take_line(&mut pem)?, b"-----BEGIN ") {
                return Some(take_text(&mut pem, label));
            }
        }
    })
}

/// A block of PEM with these bytes in it.
#[must_use]
pub fn encode(label: &str, der: &[u8]) -> String {
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in Base64::encode_string(der).as_bytes().chunks(WIDTH) {
        pem.extend(line.iter().copied().map(char::from));
        pem.push('\n');
    }
    pem + &format!("-----END {label}-----\n")
}

impl<'a> Block<'a> {
    /// What the block says it holds, such as `CERTIFICATE`.
    #[must_use]
    pub const fn label(&self) -> &'a str {
        self.label
    }

    /// Whether it says that it holds a certificate.
    #[must_use]
    pub fn is_certificate(&self) -> bool {
        CERTIFICATES.contains(&self.label)
    }

    /// Whether it says that it holds a private key, of whatever kind.
    #[must_use]
    pub fn is_private_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }

    /// Whether a password protects what it holds: in PKCS#8, or as was usual before that.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        let (headers, _) = self.parts();
        self.label == "ENCRYPTED PRIVATE KEY"
            || headers
                .split(|byte| matches!(byte, b'\n' | b'\r'))
                .map(<[u8]>::trim_ascii)
                .filter_map(|line| line.strip_prefix(b"Proc-Type:"))
                .any(|value| value.trim_ascii_end().ends_with(b"ENCRYPTED"))
    }

    /// The bytes that the base64 stands for, wiped when dropped.
    #[must_use]
    pub fn decode(&self) -> Option<Zeroizing<Vec<u8>>> {
        let (_, body) = self.parts();
        let mut base64 = Zeroizing::new(Vec::with_capacity(body.len()));
        base64.extend(body.iter().filter(|byte| !byte.is_ascii_whitespace()));
        let mut decoder = Decoder::<Base64>::new(&base64).ok()?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(decoder.remaining_len()));
        decoder.decode_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// The certificate in DER, without what OpenSSL adds to one that is trusted. None if the
    /// block holds something else or is damaged.
    #[must_use]
    pub fn certificate(&self) -> Option<Bytes> {
        if !self.is_certificate() {
            return None;
        }
        let whole = self.decode()?;
        let mut rest = &whole[..];
        let certificate = match self.label {
            "TRUSTED CERTIFICATE" => der::expect(&mut rest, SEQUENCE)?.raw,
            _ => rest,
        };
        Some(Bytes::copy_from_slice(certificate))
    }

    /// Headers, which end at an empty line, and the base64 after them.
    fn parts(&self) -> (&'a [u8], &'a [u8]) {
        let Some(colon) = self.text.iter().rposition(|byte| *byte == b':') else {
            return (&[], self.text);
        };
        let mut rest = self.text.get(colon..).unwrap_or_default();
        take_line(&mut rest);
        let mut after = rest;
        while let Some(line) = take_line(&mut after) {
            if line.trim_ascii().is_empty() {
                rest = after;
                break;
            }
        }
        let headers = self.text.len().saturating_sub(rest.len());
        (self.text.get(..headers).unwrap_or_default(), rest)
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

/// Takes a line off the front of `pem`, with its end: `\n`, `\r\n` or `\r`.
fn take_line<'a>(pem: &mut &'a [u8]) -> Option<&'a [u8]> {
    if pem.is_empty() {
        return None;
    }
    let end = pem.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    let length = end.map_or(pem.len(), |end| match pem.get(end..end + 2) {
        Some(b"\r\n") => end + 2,
        _ => end + 1,
    });
    let (line, rest) = pem.split_at_checked(length)?;
    *pem = rest;
    Some(line)
}

fn label<'a>(line: &'a [u8], prefix: &[u8]) -> Option<&'a str> {
    let line = line.strip_prefix(MARK).unwrap_or(line);
    let label = line.trim_ascii().strip_prefix(prefix)?;
    let label = core::str::from_utf8(label.strip_suffix(b"-----")?).ok()?;
    // More than a label: a whole block on one line, or a remark.
    (!label.contains("--")).then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAAEC\nAwQF\n-----END PRIVATE KEY-----\n";

    fn read(pem: &[u8]) -> Vec<(String, bool, Option<Vec<u8>>)> {
        blocks(pem)
            .map(Result::unwrap)
            .map(|it| {
                let bytes = it.decode().map(|bytes| bytes.to_vec());
                (it.label().to_owned(), it.is_encrypted(), bytes)
            })
            .collect()
    }

    #[test]
    fn what_stands_around_the_lines_does_not_matter() {
        let right = vec![(
            "PRIVATE KEY".to_owned(),
            false,
            Some(vec![0, 1, 2, 3, 4, 5]),
        )];
        for pem in [
            KEY.to_owned(),
            format!("\u{feff}{KEY}"),
            format!("# the site's\n\u{feff}{KEY}"),
            KEY.replace('\n', "\r\n"),
            KEY.replace('\n', "\r"),
            KEY.replace('\n', "  \n\t "),
            format!("    {}", KEY.replace('\n', "\n    ")),
            format!("an ENCRYPTED PRIVATE KEY? no: -----BEGIN ENCRYPTED PRIVATE KEY-----\n{KEY}"),
            format!("-----BEGIN A KEY----- and -----END A KEY-----\n{KEY}"),
            KEY.replace("AAEC", "Proc-Type: 4,MIC-CLEAR\nComment: ENCRYPTED\n\nAAEC"),
            KEY.replace("AAEC", "  Comment: a\n    long one\n\n  AAEC"),
            KEY.replace(
                "AAEC",
                "Proc-Type: 4,CLEAR\r\nComment: long\r\n one\r\n\r\nAAEC",
            ),
            KEY.replace("AAEC", "Comment: no empty line\nAAEC"),
        ] {
            assert_eq!(read(pem.as_bytes()), right, "{pem}");
        }
    }

    #[test]
    fn a_password_is_seen_in_both_forms() {
        let older = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00FF\n\nAAEC";
        for pem in [
            KEY.replace("PRIVATE", "ENCRYPTED PRIVATE"),
            KEY.replace("AAEC", older),
            KEY.replace("AAEC", older).replace('\n', "\r\n  "),
        ] {
            assert!(read(pem.as_bytes())[0].1, "{pem}");
        }
    }

    #[test]
    fn what_is_encoded_is_read_again() {
        for length in [1, 47, 48, 49, 500] {
            let bytes: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let pem = encode("CERTIFICATE", &bytes);
            assert!(pem.lines().all(|line| line.len() <= WIDTH), "{pem}");
            assert_eq!(read(pem.as_bytes())[0].2, Some(bytes));
        }
    }

    #[test]
    fn a_trusted_certificate_ends_before_its_settings() {
        let block = encode("TRUSTED CERTIFICATE", &[0x30, 1, 7, 0x30, 0]);
        let block = blocks(block.as_bytes()).next().unwrap().unwrap();
        assert_eq!(block.certificate().unwrap()[..], [0x30, 1, 7]);
    }

    #[test]
    fn a_block_without_its_end_is_told() {
        for pem in [&KEY[..30], &KEY.replace("END PRIVATE", "END PUBLIC")] {
            assert_eq!(
                blocks(pem.as_bytes()).next().unwrap().err(),
                Some(Unfinished)
            );
        }
    }
}
