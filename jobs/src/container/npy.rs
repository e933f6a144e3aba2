//! Just enough of the .npy format to tell an array of Python objects.

/// What each .npy file begins with, before its version.
const MAGIC: &[u8] = b"\x93NUMPY";

/// Whether a .npy file holds Python objects, wherever in its type; `None` if it is no .npy
/// file.
///
/// It errs on the side of refusal: a field that is named like a type of objects counts as
/// one. A reader has to forbid them too (`allow_pickle=False`).
pub(super) fn has_objects(file: &[u8]) -> Option<bool> {
    let rest = file.strip_prefix(MAGIC)?;
    let (version, rest) = rest.split_at_checked(2)?;
    let (length, rest) = match version.first()? {
        1 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_le_bytes(*length)), rest)
        }
        2 | 3 => {
            let (length, rest) = rest.split_first_chunk()?;
            (u32::from_le_bytes(*length).try_into().ok()?, rest)
        }
        _ => return None,
    };
    let header = str::from_utf8(rest.get(..length)?).ok()?;
    let types = header.contains("'descr'").then_some(header)?;
    Some(types.split(['\'', '"']).any(names_objects))
}

/// Whether numpy would take this text for a type of objects, or for a list of types with one.
fn names_objects(text: &str) -> bool {
    let plain = |it: &str| {
        let it = it
            .trim_matches(|c: char| "<>|=".contains(c) || c.is_ascii_digit() || c.is_whitespace());
        matches!(it, "O" | "object" | "object_")
    };
    text.split(',').any(plain)
}
