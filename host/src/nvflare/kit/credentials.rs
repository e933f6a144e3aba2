//! The certificates and the key of a start-up kit.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, InconsistentKeys, RootCertStore};
use zeroize::Zeroizing;

use super::settings::Client;
use super::{KitError, KitWarning, read};
use crate::kit::{RENEW_DAYS, file};
use crate::tls::provider;

/// Who a site is and whom it trusts, checked to fit together.
pub struct Credentials {
    chain: Zeroizing<Vec<u8>>,
    key: Zeroizing<Vec<u8>>,
    roots: Zeroizing<Vec<u8>>,
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) tls_roots: Arc<RootCertStore>,
    /// The roots of a proxy, which TLS without a client certificate ends at.
    pub(crate) proxy_roots: Option<Arc<RootCertStore>>,
}

/// Roots of a proxy before the server, beside the other files.
const PROXY_ROOTS: &str = "customRootCA.pem";

impl Credentials {
    /// Reads the files of a kit that `names` tells.
    pub(super) fn read(
        startup: &Path,
        names: &Client,
        unix_time: u64,
        warnings: &mut Vec<KitWarning>,
    ) -> Result<Self, KitError> {
        let chain = PemFile::read(startup.join(&names.ssl_cert))?;
        let key = PemFile::read(startup.join(&names.ssl_private_key))?;
        let roots = PemFile::read(startup.join(&names.ssl_root_cert))?;
        let proxy = startup.join(PROXY_ROOTS);
        let proxy_roots = match proxy.exists() {
            true => Some(PemFile::read(proxy)?.roots()?),
            false => None,
        };
        let certified =
            CertifiedKey::from_der(chain.certificates()?, key.private_key()?, &provider())
                .map_err(|error| match error {
                    Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                        KitError::KeyMismatch {
                            key: key.path.clone(),
                            certificate: chain.path.clone(),
                        }
                    }
                    Error::InvalidCertificate(_) => chain.unusable(&error),
                    error => KitError::Key {
                        path: key.path.clone(),
                        problem: error.to_string(),
                    },
                })?;
        let tls_roots = roots.roots()?;
        warnings.extend(file::exposed(&key.path).map(|mode| KitWarning::KeyExposed {
            path: key.path.clone(),
            mode,
        }));
        let judge = Judge {
            chain: &chain,
            roots: &roots,
            certificates: &certified.cert,
            tls_roots: &tls_roots,
        };
        warnings.extend(judge.judge(unix_time)?);
        Ok(Self {
            chain: chain.content,
            key: key.content,
            roots: roots.content,
            certified: Arc::new(certified),
            tls_roots,
            proxy_roots,
        })
    }

    /// The site's certificate and its issuers, if there are any between it and the root;
    /// PEM.
    #[must_use]
    pub fn chain_pem(&self) -> &[u8] {
        &self.chain
    }

    /// The site's private key; PEM. What it is copied to is no longer wiped from here.
    #[must_use]
    pub fn key_pem(&self) -> &[u8] {
        &self.key
    }

    /// The project's roots; PEM.
    #[must_use]
    pub fn roots_pem(&self) -> &[u8] {
        &self.roots
    }
}

/// Shows nothing of the key.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Looks at the site's certificate as the server will.
struct Judge<'a> {
    chain: &'a PemFile,
    roots: &'a PemFile,
    certificates: &'a [CertificateDer<'static>],
    tls_roots: &'a Arc<RootCertStore>,
}

impl Judge<'_> {
    fn judge(&self, unix_time: u64) -> Result<Option<KitWarning>, KitError> {
        let path = || self.chain.path.clone();
        let soon = unix_time.saturating_add(RENEW_DAYS * SECONDS_A_DAY);
        match (self.dates(unix_time)?, self.dates(soon)?) {
            (Dates::Past, _) => Ok(Some(KitWarning::Expired(path()))),
            (Dates::Future, _) => Ok(Some(KitWarning::NotYetValid(path()))),
            (Dates::Valid, Dates::Past) => Ok(Some(KitWarning::ExpiresSoon(path()))),
            (Dates::Valid, _) => Ok(None),
        }
    }

    fn dates(&self, unix_time: u64) -> Result<Dates, KitError> {
        let not_issued = |problem: String| KitError::NotIssued {
            certificate: self.chain.path.clone(),
            root: self.roots.path.clone(),
            problem,
        };
        let Some((leaf, between)) = self.certificates.split_first() else {
            return Err(self.chain.damaged(pem::Error::NoItemsFound));
        };
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(self.tls_roots), provider())
                .build()
                .map_err(|error| not_issued(error.to_string()))?;
        let then = UnixTime::since_unix_epoch(Duration::from_secs(unix_time));
        match verifier.verify_client_cert(leaf, between, then) {
            Ok(_) => Ok(Dates::Valid),
            Err(Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            )) => Ok(Dates::Past),
            Err(Error::InvalidCertificate(
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            )) => Ok(Dates::Future),
            Err(error) => Err(not_issued(error.to_string())),
        }
    }
}

/// Where a moment lies.
enum Dates {
    Past,
    Valid,
    Future,
}

const SECONDS_A_DAY: u64 = 24 * 60 * 60;

struct PemFile {
    path: PathBuf,
    content: Zeroizing<Vec<u8>>,
}

impl PemFile {
    fn read(path: PathBuf) -> Result<Self, KitError> {
        let content = read(&path)?;
        Ok(Self { path, content })
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, KitError> {
        let found: Vec<_> = CertificateDer::pem_slice_iter(&self.content)
            .collect::<Result<_, _>>()
            .map_err(|source| self.damaged(source))?;
        if found.is_empty() {
            return Err(self.damaged(pem::Error::NoItemsFound));
        }
        Ok(found)
    }

    fn roots(&self) -> Result<Arc<RootCertStore>, KitError> {
        let mut roots = RootCertStore::empty();
        for root in self.certificates()? {
            roots.add(root).map_err(|error| self.unusable(&error))?;
        }
        Ok(Arc::new(roots))
    }

    /// The key in PKCS#1 or PKCS#8.
    fn private_key(&self) -> Result<PrivateKeyDer<'static>, KitError> {
        // Once in the name of a block of PKCS#8, and once in a header of PKCS#1.
        if contains(&self.content, b"ENCRYPTED") {
            return Err(KitError::EncryptedKey(self.path.clone()));
        }
        PrivateKeyDer::from_pem_slice(&self.content).map_err(|source| self.damaged(source))
    }

    fn damaged(&self, source: pem::Error) -> KitError {
        KitError::Pem {
            path: self.path.clone(),
            source,
        }
    }

    fn unusable(&self, error: &Error) -> KitError {
        KitError::Certificate {
            path: self.path.clone(),
            problem: error.to_string(),
        }
    }
}

fn contains(content: &[u8], word: &[u8]) -> bool {
    content.windows(word.len()).any(|part| part == word)
}
