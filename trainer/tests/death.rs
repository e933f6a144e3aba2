//! Programs that die, and sites that do: nothing of a program outlives its site.

#![cfg(target_os = "linux")]

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use fedlink_trainer::{Death, Event, Program};

use common::{
    TRAINER, all_are_gone, failure, is_alive, job, kill_9, pids, python, run, task, wait_until,
};

#[test]
fn a_program_that_dies_gets_its_task_again_and_then_the_task_fails() {
    for (end, words) in [
        ("os.kill(os.getpid(), signal.SIGKILL)", "died (signal 9)"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "died (signal 11)"),
        ("sys.exit(7)", "died (exit code 7)"),
        ("raise ValueError('no')", "died (exit code 1)"),
        ("sys.exit()", "ended without a result (exit code 0)"),
        ("os.abort()", "died (signal 6)"),
    ] {
        let (result, events) = run(python(&format!("task(); {end}")));
        assert_eq!(result.unwrap_err().to_string(), words, "{end}");
        let again = events
            .iter()
            .filter(|event| matches!(event, Event::Again(_)));
        assert_eq!(again.count(), 1, "{end}");
        let started = events
            .iter()
            .filter(|event| matches!(event, Event::Started { .. }));
        assert_eq!(started.count(), 2, "{end}");
    }
}

#[test]
fn a_program_that_dies_before_it_connects_is_told_so() {
    let mut launch = python("sys.exit(4)");
    launch.restarts = 3;
    let (result, events) = run(launch);
    assert_eq!(result.unwrap_err().to_string(), "died (exit code 4)");
    let again = events
        .iter()
        .filter(|event| matches!(event, Event::Again(_)));
    assert_eq!(again.count(), 3);
}

#[test]
fn the_second_attempt_knows_that_it_is_one_and_has_the_same_arrays() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    fs::write(&model, "arrays").unwrap();
    let script = r#"
m = task()
given = os.path.join(folder, m["file"])
arrays = open(given).read()
os.unlink(given)
if not m["again"]:
    os.kill(os.getpid(), signal.SIGKILL)
say("result", id=m["id"], headers={"arrays": arrays})
hear()
"#;
    let mut program = Program::new(python(script), job());
    let mut task = task("1");
    task.arrays = Some(model);
    let mut deaths = Vec::new();
    let result = program.run(&task, &mut |event| {
        if let Event::Again(death) = event {
            deaths.push(death);
        }
    });
    assert_eq!(result.unwrap().headers["arrays"], "arrays");
    assert_eq!(deaths, [Death::Signal(9)]);
}

#[test]
fn no_restarts_are_none() {
    let mut launch = python("task(); sys.exit(7)");
    launch.restarts = 0;
    let (result, events) = run(launch);
    assert_eq!(result.unwrap_err().to_string(), "died (exit code 7)");
    assert!(!events.iter().any(|event| matches!(event, Event::Again(_))));
}

#[test]
fn a_child_that_holds_the_socket_does_not_hide_a_death() {
    let script = r#"
task()
if os.fork() == 0:
    time.sleep(600)
os.kill(os.getpid(), signal.SIGKILL)
"#;
    assert_eq!(failure(python(script)), "died (signal 9)");
}

/// A program that starts others in all ways: in its group, in a session of their own, as a
/// daemon, and stopped; each writes its number into the file.
fn spreads(file: &Path) -> String {
    format!(
        r#"
m = task()
def told():
    with open("{}", "a") as file:
        file.write(f"{{os.getpid()}}\n")
told()
if os.fork() == 0:
    told()
    time.sleep(600)
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    told()
    time.sleep(600)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        told()
        time.sleep(600)
    os._exit(0)
if os.fork() == 0:
    told()
    os.kill(os.getpid(), signal.SIGSTOP)
"#,
        file.display()
    )
}

/// How many processes that are.
const SPREAD: usize = 5;

#[test]
fn nothing_is_left_of_a_program_that_has_ended() {
    for end in [
        "time.sleep(0.2); say('result', id=m['id']); hear(); sys.exit(0)",
        "time.sleep(0.2); os.kill(os.getpid(), signal.SIGKILL)",
        "time.sleep(0.2); say('shout'); time.sleep(600)",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pids");
        let mut launch = python(&format!("{}\n{end}", spreads(&file)));
        launch.restarts = 0;
        launch.grace = Duration::from_millis(50);
        let mut program = Program::new(launch, job());
        let _ = program.run(&task("1"), &mut |_| {});
        program.taken("1", None);
        program.end("done", &mut |_| {});
        let pids = pids(&file, SPREAD);
        assert_eq!(pids.len(), SPREAD);
        // Whoever has told us the end has waited for all.
        assert!(!pids.iter().any(|pid| is_alive(*pid)), "{end}");
    }
}

#[test]
fn a_program_does_not_get_what_is_the_sites_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("environment");
    let script = format!(
        "m = task()\nopen('{}', 'w').write(json.dumps(dict(os.environ)))\nsay('result', id=m['id'])",
        file.display()
    );
    let words = python(&script).command;
    let mut command = Command::new(TRAINER);
    command.arg("--").args(words).stdout(Stdio::null());
    command.env("https_proxy", "http://user:password@proxy");
    command.env("NOTIFY_SOCKET", "/x").env("FEDLINK_TOKEN", "x");
    command.env("KEPT", "x");
    assert!(command.status().unwrap().success());
    let told: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    for name in ["https_proxy", "NOTIFY_SOCKET", "FEDLINK_TOKEN"] {
        assert!(told.get(name).is_none(), "{name}");
    }
    assert_eq!(
        (&told["KEPT"], &told["FEDLINK_SITE"], &told["FEDLINK_JOB"]),
        (&"x".into(), &"site-1".into(), &"try-1".into())
    );
}

/// A site of its own, that runs this program and has its folders there.
fn site(script: &str, temporary: &Path) -> Child {
    let words = python(script).command;
    let mut command = Command::new(TRAINER);
    command.arg("--").args(words).stdout(Stdio::null());
    command.env("TMPDIR", temporary).spawn().unwrap()
}

#[test]
fn nothing_of_a_program_outlives_a_site_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let script = format!("{}\ntime.sleep(600)", spreads(&file));
    let mut site = site(&script, folder.path());
    let pids = pids(&file, SPREAD);
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    assert_eq!(folders(folder.path()), 1);
    site.kill().unwrap();
    site.wait().unwrap();
    all_are_gone(&pids);
    wait_until("its folder is removed", || folders(folder.path()) == 0);
}

/// How many folders of programs there are.
fn folders(within: &Path) -> usize {
    let entries = fs::read_dir(within).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("fedlink-")).count()
}

#[test]
fn nothing_outlives_a_site_that_is_killed_while_a_program_starts() {
    for wait in [0, 5, 20, 60] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pids");
        let script = format!(
            "open('{}', 'a').write(f'{{os.getpid()}}\\n')\ntime.sleep(600)",
            file.display()
        );
        let mut site = site(&script, folder.path());
        thread::sleep(Duration::from_millis(wait));
        site.kill().unwrap();
        site.wait().unwrap();
        // It may never have come so far; then there is nothing to be gone.
        thread::sleep(Duration::from_millis(300));
        all_are_gone(&pids(&file, 0));
    }
}

/// The process that has this one as its child.
fn parent(pid: i32) -> i32 {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = state.rsplit(')').next().unwrap();
    fields.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_program_whose_supervisor_is_killed_dies_with_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let script = format!(
        r#"
task()
def told():
    with open("{}", "a") as file:
        file.write(f"{{os.getpid()}}\n")
told()
if os.fork() == 0:
    told()
time.sleep(600)
"#,
        file.display()
    );
    let mut launch = python(&script);
    launch.restarts = 0;
    let killer = thread::spawn(move || {
        let pids = pids(&file, 2);
        kill_9(parent(pids[0]));
        all_are_gone(&pids);
    });
    assert_eq!(failure(launch), "died (its supervisor was killed)");
    killer.join().unwrap();
}

#[test]
fn a_program_dies_with_its_supervisor_even_if_the_site_cannot_help() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let script = format!(
        "open('{}', 'a').write(f'{{os.getpid()}}\\n')\ntime.sleep(600)",
        file.display()
    );
    let mut site = site(&script, folder.path());
    let pids = pids(&file, 1);
    let stopped = Command::new("kill")
        .args(["-STOP", &site.id().to_string()])
        .status();
    assert!(stopped.unwrap().success());
    kill_9(parent(pids[0]));
    all_are_gone(&pids);
    site.kill().unwrap();
    site.wait().unwrap();
}

/// A program that stops its supervisor, with a child in its group and one in a session of its
/// own; each of the three writes its number into the file.
fn stops_its_supervisor(file: &Path) -> String {
    format!(
        r#"
m = task()
def told():
    with open("{0}", "a") as file:
        file.write(f"{{os.getpid()}}\n")
os.kill(os.getppid(), signal.SIGSTOP)
if os.fork() == 0:
    told()
    time.sleep(600)
if os.fork() == 0:
    os.setsid()
    told()
    time.sleep(600)
told()
while len(open("{0}").readlines()) < 3:
    time.sleep(0.01)
"#,
        file.display()
    )
}

#[test]
fn a_program_that_stops_its_supervisor_is_killed_with_all_that_it_has_started() {
    for end in [
        "site.shutdown(socket.SHUT_RDWR); time.sleep(600)",
        "say('result', id=m['id']); hear(); time.sleep(600)",
        "say('shout'); time.sleep(600)",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pids");
        let mut launch = python(&format!("{}\n{end}", stops_its_supervisor(&file)));
        launch.restarts = 0;
        launch.grace = Duration::from_millis(50);
        let mut program = Program::new(launch, job());
        if let Err(failure) = program.run(&task("1"), &mut |_| {}) {
            let words = failure.to_string();
            assert!(words.contains("was killed"), "{words}");
        }
        drop(program);
        let pids = pids(&file, 3);
        // Whoever has a slot gives it back only now.
        assert!(!pids.iter().any(|pid| is_alive(*pid)), "{end}");
    }
}

#[test]
fn a_program_that_has_stopped_its_supervisor_does_not_outlive_a_site_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let script = format!("{}\ntime.sleep(600)", stops_its_supervisor(&file));
    let mut site = site(&script, folder.path());
    let pids = pids(&file, 3);
    site.kill().unwrap();
    site.wait().unwrap();
    all_are_gone(&pids);
}

#[test]
fn a_program_may_finish_what_it_does_when_its_job_ends() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("saved");
    let script = format!(
        r#"
m = task()
say("result", id=m["id"])
while hear()["say"] != "end": pass
time.sleep(0.2)
open("{}", "w").write("saved")
sys.exit(5)
"#,
        file.display()
    );
    let mut program = Program::new(python(&script), job());
    program.run(&task("1"), &mut |_| {}).unwrap();
    program.taken("1", None);
    assert_eq!(program.end("done", &mut |_| {}), Some(Death::Exited(5)));
    assert_eq!(fs::read_to_string(file).unwrap(), "saved");
}

#[test]
fn a_program_that_does_not_end_with_its_job_is_asked_and_then_made_to() {
    let folder = tempfile::tempdir().unwrap();
    let asked = folder.path().join("asked");
    let cleans_up = format!(
        r#"
def end(*_):
    open("{}", "w").write("asked")
    sys.exit(6)
signal.signal(signal.SIGTERM, end)
m = task()
say("result", id=m["id"])
time.sleep(600)
"#,
        asked.display()
    );
    let ignores = r#"
signal.signal(signal.SIGTERM, signal.SIG_IGN)
m = task()
say("result", id=m["id"])
time.sleep(600)
"#;
    for (script, death) in [
        (cleans_up.as_str(), Death::Exited(6)),
        (ignores, Death::Signal(9)),
    ] {
        let mut launch = python(script);
        launch.grace = Duration::from_millis(50);
        let mut program = Program::new(launch, job());
        program.run(&task("1"), &mut |_| {}).unwrap();
        program.taken("1", None);
        assert_eq!(program.end("done", &mut |_| {}), Some(death));
    }
    assert_eq!(fs::read_to_string(asked).unwrap(), "asked");
}

#[test]
fn what_a_program_starts_and_leaves_is_taken_off_the_systems_list() {
    let script = r#"
m = task()
for _ in range(50):
    if os.fork() == 0:
        if os.fork() == 0:
            os._exit(0)
        os._exit(0)
    os.wait()
say("progress", id=m["id"], done=1)
hear()
"#;
    let mut launch = python(script);
    launch.grace = Duration::from_millis(50);
    let mut program = Program::new(launch, job());
    let stopper = program.stopper();
    let mut leader = 0;
    let _ = program.run(&task("1"), &mut |event| match event {
        Event::Started { pid } => leader = i32::try_from(pid).unwrap(),
        Event::Progress(_) => {
            let supervisor = parent(leader);
            wait_until("its dead are gone", || children(supervisor) == [leader]);
            stopper.stop("1", "seen");
        }
        _ => {}
    });
    assert!(leader != 0);
}

fn children(of: i32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap();
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_child = |pid: &i32| {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = state
            .rsplit(')')
            .next()
            .and_then(|fields| fields.split_whitespace().nth(1));
        parent.is_some_and(|parent| parent == of.to_string())
    };
    numbers.filter(is_child).collect()
}
