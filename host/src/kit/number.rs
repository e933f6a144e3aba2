//! Fields of `fedlink.toml` that hold a number within bounds.

use std::fmt::Write;
use std::ops::RangeInclusive;

use fedlink::{Setting, SettingKind, SettingValue};

use super::error::Fault;

/// A field with what it holds. Times are in seconds.
pub(super) struct Field {
    /// Its table and its name, with a dot between them.
    pub(super) path: &'static str,
    pub(super) value: Option<u64>,
    pub(super) range: RangeInclusive<u64>,
    pub(super) default: u64,
    /// What it means.
    pub(super) doc: String,
}

impl Field {
    /// A field that is a setting of a machine, whose meaning and default are the setting's. The
    /// bounds are narrower: what is possible and never meant is more likely a slip.
    pub(super) fn of_machine<C>(
        path: &'static str,
        value: Option<u64>,
        range: RangeInclusive<u64>,
        setting: &Setting<C>,
    ) -> Self {
        let default = match setting.default() {
            SettingValue::Duration(time) => time.as_secs(),
            SettingValue::Count(number) | SettingValue::Bytes(number) => number,
            _ => 0,
        };
        Self {
            path,
            value,
            range,
            default,
            doc: setting.doc(),
        }
    }

    /// Finds what is out of bounds.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let [least, most] = [self.range.start(), self.range.end()];
        match self.value {
            Some(value) if !self.range.contains(&value) => Err(Fault::new(
                self.path,
                format!("{value} is out of range: give {least} to {most}"),
            )),
            Some(_) | None => Ok(()),
        }
    }
}

/// The lines of a table as it is by default, each field behind what it means.
pub(super) fn describe(table: &str, fields: &[Field]) -> String {
    let mut text = format!("[{table}]\n");
    for field in fields {
        remark(&mut text, &field.doc);
        let [least, most] = [field.range.start(), field.range.end()];
        let name = field.path.rsplit('.').next().unwrap_or(field.path);
        let default = field.default;
        let _ = writeln!(text, "# From {least} to {most}.\n{name} = {default}");
    }
    text
}

/// Writes `doc` as remarks, in lines that any screen shows whole.
fn remark(text: &mut String, doc: &str) {
    const WIDTH: usize = 90;
    let mut line = "#".to_owned();
    for word in doc.split_whitespace() {
        if line.len() > 1 && line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(text, "{line}");
            line.truncate(1);
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}

/// The text that sets a setting to a number of a kit. What a small machine cannot count has no
/// limit there.
pub(super) fn text<C>(setting: Option<&Setting<C>>, value: u64) -> String {
    match setting.map(Setting::kind) {
        Some(SettingKind::Duration { .. }) => format!("{value} s"),
        Some(SettingKind::Count { most, .. } | SettingKind::Bytes { most, .. }) => {
            value.min(most).to_string()
        }
        _ => value.to_string(),
    }
}

/// The setting of this name.
pub(super) fn setting<C>(
    settings: &'static [Setting<C>],
    name: &str,
) -> Option<&'static Setting<C>> {
    settings.iter().find(|setting| setting.name() == name)
}

/// Defines a table of numbers: first the fields that are the host's, with their bounds and their
/// defaults, then those that are settings of the machine, with the setting and the bounds.
macro_rules! numbers {
    (
        $(#[$attribute:meta])*
        pub struct $table:ident: $type:ident in $path:literal {
            $($(#[doc = $doc:literal])* $own:ident: $own_range:expr, $default:expr;)*
        } and of $config:ty {
            $($field:ident = $setting:literal: $range:expr;)*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $table {
            $($(#[doc = $doc])* pub $own: Option<$type>,)*
            $(
                #[doc = concat!("The machine's setting `", $setting, "`.")]
                pub $field: Option<$type>,
            )*
        }

        impl $table {
            fn fields(&self) -> Vec<$crate::kit::number::Field> {
                use $crate::kit::number::{Field, setting};

                let own = [$(Field {
                    path: concat!($path, ".", stringify!($own)),
                    value: self.$own.map(u64::from),
                    range: $own_range,
                    default: $default,
                    doc: concat!($($doc),*).to_owned(),
                }),*];
                let of_machine = [$(setting(<$config>::SETTINGS, $setting).map(|setting| {
                    let path = concat!($path, ".", stringify!($field));
                    Field::of_machine(path, self.$field.map(u64::from), $range, setting)
                }),)*];
                own.into_iter().chain(of_machine.into_iter().flatten()).collect()
            }

            /// Finds what is out of bounds.
            pub(super) fn check(&self) -> Result<(), $crate::kit::error::Fault> {
                self.fields().iter().try_for_each(|field| field.check())
            }

            #[doc = concat!(
                "The lines of `[", $path, "]` as they are by default, each behind what it means.",
            )]
            #[must_use]
            pub fn describe() -> String {
                $crate::kit::number::describe($path, &Self::default().fields())
            }

            /// Puts what is given for the machine into its settings.
            ///
            /// # Errors
            /// When the machine cannot take one.
            pub fn set_for_machine(
                &self,
                config: &mut $config,
            ) -> Result<(), fedlink::error::SettingError> {
                use $crate::kit::number::{setting, text};

                $(if let Some(value) = self.$field {
                    let setting = setting(<$config>::SETTINGS, $setting);
                    config.set($setting, &text(setting, value.into()))?;
                })*
                Ok(())
            }
        }
    };
}
pub(super) use numbers;

#[cfg(test)]
mod tests {
    use fedlink::identity::Name;
    use fedlink::{ClientConfig, ServerConfig};

    use super::*;
    use crate::kit::{ServerLimits, ServerTimeouts, SiteTimeouts};

    fn project() -> Name {
        Name::new("project").unwrap()
    }

    #[test]
    fn each_time_reaches_the_machine_at_both_of_its_bounds() {
        for (name, value) in [
            ("connect", 1),
            ("maintenance", 2),
            ("task", 3),
            ("retry_min", 4),
        ] {
            for value in [value, crate::kit::MAX_SECONDS] {
                let text = format!("{name}_seconds = {value}");
                let times: SiteTimeouts = toml::from_str(&text).unwrap();
                let mut config = ClientConfig::new(project());
                times.set_for_machine(&mut config).unwrap();
                let setting = match name {
                    "retry_min" => name.to_owned(),
                    name => format!("{name}_timeout"),
                };
                let time = std::time::Duration::from_secs(value.into());
                let set = config.get(&setting).unwrap();
                assert_eq!(set, SettingValue::Duration(time), "{name}");
            }
        }
        for (name, setting) in [
            ("heartbeat_seconds", "heartbeat_interval"),
            ("dead_after_seconds", "dead_after"),
            ("session_seconds", "session_lifetime"),
        ] {
            for value in [1, crate::kit::MAX_SECONDS] {
                let times: ServerTimeouts = toml::from_str(&format!("{name} = {value}")).unwrap();
                let mut config = ServerConfig::new(project());
                times.set_for_machine(&mut config).unwrap();
                let time = std::time::Duration::from_secs(value.into());
                assert_eq!(
                    config.get(setting),
                    Ok(SettingValue::Duration(time)),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn what_is_described_is_the_default_and_can_be_read() {
        let times: toml::Table = toml::from_str(&SiteTimeouts::describe()).unwrap();
        let times: SiteTimeouts = times["timeouts"].clone().try_into().unwrap();
        let mut config = ClientConfig::new(project());
        times.set_for_machine(&mut config).unwrap();
        let default = ClientConfig::new(project());
        assert_eq!(format!("{config:?}"), format!("{default:?}"));
        let times: toml::Table = toml::from_str(&ServerTimeouts::describe()).unwrap();
        assert_eq!(times["timeouts"].as_table().unwrap().len(), 3);
        for line in [ServerLimits::describe(), SiteTimeouts::describe()]
            .join("")
            .lines()
        {
            assert!(line.len() <= 90, "{line}");
        }
    }

    #[test]
    fn what_a_small_machine_cannot_count_has_no_limit_there() {
        let of = |name| setting(ServerConfig::SETTINGS, name);
        assert_eq!(text(of("register_attempts"), 1 << 40), u16::MAX.to_string());
        assert_eq!(text(of("max_payload"), 1 << 40), (1_u64 << 40).to_string());
        assert_eq!(text(of("heartbeat_interval"), 7), "7 s");
        let mut config = ServerConfig::new(project());
        assert!(
            config
                .set("no_setting", &text(of("no_setting"), 7))
                .is_err()
        );
    }
}
