//! Cipher suites: how the messages of a session are protected.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::error::ConfigError;

/// A way to protect a session. The order is the number on the wire, and the order of
/// preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Suite {
    /// No proofs at all: for simulators and trusted rigs.
    Plain,
    /// Ed25519 proofs at registration, then a token in each message. For carriers that
    /// protect end to end.
    Bearer,
    /// Ed25519, X25519, HKDF-SHA256 and ChaCha20-Poly1305: each message is encrypted and
    /// numbered under keys that only the two ends have.
    Sealed,
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of suites, never empty, and never plain beside another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suites(Vec<Suite>);

impl Default for Suites {
    fn default() -> Self {
        Self(vec![Suite::Sealed])
    }
}

impl Suites {
    /// The set of these suites.
    ///
    /// # Errors
    /// When there is none, or plain stands beside another.
    // spec: P-21
    pub fn new(suites: impl IntoIterator<Item = Suite>) -> Result<Self, ConfigError> {
        let mut suites: Vec<_> = suites.into_iter().collect();
        suites.sort_unstable();
        suites.dedup();
        match suites[..] {
            [] => Err(ConfigError::NoSuite),
            [Suite::Plain, _, ..] => Err(ConfigError::PlainBesideOthers),
            _ => Ok(Self(suites)),
        }
    }

    /// Whether `suite` is in the set.
    #[must_use]
    pub fn contains(&self, suite: Suite) -> bool {
        self.0.contains(&suite)
    }

    pub(crate) fn as_slice(&self) -> &[Suite] {
        &self.0
    }

    /// The best suite that is in both.
    pub(crate) fn best_common(&self, others: &[Suite]) -> Option<Suite> {
        self.0
            .iter()
            .rev()
            .copied()
            .find(|suite| others.contains(suite))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // spec: P-21, P-23
    #[test]
    fn plain_stands_alone_and_the_best_common_suite_is_taken() {
        assert!(Suites::new([]).is_err());
        assert!(Suites::new([Suite::Plain, Suite::Sealed]).is_err());
        let both = Suites::new([Suite::Sealed, Suite::Bearer]).unwrap();
        assert_eq!(
            both.best_common(&[Suite::Bearer, Suite::Sealed]),
            Some(Suite::Sealed)
        );
        assert_eq!(both.best_common(&[Suite::Plain]), None);
    }
}
