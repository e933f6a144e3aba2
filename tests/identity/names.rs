//! What may be a name.

use fedlink::identity::{MAX_NAME_BYTES, Name, NameError};

#[test]
fn a_name_is_kept_byte_for_byte() {
    for text in [
        "a",
        "site-1",
        "Café 7",
        "e\u{301}",
        "a/b c",
        &"x".repeat(255),
    ] {
        assert_eq!(Name::new(text).unwrap().as_str(), text);
        assert_eq!(text.parse::<Name>().unwrap().to_string(), text);
    }
    assert_ne!(Name::new("\u{e9}"), Name::new("e\u{301}"));
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

#[test]
fn control_characters_are_refused() {
    for text in ["a\nb", "\0", "a\u{7f}", "\u{85}", "\u{1b}[2J"] {
        assert_eq!(Name::new(text), Err(NameError::ControlCharacter));
    }
}

#[test]
fn a_name_is_checked_when_it_is_read() {
    let name = Name::new("site-1").unwrap();
    let sent = postcard::to_allocvec(&name).unwrap();
    assert_eq!(sent, postcard::to_allocvec("site-1").unwrap());
    assert_eq!(postcard::from_bytes::<Name>(&sent).unwrap(), name);
    for wrong in ["", "a\nb", &"x".repeat(256)] {
        let sent = postcard::to_allocvec(wrong).unwrap();
        assert!(postcard::from_bytes::<Name>(&sent).is_err(), "{wrong:?}");
    }
}
