//! `fedlink check` looks at the folder for state, and changes nothing in it.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::checked::{change, check, project, serve};
use common::{Process, fedlink};
use fedlink_host::store::FileStore;

const SITE: &str = "the site mosel of wine";

/// What is in the site's folder for state once it was used by `owner`.
fn used(site: &Path, owner: &str) -> PathBuf {
    let state = site.join("state");
    let (mut store, _) = FileStore::open_for(&state, owner).unwrap();
    store.append(&[b"a record"]).unwrap();
    store.sync().unwrap();
    state
}

/// All names in a folder, and what is in its files.
fn all_of(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.clone(), fs::read(path).ok()))
        .collect()
}

#[test]
fn a_folder_that_can_be_used() {
    let (_place, _, site) = project();
    check(&site, &[]).right("state", "nothing is stored");
    let before = all_of(&site);
    assert!(!site.join("state").exists());
    let state = used(&site, SITE);
    let held = all_of(&state);
    check(&site, &[]).right("state", "holds 1 records");
    assert_eq!(all_of(&state), held);
    fs::remove_dir_all(&state).unwrap();
    assert_eq!(all_of(&site), before);
}

#[test]
fn a_store_that_is_damaged_or_gone() {
    let (_place, _, site) = project();
    let state = used(&site, SITE);
    let records = state.join("records");
    let whole = fs::read(&records).unwrap();
    let mut bytes = whole.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&records, &bytes).unwrap();
    let before = all_of(&state);
    check_state(&site, "fedlink join --repair");
    assert_eq!(all_of(&state), before);
    bytes = whole.clone();
    bytes[7] += 1;
    bytes[4096 + 7] += 1;
    fs::write(&records, &bytes).unwrap();
    check_state(&site, "move the file and `lock`");
    fs::remove_file(&records).unwrap();
    check_state(&site, "is gone, although a store was made there");
    // What is said helps.
    fs::write(&records, &whole).unwrap();
    check(&site, &[]).right("state", "holds 1 records");
}

/// The state of this kit is wrong; whether anything else is does not matter.
#[track_caller]
fn check_state(kit: &Path, told: &str) {
    let found = check(kit, &[]);
    let line = found.checks.iter().find(|it| it["check"] == "state");
    let line = line.unwrap();
    assert!(
        line["right"] == false && line.to_string().contains(told),
        "{line:#?}"
    );
}

#[test]
fn something_else_in_its_place() {
    let (_place, _, site) = project();
    let state = site.join("state");
    fs::write(&state, "").unwrap();
    check_state(&site, "is a file, and the store needs a directory there");
    change(&site, "state = \"state\"", "state = \"key.pem/state\"");
    check_state(&site, "is a file, and the store needs a directory there");
    change(&site, "state = \"key.pem/state\"", "state = \"state\"");
    fs::remove_file(&state).unwrap();
    fs::create_dir_all(state.join("records")).unwrap();
    check_state(&site, "is not a file, and the store needs one there");
}

#[cfg(unix)]
#[test]
fn links() {
    let (_place, _, site) = project();
    let state = site.join("state");
    std::os::unix::fs::symlink("nowhere", &state).unwrap();
    check_state(&site, "is a link to what does not exist");
    fs::remove_file(&state).unwrap();
    fs::create_dir(&state).unwrap();
    std::os::unix::fs::symlink("elsewhere", state.join("lock")).unwrap();
    check_state(&site, "is a link, and the store needs a file there");
}

/// As another user: whoever runs the tests may be one who can write anywhere.
#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65534;
    let (place, _, site) = project();
    let state = used(&site, SITE);
    let is_root = fs::metadata(place.path()).unwrap().uid() == 0;
    if is_root {
        let folders = [
            place.path(),
            &place.path().join("wine"),
            site.parent().unwrap(),
        ];
        for folder in folders {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        }
        chown(&site, Some(NOBODY), None).unwrap();
        for file in fs::read_dir(&site).unwrap() {
            chown(file.unwrap().path(), Some(NOBODY), None).unwrap();
        }
    }
    let told = || {
        let mut command = fedlink();
        if is_root {
            command.uid(NOBODY);
        }
        let output = command
            .args(["check", "--kit"])
            .arg(&site)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    for folder in [&state, &site] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o555)).unwrap();
        let told = told();
        let remedy = "let the user of this process read and write there";
        assert!(
            told.contains("WRONG  state") && told.contains(remedy),
            "{told}"
        );
        // The folder that is to be made is not writable itself, but where it is to be.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        let _ = fs::remove_dir_all(&state);
    }
}

#[test]
fn the_state_of_somebody_else() {
    let (_place, server, site) = project();
    let state = used(&site, "the site nahe of wine");
    let told = "holds the records of the site nahe of wine, and this is the site mosel of wine";
    check_state(&site, told);
    for command in [
        &["join", "--share", "1/1"][..],
        &["join", "--share", "1/1", "--repair"],
    ] {
        let before = all_of(&state);
        let mut process = Process::start(&[command, &["--kit", site.to_str().unwrap()]].concat());
        let said = process.rest();
        assert!(said.iter().any(|it| it.contains(told)), "{said:?}");
        assert!(
            said.iter().any(|it| it.contains("a directory of its own")),
            "{said:?}"
        );
        assert!(!process.end().0);
        assert_eq!(all_of(&state), before);
    }
    change(
        &server,
        "state = \"state\"",
        "state = \"../sites/mosel/state\"",
    );
    check_state(&server, "and this is the server coordinator of wine");
    let said = Process::start(&["serve", "--kit", server.to_str().unwrap()]).rest();
    assert!(
        said.iter()
            .any(|it| it.contains("this is the server coordinator of wine")),
        "{said:?}"
    );
}

/// One that runs keeps its folder, and is told of as such.
#[test]
fn a_process_at_work_is_no_fault() {
    let (_place, server, _) = project();
    let mut coordinator = serve(&server);
    for _ in 0..3 {
        let found = check(&server, &[]);
        assert!(found.right, "{:#?}", found.checks);
        found.right("state", "a process that runs uses");
    }
    coordinator.interrupt();
    assert!(coordinator.end().0);
    check(&server, &[]).right("state", "and can be written");
}

/// On a disk of its own, which only root may make.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full() {
    use std::process::Command;

    let (place, _, site) = project();
    let disk = place.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let run = |command: &str| {
        let status = Command::new("sh").args(["-c", command]).status();
        status.unwrap().success()
    };
    let at = disk.display();
    if !run(&format!(
        "mount -t tmpfs -o size=64k tmpfs {at} 2>/dev/null"
    )) {
        println!("this user mounts no disk, so it was not tested");
        return;
    }
    change(&site, "state = \"state\"", &format!("state = \"{at}\""));
    let found = check(&site, &[]);
    assert!(run(&format!("umount {at}")));
    let line = found.checks.iter().find(|it| it["check"] == "state");
    let line = line.unwrap();
    assert!(
        line["right"] == false && line.to_string().contains("free space there"),
        "{line:#?}"
    );
}
