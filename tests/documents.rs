//! What documents name exists: files, modules of the core, and the tests that hold a claim. Where
//! their links lead there is something.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 9] = [
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
    "docs/cost.md",
    "docs/embedding.md",
    "docs/program.md",
    "docs/protocol.md",
    "docs/testing.md",
];
const CODE: [&str; 4] = ["src", "tests", "host", "cli"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All code below a folder.
fn code_of(folder: &Path, code: &mut String) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            code_of(&path, code);
        } else if path.extension().is_some_and(|it| it == "rs") {
            code.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// Words between backticks, outside blocks of code.
fn quoted(document: &str) -> impl Iterator<Item = &str> {
    let prose = document.split("```").step_by(2);
    prose.flat_map(|text| text.split('`').skip(1).step_by(2))
}

/// The rows of the table of features, in the README and in the documentation of the crate alike.
fn table_of_features(document: &str) -> Vec<&str> {
    let lines = document
        .lines()
        .map(|line| line.strip_prefix("//! ").unwrap_or(line));
    lines
        .skip_while(|line| !line.starts_with("| feature of `fedlink` |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect()
}

#[test]
fn the_readme_and_the_crate_tell_of_every_feature_and_what_is_default() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (_, features) = manifest.split_once("\n[features]\n").unwrap();
    let (features, _) = features.split_once("\n[").unwrap();
    let lists = features.lines().filter_map(|line| line.split_once(" = "));
    let (of_default, lists): (Vec<_>, Vec<_>) = lists.partition(|(name, _)| *name == "default");
    let declared: BTreeSet<(&str, &str)> = lists
        .iter()
        .map(|(name, _)| {
            (
                *name,
                default(of_default[0].1.contains(&format!("\"{name}\""))),
            )
        })
        .collect();

    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let rows = table_of_features(&readme);
    let told: BTreeSet<(&str, &str)> = rows
        .iter()
        .flat_map(|row| {
            let mut cells = row.split('|').map(str::trim).skip(1);
            let (names, default) = (cells.next().unwrap(), cells.next().unwrap());
            quoted(names).map(move |name| (name, default))
        })
        .collect();
    assert_eq!(told, declared);
    assert!(!told.is_empty());

    let crate_docs = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    assert_eq!(table_of_features(&crate_docs), rows);
}

/// How a table says whether something is default.
fn default(is_default: bool) -> &'static str {
    if is_default { "yes" } else { "no" }
}

#[test]
fn what_a_document_names_is_there() {
    let mut code = String::new();
    for folder in CODE {
        code_of(&root().join(folder), &mut code);
    }
    let (mut files, mut tests) = (0, 0);
    for name in DOCUMENTS {
        let document = fs::read_to_string(root().join(name)).unwrap();
        for word in quoted(&document) {
            let is_test = word.matches('_').count() > 3
                && word.chars().all(|it| it.is_ascii_lowercase() || it == '_');
            if is_test {
                tests += 1;
                let declared = format!("fn {word}(");
                assert!(code.contains(&declared), "{name}: there is no test {word}");
            } else if word.contains('/') && !word.contains(' ') {
                files += 1;
                let core = root().join("src").join(word);
                let module = core.with_extension("rs");
                let found = [root().join(word), core, module];
                assert!(
                    found.iter().any(|it| it.exists()),
                    "{name}: there is no {word}"
                );
            }
        }
    }
    assert!(files >= 10 && tests >= 3, "{files} files, {tests} tests");
}

/// Where the links of a document lead, if not to another site or into its own page.
fn links(document: &str) -> impl Iterator<Item = &str> {
    let targets = document.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        // Those of rustdoc are its own to check.
        .filter(|target| !target.starts_with("crate"))
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut found = 0;
    for name in DOCUMENTS {
        let path = root().join(name);
        let document = fs::read_to_string(&path).unwrap();
        for target in links(&document) {
            found += 1;
            let file = path.parent().unwrap().join(target);
            assert!(file.exists(), "{name}: nothing at {target}");
        }
    }
    assert!(found >= 10, "{found} links");
}
