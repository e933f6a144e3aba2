//! A program that keeps to the protocol, over several tasks.

#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::fs;

use fedlink_trainer::{Death, Event, Failure, Kind, Program};

use common::{failure, job, launch, python, run, task};

const ECHO: &str = r#"
greet()
count = 0
while (m := hear())["say"] != "end":
    if m["say"] == "taken":
        print("taken", m, flush=True)
        continue
    count += 1
    say("progress", id=m["id"], done=0.5)
    say("metrics", values={"loss": 0.25}, step=7)
    given = None
    if "file" in m:
        given = open(os.path.join(folder, m["file"])).read()
        os.unlink(os.path.join(folder, m["file"]))
        open(os.path.join(folder, "answer"), "w").write(given + "!")
    told = {"count": str(count), "job": json.dumps(job), "task": json.dumps(m)}
    say("result", id=m["id"], weight=3, metrics={"accuracy": 0.5}, headers=told,
        **({"file": "answer", "kind": "diff"} if given else {}))
"#;

#[test]
fn one_process_does_all_tasks_of_a_job() {
    let outside = tempfile::tempdir().unwrap();
    let model = outside.path().join("model");
    fs::write(&model, "arrays").unwrap();
    let mut program = Program::new(python(ECHO), job());
    let mut events = Vec::new();
    for round in 1..=3 {
        let mut task = task(&round.to_string());
        task.round = Some(round);
        task.kind = Some(Kind::Full);
        task.arrays = Some(model.clone());
        task.headers = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let result = program.run(&task, &mut |event| events.push(event)).unwrap();
        let arrays = result.arrays.unwrap();
        assert_eq!(fs::read_to_string(arrays.path()).unwrap(), "arrays!");
        assert_eq!(result.kind, Kind::Diff);
        assert_eq!(result.weight, Some(3.0));
        assert_eq!(
            result.metrics,
            BTreeMap::from([("accuracy".to_owned(), 0.5)])
        );
        assert_eq!(result.headers["count"], round.to_string());
        let told: serde_json::Value = serde_json::from_str(&result.headers["task"]).unwrap();
        let expected = serde_json::json!({
            "say": "task", "id": round.to_string(), "task": "train", "round": round, "rounds": 3,
            "kind": "full", "file": format!("{round}.in"), "headers": { "a": "b" }, "again": false,
        });
        assert_eq!(told, expected);
        let told: serde_json::Value = serde_json::from_str(&result.headers["job"]).unwrap();
        let expected = serde_json::json!({
            "say": "job", "v": 1, "job": "job-1", "kind": "plus", "site": "site-1",
            "config": { "lr": 0.5 }, "folder": told["folder"],
        });
        assert_eq!(told, expected);
        program.taken(&task.id, None);
    }
    // The task's file is the program's to delete, not the site's.
    assert_eq!(fs::read_to_string(&model).unwrap(), "arrays");
    let death = program.end("done", &mut |_| {});
    assert_eq!(death, Some(Death::Exited(0)));
    let started = events
        .iter()
        .filter(|event| matches!(event, Event::Started { .. }));
    assert_eq!(started.count(), 1);
    let metrics = Event::Metrics {
        values: BTreeMap::from([("loss".to_owned(), 0.25)]),
        step: Some(7),
    };
    let happened = |what: &Event| events.iter().filter(|event| *event == what).count();
    assert_eq!(happened(&Event::Ready), 1);
    assert_eq!(happened(&Event::Progress(0.5)), 3);
    assert_eq!(happened(&metrics), 3);
}

#[test]
fn what_a_program_writes_into_its_file_does_not_change_the_sites() {
    let outside = tempfile::tempdir().unwrap();
    let model = outside.path().join("model");
    fs::write(&model, "arrays").unwrap();
    let script = r#"
m = task()
with open(os.path.join(folder, m["file"]), "r+") as file:
    file.write("broken")
say("result", id=m["id"])
hear()
"#;
    let mut task = task("1");
    task.arrays = Some(model.clone());
    let mut program = Program::new(python(script), job());
    program.run(&task, &mut |_| {}).unwrap();
    assert_eq!(fs::read_to_string(model).unwrap(), "arrays");
}

#[test]
fn a_program_that_waits_for_what_became_of_its_result_hears_of_it_at_the_end() {
    let script = r#"
m = task()
say("result", id=m["id"])
answer = hear()
assert answer["say"] == "taken" and answer["refused"], answer
assert hear()["say"] == "end"
"#;
    let mut program = Program::new(python(script), job());
    program.run(&task("1"), &mut |_| {}).unwrap();
    assert_eq!(program.end("done", &mut |_| {}), Some(Death::Exited(0)));
}

#[test]
fn the_folder_of_a_program_is_private_and_goes_with_it() {
    use std::os::unix::fs::PermissionsExt;

    let exchange = tempfile::tempdir().unwrap();
    let mut launch = python(ECHO);
    launch.exchange = exchange.path().to_owned();
    let mut program = Program::new(launch, job());
    program.run(&task("1"), &mut |_| {}).unwrap();
    let folder = fs::read_dir(exchange.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let mode = folder.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    // Whoever comes second finds no socket.
    assert!(!folder.path().join("socket").exists());
    drop(program);
    assert_eq!(fs::read_dir(exchange.path()).unwrap().count(), 0);
}

#[test]
fn a_program_that_ends_after_its_result_is_started_again_for_the_next_task() {
    let once = r#"
m = task()
say("result", id=m["id"], headers={"again": str(m["again"])})
hear()
"#;
    let mut program = Program::new(python(once), job());
    let mut deaths = 0;
    for id in ["1", "2", "3"] {
        let result = program.run(&task(id), &mut |event| {
            deaths += u32::from(matches!(event, Event::Again(_)));
        });
        assert_eq!(result.unwrap().headers["again"], "False");
        program.taken(id, None);
        common::wait_until("it ends", || program.has_ended());
    }
    assert_eq!(deaths, 0);
}

#[test]
fn what_it_says_after_its_result_is_heard() {
    let late = r#"
m = task()
say("result", id=m["id"])
hear()
say("metrics", values={"late": 1})
hear()
"#;
    let mut program = Program::new(python(late), job());
    program.run(&task("1"), &mut |_| {}).unwrap();
    program.taken("1", None);
    let mut late = 0;
    program.end("done", &mut |event| {
        late += u32::from(matches!(event, Event::Metrics { .. }));
    });
    assert_eq!(late, 1);
}

#[test]
fn a_failure_is_told_in_its_own_words_and_the_program_lives_on() {
    let fails = r#"
greet()
count = 0
while (m := hear())["say"] == "task":
    count += 1
    say("failed", id=m["id"], text=f"ValueError: {count}")
"#;
    let mut program = Program::new(python(fails), job());
    for (id, text) in [("1", "ValueError: 1"), ("2", "ValueError: 2")] {
        match program.run(&task(id), &mut |_| {}).unwrap_err() {
            Failure::Failed(said) => assert_eq!(said, text),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_program_that_is_not_there_is_told_in_words() {
    for (program, problem) in [
        ("./no/such/program", "No such file"),
        ("no-such-program", "No such file"),
        ("/", "Permission denied"),
    ] {
        let mut launch = launch(&[program]);
        launch.restarts = 0;
        let words = failure(launch);
        assert!(
            words.contains("does not start (") && words.contains(problem),
            "{words}"
        );
    }
}

#[test]
fn a_program_of_another_version_is_told_in_words() {
    let words = failure(python(
        "connect(); say('hello', versions=[2, 3], pid=1); hear()",
    ));
    assert!(
        words.contains("it speaks versions [2, 3], this site 1"),
        "{words}"
    );
}

#[test]
fn a_task_whose_name_is_a_path_is_refused() {
    let mut program = Program::new(python(ECHO), job());
    for id in ["", "../1", "a/b", "a b", &"x".repeat(201)] {
        let refused = program.run(&task(id), &mut |_| {}).unwrap_err();
        assert!(matches!(refused, Failure::Site(_)), "{refused}");
    }
}

#[test]
fn arrays_that_are_not_there_fail_the_task() {
    let mut task = task("1");
    task.arrays = Some("/no/such/file".into());
    let mut program = Program::new(python(ECHO), job());
    let refused = program.run(&task, &mut |_| {}).unwrap_err().to_string();
    assert!(refused.contains("No such file"), "{refused}");
}

#[test]
fn a_config_that_is_larger_than_the_sockets_buffer_arrives() {
    let mut big = job();
    big.config
        .insert("big".to_owned(), "x".repeat(900_000).into());
    let reads_late = r#"
connect()
say("hello", versions=[1], pid=1)
time.sleep(0.3)
job = hear()
say("ready")
say("result", id=hear()["id"], headers={"size": str(len(job["config"]["big"]))})
"#;
    let mut program = Program::new(python(reads_late), big);
    let result = program.run(&task("1"), &mut |_| {}).unwrap();
    assert_eq!(result.headers["size"], "900000");
}

#[test]
fn a_program_gets_its_environment_and_folder() {
    let folder = tempfile::tempdir().unwrap();
    let mut launch = python(
        "say_it = os.environ['SLOT'] + ' ' + os.getcwd() + ' ' + sys.stdin.read()\n\
         say('result', id=task()['id'], headers={'told': say_it})",
    );
    launch.environment = vec![("SLOT".into(), "3".into())];
    launch.folder = folder.path().canonicalize().unwrap();
    let expected = format!("3 {} ", launch.folder.display());
    let result = run(launch).0.unwrap();
    assert_eq!(result.headers["told"], expected);
}

#[test]
fn what_it_prints_is_in_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("trainer.log");
    let mut launch = python("print('out', flush=True)\nprint('err', file=sys.stderr)\nsys.exit(1)");
    launch.output = fedlink_trainer::Output::File(log.clone());
    launch.restarts = 1;
    failure(launch);
    assert_eq!(fs::read_to_string(log).unwrap(), "out\nerr\nout\nerr\n");
}
