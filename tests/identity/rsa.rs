//! RSA keys and certificates, for NVFlare.

mod genuine;
