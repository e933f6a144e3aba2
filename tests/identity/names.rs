//! What may be a name.

use fedlink::identity::{MAX_NAME_BYTES, Name, NameError};
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// The code points with the property Default_Ignorable_Code_Point (DerivedCoreProperties),
/// which no program draws.
const IGNORABLE: [core::ops::RangeInclusive<u32>; 17] = [
    0xad..=0xad,
    0x34f..=0x34f,
    0x61c..=0x61c,
    0x115f..=0x1160,
    0x17b4..=0x17b5,
    0x180b..=0x180f,
    0x200b..=0x200f,
    0x202a..=0x202e,
    0x2060..=0x206f,
    0x3164..=0x3164,
    0xfe00..=0xfe0f,
    0xfeff..=0xfeff,
    0xffa0..=0xffa0,
    0xfff0..=0xfff8,
    0x1bca0..=0x1bca3,
    0x1d173..=0x1d17a,
    0xe0000..=0xe0fff,
];

fn is_ignorable(it: char) -> bool {
    IGNORABLE.iter().any(|range| range.contains(&it.into()))
}

/// What two texts have in common that a person takes for the same: nothing that cannot be
/// seen, spaces of one kind and one at a time, and characters in one form.
fn seen(text: &str) -> String {
    let visible: String = text.chars().filter(|it| !is_ignorable(*it)).collect();
    let words: Vec<&str> = visible.split_whitespace().collect();
    words.join(" ").nfkc().collect()
}

#[test]
fn a_name_is_kept_byte_for_byte() {
    for text in [
        "a",
        "site-1",
        "Café 7",
        "a/b c",
        "'(*)' & ~{x}_[y]@z|\\",
        "Universitätsklinikum Köln",
        "Đại học Y",
        "Больница 12",
        "Νοσοκομείο",
        "מרכז רפואי",
        "مستشفى",
        "अस्पताल",
        "โรงพยาบาล",
        "北京协和医院",
        "東京大学センター",
        "서울대학교병원",
        "site-北京",
        "KAIST 대전",
        "x\u{304}", // There is no composed form of it.
        &"x".repeat(MAX_NAME_BYTES),
        &"é".repeat(MAX_NAME_BYTES / 2),
    ] {
        assert_eq!(Name::new(text).unwrap().as_str(), text);
        assert_eq!(text.parse::<Name>().unwrap().to_string(), text);
    }
}

#[test]
fn an_empty_name_is_refused() {
    assert_eq!(Name::new(""), Err(NameError::Empty));
}

#[test]
fn a_long_name_is_refused_by_its_bytes() {
    let found = MAX_NAME_BYTES + 1;
    assert_eq!(
        Name::new(&"é".repeat(found / 2)),
        Err(NameError::TooLong { found })
    );
}

// spec: P-37
#[test]
fn characters_that_hide_or_stand_for_others_are_refused_by_their_code_points() {
    let control = "a control character";
    let space = "a space or a line break of another kind";
    let unseen = "cannot be seen";
    let form = "another form";
    let none = "no letter, mark or digit";
    let other = "does not recommend";
    for (found, why) in [
        ('\0', control),
        ('\n', control),
        ('\u{1b}', control),
        ('\u{7f}', control),
        ('\u{85}', control),
        ('\u{a0}', space),
        ('\u{1680}', space),
        ('\u{2003}', space),
        ('\u{2028}', space),
        ('\u{2029}', space),
        ('\u{202f}', space),
        ('\u{3000}', space),
        ('\u{ad}', unseen),
        ('\u{34f}', unseen),
        ('\u{61c}', unseen),
        ('\u{115f}', unseen),
        ('\u{180e}', unseen),
        ('\u{200b}', unseen),
        ('\u{200d}', unseen),
        ('\u{200e}', unseen),
        ('\u{202e}', unseen),
        ('\u{2060}', unseen),
        ('\u{2067}', unseen),
        ('\u{3164}', unseen),
        ('\u{fe0f}', unseen),
        ('\u{feff}', unseen),
        ('\u{e0061}', unseen),
        ('\u{fb01}', form),  // The ligature fi.
        ('\u{ff41}', form),  // A wide a.
        ('\u{1d41a}', form), // A bold a.
        ('\u{212b}', form),  // The sign of the unit Ångström.
        ('\u{2800}', none),  // A pattern of Braille without dots.
        ('\u{fffd}', none),
        ('\u{ffff}', none),
        ('\u{e000}', none), // Private.
        ('\u{378}', none),  // Not assigned.
        ('\u{2010}', none), // A hyphen like that of ASCII.
        ('\u{1f600}', none),
        ('\u{13a0}', other), // A Cherokee letter like D.
        ('\u{1100}', other), // A part of a Korean syllable.
    ] {
        let code = format!("U+{:04X}", u32::from(found));
        for text in [
            format!("{found}"),
            format!("{found}site"),
            format!("si{found}te"),
            format!("site{found}"),
        ] {
            let error = Name::new(&text).unwrap_err();
            assert_eq!(error, NameError::Character { found }, "{code}");
            let words = error.to_string();
            assert!(words.contains(&code) && words.contains(why), "{words}");
        }
    }
}

#[test]
fn a_space_stands_alone_and_between_others() {
    for text in [" ", "  ", " site", "site ", "a  b"] {
        assert_eq!(Name::new(text), Err(NameError::Space), "{text:?}");
    }
    assert!(Name::new("a b c").is_ok());
}

#[test]
fn a_text_that_another_one_is_equivalent_to_is_refused() {
    for (text, found) in [
        ("e\u{301}", '\u{301}'),
        ("\u{1100}\u{1161}", '\u{1100}'),
        ("Å\u{30a}\u{323}", '\u{30a}'), // Marks in another order than the normal one.
        ("q\u{307}\u{323}", '\u{307}'),
    ] {
        let error = Name::new(text).unwrap_err();
        let code = format!("U+{:04X}", u32::from(found));
        assert!(error.to_string().contains(&code), "{text:?}: {error}");
    }
    let decomposed: String = "Köln".nfd().collect();
    assert!(matches!(
        Name::new(&decomposed),
        Err(NameError::NotComposed { found: '\u{308}' })
    ));
}

#[test]
fn a_mark_stands_behind_a_letter_and_once() {
    for text in ["\u{304}x", "x \u{304}", "-\u{304}", "x\u{304}\u{304}"] {
        let found = '\u{304}';
        assert_eq!(Name::new(text), Err(NameError::LoneMark { found }));
    }
}

// spec: P-37
#[test]
fn letters_of_scripts_that_are_not_written_together_are_refused() {
    for (text, found) in [
        ("site-\u{430}", '\u{430}'), // Cyrillic, like a.
        ("\u{441}lient", 'l'),       // Cyrillic, like c, then Latin.
        ("\u{3bf}ffice", 'f'),       // Greek, like o, then Latin.
        ("site \u{585}", '\u{585}'), // Armenian, like o.
        ("北京\u{430}", '\u{430}'),
        ("서울カ", 'カ'),
    ] {
        let error = Name::new(text).unwrap_err();
        assert_eq!(error, NameError::MixedScripts { found }, "{text:?}");
        let code = format!("U+{:04X}", u32::from(found));
        assert!(error.to_string().contains(&code), "{error}");
    }
}

/// Every code point there is, alone and amid others, against its category.
#[test]
fn nothing_unseen_unassigned_or_private_is_in_any_name() {
    use GeneralCategory::{
        Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, SpaceSeparator, Unassigned,
    };
    let (mut refused, mut accepted) = (0, 0);
    for found in '\0'..=char::MAX {
        let hides = match found.general_category() {
            Control | Format | LineSeparator | ParagraphSeparator | PrivateUse | Unassigned => true,
            SpaceSeparator => found != ' ',
            _ => is_ignorable(found) || (found.is_whitespace() && found != ' '),
        };
        let amid = Name::new(&format!("1{found}1"));
        if hides {
            assert_eq!(amid, Err(NameError::Character { found }), "{found:?}");
            refused += 1;
        }
        accepted += usize::from(amid.is_ok());
    }
    // A new version of Unicode changes these, and the documentation of names.
    assert_eq!((refused, accepted), (939_711, 33_806));
}

#[test]
fn the_tables_are_those_that_the_documentation_names() {
    assert_eq!(unicode_security::UNICODE_VERSION.0, 18);
    assert_eq!(unicode_script::UNICODE_VERSION.0, 18);
    assert_eq!(unicode_normalization::UNICODE_VERSION.0, 18);
}

/// Texts of pieces that are easily taken for each other.
fn text() -> impl Strategy<Value = String> {
    const PIECES: [&str; 40] = [
        "a",
        "e",
        "i",
        "o",
        "s",
        "A",
        "1",
        "-",
        ".",
        "/",
        " ",
        "  ",
        "é",
        "e\u{301}",
        "Å",
        "\u{212b}",
        "A\u{30a}",
        "\u{301}",
        "\u{304}",
        "\u{323}",
        "ﬁ",
        "fi",
        "ａ",
        "а",
        "о",
        "ο",
        "가",
        "\u{1100}\u{1161}",
        "漢",
        "カ",
        "ｶ",
        "\u{a0}",
        "\u{2003}",
        "\u{2028}",
        "\u{200b}",
        "\u{202e}",
        "\u{feff}",
        "\u{fe0f}",
        "\u{3164}",
        "\u{2800}",
    ];
    let piece = prop_oneof![
        9 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// A name is what is seen of it, so two names that are seen alike are one.
    #[test]
    fn names_that_are_seen_alike_are_the_same(text in text()) {
        if let Ok(name) = Name::new(&text) {
            prop_assert_eq!(name.as_str(), seen(&text));
            prop_assert_eq!(name.as_str(), text.nfc().collect::<String>());
        }
    }
}

#[test]
fn a_name_is_checked_when_it_is_read() {
    let name = Name::new("site-1").unwrap();
    let sent = postcard::to_allocvec(&name).unwrap();
    assert_eq!(sent, postcard::to_allocvec("site-1").unwrap());
    assert_eq!(postcard::from_bytes::<Name>(&sent).unwrap(), name);
    for wrong in ["", "a\nb", "a ", "a\u{200b}", &"x".repeat(256)] {
        let sent = postcard::to_allocvec(wrong).unwrap();
        assert!(postcard::from_bytes::<Name>(&sent).is_err(), "{wrong:?}");
    }
}
