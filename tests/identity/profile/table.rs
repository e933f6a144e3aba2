//! The rules that a tool can break, each with what is wrong, the fault, and what is right.

use fedlink::identity::ChainError::{self, *};
use fedlink::identity::NameError;

use super::Shown;
use crate::common::pki::name;
pub(super) use crate::common::pki::{NOT_AFTER, NOT_BEFORE, NOW};

/// One rule.
pub(super) struct Rule {
    pub(super) what: &'static str,
    pub(super) wrong: Shown,
    pub(super) fault: ChainError,
    pub(super) right: Shown,
}

/// 1 January 2025 and 2035.
const ENDED: u64 = 1_735_689_600;
const BEGINS: u64 = 2_051_222_400;

const LEAF: &[&str] = &["leaf"];
const MIDDLE: &[&str] = &["middle-leaf", "middle"];

const fn at(now: u64, chain: &'static [&'static str]) -> Shown {
    Shown {
        chain,
        root: "root",
        now,
    }
}

const fn shown(chain: &'static [&'static str]) -> Shown {
    at(NOW, chain)
}

const fn under(root: &'static str, chain: &'static [&'static str]) -> Shown {
    Shown {
        chain,
        root,
        now: NOW,
    }
}

/// A rule of a leaf.
fn leaf(what: &'static str, wrong: &'static [&'static str], fault: ChainError) -> Rule {
    rule(what, shown(wrong), fault, shown(LEAF))
}

/// A rule of an authority between root and leaf.
fn middle(what: &'static str, wrong: &'static [&'static str], fault: ChainError) -> Rule {
    rule(what, shown(wrong), fault, shown(MIDDLE))
}

fn rule(what: &'static str, wrong: Shown, fault: ChainError, right: Shown) -> Rule {
    Rule {
        what,
        wrong,
        fault,
        right,
    }
}

fn key_usage(position: usize, needed: &'static str) -> ChainError {
    KeyUsage { position, needed }
}

fn purpose(position: usize) -> ChainError {
    ExtendedKeyUsage {
        position,
        needed: "clientAuth",
    }
}

fn unknown(position: usize, oid: &str) -> ChainError {
    UnknownCriticalExtension {
        position,
        oid: oid.into(),
    }
}

pub(super) fn rules() -> Vec<Rule> {
    [
        names(),
        keys(),
        dates(),
        authorities(),
        uses(),
        extensions(),
        ways(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn names() -> Vec<Rule> {
    let (expected, found) = (name("site-1"), name("site-2"));
    let fault = NameError::Character { found: '\x07' };
    let bell = BadCommonName { fault };
    vec![
        leaf("no common name", &["no-name"], NoCommonName),
        leaf("two common names", &["two-names"], SeveralCommonNames),
        leaf("a control character", &["control-character"], bell),
        leaf(
            "another name",
            &["other-name"],
            WrongName { expected, found },
        ),
        rule(
            "an alternative name that is critical",
            shown(&["critical-other-name"]),
            unknown(0, "2.5.29.17"),
            // Peers go by their common name alone.
            shown(&["other-alternative-name"]),
        ),
    ]
}

fn keys() -> Vec<Rule> {
    let key = WrongKeyType {
        position: 0,
        oid: "1.2.840.10045.2.1".into(),
    };
    let signature = WrongSignatureType {
        position: 0,
        oid: "1.2.840.10045.4.3.2".into(),
    };
    vec![
        leaf("a P-256 key", &["key-p256"], key),
        leaf("a P-256 signature", &["signed-p256"], signature),
    ]
}

fn dates() -> Vec<Rule> {
    let expired = |position, not_after| Expired {
        position,
        not_after,
    };
    let not_yet = |position, not_before| NotYetValid {
        position,
        not_before,
    };
    vec![
        rule(
            "the end has passed",
            shown(&["expired"]),
            expired(0, ENDED),
            at(ENDED, &["expired"]),
        ),
        rule(
            "the second after the last",
            at(NOT_AFTER + 1, LEAF),
            expired(0, NOT_AFTER),
            at(NOT_AFTER, LEAF),
        ),
        rule(
            "the beginning is to come",
            shown(&["not-yet"]),
            not_yet(0, BEGINS),
            at(BEGINS, &["not-yet"]),
        ),
        rule(
            "the second before the first",
            at(NOT_BEFORE - 1, LEAF),
            not_yet(0, NOT_BEFORE),
            at(NOT_BEFORE, LEAF),
        ),
        rule(
            "the end lies before the beginning",
            shown(&["never"]),
            not_yet(0, BEGINS),
            shown(&["for-ever"]),
        ),
        rule(
            "between that end and that beginning no second counts",
            at(BEGINS, &["never"]),
            expired(0, ENDED),
            shown(&["for-ever"]),
        ),
        middle(
            "an authority has ended",
            &["middle-expired-leaf", "middle-expired"],
            expired(1, ENDED),
        ),
        rule(
            "a root is to come",
            under("root-not-yet", &["root-not-yet-leaf"]),
            not_yet(1, BEGINS),
            Shown {
                now: BEGINS,
                ..under("root-not-yet", &["root-not-yet-leaf"])
            },
        ),
    ]
}

fn authorities() -> Vec<Rule> {
    vec![
        leaf("a leaf that is an authority", &["leaf-authority"], LeafIsCa),
        middle(
            "an issuer without basicConstraints",
            &["no-constraints-leaf", "no-constraints"],
            NotACa { position: 1 },
        ),
        middle(
            "an issuer that is no authority",
            &["no-authority-leaf", "no-authority"],
            NotACa { position: 1 },
        ),
        leaf_under(
            "a root that is no authority",
            "root-no-authority",
            NotACa { position: 0 },
        ),
        rule(
            "more below an authority than its path length",
            shown(&["path-0-lower-leaf", "path-0-lower", "path-0"]),
            PathTooLong { position: 2 },
            shown(&["path-0-leaf", "path-0"]),
        ),
        rule(
            "more below a root than its path length",
            under(
                "root-path-0",
                &["root-path-0-middle-leaf", "root-path-0-middle"],
            ),
            PathTooLong { position: 2 },
            under("root-path-0", &["root-path-0-leaf"]),
        ),
    ]
}

/// A rule of roots, which are refused before a chain is seen.
fn leaf_under(what: &'static str, root: &'static str, fault: ChainError) -> Rule {
    rule(what, under(root, LEAF), fault, shown(LEAF))
}

fn uses() -> Vec<Rule> {
    vec![
        leaf(
            "a leaf for another use",
            &["other-usage"],
            key_usage(0, "digitalSignature"),
        ),
        middle(
            "an authority for another use",
            &["middle-other-usage-leaf", "middle-other-usage"],
            key_usage(1, "keyCertSign"),
        ),
        leaf_under(
            "a root for another use",
            "root-other-usage",
            key_usage(0, "keyCertSign"),
        ),
        rule(
            "a leaf for the other role",
            shown(&["other-role"]),
            purpose(0),
            shown(&["plain"]),
        ),
        leaf("a leaf for any role", &["any-role"], purpose(0)),
        middle(
            "an authority for the other role",
            &["middle-other-role-leaf", "middle-other-role"],
            purpose(1),
        ),
        rule(
            "a root for the other role",
            under("root-other-role", &["root-other-role-leaf"]),
            purpose(1),
            shown(LEAF),
        ),
    ]
}

fn extensions() -> Vec<Rule> {
    vec![
        middle(
            "name constraints",
            &["constraints-leaf", "constraints"],
            NameConstraints { position: 1 },
        ),
        middle(
            "name constraints that are not critical",
            &["constraints-not-critical-leaf", "constraints-not-critical"],
            NameConstraints { position: 1 },
        ),
        leaf_under(
            "name constraints of a root",
            "root-constraints",
            NameConstraints { position: 0 },
        ),
        rule(
            "a critical extension that nobody knows",
            shown(&["unknown"]),
            unknown(0, "1.2.3.4"),
            shown(&["unknown-not-critical"]),
        ),
        middle(
            "the same of an authority",
            &["middle-unknown-leaf", "middle-unknown"],
            unknown(1, "1.2.3.4"),
        ),
        leaf_under("the same of a root", "root-unknown", unknown(0, "1.2.3.4")),
        leaf(
            "more than a value in an extension",
            &["overfull"],
            Malformed { position: 0 },
        ),
    ]
}

fn ways() -> Vec<Rule> {
    vec![
        rule(
            "the wrong order",
            shown(&["middle-leaf", "root", "middle"]),
            UnknownRoot { position: 0 },
            shown(&["middle-leaf", "middle", "root"]),
        ),
        middle(
            "somebody else between",
            &["middle-leaf", "stranger", "middle"],
            NotIssuedByNext { position: 0 },
        ),
        middle("a gap", &["middle-leaf"], UnknownRoot { position: 0 }),
        rule(
            "a root that nobody trusts",
            shown(&["stranger-leaf", "stranger"]),
            UnknownRoot { position: 1 },
            under("stranger", &["stranger-leaf", "stranger"]),
        ),
        rule(
            "a root of the same name",
            shown(&["same-name-leaf"]),
            BadSignature { position: 0 },
            under("same-name", &["same-name-leaf"]),
        ),
        rule(
            "a certificate too many",
            shown(&["middle-leaf", "middle", "root", "root", "root"]),
            TooMany,
            // What stands behind a root is not needed.
            shown(&["middle-leaf", "middle", "root", "stranger"]),
        ),
        rule("no certificate", shown(&[]), Empty, shown(LEAF)),
    ]
}
