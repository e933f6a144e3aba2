//! The claims that a server signs with a session's token.

use alloc::vec::Vec;

use crate::digest::{self, Hash};
use crate::message::{Ssid, Token};
use crate::suite::Suite;

/// What a token's signature covers.
pub(crate) struct TokenClaims<'a> {
    pub(crate) suite: Suite,
    pub(crate) project: &'a str,
    pub(crate) name: &'a str,
    pub(crate) token: Option<&'a Token>,
    pub(crate) ssid: Ssid,
    pub(crate) issued: u64,
    pub(crate) expires: u64,
    pub(crate) interval: u64,
    pub(crate) th3: &'a Hash,
}

impl TokenClaims<'_> {
    /// What the token's signature signs.
    pub(crate) fn to_sign(&self) -> Vec<u8> {
        let hash = digest::hash(
            "fedlink v2 token",
            &[
                &(self.suite as u64).to_be_bytes(),
                self.project.as_bytes(),
                self.name.as_bytes(),
                self.token.map_or(&[][..], |token| token.expose()),
                self.ssid.as_bytes(),
                &self.issued.to_be_bytes(),
                &self.expires.to_be_bytes(),
                &self.interval.to_be_bytes(),
                self.th3,
            ],
        );
        digest::to_sign(b"fedlink v2 token", &hash)
    }
}
