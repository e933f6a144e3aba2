//! The demo as people and programs run it.

use std::process::{Command, Output};

use serde_json::Value;

fn demo(options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fedlink"))
        .arg("demo")
        .args(options)
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn in_memory_it_survives_every_fault_and_says_so_in_one_object() {
    let output = demo(&[
        "--json",
        "--quiet",
        "--transport",
        "memory",
        "--rounds",
        "5",
    ]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stderr, "", "quiet says nothing");
    let report = json(&output);
    let number = |field: &str| report[field].as_f64().unwrap_or_else(|| panic!("{field}"));
    assert_eq!(report["ok"], true);
    assert!(number("accuracy") >= number("accuracy_central") - 0.02);
    assert!(number("accuracy") >= number("accuracy_median_site"));
    assert_eq!(number("results_once"), 40.0);
    assert!(number("results_twice") >= 1.0);
    assert_eq!(number("results_lost"), 0.0);
    assert!(number("resumed_uploads") >= 1.0);
    assert!(number("bytes_sent_twice") <= 2.0 * 1024.0 * 1024.0);
    assert_eq!(number("restored_sites"), 1.0);
    assert_eq!(number("restored_servers"), 1.0);
    assert_eq!(number("aborted_jobs"), 1.0);
    assert_eq!(report["sites"].as_array().unwrap().len(), 8);
}

#[test]
fn every_transport_and_suite_trains_the_same_model() {
    let accuracy = |transport, suite| {
        let size = ["--sites", "3", "--rounds", "4", "--payload-mib", "3"];
        let way = ["--transport", transport, "--suite", suite];
        let output = demo(&[&["--json", "--quiet"], &size[..], &way].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        let report = json(&output);
        assert_eq!(
            report["results_lost"], 0,
            "{transport} {suite}: {report} {stderr}"
        );
        assert!(
            report["resumed_uploads"].as_u64() >= Some(1),
            "{transport} {suite}"
        );
        assert_eq!(report["restored_sites"], 1, "{transport} {suite}");
        assert_eq!(report["restored_servers"], 1, "{transport} {suite}");
        assert_eq!(report["aborted_jobs"], 1, "{transport} {suite}");
        report["accuracy"].as_f64().unwrap()
    };
    let expected = accuracy("memory", "plain");
    for (transport, suite) in [
        ("memory", "sealed"),
        ("memory", "bearer"),
        ("tcp", "plain"),
        ("tcp", "bearer"),
        ("tls", "sealed"),
        ("tls", "bearer"),
    ] {
        assert_eq!(accuracy(transport, suite), expected, "{transport} {suite}");
    }
}
