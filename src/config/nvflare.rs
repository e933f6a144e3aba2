//! The settings of a client in a federation of NVIDIA FLARE.

use core::time::Duration;

use super::field::named;
use super::kind::TICK;
use super::setting::settings;
use crate::error::ConfigError;
use crate::wire::nvflare::sfm::MAX_FRAME;

/// Chunks of streams are 1 MiB; with their headers they have to fit.
const LEAST_FRAME: u64 = 2 << 20;

settings! {
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
    } with settings {
        /// The server proves itself with a certificate, and so does the client. Without it
        /// anybody can be anybody. Default: true.
        pub secure: bool = bool(),
        /// Time between heartbeats; 10 s is the Python client's. Default: 10 s.
        pub heartbeat_interval: Duration = duration(TICK),
        /// What to do when another process has registered under this name: stop, and leave the
        /// name to it, or take it over again. Default: stop.
        pub on_replaced: OnReplaced = word(),
        /// The host answers `ResourcesWanted` and `Deploy` itself. Otherwise there are always
        /// enough resources and every app is accepted. Default: false.
        pub host_decides: bool = bool(),
        /// Largest message from the server in bytes; larger values come in streams, up to the
        /// client's `max_payload`. Default: 64 MiB.
        pub max_frame: usize = bytes(LEAST_FRAME, MAX_FRAME as u64),
        /// Time without a byte from the server after which it is asked for a sign of life.
        /// Default: 1 min.
        pub ping_after: Duration = duration(TICK),
    } and defaults Self::DEFAULT
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
        self.check_bounds()
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

named! { OnReplaced { Stop TakeOver } }

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
