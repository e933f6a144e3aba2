//! The settings of a client in a federation of NVIDIA FLARE.

use core::time::Duration;

use super::within;
use crate::error::ConfigError;
use crate::wire::nvflare::sfm::MAX_FRAME;

/// Settings of the binding to NVIDIA FLARE 2.5 to 2.9. Those of
/// [`ClientConfig`](crate::ClientConfig) hold beside them; its suites do not.
///
/// # Memory
/// In bytes, this binding takes at most the sum of these, beside what jobs, tasks and
/// results take with any binding.
///
/// | for | bytes |
/// |---|---|
/// | itself | 1 MiB |
/// | streams on their way here, ended or not | twice `max_payload`, and 32 MiB |
/// | answers that wait to be sent | 4,096 of them, 2 KiB each |
/// | one message while it is read | twice `max_frame`, and 64 MiB |
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The server proves itself with a certificate, and so does the client. Without it
    /// anybody can be anybody. Default: true.
    pub secure: bool,
    /// Time between heartbeats. Default: 10 s, as the Python client's.
    pub heartbeat_interval: Duration,
    /// What to do when another process has registered under this name.
    /// Default: [`OnReplaced::Stop`].
    pub on_replaced: OnReplaced,
    /// The host answers [`ResourcesWanted`](crate::ClientAction::ResourcesWanted) and
    /// [`Deploy`](crate::ClientAction::Deploy) itself. Otherwise there are always enough
    /// resources and every app is accepted. Default: false.
    pub host_decides: bool,
    /// Largest message from the server in bytes; larger values come in streams, up to
    /// [`max_payload`](crate::ClientConfig::max_payload). Default: 64 MiB.
    pub max_frame: usize,
    /// So long without a byte from the server, and it is asked for a sign of life.
    /// Default: 60 s.
    pub ping_after: Duration,
}

impl Settings {
    /// Those of a usual federation.
    pub const DEFAULT: Self = Self {
        secure: true,
        heartbeat_interval: Duration::from_secs(10),
        on_replaced: OnReplaced::Stop,
        host_decides: false,
        max_frame: 64 << 20,
        ping_after: Duration::from_secs(60),
    };
}

impl Settings {
    /// Whether these settings can work.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        /// Chunks of streams are 1 MiB; with their headers they have to fit.
        const LEAST_FRAME: usize = 2 << 20;
        let bounds = [
            (
                self.heartbeat_interval.as_micros() == 0,
                "heartbeat_interval",
                "at least 1 µs",
            ),
            (
                self.ping_after.as_micros() == 0,
                "ping_after",
                "at least 1 µs",
            ),
            (
                !(LEAST_FRAME..=MAX_FRAME).contains(&self.max_frame),
                "max_frame",
                "2 MiB to 2 GiB - 2 MiB",
            ),
        ];
        within(&bounds)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a client does when another process has taken its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnReplaced {
    /// It is rejected, and leaves the name to the other.
    #[default]
    Stop,
    /// It registers again, after a wait, and the other one is replaced in turn.
    TakeOver,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_work_are_named() {
        let refused = |change: fn(&mut Settings)| {
            let mut settings = Settings::DEFAULT;
            change(&mut settings);
            match settings.check() {
                Err(ConfigError::OutOfBounds { setting, .. }) => Some(setting),
                _ => None,
            }
        };
        assert_eq!(refused(|_| ()), None);
        assert_eq!(refused(|it| it.max_frame = 2 << 20), None);
        assert_eq!(refused(|it| it.max_frame = MAX_FRAME), None);
        assert_eq!(
            refused(|it| it.max_frame = (2 << 20) - 1),
            Some("max_frame")
        );
        assert_eq!(
            refused(|it| it.max_frame = MAX_FRAME + 1),
            Some("max_frame")
        );
        let no_wait = refused(|it| it.heartbeat_interval = Duration::ZERO);
        assert_eq!(no_wait, Some("heartbeat_interval"));
        let no_patience = refused(|it| it.ping_after = Duration::ZERO);
        assert_eq!(no_patience, Some("ping_after"));
    }
}
