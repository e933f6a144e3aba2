//! What a setting may be, and how that is written.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

/// The shortest wait: machines count in microseconds.
pub(super) const TICK: Duration = Duration::from_micros(1);

/// What a setting may be. Bounds are inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingKind {
    /// A length of time, as `15 s`.
    Duration {
        /// The shortest.
        least: Duration,
    },
    /// A number of things.
    Count {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// A number of bytes, as `64 MiB`.
    Bytes {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// `true` or `false`.
    Bool,
    /// One word of these.
    Word {
        /// The words.
        words: &'static [&'static str],
    },
    /// A set of words of these, as `bearer, sealed`.
    Words {
        /// The words.
        words: &'static [&'static str],
    },
    /// The [`Name`](crate::identity::Name) of somebody; empty if nobody is named.
    Name,
}

/// The value of a setting, whose `Display` is the text that `set` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingValue {
    /// Of a [`SettingKind::Duration`].
    Duration(Duration),
    /// Of a [`SettingKind::Count`].
    Count(u64),
    /// Of a [`SettingKind::Bytes`].
    Bytes(u64),
    /// Of a [`SettingKind::Bool`].
    Bool(bool),
    /// Of a [`SettingKind::Word`], [`SettingKind::Words`] or [`SettingKind::Name`].
    Text(String),
}

/// Why a text is not a value of a kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is something else.
    WrongKind,
    /// It is a number that is too small or too large.
    OutOfBounds,
}

/// The number of nanoseconds in each unit of time, the smallest unit first; the micro sign has
/// two code points, and keyboards have neither.
const TIMES: &[(&str, u128)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("\u{3bc}s", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// The number of bytes in each unit, the smallest unit first.
const SIZES: &[(&str, u128)] = &[
    ("B", 1),
    ("", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl SettingKind {
    /// What a text of this kind says.
    pub(super) fn read(self, text: &str) -> Result<SettingValue, Unreadable> {
        let text = text.trim();
        let value = match self {
            Self::Duration { .. } => {
                const SECOND: u128 = 1_000_000_000;
                let nanos = number(text, TIMES)?;
                let seconds = u64::try_from(nanos / SECOND);
                let seconds = seconds.map_err(|_| Unreadable::OutOfBounds)?;
                SettingValue::Duration(Duration::new(seconds, (nanos % SECOND) as u32))
            }
            Self::Count { .. } => SettingValue::Count(small(number(text, &[("", 1)])?)?),
            Self::Bytes { .. } => SettingValue::Bytes(small(number(text, SIZES)?)?),
            Self::Bool => SettingValue::Bool(text.parse().map_err(|_| Unreadable::WrongKind)?),
            Self::Word { words } if !words.contains(&text) => return Err(Unreadable::WrongKind),
            Self::Words { words } if !listed(text).all(|word| words.contains(&word)) => {
                return Err(Unreadable::WrongKind);
            }
            Self::Word { .. } | Self::Words { .. } | Self::Name => {
                SettingValue::Text(text.to_owned())
            }
        };
        match self.admits(&value) {
            true => Ok(value),
            false => Err(Unreadable::OutOfBounds),
        }
    }

    /// Whether a value of this kind is within the bounds.
    pub(super) fn admits(self, value: &SettingValue) -> bool {
        match (self, value) {
            (Self::Duration { least }, SettingValue::Duration(time)) => *time >= least,
            (Self::Count { least, most }, SettingValue::Count(number))
            | (Self::Bytes { least, most }, SettingValue::Bytes(number)) => {
                (least..=most).contains(number)
            }
            (Self::Bool | Self::Word { .. } | Self::Words { .. } | Self::Name, _) => true,
            (Self::Duration { .. } | Self::Count { .. } | Self::Bytes { .. }, _) => false,
        }
    }

    /// The bounds in words, as `at least 1 s`; empty if this kind has none.
    #[must_use]
    pub fn bounds(&self) -> String {
        let (least, most) = match *self {
            Self::Duration { least } => {
                return format!("at least {}", SettingValue::Duration(least));
            }
            Self::Count { least, most } => (SettingValue::Count(least), SettingValue::Count(most)),
            Self::Bytes { least, most } => (SettingValue::Bytes(least), SettingValue::Bytes(most)),
            Self::Bool | Self::Word { .. } | Self::Words { .. } | Self::Name => {
                return String::new();
            }
        };
        let no_most = [SettingValue::Count(u64::MAX), SettingValue::Bytes(u64::MAX)];
        match no_most.contains(&most) {
            true => format!("at least {least}"),
            false => format!("{least} to {most}"),
        }
    }

    /// What to write, as `a whole number`.
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::Duration { .. } => {
                "a whole number and its unit (ns, us, ms, s, min, h or d), as `15 s`".to_owned()
            }
            Self::Count { .. } => "a whole number".to_owned(),
            Self::Bytes { .. } => {
                "a whole number of bytes, or of KiB, MiB, GiB or TiB, as `64 MiB`".to_owned()
            }
            Self::Bool => "`true` or `false`".to_owned(),
            Self::Word { words } => format!("one of `{}`", words.join("`, `")),
            Self::Words { words } => {
                format!(
                    "one or more of `{}`, with commas between them",
                    words.join("`, `")
                )
            }
            Self::Name => "a name".to_owned(),
        }
    }
}

/// The words of a list.
pub(super) fn listed(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split([',', ' ']);
    words.filter(|word| !word.is_empty())
}

/// A whole number and one of these units.
fn number(text: &str, units: &[(&str, u128)]) -> Result<u128, Unreadable> {
    let end = text.find(|it: char| !it.is_ascii_digit());
    let (digits, unit) = text.split_at(end.unwrap_or(text.len()));
    let unit = unit.trim_start();
    let unit = units.iter().find(|(name, _)| *name == unit);
    let Some((_, factor)) = unit.filter(|_| !digits.is_empty()) else {
        return Err(Unreadable::WrongKind);
    };
    // It has digits only, so nothing but its size can be wrong.
    let number: Option<u128> = digits.parse().ok();
    let product = number.and_then(|number| number.checked_mul(*factor));
    product.ok_or(Unreadable::OutOfBounds)
}

fn small(number: u128) -> Result<u64, Unreadable> {
    u64::try_from(number).map_err(|_| Unreadable::OutOfBounds)
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration(Duration::ZERO) => f.write_str("0 s"),
            Self::Duration(time) => measured(f, time.as_nanos(), TIMES),
            Self::Bytes(0) => f.write_str("0"),
            Self::Bytes(bytes) => measured(f, (*bytes).into(), SIZES),
            Self::Count(number) => write!(f, "{number}"),
            Self::Bool(yes) => write!(f, "{yes}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Writes a number in the largest unit of which it is a multiple.
fn measured(f: &mut fmt::Formatter<'_>, number: u128, units: &[(&str, u128)]) -> fmt::Result {
    let mut largest_first = units.iter().rev();
    match largest_first.find(|(_, factor)| number.is_multiple_of(*factor)) {
        Some(("", _)) | None => write!(f, "{number}"),
        Some((unit, factor)) => write!(f, "{} {unit}", number / factor),
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    const TIME: SettingKind = SettingKind::Duration {
        least: Duration::ZERO,
    };
    const SIZE: SettingKind = SettingKind::Bytes {
        least: 0,
        most: u64::MAX,
    };

    #[test]
    fn a_time_is_read_in_every_unit_and_written_in_the_largest() {
        for (text, written) in [
            ("0 s", "0 s"),
            ("1ns", "1 ns"),
            ("1500 us", "1500 µs"),
            ("1500 µs", "1500 µs"),
            ("1500 \u{3bc}s", "1500 µs"),
            (" 1000 ms ", "1 s"),
            ("90 s", "90 s"),
            ("120 s", "2 min"),
            ("48h", "2 d"),
            ("18446744073709551615 s", "18446744073709551615 s"),
        ] {
            assert_eq!(TIME.read(text).unwrap().to_string(), written, "{text}");
            let again = TIME.read(written).unwrap();
            assert_eq!(again, TIME.read(text).unwrap());
        }
        let wrong = [
            "", "15", "s", "-1 s", "+1 s", "1.5 s", "1 S", "1 s s", "1 week", "1e3 s",
        ];
        for text in wrong {
            assert_eq!(TIME.read(text), Err(Unreadable::WrongKind), "{text}");
        }
        for text in [
            "18446744073709551616 s",
            "1000000000000000000000000000000000000000000 ns",
        ] {
            assert_eq!(TIME.read(text), Err(Unreadable::OutOfBounds), "{text}");
        }
    }

    #[test]
    fn a_size_is_read_in_every_unit_and_written_in_the_largest() {
        for (text, written) in [
            ("0", "0"),
            ("1500", "1500"),
            ("1500 B", "1500"),
            ("2048", "2 KiB"),
            ("1024KiB", "1 MiB"),
            ("2046 MiB", "2046 MiB"),
            ("4096 GiB", "4 TiB"),
        ] {
            assert_eq!(SIZE.read(text).unwrap().to_string(), written, "{text}");
        }
        for text in ["", "MiB", "1 MB", "1 mib", "1_000", "1,000", "-1", "0x10"] {
            assert_eq!(SIZE.read(text), Err(Unreadable::WrongKind), "{text}");
        }
        assert_eq!(SIZE.read("16777216 TiB"), Err(Unreadable::OutOfBounds));
    }

    #[test]
    fn bounds_are_inclusive() {
        let count = SettingKind::Count { least: 2, most: 4 };
        for (number, admitted) in [(1, false), (2, true), (4, true), (5, false)] {
            assert_eq!(count.read(&number.to_string()).is_ok(), admitted);
        }
        assert_eq!(count.bounds(), "2 to 4");
        assert_eq!(SIZE.bounds(), "at least 0");
        let time = SettingKind::Duration {
            least: Duration::from_millis(2),
        };
        assert!(time.read("2 ms").is_ok());
        assert_eq!(time.read("1999 us"), Err(Unreadable::OutOfBounds));
        assert_eq!(time.bounds(), "at least 2 ms");
    }

    #[test]
    fn words_are_those_of_the_kind() {
        let words = &["plain", "sealed"];
        let one = SettingKind::Word { words };
        assert!(one.read("sealed").is_ok());
        assert!(one.read("Sealed").is_err() && one.read("").is_err());
        let some = SettingKind::Words { words };
        assert!(some.read("sealed, plain").is_ok() && some.read("sealed plain").is_ok());
        assert!(some.read("sealed, open").is_err());
    }
}
