//! The settings of the machines, which a host chooses before it starts one.

mod check;
mod client;
#[cfg(feature = "nvflare")]
pub(crate) mod nvflare;
mod server;

pub(crate) use check::Check;
pub use client::{Binding, ClientConfig, Mode};
pub use server::{HEARTBEAT_INTERVAL, ServerConfig};

use crate::error::ConfigError;

/// Names the first setting that is out of its bounds: whether each is, its name, and what it may
/// be.
fn within(settings: &[(bool, &'static str, &'static str)]) -> Result<(), ConfigError> {
    match settings.iter().find(|(wrong, ..)| *wrong) {
        Some((_, setting, bounds)) => Err(ConfigError::OutOfBounds { setting, bounds }),
        None => Ok(()),
    }
}
