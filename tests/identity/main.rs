//! Names, keys, chains, and the judgement over them.
#![cfg(feature = "x509")]

#[path = "../common/mod.rs"]
mod common;

mod bytes;
mod keys;
mod names;
mod openssl;
mod profile;
mod right_chains;
#[cfg(feature = "nvflare")]
mod rsa;
mod wrong_certificates;
mod wrong_chains;
