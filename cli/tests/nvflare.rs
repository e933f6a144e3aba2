//! What `fedlink join --nvflare` says before there is a server.

use std::process::{Command, Output};

fn join(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fedlink"))
        .args(["join", "--nvflare"])
        .args(arguments)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_folder_without_a_kit_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let ended = join(&[folder.path().to_str().unwrap(), "--once"]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        said(&ended).contains("is no start-up kit of a site"),
        "{ended:?}"
    );
}

#[test]
fn a_site_needs_wines_or_a_program() {
    let ended = join(&["."]);
    assert_eq!(ended.status.code(), Some(2));
    let said = said(&ended);
    assert!(
        said.contains("--share") && said.contains("required"),
        "{said}"
    );
}
