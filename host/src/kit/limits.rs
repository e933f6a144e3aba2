//! The table `[limits]` of a coordinator's `fedlink.toml`: limits that its operator may set.

use std::fmt::Write;
use std::ops::RangeInclusive;
use std::time::Duration;

use fedlink::ServerConfig;
use fedlink::frame::{MAX_MESSAGE, MAX_STRANGER};
use serde::{Deserialize, Serialize};

use super::error::Fault;
use crate::limits::Limits;

/// The longest waiting time: a week. A longer one is more likely a slip of the unit.
pub const MAX_SECONDS: u32 = 7 * 24 * 60 * 60;

/// Defines [`ServerLimits`], and what is told of each field.
macro_rules! limits {
    ($($(#[doc = $doc:literal])* $name:ident: $range:expr, $default:expr;)*) => {
        /// What a coordinator allows. Each field that is left out has its default, and each
        /// has bounds: see [`describe`](Self::describe).
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct ServerLimits {
            $($(#[doc = $doc])* pub $name: Option<u64>,)*
        }

        impl ServerLimits {
            fn fields(&self) -> Vec<Field> {
                vec![$(Field {
                    path: concat!("limits.", stringify!($name)),
                    value: self.$name,
                    meaning: &[$($doc),*],
                    range: $range,
                    default: $default,
                }),*]
            }
        }
    };
}

struct Field {
    /// `limits.` and its name.
    path: &'static str,
    value: Option<u64>,
    meaning: &'static [&'static str],
    range: RangeInclusive<u64>,
    default: u64,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// More than one machine has of connections or clients.
const MANY: u64 = 10_000_000;

limits! {
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
    /// Handshakes a second that are begun with strangers, all together. Four fifths of what
    /// one core can do is a good value; who comes beyond is told when to come again.
    challenge_budget: 1..=1_000_000, 1000;
    /// Messages a second that are taken from one connection that has not registered.
    peer_budget: 2..=1_000_000, 8;
    /// Registrations that are worked on for one handshake.
    register_attempts: 1..=100, 2;
    /// Sites that may be registered at once; 8 KiB of memory each.
    max_clients: 1..=MANY, 1_000_000;
    /// Bytes of the largest result.
    max_payload_bytes: MIB..=1 << 40, 4 * GIB;
    /// Bytes of all unfinished uploads together; each takes up to twice its size in memory.
    max_upload_bytes: MIB..=1 << 44, 8 * GIB;
    /// Bytes of answers and news that may wait before requests are told to come later.
    max_waiting_bytes: 16 * MIB..=1 << 40, GIB;
}

impl ServerLimits {
    /// Finds what is out of bounds.
    pub(super) fn check(&self) -> Result<(), Fault> {
        for field in self.fields() {
            if let Some(value) = field.value.filter(|value| !field.range.contains(value)) {
                let [least, most] = [field.range.start(), field.range.end()];
                return Err(Fault::new(
                    field.path,
                    format!("{value} is out of range: give {least} to {most}"),
                ));
            }
        }
        Ok(())
    }

    /// The lines of `[limits]` as they are by default, each behind what it means.
    #[must_use]
    pub fn describe() -> String {
        let mut text = "[limits]\n".to_owned();
        for field in Self::default().fields() {
            for line in field.meaning {
                let _ = writeln!(text, "#{line}");
            }
            let [least, most] = [field.range.start(), field.range.end()];
            let name = field.path.trim_start_matches("limits.");
            let default = field.default;
            let _ = writeln!(text, "# From {least} to {most}.\n{name} = {default}");
        }
        text
    }

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

    /// Puts those that the machine keeps into its settings.
    pub fn set_for_machine(&self, settings: &mut ServerConfig) {
        set(&mut settings.challenge_budget, self.challenge_budget);
        set(&mut settings.peer_budget, self.peer_budget);
        set(&mut settings.register_attempts, self.register_attempts);
        set(&mut settings.max_clients, self.max_clients);
        set(&mut settings.max_payload, self.max_payload_bytes);
        set(&mut settings.max_upload_bytes, self.max_upload_bytes);
        set(&mut settings.max_waiting_bytes, self.max_waiting_bytes);
    }
}

/// Sets a limit that is given. What a small machine cannot count has no limit there.
fn set<T: TryFrom<u64> + Bounded>(limit: &mut T, value: Option<u64>) {
    if let Some(value) = value {
        *limit = T::try_from(value).unwrap_or(T::MOST);
    }
}

/// A type of limits.
trait Bounded {
    /// Stands for no limit.
    const MOST: Self;
}

macro_rules! bounded {
    ($($type:ty)*) => {$(
        impl Bounded for $type {
            const MOST: Self = Self::MAX;
        }
    )*};
}

bounded!(u16 u32 u64 usize);

#[cfg(test)]
mod tests {
    use fedlink::identity::Name;

    use super::*;
    use crate::kit::Config;

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
        described.set_for_machine(&mut settings);
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
            limits.set_for_machine(&mut settings);
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
