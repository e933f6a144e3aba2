//! Hosts for fedlink: what moves the bytes of the core's two machines.

mod clock;
mod error;
pub mod kit;
pub mod storage;
pub mod tokio;

pub use clock::{seed, unix_time};
pub use error::{CallError, HostError, Stopped};
