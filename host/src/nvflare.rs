//! What a site needs in a federation of NVIDIA FLARE 2.9: its start-up kit, and the TLS
//! that goes with it.

mod kit;
mod tls;

pub use kit::{Credentials, Kit, KitError, KitWarning, Scheme, Security};
