//! Types that a setting may have.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::kind::{SettingKind, SettingValue, listed};
use crate::error::ConfigError;
use crate::identity::{Name, NameError};
use crate::suite::{Suite, Suites};

/// A type that a setting may have.
pub(super) trait Field: Sized {
    /// The largest number, for a type of numbers.
    const MOST: u64 = u64::MAX;
    /// The words, for a type of words.
    const WORDS: &'static [&'static str] = &[];

    /// The value, as one of this kind.
    fn show(&self, kind: SettingKind) -> SettingValue;

    /// What a value of the setting's kind and within its bounds stands for.
    fn read(value: &SettingValue) -> Result<Self, Unfit>;
}

/// Why a value of the right kind cannot be taken.
pub(super) enum Unfit {
    /// The type has no place for it.
    Type,
    Name(NameError),
    Suites(ConfigError),
}

/// A time of at least this.
pub(super) const fn duration(least: Duration) -> SettingKind {
    SettingKind::Duration { least }
}

/// A count of at least this.
pub(super) const fn count(least: u64) -> SettingKind {
    let most = u64::MAX;
    SettingKind::Count { least, most }
}

/// Bytes within these bounds.
pub(super) const fn bytes(least: u64, most: u64) -> SettingKind {
    SettingKind::Bytes { least, most }
}

pub(super) const fn bool() -> SettingKind {
    SettingKind::Bool
}

/// A word of the field's type.
pub(super) const fn word() -> SettingKind {
    SettingKind::Word { words: &[] }
}

/// Words of the field's type.
pub(super) const fn words() -> SettingKind {
    SettingKind::Words { words: &[] }
}

pub(super) const fn name() -> SettingKind {
    SettingKind::Name
}

impl SettingKind {
    /// This kind for a field of type `T`: with its words, and no number that it cannot hold.
    pub(super) const fn of<T: Field>(self) -> Self {
        const fn smaller(one: u64, other: u64) -> u64 {
            if one < other { one } else { other }
        }
        match self {
            Self::Count { least, most } => Self::Count {
                least,
                most: smaller(most, T::MOST),
            },
            Self::Bytes { least, most } => Self::Bytes {
                least,
                most: smaller(most, T::MOST),
            },
            Self::Word { .. } => Self::Word { words: T::WORDS },
            Self::Words { .. } => Self::Words { words: T::WORDS },
            Self::Duration { .. } | Self::Bool | Self::Name => self,
        }
    }
}

impl Field for Duration {
    fn show(&self, _: SettingKind) -> SettingValue {
        SettingValue::Duration(*self)
    }

    fn read(value: &SettingValue) -> Result<Self, Unfit> {
        match value {
            SettingValue::Duration(time) => Ok(*time),
            _ => Err(Unfit::Type),
        }
    }
}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Field for $type {
            const MOST: u64 = Self::MAX as u64;

            fn show(&self, kind: SettingKind) -> SettingValue {
                match kind {
                    SettingKind::Bytes { .. } => SettingValue::Bytes(*self as u64),
                    _ => SettingValue::Count(*self as u64),
                }
            }

            fn read(value: &SettingValue) -> Result<Self, Unfit> {
                match value {
                    SettingValue::Count(number) | SettingValue::Bytes(number) => {
                        Self::try_from(*number).map_err(|_| Unfit::Type)
                    }
                    _ => Err(Unfit::Type),
                }
            }
        }
    )*};
}

numbers!(u16 u32 u64 usize);

impl Field for bool {
    fn show(&self, _: SettingKind) -> SettingValue {
        SettingValue::Bool(*self)
    }

    fn read(value: &SettingValue) -> Result<Self, Unfit> {
        match value {
            SettingValue::Bool(yes) => Ok(*yes),
            _ => Err(Unfit::Type),
        }
    }
}

/// Makes fields of enumerations of words, which have a `name()` each.
macro_rules! named {
    ($($type:ident { $($word:ident)* })*) => {$(
        impl $crate::config::field::Field for $type {
            const WORDS: &'static [&'static str] = &[$(Self::$word.name()),*];

            fn show(
                &self,
                _: $crate::config::kind::SettingKind,
            ) -> $crate::config::kind::SettingValue {
                $crate::config::kind::SettingValue::Text(self.name().into())
            }

            fn read(
                value: &$crate::config::kind::SettingValue,
            ) -> Result<Self, $crate::config::field::Unfit> {
                let word = $crate::config::field::text(value)?;
                let mut all = [$(Self::$word),*].into_iter();
                let found = all.find(|it| it.name() == word);
                found.ok_or($crate::config::field::Unfit::Type)
            }
        }
    )*};
}
pub(super) use named;

named! { Suite { Plain Bearer Sealed } }

impl Field for Suites {
    const WORDS: &'static [&'static str] = Suite::WORDS;

    fn show(&self, _: SettingKind) -> SettingValue {
        let names: Vec<_> = self.as_slice().iter().map(Suite::name).collect();
        SettingValue::Text(names.join(", "))
    }

    fn read(value: &SettingValue) -> Result<Self, Unfit> {
        let suites = listed(text(value)?).map(|word| Suite::read(&SettingValue::Text(word.into())));
        let suites = suites.collect::<Result<Vec<_>, _>>()?;
        Self::new(suites).map_err(Unfit::Suites)
    }
}

impl Field for Option<Name> {
    fn show(&self, _: SettingKind) -> SettingValue {
        SettingValue::Text(self.as_ref().map_or_else(String::new, Name::to_string))
    }

    fn read(value: &SettingValue) -> Result<Self, Unfit> {
        match text(value)? {
            "" => Ok(None),
            name => Name::new(name).map(Some).map_err(Unfit::Name),
        }
    }
}

pub(super) fn text(value: &SettingValue) -> Result<&str, Unfit> {
    match value {
        SettingValue::Text(text) => Ok(text),
        _ => Err(Unfit::Type),
    }
}
