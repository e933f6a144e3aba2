use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use fedlink::message::{JobId, Payload, Properties, TaskId};
use fedlink::nvflare::{Array, npz};

use super::*;

/// One array, as a task brings it: in several parts.
fn arrays() -> Payload {
    let weights = Array::new([3], [1.0_f32, 2.0, 3.0]).unwrap();
    let mut writer = npz::Writer::new();
    writer.add("weights.npy", [weights.to_npy()]).unwrap();
    Payload::from_parts(writer.finish().unwrap(), "", "")
}

fn task(headers: Properties) -> Task {
    {
        let mut task = Task::new(
            TaskId::from_bytes([1; 16]),
            JobId::from_bytes([2; 16]),
            "train",
            arrays(),
        );
        task.headers = headers;
        task
    }
}

/// A shell that runs this script with the two files as `$1` and `$2`.
fn shell(script: &str) -> Program {
    Program {
        command: ["sh", "-euc", script, "sh"].map(Into::into).to_vec(),
        site: "site-1".to_owned(),
    }
}

fn run(script: &str) -> Result<Update, Failure> {
    shell(script).train(task(Properties::new()), &Stop::default())
}

/// Why the script has no result.
fn failure(script: &str) -> String {
    run(script).unwrap_err().to_string()
}

#[test]
fn arrays_go_to_the_program_and_come_back() {
    let update = run("cp \"$1\" \"$2\"").unwrap();
    assert_eq!(update.payload.bytes(), arrays().bytes());
    assert_eq!(update.payload.content_type(), "application/x-npz");
    assert!(update.headers.is_empty());
}

#[test]
fn the_program_is_told_what_it_works_on() {
    let script = r#"
        cp "$1" "$2"
        printf '{"is": "%s %s %s %s %s %s"}' "$FEDLINK_SITE" "$FEDLINK_TASK" "$FEDLINK_ROUND" \
            "$FEDLINK_JOB" "$FEDLINK_TASK_ID" "$(echo "$FEDLINK_HEADERS" | tr '"' "'")" \
            > "$(dirname "$2")/output.json""#;
    let headers = Properties::new().with("current_round", "4");
    let update = shell(script).train(task(headers), &Stop::default());
    let told = "site-1 train 4 02020202-0202-0202-0202-020202020202 \
                01010101-0101-0101-0101-010101010101 {'current_round':'4'}";
    assert_eq!(update.unwrap().headers.get("is"), Some(told));
}

#[test]
fn a_round_that_is_not_known_is_not_told() {
    run("cp \"$1\" \"$2\"; test -z \"${FEDLINK_ROUND+set}\"").unwrap();
}

#[test]
fn metrics_alone_are_a_result() {
    let update = run("echo '{\"metrics.loss\": 0.5}' > \"$(dirname \"$2\")/output.json\"");
    let update = update.unwrap();
    assert!(update.payload.is_empty());
    assert_eq!(update.headers.get("metrics.loss"), Some("0.5"));
}

#[test]
fn each_way_to_give_no_result_has_its_own_words() {
    for (script, words) in [
        ("exit 3", "exit status: 3"),
        ("kill -9 $$", "signal: 9"),
        ("true", "left no result"),
        ("echo text > \"$2\"", "not a whole .npz file"),
        (
            "cp \"$1\" \"$2\"; echo '[]' > \"$(dirname \"$2\")/output.json\"",
            "output.json cannot be used: it must hold one JSON object",
        ),
    ] {
        let failure = failure(script);
        assert!(failure.contains(words), "{script}: {failure}");
    }
    let mut absent = Program {
        command: vec!["./no/such/program".into()],
        site: "site-1".to_owned(),
    };
    let failure = absent.train(task(Properties::new()), &Stop::default());
    let failure = failure.unwrap_err().to_string();
    assert!(failure.contains("check the path after --exec"), "{failure}");
}

#[test]
fn nothing_is_left_behind() {
    let outside = tempfile::tempdir().unwrap();
    let told = outside.path().join("told");
    for end in ["cp \"$1\" \"$2\"", "exit 1"] {
        let script = format!("echo \"$1\" > {}; {end}", told.display());
        let _ = run(&script);
        let input = PathBuf::from(fs::read_to_string(&told).unwrap().trim());
        assert!(input.ends_with("input.npz") && !input.parent().unwrap().exists());
    }
}

#[test]
fn a_program_that_is_stopped_may_clean_up_and_leaves_no_result() {
    let outside = tempfile::tempdir().unwrap();
    let [ready, asked] = ["ready", "asked"].map(|name| outside.path().join(name));
    let script = format!(
        "trap 'touch {}; exit 0' TERM; cp \"$1\" \"$2\"; touch {}; while :; do sleep 0.01; done",
        asked.display(),
        ready.display()
    );
    let stop = Stop::default();
    let running = std::thread::spawn({
        let stop = stop.clone();
        move || shell(&script).train(task(Properties::new()), &stop)
    });
    while !ready.exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    stop.set();
    let failure = running.join().unwrap().unwrap_err().to_string();
    assert!(failure.contains("no longer wanted"), "{failure}");
    assert!(asked.exists());
}

#[test]
fn a_program_that_does_not_heed_is_killed() {
    let outside = tempfile::tempdir().unwrap();
    let ready = outside.path().join("ready");
    let script = format!(
        "trap '' TERM; touch {}; while :; do sleep 0.01; done",
        ready.display()
    );
    let stop = Stop::default();
    let running = std::thread::spawn({
        let stop = stop.clone();
        move || shell(&script).train(task(Properties::new()), &stop)
    });
    while !ready.exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    stop.set();
    running.join().unwrap().unwrap_err();
}

#[test]
fn a_program_that_is_not_there_is_told_before_there_is_a_task() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("train.sh");
    fs::write(&file, "#!/bin/sh\n").unwrap();
    let find = |program: &str| {
        let program = Program {
            command: vec![program.into()],
            site: "site-1".to_owned(),
        };
        program.find().map_err(|error| error.to_string())
    };
    assert_eq!(find("sh"), Ok(()));
    assert_eq!(find("/bin/sh"), Ok(()));
    for (program, told) in [
        ("no-such-program", "it is not in PATH"),
        ("./no-such-program", "No such file"),
        ("/", "permission denied"),
        (".", "it is not in PATH"),
        ("", "it is not in PATH"),
        (file.to_str().unwrap(), "permission denied"),
    ] {
        let error = find(program).unwrap_err();
        assert!(error.contains(told), "{program}: {error}");
        assert!(error.contains("check the path after --exec"), "{error}");
    }
}
