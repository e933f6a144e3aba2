//! The models follow the code: what is hashed, signed and derived here has its counterpart
//! there. `tests/formal/run` proves the models.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// All files below `folder` whose names end so.
fn files(folder: PathBuf, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(path, ending));
        } else if path.to_str().unwrap().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

/// What stands between quotes and begins as every label does.
fn labels(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split('"')
        .filter(|it| it.starts_with("fedlink v"))
        .map(str::to_owned)
}

#[test]
fn the_models_know_every_label_of_the_code() {
    let code: BTreeSet<String> = files(root().join("src"), ".rs")
        .into_iter()
        .flat_map(|path| labels(&read(path)).collect::<Vec<_>>())
        .collect();
    let models: BTreeSet<String> = labels(&read("tests/formal/fedlink.pvl")).collect();
    assert!(!code.is_empty());
    assert_eq!(
        models, code,
        "a label has changed: change tests/formal/fedlink.pvl, and the models that it concerns"
    );
}

/// The fields of a struct, in order.
fn fields(source: &str, name: &str) -> String {
    let (_, rest) = source.split_once(&format!("struct {name} {{")).unwrap();
    let (body, _) = rest.split_once("\n}").unwrap();
    let names = body
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//") && !line.starts_with('#'))
        .filter_map(|line| line.trim_start_matches("pub(crate) ").split_once(':'))
        .map(|(name, _)| name);
    names.collect::<Vec<_>>().join(", ")
}

/// Each line of the table in the README: a struct and its fields.
#[test]
fn the_models_know_every_field_of_the_handshake() {
    let hello = read("src/wire/native/hello.rs");
    let claims = read("src/link/token_claims.rs");
    let readme = read("tests/formal/README.md");
    for (source, name) in [
        (&hello, "Challenge"),
        (&hello, "ChallengeReply"),
        (&hello, "Cookie"),
        (&hello, "Applicant"),
        (&hello, "Grant"),
        (&claims, "TokenClaims<'a>"),
    ] {
        let line = format!("| `{name}` | {} |", fields(source, name));
        assert!(
            readme.contains(&line),
            "the fields of {name} have changed: change the models, and the table of fields in \
             tests/formal/README.md, which should have the line\n{line}"
        );
    }
}

#[test]
fn every_proof_has_a_variant_that_shows_an_attack() {
    let folder = root().join("tests/formal");
    let expected = read("tests/formal/expected");
    let verdicts = |model: &str| {
        let line = expected
            .lines()
            .find(|it| it.starts_with(&format!("{model}: ")));
        line.unwrap_or_else(|| panic!("no verdicts of {model} in tests/formal/expected"))
    };
    let stem = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let models: BTreeSet<String> = files(folder.clone(), ".pv").iter().map(stem).collect();
    let mut attacked = BTreeSet::new();
    for path in files(folder, ".sed") {
        let (name, text) = (stem(&path), read(&path));
        let of = text.lines().next().and_then(|it| it.strip_prefix("# of: "));
        let of = of.unwrap_or_else(|| panic!("{name}.sed does not say of which model it is"));
        assert!(
            models.contains(of),
            "{name}.sed is of {of}, which is no model"
        );
        if name.starts_with("sanity-") {
            assert_ne!(
                verdicts(&name).split_once(' ').unwrap().1,
                verdicts(of).split_once(' ').unwrap().1,
                "{name} shows nothing that {of} does not"
            );
            attacked.insert(of.to_owned());
        }
    }
    assert_eq!(
        attacked, models,
        "models without a variant that must show an attack"
    );
    let lines = expected.lines().map(|it| it.split(':').next().unwrap());
    let sources = lines.filter(|it| {
        !root().join(format!("tests/formal/{it}.pv")).exists()
            && !root().join(format!("tests/formal/{it}.sed")).exists()
    });
    assert_eq!(
        sources.count(),
        0,
        "tests/formal/expected names models that are not there"
    );
}
