//! A strict reader of DER elements: short tags, definite and shortest lengths.

use alloc::format;
use alloc::string::String;

// First bytes of the elements that are read here.
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// Most bytes of an object identifier that [`dotted`] spells out; longer ones do
/// not occur, and a peer's certificate must not write pages into a log.
const MAX_DOTTED_BYTES: usize = 32;

/// One element of DER.
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    /// The whole element, header included.
    pub(super) raw: &'a [u8],
    pub(super) content: &'a [u8],
}

/// Takes the next element off the front of `input`.
pub(super) fn next<'a>(input: &mut &'a [u8]) -> Option<Element<'a>> {
    let whole = *input;
    let (&tag, rest) = whole.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // Nothing here needs lengths past 16 bits: a chain has 16 KiB.
        0x81 => {
            let (&low, rest) = rest.split_first()?;
            (usize::from(low), rest)
        }
        0x82 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*bytes)), rest)
        }
        _ => return None,
    };
    let shortest = match first {
        0x81 => length >= 0x80,
        0x82 => length > 0xff,
        _ => true,
    };
    let content = rest.get(..length).filter(|_| shortest)?;
    let after = rest.get(length..)?;
    let raw = whole.get(..whole.len().checked_sub(after.len())?)?;
    *input = after;
    Some(Element { tag, raw, content })
}

/// Takes the next element, which must have this tag, off the front of `input`.
pub(super) fn expect<'a>(input: &mut &'a [u8], tag: u8) -> Option<Element<'a>> {
    let mut rest = *input;
    let element = next(&mut rest).filter(|element| element.tag == tag)?;
    *input = rest;
    Some(element)
}

/// Reads `input` as exactly one element with this tag and returns its content.
pub(super) fn only(mut input: &[u8], tag: u8) -> Option<&[u8]> {
    let element = expect(&mut input, tag)?;
    input.is_empty().then_some(element.content)
}

/// Whether the content of an INTEGER has no byte that could be left out.
#[cfg(feature = "x509")]
pub(super) fn is_shortest(integer: &[u8]) -> bool {
    !matches!(integer, [] | [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..])
}

/// Reads the content of a BIT STRING that holds whole bytes.
pub(super) fn whole_bytes(bit_string: &[u8]) -> Option<&[u8]> {
    let (&unused_bits, bytes) = bit_string.split_first()?;
    (unused_bits == 0).then_some(bytes)
}

/// The type that an AlgorithmIdentifier (header included) states, for people.
#[cfg(feature = "x509")]
pub(super) fn algorithm_oid(algorithm: &[u8]) -> String {
    let oid =
        only(algorithm, SEQUENCE).and_then(|mut fields| expect(&mut fields, OBJECT_IDENTIFIER));
    dotted(oid.map_or(&[], |oid| oid.content))
}

/// The content of an OBJECT IDENTIFIER as people write it, such as `1.3.101.112`.
pub(super) fn dotted(oid: &[u8]) -> String {
    dotted_checked(oid).unwrap_or_else(|| String::from("(unreadable object identifier)"))
}

fn dotted_checked(oid: &[u8]) -> Option<String> {
    if oid.len() > MAX_DOTTED_BYTES || oid.last()? & 0x80 != 0 {
        return None;
    }
    let mut text = String::new();
    let mut arc: u64 = 0;
    for &byte in oid {
        arc = arc.checked_mul(128)? | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if text.is_empty() {
            let top = (arc / 40).min(2);
            text = format!("{top}.{}", arc - top * 40);
        } else {
            text.push_str(&format!(".{arc}"));
        }
        arc = 0;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_must_be_definite_shortest_and_present() {
        let read = |mut bytes: &[u8]| next(&mut bytes).map(|element| element.content.len());
        assert_eq!(read(&[4, 1, 9]), Some(1));
        assert_eq!(
            read(&[&[4, 0x81, 0x80][..], &[0; 0x80]].concat()),
            Some(0x80)
        );
        assert_eq!(
            read(&[&[4, 0x82, 1, 0][..], &[0; 0x100]].concat()),
            Some(0x100)
        );
        assert_eq!(read(&[4, 0x80, 0, 0]), None, "indefinite");
        assert_eq!(read(&[4, 0x81, 1, 9]), None, "longer than needed");
        assert_eq!(read(&[&[4, 0x82, 0, 0x80][..], &[0; 0x80]].concat()), None);
        assert_eq!(read(&[&[4, 0x82, 0, 0xff][..], &[0; 0xff]].concat()), None);
        assert_eq!(read(&[4, 2, 9]), None, "cut off");
        assert_eq!(read(&[4]), None);
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn only_refuses_what_follows() {
        assert_eq!(only(&[4, 1, 9], OCTET_STRING), Some(&[9][..]));
        assert_eq!(only(&[4, 1, 9, 0], OCTET_STRING), None);
        assert_eq!(only(&[4, 1, 9], SEQUENCE), None);
    }

    #[test]
    fn object_identifiers_are_spelt_out() {
        assert_eq!(dotted(&[0x2b, 0x65, 0x70]), "1.3.101.112");
        assert_eq!(
            dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]),
            "1.2.840.113549.1.1.1"
        );
        assert_eq!(dotted(&[0x88, 0x37]), "2.999");
        assert!(dotted(&[0x2b; 32]).starts_with("1.3.43.43"), "the longest");
        for unreadable in [&[][..], &[0x2b, 0x80], &[0x2b; 33], &[0xff; 16]] {
            assert_eq!(dotted(unreadable), "(unreadable object identifier)");
        }
    }
}
