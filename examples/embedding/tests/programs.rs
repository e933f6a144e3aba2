//! Each example does its job, as a user would run it.

use std::process::Command;

fn ends_well(program: &str) {
    let output = Command::new(program).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complaints}");
    assert!(said.contains("round 3: 2.625\n"), "{said}");
    assert_eq!(said.matches("has left").count(), 3, "{said}");
}

#[test]
fn over_tcp() {
    ends_well(env!("CARGO_BIN_EXE_tcp"));
}
