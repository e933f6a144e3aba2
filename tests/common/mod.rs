//! What several integration tests share. Each uses a part of it.
#![allow(dead_code, unreachable_pub)]

pub mod layout;
pub mod pair;
pub mod pki;
