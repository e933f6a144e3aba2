//! What a site needs in a federation of NVIDIA FLARE 2.9: its start-up kit, and the TLS
//! that goes with it.

mod kit;
#[cfg(test)]
mod testing;
mod tls;

pub use kit::{Credentials, Kit, KitError, KitWarning, Scheme, Security};
