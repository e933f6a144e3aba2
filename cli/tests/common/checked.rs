//! What `fedlink check` finds in a project.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::Value;
use tempfile::TempDir;

use super::{Process, fedlink, provision};

/// What a check found, and whether all of it is right.
pub(crate) struct Found {
    pub(crate) right: bool,
    pub(crate) checks: Vec<Value>,
}

pub(crate) fn check(kit: impl AsRef<Path>, more: &[&str]) -> Found {
    let option = if more.contains(&"--nvflare") {
        "--nvflare"
    } else {
        "--kit"
    };
    let more = more.iter().filter(|it| **it != "--nvflare");
    let output = fedlink()
        .args(["check", "--json", option])
        .arg(kit.as_ref())
        .args(more)
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["right"], output.status.success());
    Found {
        right: output.status.success(),
        checks: report["checks"].as_array().unwrap().clone(),
    }
}

impl Found {
    /// This check is right, and found something like this.
    #[track_caller]
    pub(crate) fn right(&self, check: &str, found: &str) -> &Self {
        let line = self.checks.iter().find(|it| {
            it["check"] == check
                && it["right"] == true
                && it["found"].as_str().unwrap().contains(found)
        });
        assert!(line.is_some(), "{check}, {found}: {:#?}", self.checks);
        self
    }

    /// This check is right, with a warning that has this in it.
    #[track_caller]
    pub(crate) fn warns(&self, check: &str, told: &str) -> &Self {
        let mut lines = self.checks.iter().filter(|it| it["check"] == check);
        let line = lines.find(|it| it["warning"] == true && it["right"] == true);
        let line = line.unwrap_or_else(|| panic!("{check}: {:#?}", self.checks));
        assert!(line.to_string().contains(told), "{told}: {line:#?}");
        self
    }

    /// Only this check is wrong; what was found or its remedy has this in it.
    #[track_caller]
    pub(crate) fn wrong(&self, check: &str, told: &str) {
        assert!(!self.right);
        for line in self.checks.iter().filter(|it| it["right"] == false) {
            assert_eq!(line["check"], check, "{line:#?}");
            assert!(line.to_string().contains(told), "{told}: {line:#?}");
        }
    }
}

/// A project with one site, and its folders.
pub(crate) fn project() -> (TempDir, PathBuf, PathBuf) {
    let place = TempDir::new().unwrap();
    let folder = place.path().join("wine");
    provision(&folder, "mosel");
    (place, folder.join("server"), folder.join("sites/mosel"))
}

pub(crate) fn change(kit: &Path, from: &str, to: &str) {
    let file = kit.join("fedlink.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replace(from, to)).unwrap();
}

/// Where the site of this kit connects to.
pub(crate) fn address(site: &Path) -> String {
    let text = fs::read_to_string(site.join("fedlink.toml")).unwrap();
    let at = text.find("127.0.0.1:").unwrap();
    text[at..].split('"').next().unwrap().to_owned()
}

pub(crate) fn serve(server: &Path) -> Process {
    let coordinator = Process::start(&["serve", "--kit", server.to_str().unwrap()]);
    coordinator.says("waits for");
    coordinator
}

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Gives the party of this kit a certificate with other dates.
pub(crate) fn date(
    kit: &Path,
    name: &str,
    usage: ExtendedKeyUsagePurpose,
    [from, to]: [SystemTime; 2],
) {
    let authority = kit
        .ancestors()
        .find(|it| it.join("authority").exists())
        .unwrap()
        .join("authority");
    let key = fs::read_to_string(authority.join("root-key.pem")).unwrap();
    let mut root = CertificateParams::default();
    root.distinguished_name = rcgen::DistinguishedName::new();
    root.distinguished_name
        .push(DnType::CommonName, "wine root");
    let issuer = Issuer::new(root, KeyPair::from_pem(&key).unwrap());
    let own = KeyPair::from_pem(&fs::read_to_string(kit.join("key.pem")).unwrap()).unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    (params.not_before, params.not_after) = (from.into(), to.into());
    let certificate = params.signed_by(&own, &issuer).unwrap();
    fs::write(kit.join("certificate.pem"), certificate.pem()).unwrap();
}
