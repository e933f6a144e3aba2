//! The header of a .npy file: a dictionary as Python writes it.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;

/// The longest header that is read, in bytes; numpy itself stops at 10,000.
const MAX_BYTES: usize = 10_000;
/// Most dimensions; numpy has 64.
const MAX_DIMENSIONS: usize = 64;
/// Types within types; numpy itself stops at 32.
const MAX_DEPTH: usize = 32;

/// What a header says.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    /// The type as it is written: a name without its quotes, or a list.
    pub(super) descr: String,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
    /// Whether some of it are Python objects.
    pub(super) has_objects: bool,
}

/// What Python writes in headers.
enum Value<'a> {
    /// Without its quotes.
    Text(&'a str),
    Number(usize),
    Truth(bool),
    /// In brackets or parentheses.
    Several(Vec<Value<'a>>),
}

impl Header {
    /// Reads the header of a file of this version, with its entries in any order and any
    /// spacing.
    pub(super) fn read(version: u8, bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_BYTES {
            return None;
        }
        let text = decode(version, bytes)?;
        let mut rest = &*text;
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        take(&mut rest, "{")?;
        while take(&mut rest, "}").is_none() {
            let Value::Text(key) = value(&mut rest, 0)? else {
                return None;
            };
            take(&mut rest, ":")?;
            let start = rest.trim_start();
            let read = value(&mut rest, 0)?;
            let written = start.get(..start.len().checked_sub(rest.len())?)?;
            match (key, read) {
                ("descr", read) => descr = Some(read.descr(written)?),
                ("fortran_order", Value::Truth(truth)) => fortran_order = Some(truth),
                ("shape", Value::Several(lengths)) => shape = Some(numbers(&lengths)?),
                _ => return None,
            }
            if take(&mut rest, ",").is_none() && !rest.trim_start().starts_with('}') {
                return None;
            }
        }
        let (descr, has_objects) = descr?;
        Some(Self {
            descr,
            fortran_order: fortran_order?,
            shape: shape?,
            has_objects,
        })
        .filter(|_| rest.trim_ascii().is_empty())
    }
}

impl Value<'_> {
    /// The type that this is, as it is `written`, and whether it holds Python objects.
    fn descr(&self, written: &str) -> Option<(String, bool)> {
        let text = match self {
            Self::Text(name) if !name.contains(['\'', '"', '\\']) => name,
            Self::Several(_) if written.starts_with('[') => written,
            _ => return None,
        };
        Some((text.to_owned(), self.has_objects()?))
    }

    /// Whether the type that this is holds Python objects; None if it is no type.
    fn has_objects(&self) -> Option<bool> {
        match self {
            Self::Text(name) => Some(
                name.trim_start_matches(['<', '>', '|', '='])
                    .starts_with('O'),
            ),
            Self::Several(fields) => fields.iter().try_fold(false, |found, field| match field {
                // A name, or a title and a name; a type; perhaps a shape.
                Self::Several(parts) => Some(parts.get(1)?.has_objects()? || found),
                _ => None,
            }),
            Self::Number(_) | Self::Truth(_) => None,
        }
    }
}

/// Versions 1 and 2 are in Latin-1, in which each byte is the character of that number.
fn decode(version: u8, bytes: &[u8]) -> Option<Cow<'_, str>> {
    match version {
        1 | 2 => Some(bytes.iter().copied().map(char::from).collect()),
        _ => core::str::from_utf8(bytes).ok().map(Cow::Borrowed),
    }
}

fn numbers(values: &[Value<'_>]) -> Option<Vec<usize>> {
    let numbers = values.iter().map(|value| match value {
        Value::Number(number) => Some(*number),
        _ => None,
    });
    let numbers: Vec<usize> = numbers.collect::<Option<_>>()?;
    (numbers.len() <= MAX_DIMENSIONS).then_some(numbers)
}

/// Takes a value off the front of `rest`.
fn value<'a>(rest: &mut &'a str, depth: usize) -> Option<Value<'a>> {
    if depth > MAX_DEPTH {
        return None;
    }
    for (word, truth) in [("True", true), ("False", false)] {
        if take(rest, word).is_some() {
            return Some(Value::Truth(truth));
        }
    }
    for (open, close) in [("[", "]"), ("(", ")")] {
        if take(rest, open).is_some() {
            let mut values = Vec::new();
            while take(rest, close).is_none() {
                values.push(value(rest, depth + 1)?);
                if take(rest, ",").is_none() {
                    take(rest, close)?;
                    break;
                }
            }
            return Some(Value::Several(values));
        }
    }
    for quote in ['\'', '"'] {
        if take(rest, quote.encode_utf8(&mut [0; 1])).is_some() {
            return text(rest, quote).map(Value::Text);
        }
    }
    number(rest).map(Value::Number)
}

/// Takes the rest of a text, which ends at this quote unless a backslash stands before it.
fn text<'a>(rest: &mut &'a str, quote: char) -> Option<&'a str> {
    let mut escaped = false;
    let end = rest.find(|character| {
        let ends = character == quote && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    })?;
    let (text, after) = rest.split_at_checked(end)?;
    *rest = after.get(quote.len_utf8()..)?;
    Some(text)
}

/// Takes a number, after which Python 2 wrote an L where it was long.
fn number(rest: &mut &str) -> Option<usize> {
    let start = rest.trim_start();
    let end = start.find(|character: char| !character.is_ascii_digit());
    let (digits, after) = start.split_at_checked(end.unwrap_or(start.len()))?;
    *rest = after.strip_prefix('L').unwrap_or(after);
    digits.parse().ok()
}

/// Takes this, and what space there is before it.
fn take(rest: &mut &str, what: &str) -> Option<()> {
    *rest = rest.trim_start().strip_prefix(what)?;
    Some(())
}
