//! One table of settings for each configuration: what a text can set, by its name.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::field::Unfit;
use super::kind::{SettingKind, SettingValue, Unreadable};
use crate::error::{ConfigError, SettingError};

/// One setting of the configuration `C`: for hosts, programs and bindings that take settings by
/// their names.
pub struct Setting<C> {
    pub(super) name: &'static str,
    pub(super) kind: SettingKind,
    /// The comment of the field, line by line.
    pub(super) comment: &'static [&'static str],
    pub(super) defaults: fn() -> C,
    pub(super) get: fn(&C, SettingKind) -> SettingValue,
    pub(super) set: fn(&mut C, &SettingValue) -> Result<(), Unfit>,
}

/// Ends the first paragraph of a comment, before the default.
const DEFAULT: &str = " Default: ";

impl<C> Setting<C> {
    /// The name, which is that of the field.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it may be.
    #[must_use]
    pub const fn kind(&self) -> SettingKind {
        self.kind
    }

    /// The value that it has unless it is set.
    #[must_use]
    pub fn default(&self) -> SettingValue {
        (self.get)(&(self.defaults)(), self.kind)
    }

    /// What it is for. The documentation of the field may say more.
    #[must_use]
    pub fn doc(&self) -> String {
        let paragraph = self.paragraph();
        let end = paragraph.find(DEFAULT).unwrap_or(paragraph.len());
        paragraph.get(..end).unwrap_or_default().to_string()
    }

    /// The first paragraph of the comment.
    fn paragraph(&self) -> String {
        let lines = self.comment.iter().map(|line| line.trim());
        let lines: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        lines.join(" ")
    }

    /// Whether a number is within its bounds; other kinds cannot be wrong.
    pub(super) fn check(&self, config: &C) -> Result<(), ConfigError> {
        match self.kind {
            SettingKind::Bool
            | SettingKind::Word { .. }
            | SettingKind::Words { .. }
            | SettingKind::Name => Ok(()),
            SettingKind::Duration { .. }
            | SettingKind::Count { .. }
            | SettingKind::Bytes { .. } => match self.kind.admits(&(self.get)(config, self.kind)) {
                true => Ok(()),
                false => Err(ConfigError::OutOfBounds {
                    setting: self.name,
                    bounds: self.kind.bounds(),
                }),
            },
        }
    }

    fn set(&self, config: &mut C, text: &str) -> Result<(), SettingError> {
        let setting = self.name;
        let value = || text.to_string();
        let wrong_kind = || SettingError::WrongKind {
            setting,
            value: value(),
            expected: self.kind.expected(),
        };
        let out_of_bounds = || SettingError::OutOfBounds {
            setting,
            value: value(),
            bounds: self.kind.bounds(),
        };
        let read = self
            .kind
            .read(text)
            .map_err(|unreadable| match unreadable {
                Unreadable::WrongKind => wrong_kind(),
                Unreadable::OutOfBounds => out_of_bounds(),
            })?;
        (self.set)(config, &read).map_err(|unfit| match unfit {
            Unfit::Type => out_of_bounds(),
            Unfit::Name(source) => SettingError::Name {
                setting,
                value: value(),
                source,
            },
            Unfit::Suites(source) => SettingError::Suites {
                setting,
                value: value(),
                source,
            },
        })
    }
}

impl<C> fmt::Debug for Setting<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Setting");
        shown.field("name", &self.name).field("kind", &self.kind);
        shown.finish_non_exhaustive()
    }
}

pub(super) fn set<C>(
    settings: &[Setting<C>],
    config: &mut C,
    name: &str,
    text: &str,
) -> Result<(), SettingError> {
    find(settings, name)?.set(config, text)
}

pub(super) fn get<C>(
    settings: &[Setting<C>],
    config: &C,
    name: &str,
) -> Result<SettingValue, SettingError> {
    let setting = find(settings, name)?;
    Ok((setting.get)(config, setting.kind))
}

fn find<'a, C>(settings: &'a [Setting<C>], name: &str) -> Result<&'a Setting<C>, SettingError> {
    let found = settings.iter().find(|setting| setting.name == name);
    found.ok_or_else(|| SettingError::Unknown {
        name: name.to_string(),
        nearest: nearest(settings.iter().map(|setting| setting.name), name),
    })
}

/// The three names from which the fewest letters have to be changed.
fn nearest(names: impl Iterator<Item = &'static str>, name: &str) -> Vec<&'static str> {
    let mut names: Vec<_> = names.collect();
    names.sort_by_cached_key(|other| distance(other, name));
    names.truncate(3);
    names
}

/// The fewest letters to insert, remove or replace that make one text of the other.
fn distance(one: &str, other: &str) -> usize {
    // Entry `i` is the distance of what was read of `other` from the first `i` letters of `one`.
    let mut row: Vec<usize> = (0..=one.chars().count()).collect();
    for letter in other.chars() {
        let mut diagonal = 0;
        let mut left = None;
        for (place, entry) in row.iter_mut().enumerate() {
            let above = *entry;
            *entry = match (
                left,
                place.checked_sub(1).and_then(|it| one.chars().nth(it)),
            ) {
                (Some(left), Some(here)) => {
                    let replaced = diagonal + usize::from(here != letter);
                    replaced.min(above + 1).min(left + 1)
                }
                _ => above + 1,
            };
            diagonal = above;
            left = Some(*entry);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Defines a configuration: first the fields that no text sets, then its settings, each with its
/// kind and bounds. The first paragraph of a setting's comment is what tables say of it, and ends
/// with the default that `defaults` gives it.
macro_rules! settings {
    (
        $(#[$attribute:meta])*
        pub struct $config:ident {
            $($plain:tt)*
        } with settings {
            $($(#[doc = $line:literal])* pub $field:ident: $type:ty = $kind:ident($($bound:expr),*),)*
        } and defaults $defaults:expr
    ) => {
        $(#[$attribute])*
        pub struct $config {
            $($plain)*
            $($(#[doc = $line])* pub $field: $type,)*
        }

        impl $config {
            /// What [`set`](Self::set) can set.
            pub const SETTINGS: &'static [$crate::config::Setting<Self>] = &[
                $($crate::config::Setting {
                    name: stringify!($field),
                    kind: $crate::config::field::$kind($($bound),*).of::<$type>(),
                    comment: &[$($line),*],
                    defaults: || $defaults,
                    get: |config, kind| $crate::config::field::Field::show(&config.$field, kind),
                    set: |config, value| {
                        config.$field = $crate::config::field::Field::read(value)?;
                        Ok(())
                    },
                },)*
            ];

            /// Sets what has this name to what `text` says, as `set("retry_min", "2 s")`.
            ///
            /// # Errors
            /// When there is no such setting, or the text is none of its values; nothing has
            /// changed then. Bounds that depend on another setting are checked when a machine is
            /// made.
            pub fn set(&mut self, name: &str, text: &str) -> Result<(), $crate::error::SettingError> {
                $crate::config::setting::set(Self::SETTINGS, self, name, text)
            }

            /// The value of what has this name.
            ///
            /// # Errors
            /// When there is no such setting.
            pub fn get(
                &self,
                name: &str,
            ) -> Result<$crate::config::SettingValue, $crate::error::SettingError> {
                $crate::config::setting::get(Self::SETTINGS, self, name)
            }

            /// Whether each number is within its bounds.
            fn check_bounds(&self) -> Result<(), $crate::error::ConfigError> {
                Self::SETTINGS.iter().try_for_each(|setting| setting.check(self))
            }
        }
    };
}
pub(super) use settings;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClientConfig, ServerConfig};

    /// Compares what each comment says of its default with the default.
    fn compare<C>(settings: &[Setting<C>]) {
        for setting in settings {
            let paragraph = setting.paragraph();
            let told = paragraph.split_once(DEFAULT).map(|(_, default)| default);
            let default = match setting.default().to_string() {
                nobody if nobody.is_empty() => "none".to_string(),
                default => default,
            };
            assert_eq!(
                told,
                Some(&*alloc::format!("{default}.")),
                "{}",
                setting.name
            );
            assert!(setting.doc().ends_with('.'), "{}", setting.name);
        }
    }

    #[test]
    fn each_comment_tells_the_default() {
        compare(ClientConfig::SETTINGS);
        compare(ServerConfig::SETTINGS);
        #[cfg(feature = "nvflare")]
        compare(crate::nvflare::Settings::SETTINGS);
    }

    #[test]
    fn the_distance_counts_the_letters_to_change() {
        for (one, other, far) in [
            ("", "", 0),
            ("retry", "", 5),
            ("", "retry", 5),
            ("retry_min", "retry_max", 2),
            ("retry", "rtry", 1),
            ("retry", "rettry", 1),
            ("mode", "node", 1),
            ("saturday", "sunday", 3),
        ] {
            assert_eq!(distance(one, other), far, "{one} {other}");
        }
    }
}
