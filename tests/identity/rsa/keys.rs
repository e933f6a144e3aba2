//! Private keys in PEM: right ones, wrong ones, and what is said of each.

use fedlink::identity::{RsaKeyError, RsaSigner};

use super::pki::{file, signer};

fn fault(pem: &[u8]) -> RsaKeyError {
    RsaSigner::from_pem(pem).unwrap_err()
}

fn text(pem: &[u8]) -> String {
    String::from_utf8(pem.to_vec()).unwrap()
}

#[test]
fn one_key_in_pkcs1_and_pkcs8() {
    let pkcs1 = RsaSigner::from_pem(file!("site.pkcs1.key")).unwrap();
    assert_eq!(pkcs1.public_key(), signer().public_key());
    assert_eq!(pkcs1.public_key().bits(), 2048);
}

#[test]
fn a_key_in_other_lines_and_between_other_blocks() {
    let pem = text(file!("site.key"));
    let (header, rest) = pem.split_once('\n').unwrap();
    let (body, footer) = rest.split_once("-----END").unwrap();
    let one_line = format!("{header}\n{}\n-----END{footer}", body.replace('\n', ""));
    let beside_a_certificate = format!("Bag Attributes\n{}\n{pem}", text(file!("site.crt")));
    for pem in [
        pem.replace('\n', "\r\n"),
        pem.replace('\n', " \n"),
        one_line,
        beside_a_certificate,
        pem.trim_end().to_owned(),
    ] {
        let read = RsaSigner::from_pem(pem.as_bytes()).unwrap();
        assert_eq!(read.public_key(), signer().public_key());
    }
}

#[test]
fn no_key_and_several_keys() {
    for pem in [&[][..], file!("site.crt"), b"secret", &[0xff; 1000]] {
        assert_eq!(fault(pem), RsaKeyError::NoKey);
    }
    let several = [file!("site.key"), file!("p256.key")].concat();
    assert_eq!(fault(&several), RsaKeyError::SeveralKeys);
}

#[test]
fn a_key_under_a_password() {
    for pem in [file!("site.encrypted.key"), file!("site.password.key")] {
        assert_eq!(fault(pem), RsaKeyError::Encrypted);
    }
}

#[test]
fn a_key_of_another_kind() {
    for (pem, found) in [
        (file!("ed25519.key"), "1.3.101.112"),
        (file!("p256.key"), "1.2.840.10045.2.1"),
        (file!("p256.sec1.key"), "EC"),
        (file!("pss.key"), "1.2.840.113549.1.1.10"),
    ] {
        let found = found.to_owned();
        assert_eq!(fault(pem), RsaKeyError::WrongAlgorithm { found });
    }
}

#[test]
fn a_key_of_the_wrong_size() {
    for (pem, bits) in [(file!("small.key"), 1024), (file!("large.key"), 8200)] {
        assert_eq!(fault(pem), RsaKeyError::Size { bits });
    }
    let odd = RsaSigner::from_pem(file!("odd.key")).unwrap();
    assert_eq!(odd.public_key().bits(), 2050);
}

#[test]
fn a_damaged_key() {
    for pem in [text(file!("site.key")), text(file!("site.pkcs1.key"))] {
        for changed in [
            pem.replace("-----END", "----END"),
            pem.replacen("A", "*", 1),
            pem.replacen("M", "N", 1),
            pem.replace("\n-----END", "AAAA\n-----END"),
            pem.lines().take(5).collect::<Vec<_>>().join("\n"),
        ] {
            assert_eq!(fault(changed.as_bytes()), RsaKeyError::Damaged, "{changed}");
        }
        let mut lines: Vec<&str> = pem.lines().collect();
        lines.remove(12);
        assert_eq!(fault(lines.join("\n").as_bytes()), RsaKeyError::Damaged);
    }
}

/// A line inside of the first prime, which then does not divide the modulus.
#[test]
fn numbers_that_do_not_belong_together() {
    let pem = text(file!("site.pkcs1.key"));
    let mut lines: Vec<&str> = pem.lines().collect();
    lines[13] = lines[3];
    assert_eq!(fault(lines.join("\n").as_bytes()), RsaKeyError::Damaged);
}

#[test]
fn no_private_key_is_shown() {
    let shown = format!("{:?}", signer());
    let [a, b, c, d, ..] = signer().public_key().fingerprint();
    let start = format!("{a:02x}{b:02x}{c:02x}{d:02x}");
    assert_eq!(shown, format!("RsaSigner(RsaPublicKey({start}..))"));
}

#[test]
fn the_fingerprint_is_that_of_openssl() {
    let fingerprint = signer().public_key().fingerprint();
    let hex: String = fingerprint
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hex, text(file!("site.fingerprint")).trim_end());
}
