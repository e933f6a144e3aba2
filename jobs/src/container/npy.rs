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
    header.contains("'descr'").then_some(())?;
    Some(texts(header).is_none_or(|it| it.into_iter().any(names_objects)))
}

/// The texts in a header; `None` if it has what numpy never writes, with which a text could be
/// another one than it seems: escapes, comments, and texts that Python joins.
fn texts(header: &str) -> Option<Vec<&str>> {
    let mut texts = Vec::new();
    let mut rest = header;
    while let Some((before, from)) = rest.find(['\'', '"']).map(|at| rest.split_at(at)) {
        let joined = !texts.is_empty() && !before.contains([',', ':']);
        if joined || before.contains('#') {
            return None;
        }
        let quote = from.chars().next()?;
        let (text, after) = from.get(1..)?.split_once(quote)?;
        texts.push(text);
        rest = after;
    }
    (!header.contains('\\')).then_some(texts)
}

/// Whether numpy would take this text for a type of objects, or for a list of types with one.
fn names_objects(text: &str) -> bool {
    let plain = |it: &str| {
        let it = it.trim_matches(|c: char| {
            "<>|=()".contains(c) || c.is_ascii_digit() || c.is_whitespace()
        });
        matches!(it, "O" | "object" | "object_")
    };
    text.split(',').any(plain)
}
