//! The certificates and the key of a start-up kit.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fedlink::identity::{ChainError, Identity, Name, Revoked, Role, RsaChain, RsaRoots, RsaSigner};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};
use zeroize::Zeroizing;

use super::settings::{Client, Security};
use super::{KitError, KitWarning, is_there, read};
use crate::file;
use crate::kit::pem::{self, PemFault};
use crate::kit::{RENEW_DAYS, SECONDS_A_DAY};
use crate::nvflare::tls::client_config;
use crate::reload::Contents;
use crate::tls::{TlsError, provider, unusable};

/// Who a site is and whom it trusts, checked to fit together.
pub struct Credentials {
    chain: Certificates,
    key: KeyFile,
    roots: Certificates,
    identity: Identity,
    certified: Arc<CertifiedKey>,
    tls_roots: Arc<RootCertStore>,
    proxy_roots: Option<Arc<RootCertStore>>,
    contents: Contents,
    /// Where they were in.
    paths: [PathBuf; 4],
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
        let proxy = startup.join(PROXY_ROOTS);
        let files = [
            &names.ssl_cert,
            &names.ssl_private_key,
            &names.ssl_root_cert,
        ];
        let [chain, key, roots] = files.map(|file| startup.join(file));
        let paths = [chain, key, roots, proxy.clone()];
        // Before they are judged: what is replaced meanwhile is found changed.
        let contents = Contents::read(paths.clone());
        let chain = Certificates::read(startup.join(&names.ssl_cert))?;
        let key = KeyFile::read(startup.join(&names.ssl_private_key))?;
        let roots = Certificates::read(startup.join(&names.ssl_root_cert))?;
        pem::check_versions(&chain.certificates).map_err(|source| wrong(&chain.path, source))?;
        let parts = Parts::read(&chain, &key, &roots)?;
        let dates = parts.judge(site, unix_time)?;
        let identity = Identity::rsa(site.clone(), &chain.pem, parts.signer, &roots.pem).map_err(
            |source| KitError::Identity {
                path: chain.path.clone(),
                source,
            },
        )?;
        let exposed = file::exposed(&key.path).map(|mode| KitWarning::KeyExposed {
            path: key.path.clone(),
            mode,
        });
        warnings.extend(exposed.into_iter().chain(dates));

        let private = key.private_key()?;
        let certified = CertifiedKey::from_der(chain.certificates.clone(), private, &provider());
        let proxy_roots = match is_there(&proxy)? {
            true => Some(Certificates::read(proxy)?.tls_roots()?),
            false => None,
        };
        Ok(Self {
            contents,
            paths,
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
        &self.chain.pem
    }

    /// The site's private key; PEM. What it is copied to is no longer wiped from here.
    #[must_use]
    pub fn key_pem(&self) -> &[u8] {
        &self.key.content
    }

    /// The project's roots; PEM.
    #[must_use]
    pub fn roots_pem(&self) -> &[u8] {
        &self.roots.pem
    }

    pub(super) fn contents(&self) -> &Contents {
        &self.contents
    }

    /// What is in the files now.
    pub(super) fn contents_now(&self) -> Contents {
        Contents::read(self.paths.clone())
    }

    /// The same for the core.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// TLS to the server; none where messages go in clear.
    pub(super) fn tls(&self, security: Security) -> Result<Option<Arc<ClientConfig>>, TlsError> {
        let (roots, own) = match security {
            Security::Clear => return Ok(None),
            // It may end at a proxy with certificates of its own.
            Security::Tls => (self.proxy_roots.as_ref().unwrap_or(&self.tls_roots), None),
            Security::Mtls => (&self.tls_roots, Some(&self.certified)),
        };
        client_config(roots, own).map(Some)
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
    chain: &'a Certificates,
    signer: RsaSigner,
    certified: RsaChain,
    trusted: RsaRoots,
}

impl<'a> Parts<'a> {
    fn read(
        chain: &'a Certificates,
        key: &KeyFile,
        roots: &Certificates,
    ) -> Result<Self, KitError> {
        let signer = RsaSigner::from_pem(&key.content).map_err(|source| KitError::Key {
            path: key.path.clone(),
            source,
        })?;
        let certified = RsaChain::from_pem(&chain.pem).map_err(|source| chain.refused(source))?;
        if certified.key() != signer.public_key() {
            return Err(KitError::KeyMismatch {
                key: key.path.clone(),
                certificate: chain.path.clone(),
            });
        }
        let trusted = RsaRoots::from_pem(&roots.pem).map_err(|source| roots.refused(source))?;
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

/// A file of certificates.
struct Certificates {
    path: PathBuf,
    certificates: Vec<CertificateDer<'static>>,
    /// The same again, without what else is in the file: it goes to the server.
    pem: Vec<u8>,
}

impl Certificates {
    fn read(path: PathBuf) -> Result<Self, KitError> {
        let certificates = pem::certificates(&read(&path)?);
        let certificates = certificates.map_err(|source| wrong(&path, source))?;
        Ok(Self {
            path,
            pem: pem::encode(&certificates),
            certificates,
        })
    }

    fn tls_roots(&self) -> Result<Arc<RootCertStore>, KitError> {
        let mut roots = RootCertStore::empty();
        for root in &self.certificates {
            roots.add(root.clone()).map_err(unusable)?;
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

/// The file of a private key.
struct KeyFile {
    path: PathBuf,
    content: Zeroizing<Vec<u8>>,
}

impl KeyFile {
    fn read(path: PathBuf) -> Result<Self, KitError> {
        let content = read(&path)?;
        let file = Self { path, content };
        pem::private_key(&file.content).map_err(|source| wrong(&file.path, source))?;
        Ok(file)
    }

    /// The key for TLS, which the core has found right.
    fn private_key(&self) -> Result<PrivateKeyDer<'static>, KitError> {
        let block = pem::private_key(&self.content).map_err(|source| wrong(&self.path, source))?;
        let der = block
            .decode()
            .ok_or_else(|| wrong(&self.path, PemFault::Damaged))?;
        Ok(match block.label() {
            "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(der.to_vec()).into(),
            _ => PrivatePkcs8KeyDer::from(der.to_vec()).into(),
        })
    }
}

fn wrong(path: &Path, source: PemFault) -> KitError {
    KitError::Pem {
        path: path.to_owned(),
        source,
    }
}
