//! What the programs share: the job, what travels in it, and clients on the blocking host.

pub mod alone;
pub mod bare;

use std::error::Error;
use std::sync::Arc;

use fedlink::message::{JobId, Payload};
use fedlink_cli::parties;
use fedlink_host::blocking::{BlockingClient, TcpConnect};
use fedlink_host::kit::{SiteKit, Transport};
use fedlink_host::tls;

/// Whatever went wrong; it ends the program.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The only job, which all sites run.
pub const JOB: JobId = JobId::from_bytes([7; 16]);

/// So many bytes for a task or a result.
#[must_use]
pub fn payload(bytes: usize) -> Payload {
    Payload::new(vec![7; bytes])
}

/// The client of this kit, which has done nothing yet.
///
/// # Errors
/// When the kit cannot be used.
pub fn client(kit: &SiteKit) -> Result<BlockingClient, Failure> {
    let mut config = parties::client_config(kit)?;
    // Whole batches of tasks are fetched before the first result is handed in.
    config.max_held = 1 << 20;
    let connect = connect(kit, &kit.config.server.addresses)?;
    let identity = parties::identity(kit)?;
    Ok(BlockingClient::new(Arc::new(config), identity, connect)?)
}

/// How this kit connects, to other addresses.
///
/// # Errors
/// When the kit cannot be used.
pub fn connect(kit: &SiteKit, addresses: &[String]) -> Result<TcpConnect, Failure> {
    let connect = TcpConnect::new(addresses);
    Ok(match kit.config.transport {
        Transport::Tcp => connect,
        Transport::Tls => connect.tls(
            tls::client_config(&kit.credentials)?,
            tls::server_name(&kit.config.server.name)?,
        ),
        Transport::Wss => return Err("the blocking host has no WebSocket".into()),
    })
}
