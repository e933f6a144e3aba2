//! What of a program may leave its site: the operator decides, not the program.

#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::fs;

use fedlink_trainer::{Errors, Event, Failure, Launch, Output, Program};

use common::{job, python, run, task};

const TELLS_ALL: &str = r#"
m = task()
say("metrics", values={"loss": 1, "patients": 7})
say("metrics", values={"patients": 7})
open(os.path.join(folder, "out"), "w").write("arrays")
say("result", id=m["id"], file="out", weight=3, metrics={"accuracy": 1, "patients": 7},
    headers={"note": "x", "secret": "y"})
print("answer", hear(), flush=True)
hear()
"#;

fn leaving(leave: Option<&[&str]>) -> Launch {
    let mut launch = python(TELLS_ALL);
    launch.leave = leave.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    launch
}

#[test]
fn only_what_may_leave_is_heard_of() {
    let (result, events) = run(leaving(Some(&[
        "weight",
        "accuracy",
        "loss",
        "header:note",
        "secret",
    ])));
    let result = result.unwrap();
    assert!(result.arrays.is_none());
    assert_eq!(result.weight, Some(3.0));
    assert_eq!(
        result.metrics,
        BTreeMap::from([("accuracy".to_owned(), 1.0)])
    );
    assert_eq!(
        result.headers,
        BTreeMap::from([("note".to_owned(), "x".to_owned())])
    );
    let metrics: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Metrics { values, .. } => Some(values.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(metrics, [BTreeMap::from([("loss".to_owned(), 1.0)])]);

    let nothing = run(leaving(Some(&[]))).0.unwrap();
    assert!(nothing.arrays.is_none() && nothing.weight.is_none());
    assert!(nothing.metrics.is_empty() && nothing.headers.is_empty());

    let all = run(leaving(None)).0.unwrap();
    assert!(all.arrays.is_some());
    assert_eq!((all.metrics.len(), all.headers.len()), (2, 2));
}

#[test]
fn no_text_leaves_with_the_arrays() {
    for (metadata, leave, problem) in [
        (
            r#"{"patients": "7"}"#,
            Some(&["params"][..]),
            Some("`patients`"),
        ),
        (
            r#"{"format": "np", "fedlink.tree": "{}"}"#,
            Some(&["params"][..]),
            None,
        ),
        (r#"{"patients": "7"}"#, None, None),
    ] {
        let script = format!(
            r#"
m = task()
header = json.dumps({{"__metadata__": {metadata}}}).encode()
with open(os.path.join(folder, "out"), "wb") as file:
    file.write(len(header).to_bytes(8, "little") + header)
say("result", id=m["id"], file="out")
hear()
"#
        );
        let mut launch = python(&script);
        launch.leave = leave.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        match (run(launch).0, problem) {
            (Ok(result), None) => assert!(result.arrays.is_some()),
            (Err(failure), Some(problem)) => {
                assert!(failure.to_string().contains(problem), "{failure}");
            }
            (other, _) => panic!("{metadata}: {other:?}"),
        }
    }
}

fn filtered(script: &str) -> Result<String, Failure> {
    let mut launch = python(TELLS_ALL);
    launch.filter = ["sh", "-euc", script, "sh"].map(Into::into).to_vec();
    let result = run(launch).0?;
    Ok(fs::read_to_string(result.arrays.unwrap().path()).unwrap())
}

#[test]
fn a_filter_makes_of_the_arrays_what_leaves() {
    let made = filtered(r#"sed s/arrays/clipped/ "$1" > "$2""#).unwrap();
    assert_eq!(made, "clipped");
}

#[test]
fn nothing_leaves_when_the_filter_fails() {
    for (script, problem) in [
        (r#"cp "$1" "$2"; exit 3"#, "exit code 3"),
        (r#"cp "$1" "$2"; kill -9 $$"#, "signal 9"),
        ("exit 0", "there is no file `filtered`"),
        (r#"ln -s "$1" "$2""#, "is no regular file"),
    ] {
        let failure = filtered(script).unwrap_err();
        assert!(matches!(failure, Failure::Filter(_)), "{failure}");
        let words = failure.to_string();
        assert!(words.contains(problem), "{script}: {words}");
    }
    let mut launch = python(TELLS_ALL);
    launch.filter = vec!["./no/such/filter".into()];
    let words = run(launch).0.unwrap_err().to_string();
    assert!(words.contains("does not start"), "{words}");
}

#[test]
fn a_filter_that_hangs_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let mut launch = python(TELLS_ALL);
    let script = format!("touch '{}'; sleep 600", runs.display());
    launch.filter = ["sh", "-c", &script, "sh"].map(Into::into).to_vec();
    let mut program = Program::new(launch, job());
    let stopper = program.stopper();
    let running = std::thread::spawn(move || program.run(&task("1"), &mut |_| {}).unwrap_err());
    common::wait_until("the filter runs", || runs.exists());
    stopper.stop("1", "not wanted");
    let failure = running.join().unwrap();
    assert!(matches!(failure, Failure::Stopped(_)), "{failure}");
}

#[test]
fn a_filter_has_the_time_of_its_task() {
    let mut launch = python(TELLS_ALL);
    launch.filter = ["sh", "-c", "sleep 600", "sh"].map(Into::into).to_vec();
    launch.limit = Some(std::time::Duration::from_secs(3));
    let failure = run(launch).0.unwrap_err();
    assert!(matches!(failure, Failure::Limit(_)), "{failure}");
}

#[test]
fn a_result_is_not_lost_if_its_program_dies_while_it_is_filtered() {
    let folder = tempfile::tempdir().unwrap();
    let dead = folder.path().join("dead");
    let dies = TELLS_ALL.replace(
        "print(\"answer\", hear(), flush=True)\nhear()",
        &format!(
            "open({:?}, \"w\").close(); sys.exit(3)",
            dead.display().to_string()
        ),
    );
    let mut launch = python(&dies);
    // It goes on until the site has seen the end of the program.
    let script = format!(
        r#"while [ ! -e '{}' ]; do sleep 0.1; done; sleep 1; cp "$1" "$2""#,
        dead.display()
    );
    launch.filter = ["sh", "-euc", &script, "sh"].map(Into::into).to_vec();
    let result = run(launch).0.unwrap();
    assert_eq!(
        fs::read_to_string(result.arrays.unwrap().path()).unwrap(),
        "arrays"
    );
}

#[test]
fn the_coordinator_hears_of_a_failure_what_the_operator_lets_it() {
    let fails = "m = task()\nprint('patient 7', flush=True)\n\
        say('failed', id=m['id'], text='KeyError: patient 7'); hear()";
    for (errors, told) in [
        (Errors::Type, "failed: KeyError"),
        (Errors::Text, "failed: KeyError: patient 7"),
    ] {
        let mut launch = python(fails);
        launch.errors = errors;
        launch.output = Output::Nowhere;
        let mut program = Program::new(launch, job());
        let failure = program.run(&task("1"), &mut |_| {}).unwrap_err();
        assert_eq!(program.tell(&failure), told);
    }
    let mut launch = python("print('x' * 2000 + 'the end', flush=True); sys.exit(3)");
    launch.errors = Errors::Tail;
    launch.output = Output::Nowhere;
    launch.restarts = 0;
    let mut program = Program::new(launch, job());
    let failure = program.run(&task("1"), &mut |_| {}).unwrap_err();
    let told = program.tell(&failure);
    assert!(told.starts_with("died (exit code 3)\nxxx"), "{told}");
    assert!(told.ends_with("the end\n") && told.len() < 1_100, "{told}");
}
