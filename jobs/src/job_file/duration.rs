//! Durations as people write them.

/// The longest duration, in milliseconds: 365 days.
const MAX: u64 = 365 * 86_400_000;

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Reads a duration, in milliseconds.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let length = UNITS.iter().find(|(name, _)| *name == unit.trim());
    let (Ok(number), Some((_, length))) = (number.parse::<u64>(), length) else {
        return Err(format!(
            "{text:?} is no duration: write \"90s\", \"15m\", \"2h\""
        ));
    };
    match number.checked_mul(*length) {
        Some(duration) if duration <= MAX => Ok(duration),
        _ => Err(format!("{text:?} is more than 365 days")),
    }
}

/// Writes a duration in the largest unit that fits.
pub(super) fn write(duration: u64) -> String {
    let fits = |(_, length): &&(&str, u64)| duration.is_multiple_of(*length);
    let (unit, length) = UNITS.iter().rev().find(fits).unwrap_or(&UNITS[0]);
    format!("{}{unit}", duration / length)
}
