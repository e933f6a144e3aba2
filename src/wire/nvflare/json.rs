//! The little JSON that stands inside NVFlare's bytes: one object, read member by member.

/// How deep values may nest; what is read here has two levels.
const MAX_DEPTH: usize = 16;
/// Most members of an object.
const MAX_MEMBERS: usize = 1 << 10;

/// A member of an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    pub(crate) name: String,
    /// The value as it is written.
    pub(crate) value: &'a str,
}

/// The members of the object that `text` is. `None` if it is not one.
pub(crate) fn object(text: &str) -> Option<Vec<Member<'_>>> {
    let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    let mut members = Vec::new();
    while !rest.is_empty() {
        if members.len() == MAX_MEMBERS {
            return None;
        }
        let (name, after) = split_value(rest)?;
        let (value, after) = split_value(after.trim_start().strip_prefix(':')?.trim_start())?;
        let name = self::text(name)?;
        members.push(Member { name, value });
        rest = match after.trim_start() {
            "" => "",
            more => more.strip_prefix(',')?.trim_start(),
        };
    }
    Some(members)
}

/// The text that a JSON string stands for.
pub(crate) fn text(string: &str) -> Option<String> {
    let inner = string.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.push(char);
            continue;
        }
        out.push(match chars.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = hex4(&mut chars)?;
                let unit = if (0xd800..0xdc00).contains(&first) {
                    (chars.next()? == '\\' && chars.next()? == 'u').then_some(())?;
                    let second = hex4(&mut chars)?.checked_sub(0xdc00)?;
                    0x1_0000 + ((first - 0xd800) << 10) + second
                } else {
                    first
                };
                char::from_u32(unit)?
            }
            other => other,
        });
    }
    Some(out)
}

/// `text` as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

fn hex4(chars: &mut core::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |value, _| Some(value * 16 + chars.next()?.to_digit(16)?))
}

/// Cuts one value off the front: a string, or anything up to a comma, a colon or a bracket
/// of the outside.
fn split_value(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' if depth == MAX_DEPTH => return None,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b',' | b':' if depth == 0 => {
                let (value, rest) = text.split_at_checked(at)?;
                return Some((value.trim_end(), rest));
            }
            _ => {}
        }
    }
    (depth == 0 && !in_string).then_some((text.trim_end(), ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_cut_apart() {
        let members = object(r#" { "a\"b" : {"x": [1, "}"]}, "é\n\u00e9\ud83d\ude00":2 } "#);
        let names: Vec<_> = members
            .unwrap()
            .into_iter()
            .map(|member| (member.name, member.value.to_owned()))
            .collect();
        assert_eq!(
            names,
            [
                ("a\"b".to_owned(), r#"{"x": [1, "}"]}"#.to_owned()),
                ("é\né😀".to_owned(), "2".to_owned())
            ]
        );
        assert_eq!(object("{}"), Some(vec![]));
    }

    #[test]
    fn what_is_not_an_object_is_refused() {
        for bad in [
            "",
            "[]",
            "{",
            "{\"a\"}",
            "{\"a\":1 \"b\":2}",
            "{a:1}",
            "{\"a\":]}",
            "{\"a\":\"}",
            "{\"\\ud800\":1}",
            "{\"\\ud800\\u0041\":1}",
            "{\"\\uzzzz\":1}",
        ] {
            assert_eq!(object(bad), None, "{bad}");
        }
        assert_eq!(object(&format!("{{\"a\":{}", "[".repeat(1 << 16))), None);
    }

    #[test]
    fn quoted_text_reads_back() {
        for plain in ["", "plain", "a\"b\\c\n\u{1}é😀"] {
            assert_eq!(text(&quoted(plain)).as_deref(), Some(plain));
        }
    }
}
