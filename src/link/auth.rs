//! The result of a registration: the session's token, its dates, and the server's signature
//! over them.

use core::time::Duration;

use crate::identity::{Name, PublicKey};
use crate::link::TokenClaims;
use crate::message::{Opaque, Ssid, Token};
use crate::suite::Suite;
use crate::time::millis;

/// What proves the registration, also to others of the project: a process that works for
/// the client, or another server. They need all of it, and the key of the server that
/// signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Auth {
    /// The bearer token; none if the client wanted none.
    pub token: Option<Token>,
    /// The server's signature: see [`is_signed_by`](Self::is_signed_by).
    pub token_signature: Opaque,
    /// The name of this client.
    pub name: Name,
    /// The suite of the session. With NVIDIA FLARE it is bearer.
    pub suite: Suite,
    /// The server's service session.
    pub ssid: Ssid,
    /// When the token was issued, in Unix seconds.
    pub issued: u64,
    /// When it ends, in Unix seconds; `u64::MAX` for never.
    pub expires: u64,
    /// The time between heartbeats that the server wants.
    pub heartbeat_interval: Duration,
    /// Hash of the whole exchange. Zero with NVIDIA FLARE.
    pub session_hash: [u8; 32],
}

impl Auth {
    /// Whether the server with this key, of this project, has signed all of it. No client
    /// needs to ask: it was checked before the registration was believed.
    ///
    /// Whether it has not expired, and whether the key is the server's, is for the caller to
    /// see to: [`identity::verify`](crate::identity::verify) returns the key of a chain of
    /// certificates. Tell it the name of the server that the token has to be of, and take
    /// that from no one who shows one: that a chain verifies says only that somebody of the
    /// project has the key. Who was revoked or disabled since, only the server knows.
    ///
    /// The signature covers the exchange by its hash, and not the session that came of it: in
    /// the bearer suite nothing signed says which session a token is of. Whoever shows a token
    /// need not be the client that it was issued to.
    ///
    /// Always false with NVIDIA FLARE, whose servers have RSA keys and sign name and token
    /// alone, and in the plain suite, in which nobody signs.
    #[must_use]
    pub fn is_signed_by(&self, server: &PublicKey, project: &Name) -> bool {
        let Ok(signature) = self.token_signature[..].try_into() else {
            return false;
        };
        let claims = TokenClaims {
            suite: self.suite,
            project: project.as_str(),
            name: self.name.as_str(),
            token: self.token.as_ref(),
            ssid: self.ssid,
            issued: self.issued,
            expires: self.expires,
            interval: millis(self.heartbeat_interval),
            th3: &self.session_hash,
        };
        server.verify(&claims.to_sign(), signature)
    }
}
