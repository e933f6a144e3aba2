//! What a machine is told before it starts.

mod check;
mod client;
#[cfg(feature = "nvflare")]
pub(crate) mod nvflare;
mod server;

pub(crate) use check::Check;
pub use client::{Binding, ClientConfig, Mode};
pub use server::{HEARTBEAT_INTERVAL, ServerConfig};
