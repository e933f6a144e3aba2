//! Which part of the core may know which other: read from what its files import.

use std::fs;
use std::path::{Path, PathBuf};

/// Whatever lies below one of these folders, or is that file, names none of these modules.
const UNKNOWN_TO: &[(&str, &[&str])] = &[
    (
        "src/message",
        &["client", "config", "link", "server", "wire"],
    ),
    (
        "src/identity",
        &["client", "config", "link", "message", "server", "wire"],
    ),
    // Codecs: no policy, no settings, no machine.
    ("src/wire", &["client", "config", "link", "server"]),
    ("src/config", &["client", "link", "server"]),
    // One session with one peer: which machine holds it is not its affair.
    ("src/link", &["client", "server", "stand_in"]),
    // What must not be forgotten knows no sessions, and not how messages travel.
    ("src/server/ledger", &["client", "link", "wire"]),
    ("src/client", &["server", "stand_in", "testing"]),
    ("src/server", &["client", "testing"]),
];

/// Parts of a machine that only tests compile.
const TESTS: &[&str] = &[
    "checking.rs",
    "fuzz.rs",
    "growth.rs",
    "inspect.rs",
    "lives.rs",
    "strangers.rs",
    "tests.rs",
    "vectors.rs",
];

fn sources(place: &Path, found: &mut Vec<PathBuf>) {
    if place.is_dir() {
        for entry in fs::read_dir(place).unwrap() {
            sources(&entry.unwrap().path(), found);
        }
    } else if place.extension().is_some_and(|it| it == "rs") {
        let name = place.file_name().unwrap().to_str().unwrap();
        let of_tests = place.iter().any(|part| part == "tests") || TESTS.contains(&name);
        if !of_tests {
            found.push(place.to_owned());
        }
    }
}

/// The code of a file without its comments and its own tests.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = code.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether `code` names a module at the root of the crate.
fn names(code: &str, module: &str) -> bool {
    let path = format!("crate::{module}");
    code.match_indices(&path).any(|(at, _)| {
        let next = code[at + path.len()..].chars().next();
        next.is_none_or(|it| !it.is_alphanumeric() && it != '_')
    })
}

#[test]
fn no_part_knows_what_it_must_not_know() {
    let mut wrong = Vec::new();
    for (part, unknown) in UNKNOWN_TO {
        let mut files = Vec::new();
        sources(Path::new(part), &mut files);
        sources(Path::new(&format!("{part}.rs")), &mut files);
        assert!(!files.is_empty(), "{part} is gone");
        for file in files {
            let code = code(&file);
            let known = unknown.iter().filter(|module| names(&code, module));
            wrong.extend(known.map(|module| format!("{} knows {module}", file.display())));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn imports_are_told_from_other_words() {
    assert!(names("use crate::link;", "link"));
    assert!(names("use crate::link::event::Event;", "link"));
    assert!(!names("use crate::linkage;", "link"));
    assert!(!names("use crate::message::link;", "link"));
}
