//! The certificates and the key of a start-up kit.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fedlink::identity::{ChainError, Identity, Name, Revoked, Role, RsaChain, RsaRoots, RsaSigner};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::settings::Client;
use super::{KitError, KitWarning, read};
use crate::kit::{RENEW_DAYS, SECONDS_A_DAY, file};
use crate::tls::{TlsError, provider, unusable};

/// Who a site is and whom it trusts, checked to fit together.
pub struct Credentials {
    chain: PemFile,
    key: PemFile,
    roots: PemFile,
    identity: Identity,
    certified: Arc<CertifiedKey>,
    tls_roots: Arc<RootCertStore>,
    proxy_roots: Option<Arc<RootCertStore>>,
}

/// The roots of a proxy before the server, beside the other files.
const PROXY_ROOTS: &str = "customRootCA.pem";

impl Credentials {
    /// Reads the files of a kit that `names` tells, for the site of this name.
    pub(super) fn read(
        startup: &Path,
        names: &Client,
        site: &Name,
        unix_time: u64,
        warnings: &mut Vec<KitWarning>,
    ) -> Result<Self, KitError> {
        let chain = PemFile::read(startup.join(&names.ssl_cert))?;
        let key = PemFile::read(startup.join(&names.ssl_private_key))?;
        let roots = PemFile::read(startup.join(&names.ssl_root_cert))?;
        let parts = Parts::read(&chain, &key, &roots)?;
        let dates = parts.judge(site, unix_time)?;
        let identity = Identity::rsa(site.clone(), &chain.content, parts.signer, &roots.content)
            .map_err(|source| KitError::Identity {
                path: chain.path.clone(),
                source,
            })?;
        let exposed = file::exposed(&key.path).map(|mode| KitWarning::KeyExposed {
            path: key.path.clone(),
            mode,
        });
        warnings.extend(exposed.into_iter().chain(dates));

        let private = PrivateKeyDer::from_pem_slice(&key.content).map_err(unusable)?;
        let certified = CertifiedKey::from_der(chain.certificates()?, private, &provider());
        let proxy = startup.join(PROXY_ROOTS);
        let proxy_roots = match proxy.exists() {
            true => Some(PemFile::read(proxy)?.tls_roots()?),
            false => None,
        };
        Ok(Self {
            tls_roots: roots.tls_roots()?,
            proxy_roots,
            chain,
            key,
            roots,
            identity,
            certified: Arc::new(certified.map_err(unusable)?),
        })
    }

    /// The site's certificate and its issuers, if there are any between it and the root;
    /// PEM.
    #[must_use]
    pub fn chain_pem(&self) -> &[u8] {
        &self.chain.content
    }

    /// The site's private key; PEM. What it is copied to is no longer wiped from here.
    #[must_use]
    pub fn key_pem(&self) -> &[u8] {
        &self.key.content
    }

    /// The project's roots; PEM.
    #[must_use]
    pub fn roots_pem(&self) -> &[u8] {
        &self.roots.content
    }

    /// The same for the core.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The site's certificate and key for TLS.
    pub(in crate::nvflare) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    /// The project's roots for TLS.
    pub(in crate::nvflare) fn tls_roots(&self) -> &Arc<RootCertStore> {
        &self.tls_roots
    }

    /// The roots for TLS without a client's certificate, which may end at a proxy with
    /// certificates of its own.
    pub(in crate::nvflare) fn proxy_roots(&self) -> &Arc<RootCertStore> {
        self.proxy_roots.as_ref().unwrap_or(&self.tls_roots)
    }
}

/// Shows nothing of the key.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// What is in the three files, each read for itself.
struct Parts<'a> {
    chain: &'a PemFile,
    signer: RsaSigner,
    certified: RsaChain,
    trusted: RsaRoots,
}

impl<'a> Parts<'a> {
    fn read(chain: &'a PemFile, key: &PemFile, roots: &PemFile) -> Result<Self, KitError> {
        let signer = RsaSigner::from_pem(&key.content).map_err(|source| KitError::Key {
            path: key.path.clone(),
            source,
        })?;
        let certified =
            RsaChain::from_pem(&chain.content).map_err(|source| chain.refused(source))?;
        if certified.key() != signer.public_key() {
            return Err(KitError::KeyMismatch {
                key: key.path.clone(),
                certificate: chain.path.clone(),
            });
        }
        let trusted = RsaRoots::from_pem(&roots.content).map_err(|source| roots.refused(source))?;
        if trusted.is_empty() {
            return Err(KitError::NoRoot(roots.path.clone()));
        }
        Ok(Self {
            chain,
            signer,
            certified,
            trusted,
        })
    }

    /// Judges the site's certificate as the server will, and warns of its dates.
    fn judge(&self, site: &Name, unix_time: u64) -> Result<Option<KitWarning>, KitError> {
        let revoked = Revoked::new();
        let verify = |time| {
            self.certified
                .verify(&self.trusted, &revoked, Role::Client, site, time)
        };
        let verified = verify(None).map_err(|source| self.chain.refused(source))?;
        let path = self.chain.path.clone();
        if let Err(source) = verify(Some(unix_time)) {
            return Ok(Some(KitWarning::Dates { path, source }));
        }
        let left = verified
            .not_after
            .map(|end| end.saturating_sub(unix_time) / SECONDS_A_DAY);
        Ok(left
            .filter(|days| *days < RENEW_DAYS)
            .map(|days| KitWarning::ExpiresSoon { path, days }))
    }
}

struct PemFile {
    path: PathBuf,
    content: Zeroizing<Vec<u8>>,
}

impl PemFile {
    fn read(path: PathBuf) -> Result<Self, KitError> {
        let content = read(&path)?;
        Ok(Self { path, content })
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        CertificateDer::pem_slice_iter(&self.content)
            .collect::<Result<_, _>>()
            .map_err(unusable)
    }

    fn tls_roots(&self) -> Result<Arc<RootCertStore>, KitError> {
        let mut roots = RootCertStore::empty();
        for root in self.certificates()? {
            roots.add(root).map_err(unusable)?;
        }
        if roots.is_empty() {
            return Err(KitError::NoRoot(self.path.clone()));
        }
        Ok(Arc::new(roots))
    }

    fn refused(&self, source: ChainError) -> KitError {
        KitError::Certificate {
            path: self.path.clone(),
            source,
        }
    }
}
