//! Numbers as programs write them: `3`, `3.0` and `3e0` are the same, and one that f64 cannot hold
//! spoils itself, not the line that it is in.

use serde_json::value::RawValue;

/// A finite number. None: it is too large, or no number.
pub(crate) fn finite(said: &RawValue) -> Option<f64> {
    number(said).filter(|number| number.is_finite())
}

/// A number; infinite if it is too large.
pub(crate) fn number(said: &RawValue) -> Option<f64> {
    // Only numbers of JSON, not what else Rust would read, begin so.
    let begins = |byte: u8| byte == b'-' || byte.is_ascii_digit();
    let text = said.get();
    text.bytes().next().filter(|first| begins(*first))?;
    text.parse().ok()
}

/// A whole number, however it is written.
pub(crate) fn whole(said: &RawValue) -> Option<i64> {
    /// The first that is too large, 2⁶³.
    const END: f64 = 9_223_372_036_854_775_808.0;
    if let Ok(number) = said.get().parse() {
        return Some(number);
    }
    let number = finite(said)?;
    let is_whole = number.fract() == 0.0 && (-END..END).contains(&number);
    is_whole.then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        let read = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        for text in ["100000", "1e5", "1E+05", "100000.0"] {
            assert_eq!(whole(&read(text)), Some(100_000), "{text}");
            assert_eq!(finite(&read(text)), Some(100_000.0), "{text}");
        }
        assert_eq!(whole(&read("9223372036854775807")), Some(i64::MAX));
        for text in ["1.5", "1e19", "1e400", "\"1\"", "null", "[1]"] {
            assert_eq!(whole(&read(text)), None, "{text}");
        }
        assert_eq!(finite(&read("1e400")), None);
        assert_eq!(number(&read("-1e400")), Some(f64::NEG_INFINITY));
        assert_eq!(number(&read("\"inf\"")), None);
    }
}
