//! Which part of the core may know which other, and that no modules side by side know each
//! other: read from what their code names.

mod circles;
mod modules;

use std::collections::BTreeSet;
use std::path::Path;

use modules::{Modules, Place};

/// A module, with all below it, and which modules it must not name.
const UNKNOWN_TO: &[(&str, &[&str])] = &[
    ("message", &["client", "config", "link", "server", "wire"]),
    (
        "identity",
        &["client", "config", "link", "message", "server", "wire"],
    ),
    // Codecs: no policy, no settings, no machine.
    ("wire", &["client", "config", "link", "server"]),
    ("config", &["client", "link", "server"]),
    // One session with one peer: which machine holds it is not its affair.
    ("link", &["client", "server", "stand_in"]),
    // What must not be forgotten knows no sessions, and not how messages travel.
    ("server::ledger", &["client", "link", "wire"]),
    ("client::work", &["link", "server", "wire"]),
    ("client", &["server", "stand_in", "testing"]),
    ("server", &["client", "testing"]),
];

/// The circles of the core. None is to be added.
const CIRCLES: &[&[&str]] = &[
    // A state holds what its step needs, and each step makes the next state.
    &[
        "client::certificates",
        "client::heartbeat",
        "client::registration",
        "client::state",
    ],
    // Errors say what they are about, and all that takes settings returns them.
    &["error", "identity", "message", "suite"],
    // A path is judged by certificates, keys and roots, and the errors of all of them are one.
    &[
        "identity::anchors",
        "identity::certificate",
        "identity::chain",
        "identity::chain_key",
        "identity::error",
        "identity::extensions",
        "identity::key",
        "identity::path",
        "identity::revoked",
        "identity::roots",
        "identity::signatures",
        "identity::verify",
    ],
    &[
        "link::nvflare::call",
        "link::nvflare::cell",
        "link::nvflare::send",
    ],
    &["link::nvflare::download", "link::nvflare::task"],
    // A record holds parts of what it records, and those hold parts of records.
    &[
        "server::ledger::job",
        "server::ledger::record",
        "server::ledger::task",
    ],
];

fn core() -> Modules {
    Modules::read(Path::new("src/lib.rs"))
}

/// Where a module is in the crate.
fn place(path: &str) -> Place {
    path.split("::").map(str::to_owned).collect()
}

/// What a module, or one below it, names and must not.
fn wrong(modules: &Modules, part: &str, unknown: &[&str]) -> Vec<String> {
    let part = place(part);
    let inside: Vec<_> = modules
        .places()
        .filter(|it| it.starts_with(&part))
        .collect();
    assert!(!inside.is_empty(), "{part:?} is gone");
    let known = inside.into_iter().flat_map(|inner| {
        let known = modules.known_to(inner).into_iter();
        known.map(move |it| (inner.join("::"), it))
    });
    known
        .filter(|(_, known)| unknown.iter().any(|it| known.starts_with(&place(it))))
        .map(|(inner, known)| format!("{inner} names {}", known.join("::")))
        .collect()
}

#[test]
fn no_part_knows_what_it_must_not_know() {
    let modules = core();
    let rules = UNKNOWN_TO.iter();
    let wrong: Vec<_> = rules
        .flat_map(|(part, unknown)| wrong(&modules, part, unknown))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_modules_side_by_side_know_each_other() {
    for root in ["host/src/lib.rs", "cli/src/lib.rs"] {
        let circles = circles::find(&Modules::read(Path::new(root)));
        assert!(circles.is_empty(), "{root}: {circles:#?}");
    }
    let circles = circles::find(&core());
    let members = |it: &&[&str]| it.iter().map(|name| (*name).to_owned()).collect();
    let known: BTreeSet<BTreeSet<String>> = CIRCLES.iter().map(members).collect();
    let found: BTreeSet<_> = circles.keys().cloned().collect();
    assert_eq!(found, known, "{circles:#?}");
}

/// However the code of a module names another.
#[test]
fn every_way_to_name_a_module_is_seen() {
    for code in [
        "use crate::link;",
        "use crate::link::event::Event;",
        "use crate::{\n    client::Task,\n    link::{\n        auth,\n    },\n};",
        "use super::super::link as other;",
        "use crate::*; fn f() { crate::link::open() }",
        "fn f() -> super::super::link::Link { todo!() }",
        "fn f() { assert!(matches!(x, Some(crate::link::X { .. }))) }",
        "use crate::given::Link;",
        "use crate::Link;",
        "use crate::given; fn f() { given::Link::new() }",
        "#[cfg(feature = \"nvflare\")] use crate::link::nvflare;",
        "#[cfg(not(test))] use crate::link;",
        "mod inner { use super::super::super::link; }",
        "struct S { #[cfg(not(test))] link: crate::link::Link }",
        "impl<T: crate::link::Link> X for T {}",
    ] {
        let rest = "mod link {} mod given { pub use crate::link::Link; } use given::Link;";
        let modules = Modules::parse(&format!("mod client {{ mod work {{ {code}\n}} }} {rest}"));
        assert!(
            !wrong(&modules, "client::work", &["link"]).is_empty(),
            "{code}"
        );
        assert!(
            wrong(&modules, "client::work", &["server"]).is_empty(),
            "{code}"
        );
    }
}

#[test]
fn other_words_and_tests_are_not_taken_for_names() {
    for code in [
        "use crate::linkage;",
        "use crate::message::link;",
        "use link::X;",
        "/// As `crate::link` does.\nfn link() {}",
        "// use crate::link;",
        "const TEXT: &str = \"crate::link\";",
        "#[cfg(test)] use crate::link;",
        "#[cfg(any(test, fuzzing))] use crate::link;",
        "#[cfg(test)] mod tests { use crate::link; }",
        "fn f() { #[cfg(test)] let x = crate::link::X; }",
        "struct S { #[cfg(test)] link: crate::link::Link }",
    ] {
        let rest = "mod link {} mod linkage {} mod message { mod link {} }";
        let modules = Modules::parse(&format!("mod client {{ mod work {{ {code}\n}} }} {rest}"));
        let wrong = wrong(&modules, "client::work", &["link"]);
        assert!(wrong.is_empty(), "{code}: {wrong:?}");
    }
}
