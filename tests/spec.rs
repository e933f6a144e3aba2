//! Every rule of `docs/protocol.md` is kept by code and held by a test, and both say so: a
//! comment `spec: P-1` stands where the rule is kept, and before the test that fails without it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Rules that no test holds yet.
const NOT_TESTED: &[u32] = &[];

/// What a rule says that refuses something.
const REFUSALS: &[&str] = &[
    "drop",
    "drops",
    "dropped",
    "error",
    "ignore",
    "ignores",
    "refuse",
    "refused",
    "refuses",
    "`Failed",
    "`Gone`",
    "`Refused",
    "`RunEnded`",
    "`Unknown`",
    "close",
    "taken",
];

/// Rules that say so of what follows from a refusal, or of what is given up with its owner.
const NO_REFUSALS: &[u32] = &[88, 93, 104, 117, 124];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

/// The numbers of the labels in a text.
fn labels(text: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for behind in text.split("P-").skip(1) {
        let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
        found.extend(digits.parse::<u32>());
    }
    found
}

/// The rules that the document states, each with its text.
fn rules() -> BTreeMap<u32, String> {
    let document = fs::read_to_string(root().join("docs/protocol.md")).unwrap();
    let mut rules = BTreeMap::new();
    for rule in document.split("\n- **[").skip(1) {
        let (label, text) = rule.split_once("]**").unwrap();
        let [number] = labels(label)[..] else {
            panic!("{label} is no label");
        };
        let end = text.find("\n\n").unwrap_or(text.len());
        let before = rules.insert(number, text[..end].to_owned());
        assert_eq!(before, None, "{label} is stated twice");
    }
    rules
}

#[derive(Default)]
struct Citations {
    by_code: BTreeSet<u32>,
    by_tests: BTreeSet<u32>,
    /// Each rule with the name of a test that cites it.
    tests: BTreeSet<(u32, String)>,
}

impl Citations {
    /// Takes the citations of a file. One is a test's if the next line of code is the
    /// attribute of a test.
    fn add(&mut self, file: &Path, in_tests: bool) {
        let text = fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(cited) = line.strip_prefix("// spec: ") else {
                assert!(!line.contains("spec: P-"), "{}: {line}", file.display());
                continue;
            };
            let next = lines[at..].iter().find(|it| !it.starts_with("//"));
            let of_test = next.is_some_and(|it| it.starts_with("#[test]"));
            assert!(
                of_test || !in_tests,
                "{}: no test follows {line}",
                file.display()
            );
            let rules = labels(cited);
            let written: Vec<String> = rules.iter().map(|it| format!("P-{it}")).collect();
            assert_eq!(cited, written.join(", "), "{}", file.display());
            match of_test {
                true => {
                    let mut names = lines[at..].iter().filter_map(|it| it.strip_prefix("fn "));
                    let name = names.next().and_then(|it| it.split('(').next()).unwrap();
                    let cited = rules.iter().map(|rule| (*rule, name.to_owned()));
                    self.tests.extend(cited);
                    self.by_tests.extend(rules);
                }
                false => self.by_code.extend(rules),
            }
        }
    }
}

fn citations() -> Citations {
    let mut citations = Citations::default();
    for folder in ["src", "tests"] {
        let mut files = Vec::new();
        files_below(&root().join(folder), &mut files);
        for file in files.iter().filter(|it| !it.ends_with("tests/spec.rs")) {
            citations.add(file, folder == "tests");
        }
    }
    citations
}

#[test]
fn each_rule_is_cited_by_code_and_by_a_test_and_nothing_else_is() {
    let rules = rules();
    assert!(rules.len() > 100, "{}", rules.len());
    let stated: BTreeSet<u32> = rules.keys().copied().collect();
    let Citations {
        by_code, by_tests, ..
    } = citations();
    let unknown: Vec<_> = by_code.union(&by_tests).copied().collect();
    let unknown: Vec<_> = unknown.iter().filter(|it| !stated.contains(it)).collect();
    assert!(unknown.is_empty(), "no such rules are stated: {unknown:?}");
    let unkept: Vec<_> = stated.difference(&by_code).collect();
    assert!(unkept.is_empty(), "no code cites these rules: {unkept:?}");
    let untested: Vec<_> = stated.difference(&by_tests).copied().collect();
    assert_eq!(untested, NOT_TESTED, "rules that no test cites");
}

#[test]
fn each_rule_that_is_mentioned_is_stated_and_says_what_must_or_may_be() {
    let rules = rules();
    let document = fs::read_to_string(root().join("docs/protocol.md")).unwrap();
    let missing: Vec<_> = labels(&document);
    let missing: Vec<_> = missing
        .iter()
        .filter(|it| !rules.contains_key(it))
        .collect();
    assert!(missing.is_empty(), "mentioned and not stated: {missing:?}");
    let vague: Vec<_> = rules
        .iter()
        .filter(|(_, text)| !text.contains("MUST") && !text.contains("MAY"))
        .map(|(number, _)| number)
        .collect();
    assert!(vague.is_empty(), "neither MUST nor MAY: {vague:?}");
}

/// One way to break the code that keeps a rule, and the test that then fails.
struct Mutant {
    rule: u32,
    file: String,
    test: String,
    there: String,
}

/// What `tests/mutants/refusals` is to break.
fn mutants() -> Vec<Mutant> {
    let list = fs::read_to_string(root().join("tests/mutants/refusals.txt")).unwrap();
    let entries = list.split("\n\n").filter(|it| it.starts_with("P-"));
    let mutants = entries.map(|entry| {
        let (head, change) = entry.split_once('\n').unwrap();
        let [rule, file, test] = head.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{head} is no rule, file and test");
        };
        let there = change.lines().filter_map(|line| line.strip_prefix("- "));
        assert!(change.contains("\n+ "), "{entry} changes nothing");
        Mutant {
            rule: labels(rule)[0],
            file: file.to_owned(),
            test: test.to_owned(),
            there: there.collect::<Vec<_>>().join("\n"),
        }
    });
    mutants.collect()
}

#[test]
fn each_rule_of_refusal_has_a_mutant_that_its_own_test_is_to_catch() {
    let mutants = mutants();
    let broken: BTreeSet<u32> = mutants.iter().map(|it| it.rule).collect();
    let words = |text: &str, word: &&str| {
        let is_word = |it: char| it.is_alphanumeric() || it == '`';
        text.split(|it| !is_word(it)).any(|it| it == *word)
    };
    let refuses = |text: &str| REFUSALS.iter().any(|word| words(text, word));
    let rules = rules();
    let refusals = rules.iter().filter(|(_, text)| refuses(text));
    let refusals = refusals.map(|(rule, _)| *rule);
    let whole: Vec<_> = refusals.filter(|rule| !broken.contains(rule)).collect();
    assert_eq!(whole, NO_REFUSALS, "nothing breaks these rules");
    let Citations { tests, .. } = citations();
    for it in mutants {
        let source = fs::read_to_string(root().join(&it.file)).unwrap();
        let times = source.matches(&it.there).count();
        assert_eq!(times, 1, "P-{}: {} in {}", it.rule, it.there, it.file);
        let cites = tests.contains(&(it.rule, it.test.clone()));
        assert!(cites, "{} does not cite P-{}", it.test, it.rule);
    }
}
