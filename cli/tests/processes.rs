//! A project as people run it: one process for the coordinator and for each site.

mod common;

use std::fs;
use std::path::Path;

use common::{Process, fedlink, fedlink_with_signals, kit, provision};

#[test]
fn a_run_outlives_the_death_of_a_site_and_of_the_coordinator() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("wine");
    provision(&folder, "mosel,porto");
    let [server, mosel, porto] =
        ["server", "sites/mosel", "sites/porto"].map(|which| kit(&folder, which));
    let serve = [
        "serve",
        "--kit",
        &server,
        "--rounds",
        "6",
        "--payload-mib",
        "2",
    ];
    let join_mosel = ["join", "--kit", &mosel, "--share", "1/2"];
    let join_porto = ["join", "--kit", &porto, "--share", "2/2"];

    let coordinator = Process::start(&serve);
    coordinator.says("waits for 2 sites");
    let mut mosel = Process::start(&join_mosel);
    let porto = Process::start(&join_porto);
    coordinator.says("begins with 2 sites");

    coordinator.says("round   2");
    porto.kill();
    let mut porto = Process::start(&join_porto);
    coordinator.says("porto is replaced: another process of that name has joined");

    coordinator.says("round   4");
    coordinator.kill();
    let mut coordinator = Process::start(&serve);
    coordinator.says("goes on in round");
    coordinator.says("round   6");

    let (ok, printed) = coordinator.end();
    assert!(
        ok && printed.starts_with("the federation's model: loss"),
        "{printed}"
    );
    assert!(mosel.end().0 && porto.end().0);
}

#[test]
fn sites_take_part_in_the_run_of_a_coordinator_that_lost_its_state() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("wine");
    provision(&folder, "mosel,porto");
    let [server, mosel, porto] =
        ["server", "sites/mosel", "sites/porto"].map(|which| kit(&folder, which));
    let serve = ["serve", "--kit", &server, "--rounds", "4"];
    let coordinator = Process::start(&serve);
    let mut mosel = Process::start(&["join", "--kit", &mosel, "--share", "1/2"]);
    let mut porto = Process::start(&["join", "--kit", &porto, "--share", "2/2"]);
    coordinator.says("round   1");
    coordinator.kill();
    fs::remove_dir_all(Path::new(&server).join("state")).unwrap();

    let mut coordinator = Process::start(&serve);
    coordinator.says("waits for 2 sites");
    for site in [&mosel, &porto] {
        site.says("the coordinator does not go on with this run: waits for the next one");
        site.says("takes part in a run");
    }
    coordinator.says("round   4");
    for site in [&mosel, &porto] {
        site.says("the coordinator has ended the run");
    }
    assert!(coordinator.end().0);
    assert!(mosel.end().0 && porto.end().0);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_each_properly_and_the_run_goes_on_later() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("wine");
    provision(&folder, "mosel");
    let [server, mosel] = ["server", "sites/mosel"].map(|which| kit(&folder, which));
    let serve = ["serve", "--kit", &server, "--sites", "1", "--rounds", "4"];
    let join = ["join", "--kit", &mosel, "--share", "1/1"];

    let mut coordinator = Process::of(fedlink_with_signals().args(serve));
    let mut site = Process::of(fedlink_with_signals().args(join));
    coordinator.says("round   1");
    site.interrupt();
    assert!(site.end().0);
    coordinator.says("mosel has left: its operator has stopped it");
    coordinator.interrupt();
    assert!(coordinator.end().0);

    let mut coordinator = Process::of(fedlink_with_signals().args(serve));
    coordinator.says("goes on in round");
    let mut site = Process::of(fedlink_with_signals().args(join));
    coordinator.says("round   4");
    assert!(coordinator.end().0);
    assert!(site.end().0);
}

/// The accuracy with whoever remains would be another one, and nobody would be told.
#[cfg(unix)]
#[test]
fn a_round_waits_for_a_site_that_has_left_and_comes_to_the_same_model() {
    let last_line = |disturbed: bool| {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("wine");
        provision(&folder, "mosel,porto");
        let [server, mosel, porto] =
            ["server", "sites/mosel", "sites/porto"].map(|which| kit(&folder, which));
        let serve = ["serve", "--kit", &server, "--rounds", "8"];
        let [join_mosel, join_porto] = [(&mosel, "1/2"), (&porto, "2/2")]
            .map(|(kit, share)| ["join", "--kit", kit, "--share", share]);

        let mut coordinator = Process::of(fedlink_with_signals().args(serve));
        let mut mosel = Process::start(&join_mosel);
        let mut porto = Process::of(fedlink_with_signals().args(join_porto));
        if disturbed {
            coordinator.says("round   1");
            porto.interrupt();
            assert!(porto.end().0);
            coordinator.says("waits for porto: it has 1 of the 2 results that it needs");
            // Nor does a restart make it forget whom it needs.
            coordinator.interrupt();
            assert!(coordinator.end().0);
            coordinator = Process::of(fedlink_with_signals().args(serve));
            coordinator.says("with mosel, porto");
            porto = Process::of(fedlink_with_signals().args(join_porto));
        }
        coordinator.says("round   8");
        let (ok, printed) = coordinator.end();
        assert!(ok && mosel.end().0 && porto.end().0);
        printed
    };
    assert_eq!(last_line(true), last_line(false));
}

#[test]
fn a_minimum_that_no_round_can_reach_is_refused() {
    let serve = ["serve", "--kit", "nowhere", "--sites", "2"];
    let told = failure(&[&serve[..], &["--min-results", "3"]].concat());
    assert!(told.contains("--min-results 3 can never be reached by 2 sites"));
}

#[test]
fn a_site_gives_up_on_a_stranger_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let [ours, theirs] = ["ours", "theirs"].map(|which| folder.path().join(which));
    provision(&ours, "mosel");
    provision(&theirs, "mosel");
    // Their coordinator, at the address of ours, over a carrier that proves nothing.
    for kit in [ours.join("sites/mosel"), theirs.join("server")] {
        let file = kit.join("fedlink.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(
            &file,
            text.replace("transport = \"tls\"", "transport = \"tcp\""),
        )
        .unwrap();
    }
    let address = |kit: std::path::PathBuf| {
        let text = fs::read_to_string(kit.join("fedlink.toml")).unwrap();
        let start = text.find("127.0.0.1:").or(text.find("0.0.0.0:")).unwrap();
        text[start..].split('"').next().unwrap().to_owned()
    };
    let [at, expected] = [theirs.join("server"), ours.join("sites/mosel")].map(address);
    let file = theirs.join("server/fedlink.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace(&at, &expected)).unwrap();

    let coordinator = Process::start(&["serve", "--kit", theirs.join("server").to_str().unwrap()]);
    coordinator.says("waits for");
    let kit = ours.join("sites/mosel");
    let site = Process::start(&["join", "--kit", kit.to_str().unwrap(), "--share", "1/1"]);
    site.says("whoever answers is not the coordinator of this kit");
    site.says("ask whoever runs the project");
}

/// What this command says when it fails.
fn failure(arguments: &[&str]) -> String {
    let output = fedlink().args(arguments).output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn records_that_are_damaged_or_gone_are_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("wine");
    provision(&folder, "mosel");
    let [server, mosel] = ["server", "sites/mosel"].map(|which| kit(&folder, which));
    let serve = ["serve", "--kit", &server, "--sites", "1", "--rounds", "3"];
    let join = ["join", "--kit", &mosel, "--share", "1/1"];

    let coordinator = Process::start(&serve);
    let site = Process::start(&join);
    coordinator.says("round   1");
    site.kill();
    coordinator.kill();
    for (command, kit) in [(&serve[..], &server), (&join[..], &mosel)] {
        let store = Path::new(kit).join("state/records");
        let mut damaged = fs::read(&store).unwrap();
        damaged[8192] ^= 1;
        fs::write(&store, &damaged).unwrap();
        let told = failure(command);
        assert!(told.contains("the record at byte 8192"), "{told}");
        assert!(told.contains("the option --repair"), "{told}");
        assert_eq!(fs::read(&store).unwrap(), damaged);
        fs::rename(&store, store.with_file_name("moved")).unwrap();
        let told = failure(command);
        assert!(told.contains("is gone, although a store was"), "{told}");
        assert!(told.contains("the option --repair"), "{told}");
        fs::rename(store.with_file_name("moved"), &store).unwrap();
    }

    let mut coordinator = Process::start(&[&serve[..], &["--repair"]].concat());
    coordinator.says("repaired the store");
    coordinator.says("waits for 1 sites");
    let mut site = Process::start(&[&join[..], &["--repair"]].concat());
    site.says("repaired the store");
    coordinator.says("round   3");
    assert!(coordinator.end().0);
    assert!(site.end().0);
    let aside = Path::new(&server).join("state/records.set-aside-1");
    assert!(aside.exists());
}

/// Each connection is an open file, and the records need some too.
#[cfg(unix)]
#[test]
fn silent_strangers_that_hold_all_open_files_end_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("wine");
    provision(&folder, "mosel");
    let [server, mosel] = ["server", "sites/mosel"].map(|which| kit(&folder, which));
    let text = fs::read_to_string(folder.join("server/fedlink.toml")).unwrap();
    let start = text.find("127.0.0.1:").unwrap();
    let address = text[start..].split('"').next().unwrap().to_owned();

    let mut few = std::process::Command::new("sh");
    let serve =
        "ulimit -n 150; exec \"$0\" serve --kit \"$1\" --sites 1 --rounds 3 --payload-mib 1";
    few.args(["-c", serve, env!("CARGO_BIN_EXE_fedlink"), &server]);
    let mut coordinator = Process::of(&mut few);
    coordinator.says("may open too few files");
    coordinator.says("waits for 1 sites");
    let silent: Vec<_> = (0..400)
        .filter_map(|_| std::net::TcpStream::connect(&address).ok())
        .collect();
    assert!(silent.len() > 200, "{}", silent.len());
    let mut site = Process::start(&["join", "--kit", &mosel, "--share", "1/1"]);
    coordinator.says("round   3");
    assert!(coordinator.end().0 && site.end().0);
    drop(silent);
}
