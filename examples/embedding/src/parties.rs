//! Who takes part: a coordinator and three sites that know each other by pinned keys.

use std::sync::Arc;

use fedlink::identity::{Chain, Identity, LocalSigner, Name, Roots, Signer};
use fedlink::{Client, ClientConfig, Server, ServerConfig};

use crate::Error;
use crate::clock::{Clock, seed, unix_time};

/// The sites, and the number that each of them holds.
pub const SITES: [(&str, f64); 3] = [("site-1", 1.0), ("site-2", 2.0), ("site-3", 6.0)];
const COORDINATOR: &str = "coordinator";
const PROJECT: &str = "average";

/// A site that has done nothing yet.
///
/// # Errors
/// When there is no randomness.
pub fn client(site: &str, clock: Clock) -> Result<Client, Error> {
    let mut config = ClientConfig::new(Name::new(PROJECT)?);
    config.server = Some(Name::new(COORDINATOR)?);
    let identity = identity(site, [COORDINATOR])?;
    let mut client = Client::new(Arc::new(config), identity, seed()?, clock.now())?;
    client.set_wall_clock(clock.now(), unix_time());
    Ok(client)
}

/// A coordinator without jobs.
///
/// # Errors
/// When there is no randomness.
pub fn server(clock: Clock) -> Result<Server, Error> {
    let config = ServerConfig::new(Name::new(PROJECT)?);
    let identity = identity(COORDINATOR, SITES.map(|(site, _)| site))?;
    let mut server = Server::new(Arc::new(config), identity, seed()?, clock.now())?;
    server.set_wall_clock(clock.now(), unix_time());
    Ok(server)
}

fn identity<const N: usize>(name: &str, trusted: [&str; N]) -> Result<Identity, Error> {
    let mut roots = Roots::new();
    for name in trusted {
        roots = roots.pin(Name::new(name)?, key(name).public_key());
    }
    let key = key(name);
    let chain = Chain::pinned(key.public_key());
    Ok(Identity::new(
        Name::new(name)?,
        chain,
        Arc::new(key),
        roots,
    )?)
}

/// A key that anybody can compute: good for an example alone. In a federation each party draws
/// 32 random bytes, keeps them, and tells the others its public key.
fn key(name: &str) -> LocalSigner {
    let mut seed = [0; 32];
    for (byte, letter) in seed.iter_mut().zip(name.bytes()) {
        *byte = letter;
    }
    LocalSigner::from_seed(&seed)
}
