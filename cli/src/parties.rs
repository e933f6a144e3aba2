//! Makes machines and hosts from kits.

use std::path::Path;
use std::sync::Arc;

use fedlink::error::{ConfigError, SettingError};
use fedlink::identity::{Identity, Name, NameError};
use fedlink::{ClientConfig, ServerConfig, Suite, Suites};
use fedlink_host::kit::{self, Config, Credentials, Kit, ServerKit, SiteKit, Transport};
use fedlink_host::nvflare::Kit as NvflareKit;
use fedlink_host::store::{FileStore, StoreError};
use fedlink_host::tls::{self, ClientTls, ServerTls, TlsError};
use fedlink_host::tokio::{
    ClientHandle, ClientHost, ListenError, Redial, ServerHandle, ServerHost, TcpAccept, TcpDial,
    listen,
};
use fedlink_host::{Proxies, ProxyError, ProxySetting, unix_time};
use tokio::net::TcpListener;

use crate::open_files;

/// Fewer connections than this are worth a warning, whatever the kit says.
const FEW_CONNECTIONS: usize = 500;

/// Why a kit cannot be put to work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PartyError {
    /// A name in the kit.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The settings of the machine.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A number in the kit that the machine cannot take.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The certificates cannot be used for TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The records in the kit's folder for state.
    #[error("{0}{hint}", hint = repair_hint(.0))]
    Store(#[from] StoreError),
    /// An address to listen at.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The way to the coordinator.
    #[error(transparent)]
    Way(#[from] WayError),
}

/// Repairs the store in this folder if it is damaged or gone; a warning tells what was
/// lost, and where the damaged file is kept.
///
/// # Errors
/// When it cannot be opened even so.
pub fn repair(state: &Path, owner: &str) -> Result<(), StoreError> {
    FileStore::repair_for(state, owner).map(drop)
}

/// Whose the records of this kit are.
#[must_use]
pub fn owner<C: Config>(kit: &Kit<C>) -> String {
    let (config, role) = (&kit.config, C::ROLE);
    format!("the {role} {} of {}", config.name(), config.project())
}

/// The same for a site of NVFlare.
pub(crate) fn nvflare_owner(kit: &NvflareKit) -> String {
    format!(
        "the site {} of {}, a project of NVFlare",
        kit.name, kit.project
    )
}

/// How to repair a store from the command line, if that helps against this error.
pub(crate) fn repair_hint(error: &StoreError) -> &'static str {
    match error {
        StoreError::Damaged { .. } | StoreError::Missing(_) => {
            "\nthe option --repair repairs the store; what was promised by records that are lost is then broken"
        }
        _ => "",
    }
}

/// The coordinator of this kit, with the records that it has stored, listening, and its TLS if
/// it has that.
///
/// # Errors
/// When the kit cannot be put to work.
pub async fn server_host(kit: &ServerKit) -> Result<(ServerHost, Option<ServerTls>), PartyError> {
    let (store, records) = FileStore::open_for(&kit.state, &owner(kit))?;
    let mut limits = kit.config.limits.for_host();
    if let Some(fit) = open_files::places(limits.connections) {
        // The default is for large federations, and nobody has asked for it.
        if kit.config.limits.connections.is_some() || fit < FEW_CONNECTIONS {
            tracing::warn!(
                "this process may open too few files for the {} connections of its limits: it takes {fit}; raise the limit (ulimit -n, LimitNOFILE of systemd) to more than twice as many as there are sites",
                limits.connections
            );
        }
        limits.connections = fit;
    }
    let mut host = ServerHost::new(Arc::new(server_config(kit)?), identity(kit)?)
        .limits(limits)
        .storage(store, records);
    let tls = server_tls(kit)?;
    for listener in listen(&kit.config.listen).await? {
        host = host.listen(accept_with(kit, listener, tls.clone()));
    }
    Ok((host, tls))
}

/// The site of this kit, with the records that it has stored, and its way to the coordinator.
///
/// # Errors
/// When the kit cannot be put to work.
pub fn client_host(kit: &SiteKit, proxies: &Proxies) -> Result<(ClientHost, Redial), PartyError> {
    let (store, records) = FileStore::open_for(&kit.state, &owner(kit))?;
    let dial = dial(kit, kit.config.server.addresses.clone())?;
    let dial = Redial::new(dial.proxies(proxies.clone()));
    let config = Arc::new(client_config(kit)?);
    let host = ClientHost::new(config, identity(kit)?, dial.clone()).storage(store, records);
    Ok((host, dial))
}

/// Lets a coordinator that runs go on with the certificates and the key of this kit.
///
/// # Errors
/// When they cannot be put to work; then it goes on as before.
pub async fn renew_server(
    server: &ServerHandle,
    tls: Option<&ServerTls>,
    kit: &ServerKit,
) -> Result<(), PartyError> {
    let (identity, config) = (identity(kit)?, server_tls(kit)?);
    let revoked = kit.credentials.revoked().clone();
    let renewed = server.call(move |server, now| {
        server.set_wall_clock(now, unix_time());
        server.set_identity(now, identity)?;
        server.set_revoked(now, revoked);
        Ok::<_, ConfigError>(())
    });
    // Whoever has stopped needs nothing more.
    renewed.await.unwrap_or(Ok(()))?;
    if let (Some(tls), Some(config)) = (tls, config) {
        tls.set(config.get());
    }
    Ok(())
}

/// Lets a site that runs go on with the certificates and the key of this kit.
///
/// # Errors
/// When they cannot be put to work; then it goes on as before.
pub async fn renew_client(
    client: &ClientHandle,
    way: &Redial,
    kit: &SiteKit,
    proxies: &Proxies,
) -> Result<(), PartyError> {
    let dial = dial(kit, kit.config.server.addresses.clone())?.proxies(proxies.clone());
    let (identity, revoked) = (identity(kit)?, kit.credentials.revoked().clone());
    let renewed = client.call(move |client, now| {
        client.set_wall_clock(now, unix_time());
        client.set_identity(now, identity)?;
        client.set_revoked(now, revoked);
        Ok::<_, ConfigError>(())
    });
    renewed.await.unwrap_or(Ok(()))?;
    way.replace(dial);
    Ok(())
}

/// Who the party of this kit is.
///
/// # Errors
/// When the kit does not fit together.
pub fn identity<C: Config>(kit: &Kit<C>) -> Result<Identity, PartyError> {
    let credentials = &kit.credentials;
    Ok(Identity::new(
        Name::new(kit.config.name())?,
        credentials.chain().clone(),
        Arc::new(credentials.signer().clone()),
        credentials.roots().clone(),
    )?
    .revoking(credentials.revoked().clone()))
}

/// The settings of the coordinator.
///
/// # Errors
/// When its project or suite cannot be.
pub fn server_config(kit: &ServerKit) -> Result<ServerConfig, PartyError> {
    let config = &kit.config;
    let mut settings = ServerConfig::new(Name::new(&config.project)?);
    settings.suites = suites(config.suite)?;
    settings.trusted_path = config.trusted_path;
    config.timeouts.set_for_machine(&mut settings)?;
    config.limits.set_for_machine(&mut settings)?;
    Ok(settings)
}

/// The settings of a site.
///
/// # Errors
/// When its project, server or suite cannot be.
pub fn client_config(kit: &SiteKit) -> Result<ClientConfig, PartyError> {
    let config = &kit.config;
    let mut settings = ClientConfig::new(Name::new(&config.project)?);
    settings.server = Some(Name::new(&config.server.name)?);
    settings.suites = suites(config.suite)?;
    settings.trusted_path = config.trusted_path;
    config.timeouts.set_for_machine(&mut settings)?;
    Ok(settings)
}

/// The settings of a client that asks whether the coordinator of this kit is there.
///
/// # Errors
/// As [`server_config`].
pub(crate) fn as_client(kit: &ServerKit) -> Result<ClientConfig, PartyError> {
    let config = &kit.config;
    let mut settings = ClientConfig::new(Name::new(&config.project)?);
    settings.server = Some(Name::new(&config.name)?);
    settings.suites = suites(config.suite)?;
    settings.trusted_path = config.trusted_path;
    Ok(settings)
}

/// The proxies on the way to these addresses: as the option says, else the kit, else the
/// environment. Those of the environment are not used where `tls` is false.
///
/// # Errors
/// When one of them cannot be used.
pub(crate) fn proxies<'a>(
    option: Option<&ProxySetting>,
    kit: Option<&ProxySetting>,
    tls: bool,
    addresses: impl IntoIterator<Item = &'a String>,
) -> Result<Proxies, WayError> {
    let proxies = match (option, kit) {
        (Some(option), _) => Proxies::of(option, "--proxy")?,
        (None, Some(kit)) => Proxies::of(kit, "`proxy` in fedlink.toml")?,
        (None, None) => Proxies::from_env(),
    };
    if !tls {
        return match option.and(proxies.origin()) {
            Some(_) => Err(WayError::NoTls),
            None => Ok(proxies),
        };
    }
    for address in addresses {
        // Kits have no others.
        if let Ok(address) = address.parse() {
            proxies.to(&address)?;
        }
    }
    Ok(proxies)
}

/// What to say of the proxies on the way to this address, if there are any.
pub(crate) fn proxy_on_the_way(proxies: &Proxies, tls: bool, address: &str) -> Option<String> {
    let origin = proxies.origin()?;
    if !tls {
        return Some(format!(
            "{origin} does not count: without TLS nothing goes through a proxy"
        ));
    }
    match proxies.to(&address.parse().ok()?) {
        Ok(Some(proxy)) => Some(format!("{address} is reached through the proxy {proxy}")),
        Ok(None) => Some(format!(
            "{address} is reached without a proxy: NO_PROXY exempts it from {origin}"
        )),
        Err(_) => None,
    }
}

/// Why there is no way to a server.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WayError {
    /// The proxy that is asked for.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// There is a proxy for what goes through none.
    #[error(
        "this kit is without TLS, and so goes through no proxy: leave --proxy out, or have a kit made with TLS"
    )]
    NoTls,
}

/// Connections to the coordinator at the first of these addresses that answers.
///
/// # Errors
/// When the certificates or the coordinator's name cannot be used for TLS.
pub fn dial(
    kit: &SiteKit,
    addresses: impl IntoIterator<Item = impl Into<String>>,
) -> Result<TcpDial, TlsError> {
    let dial = TcpDial::new(addresses);
    let dial = match tls(kit)? {
        None => dial,
        Some((config, name)) => dial.tls(config, name),
    };
    Ok(match kit.config.transport {
        Transport::Tcp | Transport::Tls => dial,
        Transport::Wss => dial.websocket(),
    })
}

/// What TLS to the coordinator needs, if the kit wants it.
///
/// # Errors
/// As [`dial`].
pub(crate) fn tls(kit: &SiteKit) -> Result<Option<ClientTls>, TlsError> {
    let config = &kit.config;
    client_tls(config.transport, &kit.credentials, &config.server.name)
}

/// What TLS to a coordinator of this name needs, if that is the transport.
///
/// # Errors
/// As [`dial`].
pub(crate) fn client_tls(
    transport: Transport,
    credentials: &Credentials,
    server: &str,
) -> Result<Option<ClientTls>, TlsError> {
    let config = match transport {
        Transport::Tcp => return Ok(None),
        Transport::Tls => tls::client_config(credentials)?,
        Transport::Wss => tls::websocket_client_config(credentials)?,
    };
    Ok(Some((config, tls::server_name(server)?)))
}

/// Connections from sites.
///
/// # Errors
/// When the certificates cannot be used for TLS.
pub fn accept(kit: &ServerKit, listener: TcpListener) -> Result<TcpAccept, TlsError> {
    Ok(accept_with(kit, listener, server_tls(kit)?))
}

fn accept_with(kit: &ServerKit, listener: TcpListener, tls: Option<ServerTls>) -> TcpAccept {
    let accept = TcpAccept::new(listener);
    let accept = match tls {
        Some(tls) => accept.tls(tls),
        None => accept,
    };
    match kit.config.transport {
        Transport::Tcp | Transport::Tls => accept,
        Transport::Wss => accept.websocket(),
    }
}

/// TLS of the coordinator, if it has that.
fn server_tls(kit: &ServerKit) -> Result<Option<ServerTls>, TlsError> {
    match kit.config.transport {
        Transport::Tcp => Ok(None),
        Transport::Tls => Ok(Some(tls::server_config(&kit.credentials)?.into())),
        Transport::Wss => Ok(Some(tls::websocket_server_config(&kit.credentials)?.into())),
    }
}

fn suites(suite: kit::Suite) -> Result<Suites, ConfigError> {
    Suites::new([match suite {
        kit::Suite::Sealed => Suite::Sealed,
        kit::Suite::Bearer => Suite::Bearer,
        kit::Suite::Plain => Suite::Plain,
    }])
}
