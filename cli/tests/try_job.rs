//! `fedlink try`: the genuine Python package, and programs that do what they should not.

#![cfg(unix)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use common::{Process, fedlink, fedlink_with_signals};

const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../python");

/// A script for NVFlare's Client API; `{step}` stands where a round's result is made.
const SCRIPT: &str = r#"
import os, signal, sys
import numpy as np
import nvflare.client as flare
from nvflare.app_common.abstract.fl_model import FLModel
flare.init()
while flare.is_running():
    received = flare.receive()
    site, first = flare.get_site_name(), received.current_round == 0
    if not flare.is_train():
        flare.send(FLModel(metrics={"accuracy": 0.7}))
        continue
    value = received.params["numpy_key"] + 1
    {step}
    flare.send(FLModel(params={"numpy_key": value}, meta={"NUM_STEPS_CURRENT_ROUND": 2}))
"#;

/// A program that writes its number into the file that its argument names, and never connects.
const SLEEPER: &str = "import os, sys, time
with open(sys.argv[1], 'a') as file: file.write(f'{os.getpid()}\\n')
time.sleep(600)";

/// A folder with a job of three rounds that begins with [1 2 3].
struct Trial {
    folder: TempDir,
}

impl Trial {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("plus.toml"), "name = \"plus\"\nrounds = 3\n").unwrap();
        fs::write(at("plus.safetensors"), model([1.0, 2.0, 3.0])).unwrap();
        Self { folder }
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// `fedlink try` there, with these words after the job file.
    fn command(&self, words: &[&str]) -> Command {
        self.of(fedlink(), words)
    }

    fn of(&self, mut command: Command, words: &[&str]) -> Command {
        command
            .args(["try", "plus.toml"])
            .args(words)
            .current_dir(self.folder.path())
            .env("PYTHONPATH", PACKAGE)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// What came of a script in which a round's result is made like this.
    fn script(&self, step: &str, words: &[&str]) -> Option<Ended> {
        let script = self.write("script.py", &SCRIPT.replace("{step}", step));
        let python = numpy()?;
        let program = ["--", &python, "-m", "fedlink.flare", &script];
        Some(Ended::of(self.command(&[words, &program].concat())))
    }

    /// The folders that were made.
    fn made(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.is_dir()).collect()
    }

    fn last_model(&self) -> [f64; 3] {
        let [made] = self.made().try_into().unwrap();
        numbers(&made.join("last.safetensors"))
    }
}

/// How a trial ended, and what it said.
#[derive(Debug)]
struct Ended {
    success: bool,
    printed: String,
    said: String,
}

impl Ended {
    fn of(mut command: Command) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().unwrap();
        let [printed, said] = [stdout, stderr].map(|it| String::from_utf8(it).unwrap());
        Self {
            success: status.success(),
            printed,
            said,
        }
    }
}

/// A Python with numpy: `FEDLINK_PYTHON`, or the one that `python/run` has made.
fn numpy() -> Option<String> {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/python");
    let given = std::env::var_os("FEDLINK_PYTHON").map(PathBuf::from);
    let has_numpy = |python: &PathBuf| {
        let mut command = Command::new(python);
        command.args(["-c", "import numpy"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = given.into_iter().chain([made]).find(has_numpy);
    if found.is_none() {
        eprintln!("skipped: no Python with numpy; `python/run` makes one");
    }
    Some(found?.to_str().unwrap().to_owned())
}

/// Three numbers as a model.
fn model(numbers: [f64; 3]) -> Vec<u8> {
    let header = r#"{"numpy_key":{"dtype":"F64","shape":[3],"data_offsets":[0,24]}}  "#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    bytes
}

/// The three numbers at the end of a model's file.
fn numbers(path: &Path) -> [f64; 3] {
    let bytes = fs::read(path).unwrap();
    let (numbers, []) = bytes[bytes.len() - 24..].as_chunks() else {
        panic!("24 bytes are three numbers");
    };
    [0, 1, 2].map(|index| f64::from_le_bytes(numbers[index]))
}

/// The numbers of processes in this file, once there are so many.
fn pids(file: &Path, many: usize) -> Vec<String> {
    let read = || -> Vec<String> {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    wait_until("the programs run", || read().len() >= many);
    read()
}

/// Whether none of these processes runs.
fn are_gone(pids: &[String]) -> bool {
    let is_gone = |pid: &String| {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = state.rsplit(')').next().unwrap_or_default();
        fields.is_empty() || fields.trim_start().starts_with(['Z', 'X'])
    };
    pids.iter().all(is_gone)
}

fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if is() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what}: not after a minute");
}

#[test]
fn an_unmodified_script_trains_three_rounds_at_three_sites() {
    let Some(python) = numpy() else {
        return;
    };
    let script = format!("{PACKAGE}/tests/scripts/plus_one.py");
    for (model, more) in [("plus.safetensors", None), ("plus.npz", Some("--diff"))] {
        let trial = Trial::new();
        let save = "import numpy; numpy.savez('plus.npz', numpy_key=numpy.array([1.0, 2, 3]))";
        let saved = Command::new(&python)
            .args(["-c", save])
            .current_dir(trial.folder.path())
            .status();
        assert!(saved.unwrap().success());
        let set = format!("model={model}");
        let mut words = vec!["--sites", "3", "--set", &set, "--json", "--"];
        words.extend([&*python, "-m", "fedlink.flare"].into_iter().chain(more));
        words.push(&script);
        let ended = Ended::of(trial.command(&words));
        assert!(ended.success, "{ended:#?}");
        assert_eq!(trial.last_model(), [4.0, 5.0, 6.0]);

        let report: Value = serde_json::from_str(&ended.printed).unwrap();
        assert_eq!(report["state"], "done");
        assert_eq!(report["rounds"], 3);
        assert_eq!(report["metrics"]["accuracy"], 0.75);
        assert_eq!(report["history"][2]["sites"].as_array().unwrap().len(), 3);
        for round in 1..=3 {
            let line = format!("round {round} of 3: site-1, site-2, site-3 in");
            assert!(ended.said.contains(&line), "{}", ended.said);
        }
        let [folder] = trial.made().try_into().unwrap();
        for file in [
            "job.toml",
            "status.json",
            "initial.safetensors",
            "best.safetensors",
            "rounds/0003/model.safetensors",
            "sites/site-3/trainer.log",
        ] {
            assert!(folder.join(file).is_file(), "{file}");
        }
        assert!(!folder.join("rounds/0003/results").exists());
        let events = fs::read_to_string(folder.join("events.jsonl")).unwrap();
        for (number, line) in (1..).zip(events.lines()) {
            let event: Value = serde_json::from_str(line).unwrap();
            assert_eq!(event["number"], number, "{line}");
        }
        assert!(events.lines().last().unwrap().contains("\"ended\""));
    }
}

#[test]
fn what_cannot_begin_is_refused_before_anything_starts() {
    for (job, words, problem) in [
        (
            "name = \"plus\"",
            vec!["fedlink-no-such-program"],
            "check the path after --",
        ),
        (
            "name = \"plus\"\nmodel = \"none.npz\"",
            vec!["true"],
            "none.npz",
        ),
        (
            "name = \"plus\"\nmodel = \"plus.toml\"",
            vec!["true"],
            "is no .safetensors or .npz file",
        ),
        (
            "name = \"plus\"\nround = 3",
            vec!["true"],
            "is it `rounds`?",
        ),
        ("name = \"plus\"\nrounds = -1", vec!["true"], "`rounds`"),
        ("name = \"../plus\"", vec!["true"], "`name`"),
        (
            "name = \"plus\"\nmin_sites = 4",
            vec!["true"],
            "--set min_sites=2",
        ),
        (
            "name = \"plus\"\nsites = [\"porto\", \"mosel\"]",
            vec!["true"],
            "site-1 to site-2",
        ),
    ] {
        let trial = Trial::new();
        trial.write("plus.toml", job);
        let ended = Ended::of(trial.command(&[&["--"], &words[..]].concat()));
        assert!(!ended.success && ended.printed.is_empty(), "{ended:#?}");
        assert!(ended.said.contains(problem), "{job}: {}", ended.said);
        assert!(trial.made().is_empty(), "{job}");
    }
}

#[test]
fn a_script_that_always_raises_ends_the_job_with_the_reason() {
    let raise = "raise ValueError('patient 4711')";
    for (errors, told) in [("type", false), ("text", true)] {
        let trial = Trial::new();
        let Some(ended) = trial.script(raise, &["--errors", errors]) else {
            return;
        };
        assert!(!ended.success, "{ended:#?}");
        assert!(
            ended.said.contains("site-1 failed in round 1, train: "),
            "{}",
            ended.said
        );
        assert!(ended.said.contains("ValueError"), "{}", ended.said);
        assert!(ended.printed.starts_with("aborted: "), "{}", ended.printed);
        let [folder] = trial.made().try_into().unwrap();
        let events = fs::read_to_string(folder.join("events.jsonl")).unwrap();
        for text in [&ended.said, &ended.printed, &events] {
            assert_eq!(text.contains("4711"), told, "{errors}: {text}");
        }
        let log = fs::read_to_string(folder.join("sites/site-1/trainer.log")).unwrap();
        assert!(log.contains("4711"), "{log}");
    }
}

#[test]
fn a_result_that_cannot_be_averaged_is_refused_by_name_and_leaves_the_model_alone() {
    let trial = Trial::new();
    let step = "value[0] = np.nan if first and site == 'site-2' else value[0]";
    let Some(ended) = trial.script(step, &["--sites", "3"]) else {
        return;
    };
    let refused = "site-2 failed in round 1, train: array \"numpy_key\": element 0 is NaN";
    assert!(ended.success && ended.said.contains(refused), "{ended:#?}");
    let without = "round 1 of 3: site-1, site-3 in";
    assert!(ended.said.contains(without), "{}", ended.said);
    assert_eq!(trial.last_model(), [4.0, 5.0, 6.0]);
}

#[test]
fn a_program_that_is_killed_gets_its_task_again() {
    let trial = Trial::new();
    let step = "
    if received.current_round == 1 and site == 'site-2' and not os.path.exists('killed'):
        open('killed', 'w').close()
        os.kill(os.getpid(), signal.SIGKILL)";
    let Some(ended) = trial.script(step.trim_start(), &[]) else {
        return;
    };
    let again = "site-2: its program died (signal 9), and is started again";
    assert!(ended.success && ended.said.contains(again), "{ended:#?}");
    assert!(!ended.said.contains("without"), "{}", ended.said);
    assert_eq!(trial.last_model(), [4.0, 5.0, 6.0]);
}

#[test]
fn nothing_outlives_a_trial_that_is_killed() {
    let trial = Trial::new();
    let started = trial.folder.path().join("started");
    let words = ["--", "python3", "-c", SLEEPER, started.to_str().unwrap()];
    let process = Process::of(&mut trial.command(&words));
    let pids = pids(&started, 2);
    process.kill();
    wait_until("nothing is left", || are_gone(&pids));
}

#[test]
fn ctrl_c_aborts_the_job_and_leaves_no_process() {
    let trial = Trial::new();
    let started = trial.folder.path().join("started");
    let words = ["--", "python3", "-c", SLEEPER, started.to_str().unwrap()];
    let mut process = Process::of(&mut trial.of(fedlink_with_signals(), &words));
    let pids = pids(&started, 2);
    process.interrupt();
    let (success, printed) = process.end();
    assert!(
        !success && printed.starts_with("aborted: aborted by Ctrl-C"),
        "{printed}"
    );
    assert!(are_gone(&pids));
}
