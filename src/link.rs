//! Links: one session with one peer over one protocol, with its handshake, its protection, and
//! the matching of answers to requests.

mod auth;
mod channel_binding;
pub(crate) mod client;
pub(crate) mod event;
pub(crate) mod native;
#[cfg(feature = "nvflare")]
pub(crate) mod nvflare;
mod suspicion;
mod token_claims;

pub use auth::Auth;
pub use suspicion::Suspicion;

pub(crate) use channel_binding::ChannelBinding;
pub(crate) use token_claims::TokenClaims;
