//! Start-up kits, as `nvflare provision` makes them for a site.
//!
//! A kit is used where it lies and as it is. It is read whole and checked before anything
//! is started, so that whatever is missing or does not fit together is told at once, with
//! the file that it stands in.

mod credentials;
mod error;
mod privacy;
mod settings;

pub use credentials::Credentials;
pub use error::{KitError, KitWarning};
pub use settings::{Scheme, Security};

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use fedlink::ClientConfig;
use fedlink::identity::{Identity, Name};
use fedlink::nvflare::Settings;
use zeroize::Zeroizing;

#[cfg(feature = "grpc")]
use super::grpc::GrpcDial;
#[cfg(feature = "websocket")]
use super::websocket::WebSocketDial;
use crate::address::{Address, AddressError};
use crate::blocking::TcpConnect;
use crate::file::{self, ReadError};
use crate::proxy::Proxies;
use crate::reload::{Contents, Reload};
use crate::tls::{ClientTls, server_name};
use crate::tokio::{Dial, TcpDial};
use crate::unix_time;
use privacy::PRIVACY;
use settings::{FedClient, StartScript};

/// The settings of a site, in the folder `startup`.
const FED_CLIENT: &str = "fed_client.json";

/// Starts the Python client, and is the only file that says the site's name.
const START_SCRIPT: &str = "sub_start.sh";

/// Beside the folder `startup` if the site is to reach the server through a relay.
const RELAY: &str = "../local/relay__resources.json";

/// The start-up kit of a site, found to fit together.
#[derive(Debug)]
#[non_exhaustive]
pub struct Kit {
    /// The site's own name.
    pub name: Name,
    /// The project.
    pub project: Name,
    /// The name that the server must prove to have.
    pub server: Name,
    /// Where the server is, as `host:port`.
    pub address: String,
    /// What carries the frames.
    pub scheme: Scheme,
    /// How the carrier is protected.
    pub security: Security,
    /// Whether server and site prove who they are when the site registers. The scripts of
    /// genuine kits always say so.
    pub secure: bool,
    /// The certificates and the key; none if nothing in this kit asks for them.
    pub credentials: Option<Credentials>,
    /// Classes of filters that the site's own privacy policy, `local/privacy.json`, prescribes
    /// for jobs. Whoever trains has to apply them.
    pub privacy_filters: BTreeSet<String>,
    /// What should be seen to, although the kit can be used.
    pub warnings: Vec<KitWarning>,
    folder: PathBuf,
    contents: Contents,
    /// What has changed since the start and counts from the next one on.
    waiting: Vec<String>,
    tls: Option<ClientTls>,
}

impl Kit {
    /// Reads the kit in `folder`, which may also be the kit's folder `startup`. Warnings
    /// are traced as well as returned.
    ///
    /// Dates of certificates give warnings only: the server judges by its own clock.
    ///
    /// # Errors
    ///
    /// The first fault found, as a [`KitError`] of its own kind.
    pub fn read(folder: &Path) -> Result<Self, KitError> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let kit = Self::read_at(folder, now.as_secs())?;
        for warning in &kit.warnings {
            tracing::warn!("{warning}");
        }
        Ok(kit)
    }

    fn read_at(folder: &Path, unix_time: u64) -> Result<Self, KitError> {
        let startup = startup_of(folder)?;
        // Before they are judged: what is replaced meanwhile is found changed.
        let own = Contents::read(settings_files(&startup));
        let path = startup.join(FED_CLIENT);
        let settings = FedClient::parse(&read(&path)?).map_err(|problem| KitError::Syntax {
            path: path.clone(),
            problem,
        })?;
        let wrong = |field, problem| KitError::Field {
            path: path.clone(),
            field,
            problem,
        };
        let name_in = |field, text: &str| Name::new(text).map_err(|e| wrong(field, e.to_string()));
        let server = settings.server().map_err(|(field, it)| wrong(field, it))?;
        let scheme = server.scheme().map_err(|(field, it)| wrong(field, it))?;
        let (field, target) = settings
            .target(server)
            .map_err(|(field, it)| wrong(field, it))?;
        let unusable = |error: AddressError| wrong(field, error.to_string());
        let target: Address = target.parse().map_err(unusable)?;
        target.check_reachable().map_err(unusable)?;
        let host_of_server = target.host.to_string();
        let identity = server
            .identity(&host_of_server)
            .map_err(|(field, it)| wrong(field, it))?;

        let path_of_script = startup.join(START_SCRIPT);
        let script = StartScript::parse(&read(&path_of_script)?);
        let name = script
            .name
            .ok_or(KitError::NoName(path_of_script.clone()))?;
        let name = Name::new(&name).map_err(|error| KitError::Field {
            path: path_of_script,
            field: "uid",
            problem: error.to_string(),
        })?;
        let security = settings.security(script.secure);

        let mut warnings = Vec::new();
        let mut credentials = None;
        let mut tls = None;
        if script.secure || security != Security::Clear {
            let read =
                Credentials::read(&startup, &settings.client, &name, unix_time, &mut warnings)?;
            if let Some(config) = read.tls(security)? {
                let host = server_name(&target.host.to_string())
                    .map_err(|error| wrong(field, error.to_string()))?;
                tls = Some((config, host));
            }
            credentials = Some(read);
        }
        let contents = own.and(credentials.as_ref().map(Credentials::contents));
        Ok(Self {
            contents,
            waiting: Vec::new(),
            name,
            project: name_in("servers[0].name", &server.name)?,
            server: name_in("servers[0].identity", identity)?,
            address: target.to_string(),
            scheme,
            security,
            secure: script.secure,
            credentials,
            privacy_filters: privacy_filters(&startup)?,
            warnings,
            folder: folder.to_owned(),
            tls,
        })
    }
}

/// Certificates and key can be replaced, and the way to the server can change; a site of another
/// name, project or server is another site.
impl Reload for Kit {
    type Error = KitError;

    fn contents(&self) -> &Contents {
        &self.contents
    }

    fn contents_now(&self) -> Contents {
        let credentials = self.credentials.as_ref().map(Credentials::contents_now);
        match startup_of(&self.folder) {
            Ok(startup) => Contents::read(settings_files(&startup)).and(credentials.as_ref()),
            Err(_) => Contents::nothing(),
        }
    }

    fn read_again(&self) -> Result<Self, KitError> {
        let mut kit = Self::read_at(&self.folder, unix_time())?;
        let who = |kit: &Self| [kit.name.clone(), kit.project.clone(), kit.server.clone()];
        if who(&kit) != who(self) || kit.secure != self.secure {
            return Err(KitError::OtherSite(self.folder.clone()));
        }
        for warning in &kit.warnings {
            // The one in use counts at least as long.
            if let KitWarning::Dates { path, source } = warning {
                return Err(KitError::Certificate {
                    path: path.clone(),
                    source: source.clone(),
                });
            }
        }
        if kit.privacy_filters != self.privacy_filters {
            kit.waiting = vec!["what local/privacy.json prescribes".to_owned()];
            kit.privacy_filters.clone_from(&self.privacy_filters);
        }
        Ok(kit)
    }

    fn waiting(&self) -> &[String] {
        &self.waiting
    }
}

impl Kit {
    /// Settings for a client of this site. Everything that the kit does not say is as by
    /// default.
    #[must_use]
    pub fn client_config(&self) -> ClientConfig {
        let mut settings = Settings::DEFAULT;
        settings.secure = self.secure;
        ClientConfig::nvflare(self.project.clone(), self.server.clone(), settings)
    }

    /// The identity of this site: its certificates if the kit is secure, else its bare
    /// name.
    #[must_use]
    pub fn identity(&self) -> Identity {
        match &self.credentials {
            Some(credentials) if self.secure => credentials.identity().clone(),
            _ => Identity::unproven(self.name.clone()),
        }
    }

    /// What TLS to the server needs; none if the carrier is not protected.
    #[must_use]
    pub fn tls(&self) -> Option<ClientTls> {
        self.tls.clone()
    }

    /// What connects the tokio host to the server, without a proxy.
    ///
    /// # Errors
    ///
    /// As [`dial_through`](Self::dial_through).
    pub fn dial(&self) -> Result<Box<dyn Dial>, KitError> {
        self.dial_through(Proxies::none())
    }

    /// What connects the tokio host to the server, through these proxies if it is over TLS.
    ///
    /// # Errors
    ///
    /// [`KitError::NoCarrier`] if the kit asks for gRPC or WebSocket and this program was
    /// built without.
    pub fn dial_through(&self, proxies: Proxies) -> Result<Box<dyn Dial>, KitError> {
        let dial = TcpDial::new([&self.address]).proxies(proxies.clone());
        match self.scheme {
            Scheme::Tcp => Ok(Box::new(match &self.tls {
                Some((config, name)) => dial.tls(Arc::clone(config), name.clone()),
                None => dial,
            })),
            #[cfg(feature = "grpc")]
            Scheme::Grpc => {
                let dial = GrpcDial::new(&self.address).proxies(proxies);
                Ok(Box::new(match &self.tls {
                    Some((config, name)) => dial.tls(config, name.clone()),
                    None => dial,
                }))
            }
            #[cfg(not(feature = "grpc"))]
            Scheme::Grpc => Err(KitError::NoCarrier("gRPC", "grpc")),
            #[cfg(feature = "websocket")]
            Scheme::Http => {
                let dial = WebSocketDial::new(&self.address).proxies(proxies);
                Ok(Box::new(match &self.tls {
                    Some((config, name)) => dial.tls(config, name.clone()),
                    None => dial,
                }))
            }
            #[cfg(not(feature = "websocket"))]
            Scheme::Http => Err(KitError::NoCarrier("WebSocket", "websocket")),
        }
    }

    /// What connects the blocking host to the server.
    ///
    /// # Errors
    ///
    /// [`KitError::NoCarrier`] if the kit asks for gRPC or WebSocket: the blocking host has
    /// neither.
    pub fn connect(&self) -> Result<TcpConnect, KitError> {
        match self.scheme {
            Scheme::Tcp => {}
            Scheme::Grpc => return Err(KitError::NoCarrier("gRPC", "grpc")),
            Scheme::Http => return Err(KitError::NoCarrier("WebSocket", "websocket")),
        }
        let connect = TcpConnect::new([&self.address]);
        Ok(match &self.tls {
            Some((config, name)) => connect.tls(Arc::clone(config), name.clone()),
            None => connect,
        })
    }
}

/// The folder `startup` of a site's kit.
fn startup_of(folder: &Path) -> Result<PathBuf, KitError> {
    let inside = folder.join("startup");
    let startup = match is_there(&inside)? {
        true => inside,
        false => folder.to_owned(),
    };
    for (file, owner) in [
        ("fed_server.json", "server"),
        ("fed_admin.json", "admin"),
        ("fed_relay.json", "relay"),
    ] {
        if is_there(&startup.join(file))? {
            return Err(KitError::WrongRole {
                folder: folder.to_owned(),
                owner,
            });
        }
    }
    if !is_there(&startup.join(FED_CLIENT))? {
        return Err(KitError::NoKit(folder.to_owned()));
    }
    let relay = startup.join(RELAY);
    if is_there(&relay)? {
        return Err(KitError::Relay(relay));
    }
    Ok(startup)
}

/// The files beside certificates and key that this kit is read from.
fn settings_files(startup: &Path) -> [PathBuf; 3] {
    [FED_CLIENT, START_SCRIPT, PRIVACY].map(|file| startup.join(file))
}

/// Whether there is a file or folder of this name.
fn is_there(path: &Path) -> Result<bool, KitError> {
    file::is_there(path).map_err(|source| KitError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// What the site's privacy policy prescribes, if it has one.
fn privacy_filters(startup: &Path) -> Result<BTreeSet<String>, KitError> {
    let path = startup.join(PRIVACY);
    if !is_there(&path)? {
        return Ok(BTreeSet::new());
    }
    privacy::filters(&read(&path)?).map_err(|problem| KitError::Syntax { path, problem })
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KitError> {
    file::read(path).map_err(|error| match error {
        ReadError::Unreadable(source) => KitError::Unreadable {
            path: path.to_owned(),
            source,
        },
        ReadError::TooLarge => KitError::TooLarge(path.to_owned()),
    })
}

#[cfg(test)]
mod tests;
