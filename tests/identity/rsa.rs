//! RSA keys and certificates, for NVFlare.

mod bytes;
mod genuine;
mod keys;
mod own;
mod pki;
mod right_chains;
mod signatures;
mod wrong_chains;
