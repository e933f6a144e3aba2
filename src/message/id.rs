//! Ids of jobs, tasks, sessions and requests. Those that travel are 16 bytes, random unless
//! said otherwise.

use core::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::{Zeroize, ZeroizeOnDrop};

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The identifier made of these bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The bytes as they travel.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Uuid::from_bytes(self.0).as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    )*};
}

uuid_ids! {
    /// A job, named by whoever starts it on the server.
    JobId
    /// One assignment of work to one site. Giving the same work to another site makes a
    /// new one.
    TaskId
    /// The server's service session. It changes only when the server has lost its job
    /// table; results of another one are refused.
    Ssid
    /// A session between one client and the server, made anew by each registration.
    SessionId
    /// One process of a client: drawn when the machine is made or restored, never stored.
    InstanceId
}

/// A bearer token. Secret: `Debug` hides it, comparison takes constant time, and it is
/// wiped when dropped.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Token([u8; 16]);

impl Token {
    /// The token made of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The secret itself. Never log it.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// NVIDIA FLARE: a decision that the host is asked for. Grows within one machine's life.
#[cfg(feature = "nvflare")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ControlId(pub u64);

#[cfg(feature = "nvflare")]
impl fmt::Display for ControlId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
impl core::hash::Hash for Token {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

macro_rules! counting_ids {
    ($($(#[$doc:meta])* $vis:vis $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

counting_ids! {
    /// A record handed to the host's storage: its number in there, from 1, across restarts.
    pub RecordId
    /// A signature asked of a key that is elsewhere. Grows within one machine's life.
    pub SignatureId
    /// Where a message came from and where its answer goes: the host's own number, one
    /// for each connection. On datagram carriers it may be a hash of the address, under a
    /// secret of the host's, or a stranger could choose an address that has the number of
    /// another. The server limits strangers by it.
    pub PeerId
    /// Grows within a session; a repeated request keeps it.
    pub(crate) RequestId
}
