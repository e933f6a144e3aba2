//! What the fuzz targets in `fuzz/` run, so that it is compiled and tested here.

#[cfg(test)]
mod corpus;
mod federation;
#[cfg(test)]
mod jumping;
#[cfg(feature = "nvflare")]
mod nvflare;
#[cfg(test)]
mod properties;
pub(crate) mod script;

pub use crate::client::client_lives;
pub use crate::frame::fuzz::frames;
#[cfg(feature = "x509")]
pub use crate::identity::fuzz::certificate;
#[cfg(feature = "nvflare")]
pub use crate::link::nvflare::fuzz_stream as stream;
pub use crate::server::server_lives;
pub use crate::wire::native::fuzz::decode;
#[cfg(feature = "nvflare")]
pub use crate::wire::nvflare::fuzz::{cell, fobs, npz, sfm};
pub use federation::{client, server};
#[cfg(feature = "nvflare")]
pub use nvflare::nvflare_client;
