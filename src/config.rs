//! The settings of the machines, which a host chooses before it starts one.

mod check;
mod client;
mod field;
mod kind;
#[cfg(feature = "nvflare")]
pub(crate) mod nvflare;
mod server;
mod setting;

pub(crate) use check::Check;
pub use client::{Binding, ClientConfig, Mode};
pub use kind::{SettingKind, SettingValue};
pub use server::{HEARTBEAT_INTERVAL, ServerConfig};
pub use setting::Setting;
