//! What editors, mails and OpenSSL make of the files of a kit.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::kit::{KitError, SiteKit};
use crate::testing::{Root, SITE, folder, write};

fn site() -> TempDir {
    let root = Root::new();
    folder(SITE, &root.site(|_| {}), &root.pem)
}

fn told(folder: &TempDir) -> String {
    SiteKit::load(folder.path()).unwrap_err().to_string()
}

/// What happens to files on their way.
type Change = fn(&str) -> Vec<u8>;

/// Ways in which a file may arrive, all of which mean the same.
pub(crate) const ARRIVALS: [(&str, Change); 7] = [
    ("a byte order mark", |pem| {
        format!("\u{feff}{pem}").into_bytes()
    }),
    ("indented", |pem| {
        format!("  {}", pem.replace('\n', "\n  ")).into_bytes()
    }),
    ("ends of lines of Windows", |pem| {
        pem.replace('\n', "\r\n").into_bytes()
    }),
    ("ends of lines of old", |pem| {
        pem.replace('\n', "\r").into_bytes()
    }),
    ("a remark", |pem| {
        format!("not an ENCRYPTED PRIVATE KEY, no -----BEGIN ENCRYPTED PRIVATE KEY-----\n{pem}")
            .into_bytes()
    }),
    ("blocks of other kinds", |pem| {
        let other =
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        format!("{other}{pem}{other}").into_bytes()
    }),
    ("a header", |pem| {
        let label = pem.split_inclusive('\n').next().unwrap();
        pem.replace(
            label,
            &format!("{label}Proc-Type: 4,MIC-CLEAR\nComment: ENCRYPTED\n\n"),
        )
        .into_bytes()
    }),
];

#[test]
fn files_may_arrive_in_any_of_these_ways() {
    for (way, change) in ARRIVALS {
        for file in ["certificate.pem", "key.pem", "roots.pem"] {
            let folder = site();
            let pem = fs::read_to_string(folder.path().join(file)).unwrap();
            write(folder.path(), file, change(&pem));
            let loaded = SiteKit::load(folder.path());
            assert!(loaded.is_ok(), "{file} with {way}: {}", loaded.unwrap_err());
        }
    }
}

#[test]
fn what_is_no_pem_is_told() {
    let utf16 = |text: &str| -> Vec<u8> {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        [0xff, 0xfe].into_iter().chain(units).collect()
    };
    let der = |pem: &str| {
        let block = super::pem::blocks(pem.as_bytes()).next().unwrap();
        block.unwrap().decode().unwrap().to_vec()
    };
    let one_line = |pem: &str| pem.replace('\n', " ").into_bytes();
    let folder = site();
    let path = folder.path().join("certificate.pem");
    let right = fs::read_to_string(&path).unwrap();
    for (content, expected) in [
        (utf16(&right), "is text in UTF-16: save it as UTF-8"),
        (
            der(&right),
            "is DER or PKCS#12, not PEM: convert it with `openssl x509 -inform DER`",
        ),
        (
            // As long as a key of Ed25519.
            [&[0x30, 46][..], &[0; 46]].concat(),
            "is DER or PKCS#12, not PEM",
        ),
        (one_line(&right), "has a BEGIN that is no line of its own"),
        (
            b"hello".to_vec(),
            "has no such PEM block: this is some other file, or it is empty",
        ),
    ] {
        write(folder.path(), "certificate.pem", content);
        let told = told(&folder);
        assert!(
            told.contains(&format!("(files.certificate): {expected}")),
            "{told}"
        );
    }
    let key = fs::read_to_string(folder.path().join("key.pem")).unwrap();
    write(folder.path(), "certificate.pem", &key);
    assert!(
        told(&folder).contains("(it has \"PRIVATE KEY\")"),
        "{}",
        told(&folder)
    );
    write(folder.path(), "certificate.pem", &right);
    write(folder.path(), "key.pem", key.repeat(2));
    assert!(
        told(&folder).contains("holds several private keys"),
        "{}",
        told(&folder)
    );
}

/// Runs OpenSSL in `folder`; false if there is none.
pub(crate) fn openssl(folder: &Path, arguments: &str) -> bool {
    let mut command = Command::new("openssl");
    match command
        .current_dir(folder)
        .args(arguments.split_whitespace())
        .output()
    {
        Ok(output) => {
            assert!(output.status.success(), "openssl {arguments}: {output:?}");
            true
        }
        Err(error) => {
            println!("there is no openssl ({error}), so nothing was tested with it");
            false
        }
    }
}

#[test]
fn an_encrypted_key_is_right_after_its_remedy() {
    let folder = site();
    let encrypt = "pkcs8 -topk8 -v2 aes-256-cbc -passout pass:secret -in key.pem -out new.pem";
    // Keys that are made in this test are in a version that OpenSSL does not read.
    let key = fs::read_to_string(folder.path().join("key.pem")).unwrap();
    let block = super::pem::blocks(key.as_bytes()).next().unwrap().unwrap();
    let der = block.decode().unwrap();
    let older = [&b"\x30\x2e\x02\x01\x00"[..], &der[5..48]].concat();
    write(
        folder.path(),
        "key.pem",
        super::pem::encode("PRIVATE KEY", &older),
    );
    if !openssl(folder.path(), encrypt) {
        return;
    }
    fs::rename(folder.path().join("new.pem"), folder.path().join("key.pem")).unwrap();
    let told = told(&folder);
    assert!(
        told.contains("decrypt it with `openssl pkey -in KEY -out NEW` and put NEW in its place"),
        "{told}"
    );
    openssl(
        folder.path(),
        "pkey -in key.pem -out new.pem -passin pass:secret",
    );
    fs::rename(folder.path().join("new.pem"), folder.path().join("key.pem")).unwrap();
    SiteKit::load(folder.path()).unwrap();
}

#[test]
fn a_certificate_that_openssl_trusts_is_one() {
    let folder = site();
    for file in ["certificate.pem", "roots.pem"] {
        let trust =
            format!("x509 -in {file} -addtrust clientAuth -setalias mine -trustout -out new.pem");
        if !openssl(folder.path(), &trust) {
            return;
        }
        let new = folder.path().join("new.pem");
        assert!(
            fs::read_to_string(&new)
                .unwrap()
                .contains("BEGIN TRUSTED CERTIFICATE")
        );
        fs::rename(new, folder.path().join(file)).unwrap();
    }
    SiteKit::load(folder.path()).unwrap();
}

#[test]
fn a_certificate_of_version_1_is_told() {
    let folder = TempDir::new().unwrap();
    let place = folder.path();
    if !openssl(place, "genpkey -algorithm ed25519 -out root.key") {
        return;
    }
    openssl(
        place,
        "req -x509 -new -key root.key -subj /CN=root -days 2 -out roots.pem -addext keyUsage=keyCertSign",
    );
    openssl(place, "genpkey -algorithm ed25519 -out key.pem");
    openssl(place, "req -new -key key.pem -subj /CN=site-1 -out request");
    openssl(
        place,
        "x509 -req -in request -CA roots.pem -CAkey root.key -days 1 -CAcreateserial -out certificate.pem",
    );
    write(place, crate::kit::FILE_NAME, SITE);
    let error = SiteKit::load(place).unwrap_err();
    assert!(matches!(error, KitError::Pem { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("certificate 0 is of X.509 version 1, which TLS refuses"),
        "{error}"
    );

    // What the remedy says.
    write(place, "usage", "extendedKeyUsage=clientAuth");
    openssl(
        place,
        "x509 -req -in request -CA roots.pem -CAkey root.key -days 1 -CAcreateserial -out certificate.pem -extfile usage",
    );
    SiteKit::load(place).unwrap();
}
