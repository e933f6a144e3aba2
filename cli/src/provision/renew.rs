//! Renewing and revoking certificates of a project.
//!
//! Whoever runs the project keeps each certificate that was ever made, in
//! `authority/issued/NAME.pem`: all of a name are revoked together, since a key that was kept
//! has several.

use std::path::{Path, PathBuf};

use fedlink::identity::{CertificateId, Chain, Name, Revoked, Role, Roots, verify};
use fedlink_host::kit::read_certificates;
use fedlink_host::{Address, unix_time};

use super::authority::{Authority, Purpose};
use super::plan::Plan;
use super::{ProvisionError, ROOT, folder};

const ISSUED: &str = "issued";
const REVOKED: &str = "revoked.pem";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// Keeps a certificate that was made, for the time when it is to be revoked.
pub(super) fn record(private: &Path, name: &str, certificate: &str) -> Result<(), ProvisionError> {
    let issued = private.join(ISSUED);
    if !issued.exists() {
        folder::create(issued.clone())?;
    }
    folder::append(&issued.join(format!("{name}.pem")), certificate)
}

/// A project that stands, with all that it takes to change it.
pub(super) struct Standing<'a> {
    pub(super) folder: &'a Path,
    pub(super) plan: Plan,
    pub(super) hosts: Vec<Address>,
    pub(super) authority: Authority,
}

impl Standing<'_> {
    /// Makes a new certificate for a name, with the same key, or a new one if the certificate
    /// before is revoked. Says what is to be done with it.
    pub(super) fn renew(&self, name: &str) -> Result<String, ProvisionError> {
        let kit = self.kit(name)?;
        let Some(before) = read_certificates(&kit.join(CERTIFICATE))?
            .into_iter()
            .next()
        else {
            return Err(self.no_certificate(name));
        };
        let revoked = self.revoked()?;
        let is_coordinator = name == self.plan.server;
        let (purpose, role) = match is_coordinator {
            true => (Purpose::Server(&self.hosts), Role::Server),
            false => (Purpose::Site, Role::Client),
        };
        let new_key = holds(&revoked, &before);
        let leaf = match new_key {
            true => self.authority.issue(name, purpose, self.plan.days)?,
            false => {
                let key = chain(&before)?.key();
                self.authority.reissue(name, purpose, self.plan.days, key)?
            }
        };
        self.check(leaf.certificate_der(), role, name)?;
        record(&self.private(), name, &leaf.certificate_pem())?;
        if let Some(key) = leaf.key_pem() {
            folder::replace_private(&kit.join(KEY), key)?;
        }
        folder::replace(&kit.join(CERTIFICATE), &leaf.certificate_pem())?;
        let days = self.plan.days;
        let certificate = kit.join(CERTIFICATE);
        let mut said = format!(
            "{name} has a new certificate, which counts for {days} days; {}\n  {}\n",
            match new_key {
                true => "the one before is revoked, so its key is new too:",
                false => "its key stays:",
            },
            certificate.display()
        );
        if new_key {
            said += &format!("  {}\n", kit.join(KEY).display());
        }
        Ok(said)
    }

    /// Revokes all certificates of a site. Says what is to be done with the list of them.
    pub(super) fn revoke(&self, name: &str) -> Result<String, ProvisionError> {
        if name == self.plan.server {
            return Err(ProvisionError::RevokedCoordinator(name.to_owned()));
        }
        let mut known = Vec::new();
        for file in [self.issued(name), self.kit_folder(name).join(CERTIFICATE)] {
            if file.exists() {
                known.extend(read_certificates(&file)?);
            }
        }
        let revoked = self.revoked()?;
        let mut added = String::new();
        let mut found = false;
        for certificate in &known {
            let chain = chain(certificate)?;
            let is_of_site = chain.common_name().is_some_and(|it| it.as_str() == name);
            found |= is_of_site;
            let text = encode(certificate);
            if is_of_site && !holds(&revoked, certificate) && !added.contains(&text) {
                added += &format!("# {name}\n{text}");
            }
        }
        if !found {
            return Err(self.no_certificate(name));
        }
        let server = self.folder.join("server");
        for list in [self.private(), server.clone()].map(|folder| folder.join(REVOKED)) {
            if list.parent().is_some_and(Path::exists) {
                let before = match list.exists() {
                    true => folder::read(&list)?,
                    false => String::new(),
                };
                folder::replace(&list, &(before + &added))?;
            }
        }
        Ok(format!(
            "{name} is revoked. A coordinator whose kit is\n  {}\nrefuses it within seconds; one \
             whose kit lies elsewhere needs {REVOKED} of that folder in its own.\n\
             With `--renew {name}` it gets a new key and a certificate that counts again.\n",
            server.display()
        ))
    }

    /// What is made is not given out unless it works: the root's files may be mixed up.
    fn check(&self, certificate: &[u8], role: Role, name: &str) -> Result<(), ProvisionError> {
        let mut roots = Roots::new();
        for root in read_certificates(&self.private().join(ROOT))? {
            roots = roots.certificate(&root).map_err(ProvisionError::Chain)?;
        }
        let chain = chain(certificate)?;
        let name = Name::new(name).map_err(|fault| ProvisionError::NoName {
            name: name.to_owned(),
            fault,
        })?;
        let (revoked, now) = (self.revoked()?, Some(unix_time()));
        verify(&chain, &roots, &revoked, role, &name, now)
            .map(drop)
            .map_err(ProvisionError::Chain)
    }

    /// What is revoked so far.
    fn revoked(&self) -> Result<Revoked, ProvisionError> {
        let mut revoked = Revoked::new();
        let list = self.private().join(REVOKED);
        if list.exists() {
            for certificate in read_certificates(&list)? {
                let inserted = revoked.insert_certificate(&certificate);
                inserted.map_err(ProvisionError::Chain)?;
            }
        }
        Ok(revoked)
    }

    fn private(&self) -> PathBuf {
        self.folder.join("authority")
    }

    fn issued(&self, name: &str) -> PathBuf {
        self.private().join(ISSUED).join(format!("{name}.pem"))
    }

    fn kit_folder(&self, name: &str) -> PathBuf {
        match name == self.plan.server {
            true => self.folder.join("server"),
            false => self.folder.join("sites").join(name),
        }
    }

    /// The folder of a kit with a certificate in it.
    fn kit(&self, name: &str) -> Result<PathBuf, ProvisionError> {
        let kit = self.kit_folder(name);
        match kit.join(CERTIFICATE).exists() {
            true => Ok(kit),
            false => Err(self.no_certificate(name)),
        }
    }

    fn no_certificate(&self, name: &str) -> ProvisionError {
        ProvisionError::NoCertificate {
            name: name.to_owned(),
            path: self.kit_folder(name).join(CERTIFICATE),
        }
    }
}

fn chain(certificate: &[u8]) -> Result<Chain, ProvisionError> {
    Chain::from_der(vec![certificate]).map_err(ProvisionError::Chain)
}

fn holds(revoked: &Revoked, certificate: &[u8]) -> bool {
    CertificateId::of_certificate(certificate).is_ok_and(|id| revoked.contains(&id))
}

fn encode(certificate: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("CERTIFICATE", certificate), config)
}
