//! One peer of one binding: handshake, protection, correlation.

mod auth;
pub(crate) mod client;
pub(crate) mod event;
pub(crate) mod native;
#[cfg(feature = "nvflare")]
pub(crate) mod nvflare;
mod suspicion;

pub use auth::Auth;
pub use suspicion::Suspicion;
