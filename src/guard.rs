//! Checks of which a test shows what they are for, by taking them away.

use crate::client::ClientConfig;
use crate::server::ServerConfig;

/// A check that something else than the shape of the code depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// A result counts only in the service session that assigned its task.
    ServiceSession,
    /// A cookie makes one session.
    CookieOnce,
    /// Lists of jobs count only if they are not older than those before.
    Generation,
    /// Only the latest heartbeat has an answer that counts.
    NewestHeartbeat,
    /// A result stays until the server has acknowledged it.
    Receipt,
}

impl ClientConfig {
    /// Whether the check is made. Always, but in tests that take it away.
    #[cfg(not(test))]
    pub(crate) const fn keeps(&self, _: Guard) -> bool {
        true
    }

    #[cfg(test)]
    pub(crate) fn keeps(&self, guard: Guard) -> bool {
        !self.without.contains(&guard)
    }
}

impl ServerConfig {
    /// Whether the check is made. Always, but in tests that take it away.
    #[cfg(not(test))]
    pub(crate) const fn keeps(&self, _: Guard) -> bool {
        true
    }

    #[cfg(test)]
    pub(crate) fn keeps(&self, guard: Guard) -> bool {
        !self.without.contains(&guard)
    }
}
