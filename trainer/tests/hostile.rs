//! Programs that do what they should not: each is a clear failure of its task, and nothing hangs.

#![cfg(unix)]

mod common;

use std::thread;
use std::time::Duration;

use fedlink_trainer::{Event, Failure, Launch, Program};

use common::{failure, job, python, run, task};

#[test]
fn what_is_no_protocol_fails_the_task_and_is_not_tried_again() {
    for (script, problem) in [
        (
            "connect(); site.sendall(b'\\x00\\xff garbage\\n'); time.sleep(60)",
            "no JSON object",
        ),
        (
            "connect(); say('ready'); time.sleep(60)",
            "`ready` does not belong here",
        ),
        (
            "connect(); say('shout'); time.sleep(60)",
            "unknown variant `shout`",
        ),
        (
            "greet(); say('hello', versions=[1], pid=1); time.sleep(60)",
            "`hello` does not belong here",
        ),
        (
            "task(); say('ready'); time.sleep(60)",
            "`ready` does not belong here",
        ),
        (
            "task(); say('result', id='other'); time.sleep(60)",
            "`result` does not belong here",
        ),
        (
            "task(); say('failed', id='other', text=''); time.sleep(60)",
            "`failed` does not belong here",
        ),
        (
            "task(); site.sendall(b'{' + b' ' * (1 << 20)); time.sleep(60)",
            "longer than 1048576 bytes",
        ),
        (
            "task(); site.sendall(b'[' * 100000 + b'\\n'); time.sleep(60)",
            "no JSON object",
        ),
        (
            "task(); site.sendall(b'{\"say\":\"result\",\"id\":\"1\",\"weight\":NaN}\\n'); time.sleep(60)",
            "broke the trainer protocol",
        ),
    ] {
        let (result, events) = run(python(script));
        let failure = result.unwrap_err();
        assert!(
            matches!(failure, Failure::Protocol(_)),
            "{script}: {failure}"
        );
        let words = failure.to_string();
        assert!(words.contains(problem), "{script}: {words}");
        assert!(
            !events.iter().any(|event| matches!(event, Event::Again(_))),
            "{script}"
        );
    }
}

#[test]
fn a_result_that_is_no_file_of_the_folder_is_refused_and_the_program_told() {
    let script = |make: &str, name: &str| {
        format!(
            r#"
m = task()
os.chdir(folder)
{make}
say("result", id=m["id"], file={name})
refused = hear()
assert refused["say"] == "taken" and refused["refused"], refused
m = hear()
say("result", id=m["id"], headers={{"refused": refused["refused"]}})
hear()
"#
        )
    };
    for (make, name, problem) in [
        (
            "os.symlink('/etc/passwd', 'link')",
            "'link'",
            "is no regular file",
        ),
        ("os.mkfifo('pipe')", "'pipe'", "is no regular file"),
        ("pass", "'missing'", "there is no file"),
        ("pass", "'/etc/passwd'", "is not the name of a file"),
        ("pass", "'../../etc/passwd'", "is not the name of a file"),
        ("pass", "'x' * 1000", "is not the name of a file"),
        (
            "open('huge', 'w').truncate(1 << 40)",
            "'huge'",
            "more than the 4294967296",
        ),
    ] {
        let mut program = Program::new(python(&script(make, name)), job());
        let failure = program
            .run(&task("1"), &mut |_| {})
            .unwrap_err()
            .to_string();
        assert!(failure.contains(problem), "{name}: {failure}");
        // It lives on, and knows why.
        let result = program.run(&task("2"), &mut |_| {}).unwrap();
        assert!(result.headers["refused"].contains(problem), "{name}");
    }
}

#[test]
fn a_result_out_of_bounds_is_refused_and_the_program_lives() {
    let script = r#"
m = task()
site.sendall(b'{"say":"progress","id":"1","done":1.0000000000000002}\n')
site.sendall(b'{"say":"metrics","values":{"a":1' + b'0' * 400 + b',"b":1},"step":1e+05}\n')
open(os.path.join(folder, "out"), "w").close()
say("result", id=m["id"], weight=-1, file="out")
refused = hear()["refused"]
left = sorted(os.listdir(folder))
m = hear()
say("result", id=m["id"], headers={"refused": refused, "left": str(left)})
hear()
"#;
    let mut program = Program::new(python(script), job());
    let mut events = Vec::new();
    let failure = program.run(&task("1"), &mut |event| events.push(event));
    let failure = failure.unwrap_err();
    assert!(matches!(failure, Failure::Result(_)), "{failure}");
    assert!(events.contains(&Event::Progress(1.0)));
    let left_out = |event: &Event| matches!(event, Event::LeftOut(why) if why.contains("`a`"));
    assert!(events.iter().any(left_out), "{events:?}");
    let result = program.run(&task("2"), &mut |_| {}).unwrap();
    assert!(result.headers["refused"].contains("`weight` is -1"));
    assert_eq!(result.headers["left"], "[]");
}

#[test]
fn an_answer_that_comes_late_harms_no_other_task() {
    for late in [
        "say('failed', id='1', text='stopped')",
        "open(os.path.join(folder, 'late'), 'w').close(); say('result', id='1', file='late')",
    ] {
        let script = format!(
            r#"
say("result", id=task()["id"])
{late}
while hear()["say"] != "task": pass
{late}
say("result", id="2")
hear()
"#
        );
        let mut program = Program::new(python(&script), job());
        let mut started = 0;
        for id in ["1", "2"] {
            let result = program.run(&task(id), &mut |event| {
                started += u32::from(matches!(event, Event::Started { .. }));
            });
            result.unwrap();
            program.taken(id, None);
        }
        assert_eq!(started, 1, "{script}");
    }
}

/// Stops the task as soon as the program has it.
fn stopped(launch: Launch) -> (Failure, u32) {
    let mut program = Program::new(launch, job());
    let stopper = program.stopper();
    let mut deaths = 0;
    let failure = program.run(&task("1"), &mut |event| match event {
        Event::Progress(_) => stopper.stop("1", "too late"),
        Event::Again(_) => deaths += 1,
        _ => {}
    });
    (failure.unwrap_err(), deaths)
}

#[test]
fn a_program_that_never_answers_can_be_stopped() {
    for heeds in ["", "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"] {
        let script =
            format!("{heeds}m = task()\nsay('progress', id=m['id'], done=0)\ntime.sleep(600)");
        let mut launch = python(&script);
        launch.grace = Duration::from_millis(50);
        let (failure, deaths) = stopped(launch);
        assert!(matches!(failure, Failure::Stopped(_)), "{failure}");
        assert_eq!(deaths, 0);
    }
}

#[test]
fn a_program_that_floods_the_socket_can_be_stopped() {
    for flood in [
        "say('progress', id=m['id'], done=0)",
        "say('metrics', values={'a': 1}); say('progress', id=m['id'], done=0)",
        "say('progress', id=m['id'], done=0); say('pong')",
    ] {
        let mut launch = python(&format!("m = task()\nwhile True: {flood}"));
        launch.grace = Duration::from_millis(50);
        let (failure, deaths) = stopped(launch);
        assert!(matches!(failure, Failure::Stopped(_)), "{failure}");
        assert_eq!(deaths, 0);
    }
}

#[test]
fn a_program_that_floods_reaches_its_limit() {
    let mut launch = python("m = task()\nwhile True: say('pong')");
    launch.limit = Some(Duration::from_millis(500));
    launch.grace = Duration::from_millis(50);
    let words = failure(launch);
    assert!(
        words.contains("took longer than the limit of 500ms"),
        "{words}"
    );
}

#[test]
fn a_program_that_floods_after_its_result_does_not_hold_up_the_next_task() {
    let script = r#"
m = task()
say("result", id=m["id"])
import threading
threading.Thread(target=lambda: [say("pong") for _ in iter(int, 1)], daemon=True).start()
while m := hear():
    if m["say"] == "task":
        say("result", id=m["id"])
"#;
    let mut launch = python(script);
    launch.grace = Duration::from_millis(50);
    let mut program = Program::new(launch, job());
    for id in ["1", "2", "3"] {
        program.run(&task(id), &mut |_| {}).unwrap();
        program.taken(id, None);
    }
    program.end("done", &mut |_| {});
}

#[test]
fn a_program_that_never_connects_can_be_stopped_and_has_a_limit() {
    let mut launch = python("time.sleep(600)");
    launch.grace = Duration::from_millis(50);
    launch.limit = Some(Duration::from_millis(200));
    let words = failure(launch.clone());
    assert!(words.contains("took longer"), "{words}");

    launch.limit = None;
    let mut program = Program::new(launch, job());
    let stopper = program.stopper();
    // Before it runs, which is as good.
    stopper.stop("1", "not wanted");
    let failure = program.run(&task("1"), &mut |_| {}).unwrap_err();
    assert!(matches!(failure, Failure::Stopped(_)), "{failure}");

    let running = thread::spawn(move || program.run(&task("2"), &mut |_| {}).unwrap_err());
    thread::sleep(Duration::from_millis(100));
    stopper.stop("2", "not wanted");
    let failure = running.join().unwrap();
    assert!(matches!(failure, Failure::Stopped(_)), "{failure}");
}

#[test]
fn a_program_that_removes_its_socket_leaves_no_thread_behind() {
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let before = threads();
    for _ in 0..20 {
        let mut launch = python("os.unlink(path); sys.exit(3)");
        launch.restarts = 0;
        let words = failure(launch);
        assert!(words.contains("exit code 3"), "{words}");
    }
    // Other tests have threads of their own; what is left of ours would be one each.
    common::wait_until("the threads end", || threads() < before + 15);
}

#[test]
fn there_is_no_second_connection() {
    let script = r#"
greet()
other = socket.socket(socket.AF_UNIX)
try:
    other.connect(path)
    told = "connected"
except OSError as error:
    told = type(error).__name__
say("result", id=hear()["id"], headers={"told": told})
"#;
    let result = run(python(script)).0.unwrap();
    assert_eq!(result.headers["told"], "FileNotFoundError");
}

#[test]
fn a_program_that_closes_its_socket_and_lives_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let script = format!(
        "m = task()\nprint(os.getpid(), file=open('{}', 'a'))\n\
         site.shutdown(socket.SHUT_RDWR)\ntime.sleep(600)",
        file.display()
    );
    let mut launch = python(&script);
    launch.restarts = 0;
    assert_eq!(failure(launch), "closed its socket and was killed");
    common::all_are_gone(&common::pids(&file, 1));
}

#[test]
fn a_program_that_does_not_heed_a_stop_is_started_again_for_the_next_task() {
    let script = r#"
m = task()
if m["id"] == "2":
    say("result", id="2")
    hear()
say("progress", id=m["id"], done=0)
time.sleep(600)
"#;
    let mut launch = python(script);
    launch.grace = Duration::from_millis(50);
    let mut program = Program::new(launch, job());
    let stopper = program.stopper();
    let failure = program.run(&task("1"), &mut |event| {
        if matches!(event, Event::Progress(_)) {
            stopper.stop("1", "too late");
        }
    });
    assert!(matches!(failure, Err(Failure::Stopped(_))));
    program.run(&task("2"), &mut |_| {}).unwrap();
}

#[test]
fn a_program_that_heeds_a_stop_keeps_what_it_has_loaded() {
    for answer in [
        "say('failed', id=m['id'], text='stopped')",
        "say('result', id=m['id'])",
    ] {
        let script = format!(
            r#"
greet()
m = hear()
say("progress", id=m["id"], done=0)
assert hear()["say"] == "stop"
{answer}
m = hear()
say("result", id=m["id"], headers={{"pid": str(os.getpid())}})
hear()
"#
        );
        let mut program = Program::new(python(&script), job());
        let stopper = program.stopper();
        let mut first = 0;
        let failure = program.run(&task("1"), &mut |event| match event {
            Event::Started { pid } => first = pid,
            Event::Progress(_) => stopper.stop("1", "too late"),
            _ => {}
        });
        assert!(matches!(failure, Err(Failure::Stopped(_))));
        let result = program.run(&task("2"), &mut |_| {}).unwrap();
        assert_eq!(result.headers["pid"], first.to_string());
    }
}

#[test]
fn a_program_that_loads_while_its_task_is_stopped_goes_on_loading() {
    let folder = tempfile::tempdir().unwrap();
    let [loads, go] = ["loads", "go"].map(|name| folder.path().join(name));
    let script = format!(
        r#"
open("{}", "a").write("{{}}\n".format(os.getpid()))
while not os.path.exists("{}"): time.sleep(0.01)
say("result", id=task()["id"], headers={{"pid": str(os.getpid())}})
hear()
"#,
        loads.display(),
        go.display()
    );
    let mut program = Program::new(python(&script), job());
    let stopper = program.stopper();
    let running = thread::spawn(move || {
        let failure = program.run(&task("1"), &mut |_| {}).unwrap_err();
        assert!(matches!(failure, Failure::Stopped(_)), "{failure}");
        program
    });
    let pids = common::pids(&loads, 1);
    stopper.stop("1", "not wanted");
    let mut program = running.join().unwrap();
    std::fs::write(go, "").unwrap();
    let result = program.run(&task("2"), &mut |_| {}).unwrap();
    assert_eq!(result.headers["pid"], pids[0].to_string());
}

/// It takes no line off its socket after the first; results it has without reading tasks.
const NEVER_READS: &str = r#"
connect()
say("hello", versions=[1], pid=1)
say("ready")
for id in range(1, 1000):
    say("progress", id=str(id), done=0)
    say("result", id=str(id))
time.sleep(600)
"#;

#[test]
fn a_program_that_never_reads_holds_nobody_up() {
    let mut big = task("1");
    big.headers.insert("big".to_owned(), "x".repeat(900_000));
    let mut launch =
        python("connect(); say('hello', versions=[1], pid=1); say('ready'); time.sleep(600)");
    launch.grace = Duration::from_millis(50);
    launch.limit = Some(Duration::from_millis(500));
    let mut program = Program::new(launch.clone(), job());
    let failure = program.run(&big, &mut |_| {}).unwrap_err();
    assert!(matches!(failure, Failure::Limit(_)), "{failure}");

    launch.limit = None;
    let mut program = Program::new(launch, job());
    let stopper = program.stopper();
    let failure = program.run(&big, &mut |event| {
        if matches!(event, Event::Ready) {
            let stopper = stopper.clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(300));
                stopper.stop("1", "not wanted");
            });
        }
    });
    assert!(matches!(failure, Err(Failure::Stopped(_))));

    // What fills its socket is what the site says after each result.
    let mut launch = python(NEVER_READS);
    launch.grace = Duration::from_millis(50);
    launch.limit = Some(Duration::from_secs(20));
    let mut program = Program::new(launch, job());
    let refused = "x".repeat(100_000);
    for id in 1..=6 {
        let id = id.to_string();
        // Once it is full a new process is started, which has the first result again.
        if program.run(&task(&id), &mut |_| {}).is_err() {
            break;
        }
        program.taken(&id, Some(&refused));
    }
    program.end("done", &mut |_| {});
}
