//! The simulation as people and programs run it.

use std::process::{Command, Output};

use serde_json::Value;

fn simulate(options: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fedlink"))
        .arg("simulate")
        .args(options.split_whitespace())
        .output()
        .unwrap()
}

/// The figures, without those of the machine.
fn figures(options: &str) -> (bool, Value) {
    let output = simulate(&format!("{options} --quiet --json"));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let mut figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    figures.as_object_mut().unwrap().remove("real").unwrap();
    (output.status.success(), figures)
}

fn number(figures: &Value, path: &str) -> u64 {
    let number = figures.pointer(path).and_then(Value::as_u64);
    number.unwrap_or_else(|| panic!("{path} in {figures}"))
}

/// Every message was lost, or handled, or heard, or was on its way at the end.
fn nothing_is_missing(figures: &Value) {
    let of = |path| number(figures, path);
    let ended = [
        "/lost_to_server",
        "/lost_to_clients",
        "/server/received",
        "/heard",
        "/unheard",
    ];
    let ended: u64 = ended.into_iter().map(of).sum();
    assert_eq!(of("/sent") + of("/answered"), ended, "{figures}");
    assert_eq!(of("/answered"), of("/server/sent"));
}

const SMALL: &str = "--clients 2000 --join 10s --duration 2m --workers 100 --rounds 3";

#[test]
fn every_client_is_in_and_every_result_arrives_once_although_messages_are_lost() {
    let (ok, figures) = figures(&format!("{SMALL} --loss 5"));
    assert!(ok, "{figures}");
    let of = |path| number(&figures, path);
    assert_eq!((of("/at_work"), of("/server/clients")), (2000, 2000));
    assert!(of("/joins") >= 2000 && of("/joins") <= of("/server/registrations"));
    assert_eq!((of("/tasks_assigned"), of("/results")), (300, 300));
    assert_eq!(
        (of("/results_twice"), of("/results_lost"), of("/gone")),
        (0, 0, 0)
    );
    assert!(of("/lost_to_server") > 0 && of("/lost_to_clients") > 0);
    assert!(of("/repeated") > 0);
    nothing_is_missing(&figures);
}

#[test]
fn without_loss_nothing_is_repeated_and_heartbeats_are_as_many_as_they_should() {
    let (ok, figures) = figures(&format!("{SMALL} --loss 0"));
    assert!(ok, "{figures}");
    let of = |path| number(&figures, path);
    assert_eq!(
        (of("/repeated"), of("/late"), of("/server/dropped")),
        (0, 0, 0)
    );
    assert_eq!(
        (of("/joins"), of("/challenges"), of("/registers")),
        (2000, 2000, 2000)
    );
    // One at once, one within half an interval or a whole one, then one each interval, which
    // is shortened by a tenth at most: in 120 s four to six.
    let heartbeats = of("/heartbeats");
    assert!((4 * 2000..=6 * 2000).contains(&heartbeats), "{heartbeats}");
    assert!(of("/heartbeats_sent") - heartbeats <= 20);
    nothing_is_missing(&figures);
}

#[test]
fn a_seed_decides_every_figure() {
    let run = |seed| figures(&format!("{SMALL} --seed {seed}")).1;
    let (mut one, mut other) = (run(7), run(8));
    assert_eq!(one, run(7));
    for run in [&mut one, &mut other] {
        run["plan"]["seed"].take();
    }
    assert_ne!(one, other);
}

const STORM: &str = "--storm --clients 2000 --join 60s --workers 100 --rounds 3";

#[test]
fn after_a_storm_all_are_back_and_no_result_is_lost() {
    let (ok, figures) = figures(STORM);
    assert!(ok, "{figures}");
    let without = &figures["without_jitter"];
    for run in [&figures, without] {
        let of = |path| number(run, path);
        assert_eq!((of("/at_work"), of("/server/clients")), (2000, 2000));
        assert!(of("/joins") >= 4000, "each came in twice");
        assert!(
            of("/storm/half_after") > 2000,
            "nobody is back before a retry"
        );
        assert!(of("/storm/all_after") <= 60_000);
        assert!(of("/storm/longest_queue") > 0);
        assert_eq!(
            (of("/results"), of("/results_twice"), of("/gone")),
            (300, 0, 0)
        );
        assert_eq!(of("/server/over_budget"), 0);
        assert!(of("/server/most_waiting") < number(&figures, "/plan/max_waiting"));
        nothing_is_missing(run);
    }
    let queue = |run| number(run, "/storm/longest_queue");
    assert!(
        queue(&figures) < queue(without),
        "jitter keeps clients apart"
    );
}

#[test]
fn who_is_put_off_comes_when_it_was_told() {
    let (ok, figures) = figures(&format!("{STORM} --budget 100"));
    assert!(ok, "{figures}");
    let of = |path| number(&figures, path);
    assert!(of("/server/over_budget") > 1000, "most were put off");
    // 20 s of handshakes: whoever is put off is so once, or hardly more often.
    assert!(of("/server/over_budget") < 2500, "{figures}");
    assert_eq!(of("/joins"), 4000);
}

#[test]
fn a_storm_that_takes_too_long_fails() {
    let (ok, figures) = figures(&format!("{STORM} --budget 25"));
    assert!(!ok, "{figures}");
    assert_eq!(figures["ok"], false);
    assert!(number(&figures, "/server/over_budget") > 0);
    let complaints = figures["complaints"].to_string();
    assert!(complaints.contains("within 60 s"), "{complaints}");
}

#[test]
fn people_get_a_table_and_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let plot = folder.path().join("storm.svg");
    let output = simulate(&format!("{STORM} --plot {}", plot.display()));
    let table = String::from_utf8_lossy(&output.stdout);
    for line in ["are stubbed", "without jitter", "all is well"] {
        assert!(table.contains(line), "{table}");
    }
    let picture = std::fs::read_to_string(plot).unwrap();
    for text in ["<svg", "with jitter", "simulated time in seconds", "</svg>"] {
        assert!(picture.contains(text), "{text}");
    }
}

#[test]
fn options_that_make_no_sense_say_what_to_do() {
    for (options, remedy) in [
        ("--clients 2 --workers 5", "no more than there are"),
        ("--loss 80", "from 0 to 50"),
        ("--loss nan", "from 0 to 50"),
        ("--latency 3s", "1250ms"),
        ("--heartbeat 20m", "up to 5m"),
        ("--workers 9 --rounds 0", "or --workers 0"),
        ("--workers 1000 --rounds 2000", "fewer --rounds"),
        ("--join 5", "as in 30s"),
        (
            "--clients 9 --join 1s --duration 1s --plot /nowhere/at/all.svg",
            "could not be written",
        ),
    ] {
        let output = simulate(options);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{options}");
        assert!(error.contains(remedy), "{options}: {error}");
    }
}
