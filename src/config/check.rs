//! Checks that a test may take away from a machine, to show what each is for.

/// A check that something else than the shape of the code depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
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
