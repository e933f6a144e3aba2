//! The profile of certificates, rule by rule: each is broken in certificates of two tools,
//! rcgen and OpenSSL, beside the right neighbour that is accepted. What neither tool breaks
//! is edited and signed again.
#![allow(clippy::disallowed_methods, reason = "the tests read certificates")]

mod edited;
mod openssl;
mod parts;
mod rcgen;
mod table;

use std::collections::BTreeSet;

use fedlink::identity::{
    Chain, ChainError, LocalSigner, Revoked, Role, Roots, Signer, Verified, verify,
};

use crate::common::pki::name;

/// Certificates of one tool, by the names that the table gives them.
trait Tool {
    fn certificate(&self, name: &str) -> Vec<u8>;

    /// The key of the certificate `root`.
    fn root_key(&self) -> LocalSigner;
}

fn tools() -> [Box<dyn Tool>; 2] {
    [Box::new(rcgen::Rcgen::new()), Box::new(openssl::OpenSsl)]
}

/// What is shown to the judge, and when.
#[derive(Clone, Copy)]
struct Shown {
    chain: &'static [&'static str],
    root: &'static str,
    now: u64,
}

fn judge(root: &[u8], chain: Vec<Vec<u8>>, now: u64) -> Result<Verified, ChainError> {
    let roots = Roots::new().certificate(root)?;
    let chain = Chain::from_der(chain)?;
    let expected = name("site-1");
    verify(
        &chain,
        &roots,
        &Revoked::new(),
        Role::Client,
        &expected,
        Some(now),
    )
}

fn judge_shown(tool: &dyn Tool, shown: Shown) -> Result<Verified, ChainError> {
    let chain = shown.chain.iter().map(|name| tool.certificate(name));
    judge(&tool.certificate(shown.root), chain.collect(), shown.now)
}

// spec: P-33
#[test]
fn each_rule_is_kept_in_certificates_of_both_tools() {
    for (number, tool) in tools().iter().enumerate() {
        for rule in table::rules() {
            let (what, tool) = (rule.what, tool.as_ref());
            let found = judge_shown(tool, rule.wrong);
            assert_eq!(found.err(), Some(rule.fault), "{what}, tool {number}");
            let right = judge_shown(tool, rule.right);
            assert!(right.is_ok(), "beside {what}, tool {number}: {right:?}");
        }
    }
}

// spec: P-32
#[test]
fn each_rule_of_encoding_is_kept_in_certificates_of_both_tools() {
    for (number, tool) in tools().iter().enumerate() {
        let (leaf, root) = (tool.certificate("leaf"), tool.certificate("root"));
        for edit in edited::edits() {
            let what = format!("{}, tool {number}", edit.what);
            let changed = (edit.make)(&leaf, &tool.root_key());
            assert_ne!(changed, leaf, "{what}");
            let judged = judge(&root, vec![changed], table::NOW);
            assert_eq!(judged.err(), edit.fault, "{what}");
        }
    }
}

#[test]
fn an_edit_that_changes_nothing_gives_the_certificate_again() {
    for tool in tools() {
        let leaf = tool.certificate("leaf");
        let again = parts::Parts::of(&leaf).sign(&tool.root_key());
        assert_eq!(again, leaf);
        let root = judge(&tool.certificate("root"), vec![leaf], table::NOW).unwrap();
        assert_ne!(root.key, tool.root_key().public_key());
    }
}

/// The variants of an enum, from its source.
fn variants<'a>(source: &'a str, name: &str) -> BTreeSet<&'a str> {
    let start = format!("pub enum {name} {{\n");
    let body = source.split_once(&start).unwrap().1;
    let body = body.split_once("\n}\n").unwrap().0;
    body.lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()))
        .map(|line| line.trim_end_matches([',', ' ', '{']))
        .collect()
}

#[test]
fn there_is_a_rule_for_every_fault_that_a_chain_can_have() {
    let source = include_str!("../../src/identity/error.rs");
    let named = |fault: &ChainError| {
        let text = format!("{fault:?}");
        let end = text.find(|it: char| !it.is_ascii_alphanumeric());
        text[..end.unwrap_or(text.len())].to_owned()
    };
    let mut shown: BTreeSet<String> = table::rules().iter().map(|it| named(&it.fault)).collect();
    shown.extend(
        edited::edits()
            .iter()
            .filter_map(|it| it.fault.as_ref().map(named)),
    );
    // No certificate has these: their tests stand elsewhere.
    let elsewhere = [
        (
            include_str!("wrong_chains.rs"),
            &["NotPinned", "Revoked"][..],
        ),
        (
            include_str!("wrong_certificates.rs"),
            &["Empty", "TooMany", "TooLarge"],
        ),
        (include_str!("bytes.rs"), &["BadFraming"]),
        (include_str!("../no_std/src/main.rs"), &["NoX509"]),
        (
            include_str!("rsa/wrong_chains.rs"),
            &[
                "NotACertificate",
                "NotAnRsaKey",
                "RsaKeySize",
                "ImpossibleRsaKey",
                "NotAnRsaSignature",
            ],
        ),
    ];
    for (tests, faults) in elsewhere {
        for fault in faults {
            assert!(tests.contains(&format!("ChainError::{fault}")), "{fault}");
            shown.insert((*fault).to_owned());
        }
    }
    let all = variants(source, "ChainError");
    let shown: BTreeSet<&str> = shown.iter().map(String::as_str).collect();
    assert_eq!(shown, all);
}
