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

#[test]
fn what_is_for_nvflare_alone_is_refused_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let kit = folder.path().to_str().unwrap();
    for option in ["--state=x", "--json", "--accept-filters=A"] {
        let ended = Command::new(env!("CARGO_BIN_EXE_fedlink"))
            .args(["join", "--kit", kit, "--share", "1/2", option])
            .output()
            .unwrap();
        assert_eq!(ended.status.code(), Some(1));
        assert!(
            said(&ended).contains("is for a site of NVFlare"),
            "{ended:?}"
        );
    }
}

/// A kit whose key is a pipe would hold its reader up for ever.
#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let startup = folder.path().join("startup");
    std::fs::create_dir(&startup).unwrap();
    let made = Command::new("mkfifo")
        .arg(startup.join("fed_client.json"))
        .status();
    assert!(made.unwrap().success());
    let ended = join(&[folder.path().to_str().unwrap(), "--once"]);
    assert!(said(&ended).contains("is no regular file"), "{ended:?}");
}
