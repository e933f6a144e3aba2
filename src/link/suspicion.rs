//! The reasons for which a client does not believe a message that claims to come from the
//! server.

use core::fmt;

use crate::identity::ChainError;

/// What was wrong with a message that was dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Suspicion {
    /// The server's certificates do not prove the expected name.
    Chain(ChainError),
    /// The server's proof is not a signature over this exchange.
    Proof,
    /// What the server sealed does not open.
    Seal,
    /// The server chose a suite that was not offered.
    Suite,
    /// The signature of the token is not the server's.
    TokenSignature,
    /// The server's answer contradicts itself or the request.
    Malformed,
    /// The server took the registration and granted nothing, which is how a server of
    /// NVIDIA FLARE refuses a proof.
    NoToken,
    /// The server answers pings but no messages, which is how a server of NVIDIA FLARE
    /// refuses a token. The client registers anew.
    AuthDropped,
}

impl Suspicion {
    /// A number for each kind, to tell whether two failed alike.
    pub(crate) fn kind(&self) -> core::mem::Discriminant<Self> {
        core::mem::discriminant(self)
    }
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain(error) => write!(f, "the server's certificates are not accepted: {error}"),
            Self::Proof => f.write_str("the server's proof does not match this exchange"),
            Self::Seal => {
                f.write_str("the server's answer does not open: it was changed on its way")
            }
            Self::Suite => f.write_str("the server chose a suite that was not offered"),
            Self::TokenSignature => f.write_str("the token's signature is not the server's"),
            Self::Malformed => f.write_str("the server's answer makes no sense"),
            Self::NoToken => f.write_str(
                "the server granted nothing: it does not accept this client's certificate or key",
            ),
            Self::AuthDropped => {
                f.write_str("the server lives and answers nothing: it no longer accepts the token")
            }
        }
    }
}
