//! The rule for names: which characters they may have, so that no two look alike.

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc, is_nfc_quick};
use unicode_script::Script;
use unicode_security::GeneralSecurityProfile;
use unicode_security::general_security_profile::IdentifierType;
use unicode_security::mixed_script::AugmentedScriptSet;

use super::{MAX_NAME_BYTES, NameError};

/// Finds what a name may not be.
// spec: P-37
pub(super) fn check(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(NameError::TooLong { found: text.len() });
    }
    if let Some(found) = text.chars().find(|it| !may_be_in_names(*it)) {
        return Err(NameError::Character { found });
    }
    if text.starts_with(' ') || text.ends_with(' ') || text.contains("  ") {
        return Err(NameError::Space);
    }
    if text.is_ascii() {
        return Ok(());
    }
    if !is_nfc(text) {
        let found = not_composed(text);
        return Err(NameError::NotComposed { found });
    }
    if let Some(found) = lone_mark(text) {
        return Err(NameError::LoneMark { found });
    }
    match of_another_script(text) {
        Some(found) => Err(NameError::MixedScripts { found }),
        None => Ok(()),
    }
}

/// What makes a character none of those in names, to follow its code point in a sentence.
pub(super) fn fault_of(found: char) -> &'static str {
    use IdentifierType as Type;
    if found.is_control() {
        return "a control character, such as a line break";
    }
    if found.is_whitespace() {
        return "a space or a line break of another kind than U+0020";
    }
    match found.identifier_type() {
        Some(Type::Default_Ignorable) => "which cannot be seen",
        Some(Type::Not_NFKC) => "which is another form of other characters",
        None | Some(Type::Not_Character | Type::Not_XID | Type::Inclusion) => {
            "which is no letter, mark or digit"
        }
        Some(
            Type::Deprecated
            | Type::Exclusion
            | Type::Obsolete
            | Type::Technical
            | Type::Uncommon_Use
            | Type::Limited_Use
            | Type::Recommended,
        ) => "which Unicode does not recommend for names",
    }
}

fn may_be_in_names(it: char) -> bool {
    match it {
        ' '..='~' => true,
        _ => it.identifier_type() == Some(IdentifierType::Recommended),
    }
}

/// Where a text that is not in normal form C differs from one that is, as far as one
/// character can tell.
fn not_composed(text: &str) -> char {
    let alone = |it: &char| is_nfc_quick(core::iter::once(*it)) != IsNormalized::Yes;
    let differs = || {
        text.chars()
            .zip(text.nfc())
            .find(|(is, should)| is != should)
    };
    let found = text.chars().find(alone);
    found.unwrap_or_else(|| differs().map_or(char::REPLACEMENT_CHARACTER, |(is, _)| is))
}

/// A combining mark without a letter to stand on, or behind one of its own kind, which
/// would be drawn at the same place.
fn lone_mark(text: &str) -> Option<char> {
    let mut before = ' ';
    text.chars().find(|it| {
        let before = core::mem::replace(&mut before, *it);
        let is_letter = !before.is_ascii() || before.is_ascii_alphanumeric();
        is_combining_mark(*it) && (!is_letter || before == *it)
    })
}

/// The first character with which a text is no longer "Highly Restrictive": in one script,
/// or in Latin and one of the writing systems of Chinese, Japanese and Korean.
fn of_another_script(text: &str) -> Option<char> {
    let (mut all, mut but_latin) = <(AugmentedScriptSet, AugmentedScriptSet)>::default();
    text.chars().find(|it| {
        let scripts = AugmentedScriptSet::for_char(*it);
        all.intersect_with(scripts);
        if !scripts.base.contains_script(Script::Latin) {
            but_latin.intersect_with(scripts);
        }
        all.is_empty() && !(but_latin.hanb || but_latin.jpan || but_latin.kore)
    })
}
