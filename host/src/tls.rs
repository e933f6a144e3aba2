//! TLS 1.3 between a site and the coordinator, with certificates on both sides.
//!
//! Everything is explicit: one version, one provider of cryptography, the project's roots
//! and nobody else's. Sessions are not resumed: each connection shows its certificates
//! anew, so that one that was withdrawn does not live on in a ticket.

pub(crate) mod fault;
mod revoked;

use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, ClientConnection, ConnectionCommon, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::current::Current;
use crate::kit::Credentials;
use crate::server_name;

/// TLS of a coordinator that can be replaced while it accepts connections.
pub type ServerTls = Current<ServerConfig>;

/// What both ends must name in the handshake, so that no other protocol's peer answers.
pub const ALPN: &[u8] = b"fedlink/1";

/// The same where messages go over WebSocket: whoever lets HTTP pass knows it.
pub const WEBSOCKET_ALPN: &[u8] = b"http/1.1";

/// Why TLS cannot be set up.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A name that cannot be in a certificate for TLS.
    #[error("{}", server_name::unfit(.0))]
    ServerName(String),
    /// The certificates or the key cannot be used for TLS.
    #[error("the certificates or the key of this kit cannot be used for TLS: {0}")]
    Credentials(String),
    /// The handshake is not over.
    #[error("there is no channel binding before the handshake is over: {0}")]
    NotConnected(String),
}

/// TLS for a site.
///
/// # Errors
///
/// [`TlsError::Credentials`], with what TLS has against them.
pub fn client_config(credentials: &Credentials) -> Result<Arc<ClientConfig>, TlsError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)
        .map_err(unusable)?
        .with_root_certificates(roots(credentials)?)
        .with_client_auth_cert(
            credentials.certificates().to_vec(),
            credentials.private_key().clone_key(),
        )
        .map_err(unusable)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// TLS for a site whose messages go over WebSocket.
///
/// # Errors
///
/// As [`client_config`].
pub fn websocket_client_config(credentials: &Credentials) -> Result<Arc<ClientConfig>, TlsError> {
    let mut config = ClientConfig::clone(&*client_config(credentials)?);
    config.alpn_protocols = vec![WEBSOCKET_ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// TLS for the coordinator. Whoever connects must show a certificate of the project that is not
/// among the revoked ones.
///
/// # Errors
///
/// [`TlsError::Credentials`], with what TLS has against them.
pub fn server_config(credentials: &Credentials) -> Result<Arc<ServerConfig>, TlsError> {
    server_config_for(credentials, ALPN)
}

/// TLS for a coordinator whose messages go over WebSocket. Whoever shows no certificate gets so
/// far that it can be told, by HTTP, what this is: give it to
/// [`TcpAccept::websocket`](crate::tokio::TcpAccept::websocket), which lets nobody further. A
/// certificate that is shown must be as for [`server_config`].
///
/// # Errors
///
/// As [`server_config`].
pub fn websocket_server_config(credentials: &Credentials) -> Result<Arc<ServerConfig>, TlsError> {
    server_config_for(credentials, WEBSOCKET_ALPN)
}

fn server_config_for(
    credentials: &Credentials,
    alpn: &[u8],
) -> Result<Arc<ServerConfig>, TlsError> {
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots(credentials)?.into(), provider());
    let verifier = match alpn == WEBSOCKET_ALPN {
        true => verifier.allow_unauthenticated(),
        false => verifier,
    };
    let verifier = verifier.build().map_err(unusable)?;
    let verifier = revoked::Refusing::new(verifier, credentials.revoked().clone());
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)
        .map_err(unusable)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(
            credentials.certificates().to_vec(),
            credentials.private_key().clone_key(),
        )
        .map_err(unusable)?;
    config.alpn_protocols = vec![alpn.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The name that the coordinator's certificate must be for.
///
/// Give the coordinator's name in the project rather than the address: kits have both in
/// the certificate, and the name holds wherever the coordinator moves.
///
/// # Errors
///
/// [`TlsError::ServerName`] if it is neither a host's name nor an address.
pub fn server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    server_name::server_name(name).map_err(|_| TlsError::ServerName(name.to_owned()))
}

/// What ties a session to this connection: 32 bytes that both ends compute and that nobody
/// between them can (RFC 9266, `tls-exporter`). Works for either end.
///
/// # Errors
///
/// [`TlsError::NotConnected`] while the handshake is under way.
pub fn channel_binding<Side>(connection: &ConnectionCommon<Side>) -> Result<[u8; 32], TlsError> {
    connection
        .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""))
        .map_err(|error| TlsError::NotConnected(error.to_string()))
}

/// What a client needs for TLS: its settings, and the name that the server must prove.
pub type ClientTls = (Arc<ClientConfig>, ServerName<'static>);

/// Begins TLS on a connection, and returns the server's certificates in DER, the leaf first.
///
/// # Errors
/// Whatever either end has against the other, as far as it shows by then: a server looks at a
/// site's certificates afterwards.
pub async fn server_certificates(
    stream: tokio::net::TcpStream,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
) -> io::Result<Vec<Vec<u8>>> {
    let handshake = tokio_rustls::TlsConnector::from(Arc::clone(&config)).connect(name, stream);
    let stream = handshake.await;
    let stream = stream.map_err(|error| fault::in_handshake(error, &config))?;
    let (_, connection) = stream.get_ref();
    let certificates = connection.peer_certificates().unwrap_or_default();
    Ok(certificates.iter().map(|der| der.to_vec()).collect())
}

/// Has the server at the other end prove who it is, and returns its certificates in DER, the leaf
/// first. The connection is left before this end has shown who it is itself: whoever is not a
/// site leaves nothing for the server to refuse.
///
/// # Errors
/// Whatever this end has against the server, or the connection.
pub async fn proven_certificates(
    mut stream: tokio::net::TcpStream,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
) -> io::Result<Vec<Vec<u8>>> {
    let failed = |error| fault::in_handshake(error, &config);
    let mut connection =
        ClientConnection::new(Arc::clone(&config), name).map_err(io::Error::other)?;
    let mut received = vec![0; READ];
    while connection.is_handshaking() {
        let mut answer = Vec::new();
        connection.write_tls(&mut answer)?;
        stream.write_all(&answer).await.map_err(failed)?;
        let count = stream.read(&mut received).await.map_err(failed)?;
        if count == 0 {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        let mut unread = &received[..count];
        while !unread.is_empty() {
            connection.read_tls(&mut unread)?;
            let processed = connection.process_new_packets();
            processed.map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        }
    }
    let certificates = connection.peer_certificates().unwrap_or_default();
    Ok(certificates.iter().map(|der| der.to_vec()).collect())
}

/// How much is read at once in a handshake: about what a server says in one.
const READ: usize = 4096;

const VERSIONS: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// The one provider of cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(credentials: &Credentials) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for root in credentials.root_certificates() {
        roots.add(root.clone()).map_err(unusable)?;
    }
    Ok(roots)
}

pub(crate) fn unusable(error: impl std::error::Error) -> TlsError {
    TlsError::Credentials(error.to_string())
}

#[cfg(test)]
mod tests;
