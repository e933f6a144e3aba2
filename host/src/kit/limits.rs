//! The table `[limits]` of a coordinator's `fedlink.toml`: limits that its operator may set.

use std::time::Duration;

use fedlink::ServerConfig;
use fedlink::frame::{MAX_MESSAGE, MAX_STRANGER};

use super::number::numbers;
use crate::limits::Limits;

/// The longest waiting time: a week. A longer one is more likely a slip of the unit.
pub const MAX_SECONDS: u32 = 7 * 24 * 60 * 60;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// More than one machine has of connections or clients.
const MANY: u64 = 10_000_000;

numbers! {
    /// What a coordinator allows. Each field that is left out has its default, and each
    /// has bounds: see [`describe`](Self::describe).
    pub struct ServerLimits: u64 in "limits" {
        /// Connections in all. A further one takes the place of a stranger's, which is one that
        /// has not registered; without strangers it is closed at once. The system must allow
        /// twice as many open files.
        connections: 1..=MANY, 10_000;
        /// Connections of strangers from one IPv4 address, or one IPv6 network of 64 bits. A
        /// further one takes the place of the oldest, of the silent ones first. Sites that have
        /// registered do not count, so any number of them may share an address.
        connections_per_address: 1..=MANY, 100;
        /// Connections of strangers from one IPv6 network of 56 bits, likewise.
        connections_per_ipv6_network: 1..=MANY, 400;
        /// Seconds that a connection may take for its TLS handshake, with `wss` and its request.
        handshake_seconds: 1..=600, 10;
        /// Seconds that a connection may go on without one authentic message of a session. A site
        /// that is told to come again in half a minute should find it standing.
        before_registration_seconds: 1..=3600, 90;
        /// Bytes of messages that may come before such a message. The largest registration
        /// takes half of the default.
        before_registration_bytes: 64 * KIB..=16 * MIB, 128 * KIB;
        /// Bytes of one such message. Sites with long chains of certificates or large contexts
        /// need the default, which is the protocol's limit.
        before_registration_message_bytes: 4 * KIB..=MAX_STRANGER as u64, MAX_STRANGER as u64;
        /// Bytes of longer messages that may be on their way, in all, from those who name a
        /// session and have not proved that it is theirs.
        vouched_bytes: MAX_MESSAGE as u64..=64 * GIB, 64 * MIB;
        /// Connections on which such messages of one session may be on their way.
        vouched_connections_per_session: 1..=1000, 1;
        /// Bytes of any message. A result of 1 MiB travels in one message, with its headers.
        message_bytes: 3 * MIB / 2..=MAX_MESSAGE as u64, MAX_MESSAGE as u64;
        /// Bytes that may wait to be sent on one connection.
        queued_bytes: 2 * MIB..=GIB, 8 * MIB;
        /// Seconds that a site may take to receive one message.
        write_seconds: 1..=3600, 60;
        /// Seconds that a site that has registered may send nothing; more than two heartbeats. A
        /// device may say that it sleeps for a day.
        idle_seconds: 3..=MAX_SECONDS as u64, 25 * 3600;
    } and of ServerConfig {
        challenge_budget = "challenge_budget": 1..=1_000_000;
        peer_budget = "peer_budget": 2..=1_000_000;
        register_attempts = "register_attempts": 1..=100;
        max_clients = "max_clients": 1..=MANY;
        max_payload_bytes = "max_payload": MIB..=1 << 40;
        max_upload_bytes = "max_upload_bytes": MIB..=1 << 44;
        max_waiting_bytes = "max_waiting_bytes": 16 * MIB..=1 << 40;
    }
}

impl ServerLimits {
    /// These limits for the host.
    #[must_use]
    pub fn for_host(&self) -> Limits {
        let mut limits = Limits::default();
        for (limit, value) in [
            (&mut limits.connections, self.connections),
            (
                &mut limits.connections_per_address,
                self.connections_per_address,
            ),
            (
                &mut limits.connections_per_ipv6_network,
                self.connections_per_ipv6_network,
            ),
            (
                &mut limits.bytes_before_registration,
                self.before_registration_bytes,
            ),
            (
                &mut limits.message_before_registration,
                self.before_registration_message_bytes,
            ),
            (&mut limits.vouched_bytes, self.vouched_bytes),
            (
                &mut limits.vouched_connections_per_session,
                self.vouched_connections_per_session,
            ),
            (&mut limits.message, self.message_bytes),
            (&mut limits.queued_bytes, self.queued_bytes),
        ] {
            set(limit, value);
        }
        for (limit, value) in [
            (&mut limits.handshake_time, self.handshake_seconds),
            (
                &mut limits.time_before_registration,
                self.before_registration_seconds,
            ),
            (&mut limits.write_time, self.write_seconds),
            (&mut limits.idle_time, self.idle_seconds),
        ] {
            *limit = value.map_or(*limit, Duration::from_secs);
        }
        limits
    }
}

/// Sets a limit that is given. What a small machine cannot count has no limit there.
fn set(limit: &mut usize, value: Option<u64>) {
    if let Some(value) = value {
        *limit = usize::try_from(value).unwrap_or(usize::MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use fedlink::identity::Name;

    use super::*;
    use crate::kit::Config;
    use crate::kit::number::Field;

    /// Each field at its least and at its most, as `name = value`.
    fn edges() -> Vec<(&'static str, RangeInclusive<u64>)> {
        let fields = ServerLimits::default().fields();
        let named = |field: Field| (field.path.trim_start_matches("limits."), field.range);
        fields.into_iter().map(named).collect()
    }

    fn parsed(name: &str, value: impl std::fmt::Display) -> ServerLimits {
        toml::from_str(&format!("{name} = {value}")).unwrap()
    }

    #[test]
    fn what_is_described_is_the_default_and_can_be_read() {
        let text = ServerLimits::describe();
        let described: toml::Table = toml::from_str(&text).unwrap();
        let described: ServerLimits = described["limits"].clone().try_into().unwrap();
        assert!(described.fields().iter().all(|it| it.value.is_some()));
        described.check().unwrap();
        assert_eq!(described.for_host(), Limits::default());
        let defaults = || ServerConfig::new(Name::new("project").unwrap());
        let mut settings = defaults();
        described.set_for_machine(&mut settings).unwrap();
        assert_eq!(format!("{settings:?}"), format!("{:?}", defaults()));
    }

    #[test]
    fn each_limit_is_taken_within_its_bounds_and_refused_beyond() {
        for (name, range) in edges() {
            let [least, most] = [*range.start(), *range.end()];
            for value in [least, most] {
                parsed(name, value).check().unwrap();
            }
            for value in [least - 1, most + 1] {
                let told = parsed(name, value).check().unwrap_err().to_string();
                let expected =
                    format!("limits.{name}: {value} is out of range: give {least} to {most}");
                assert_eq!(told, expected);
            }
            assert!(toml::from_str::<ServerLimits>(&format!("{name} = -1")).is_err());
        }
        assert!(toml::from_str::<ServerLimits>("connection = 1").is_err());
    }

    #[test]
    fn heartbeats_that_are_rarer_than_what_counts_as_idle_are_refused() {
        let check = |idle: u64, heartbeat: u32| {
            let text = format!(
                "{}[timeouts]\nheartbeat_seconds = {heartbeat}\n[limits]\nidle_seconds = {idle}",
                crate::testing::SERVER
            );
            let config: crate::kit::ServerConfig = toml::from_str(&text).unwrap();
            config.check().map_err(|fault| fault.to_string())
        };
        assert_eq!(check(61, 30), Ok(()));
        let told = check(60, 30).unwrap_err();
        assert!(told.starts_with("limits.idle_seconds: 60 s are"), "{told}");
    }

    #[test]
    fn each_limit_reaches_the_host_or_the_machine() {
        let shown = |limits: &ServerLimits| {
            let mut settings = ServerConfig::new(Name::new("project").unwrap());
            limits.set_for_machine(&mut settings).unwrap();
            format!("{:?}{settings:?}", limits.for_host())
        };
        let defaults = shown(&ServerLimits::default());
        for (name, range) in edges() {
            let different = [range.start(), range.end()]
                .into_iter()
                .any(|value| shown(&parsed(name, value)) != defaults);
            assert!(different, "{name}");
        }
    }
}
