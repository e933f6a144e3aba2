//! Durations as people write them.

use std::time::Duration;

/// What they look like, for who has written something else.
pub(super) const EXPECTED: &str =
    "must be a duration, as in \"500ms\", \"10s\", \"5m\", \"1h\" or \"2d\"";

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// A whole number and its unit.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, millis) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let number: u64 = number.parse().ok()?;
    number.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        for (text, seconds) in [
            ("10s", 10),
            ("5m", 300),
            ("1h", 3_600),
            ("2d", 172_800),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("500ms"), Some(Duration::from_millis(500)));
    }

    #[test]
    fn anything_else_is_none() {
        for text in [
            "",
            "s",
            "10",
            "-1s",
            "1.5s",
            "10 s",
            "10S",
            "1w",
            "99999999999999999999s",
            "18446744073709551615d",
            "ä",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
