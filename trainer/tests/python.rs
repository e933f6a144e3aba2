//! The Python package, driven by the site: scripts for NVFlare's Client API as they are, and
//! trainers of one's own.

#![cfg(unix)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use fedlink_trainer::{Event, Failure, Kind, Launch, Program};

use common::{job, launch, numpy, task};

const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../python");

/// A launch of Python with these words, if there is one with numpy.
fn python(words: &[&str]) -> Option<Launch> {
    let python = numpy()?;
    let mut all = vec![python.to_str().unwrap()];
    all.extend(words);
    let mut launch = launch(&all);
    launch.environment = vec![
        ("PYTHONPATH".into(), PACKAGE.into()),
        ("PYTHONDONTWRITEBYTECODE".into(), "1".into()),
    ];
    Some(launch)
}

fn script(name: &str) -> String {
    format!("{PACKAGE}/tests/scripts/{name}")
}

/// Three numbers under one name, as the format has them.
fn model(numbers: [f64; 3]) -> Vec<u8> {
    let header = r#"{"numpy_key":{"dtype":"F64","shape":[3],"data_offsets":[0,24]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    bytes
}

/// The three numbers again.
fn numbers(path: &Path) -> [f64; 3] {
    let bytes = fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    let start = 8 + usize::try_from(length).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..start]).unwrap();
    assert_eq!(header["numpy_key"]["dtype"], "F64");
    assert_eq!(header["numpy_key"]["shape"], serde_json::json!([3]));
    let values: Vec<f64> = bytes[start..]
        .chunks_exact(8)
        .map(|value| f64::from_le_bytes(value.try_into().unwrap()))
        .collect();
    values.try_into().unwrap()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn an_unmodified_nvflare_script_trains_three_rounds_in_one_process() {
    for (words, kind) in [(vec![], Kind::Full), (vec!["--diff"], Kind::Diff)] {
        let script = script("plus_one.py");
        let words: Vec<&str> = ["-m", "fedlink.flare"]
            .into_iter()
            .chain(words)
            .chain([script.as_str()])
            .collect();
        let Some(launch) = python(&words) else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let mut program = Program::new(launch, job());
        let mut events = Vec::new();
        let mut current = [1.0, 2.0, 3.0];
        for round in 1..=3 {
            let mut task = task(&format!("t{round}"));
            task.round = Some(round);
            task.kind = Some(Kind::Full);
            task.arrays = Some(write(folder.path(), "model", &model(current)));
            let result = program.run(&task, &mut |event| events.push(event)).unwrap();
            assert_eq!(result.kind, kind);
            assert_eq!(result.weight, Some(2.0));
            let accuracy = 0.5 + 0.1 * (f64::from(u32::try_from(round).unwrap()) - 1.0);
            assert_eq!(result.metrics["accuracy"].to_bits(), accuracy.to_bits());
            let sent = numbers(result.arrays.unwrap().path());
            current = match kind {
                Kind::Full => sent,
                Kind::Diff => [0, 1, 2].map(|index| current[index] + sent[index]),
            };
            program.taken(&task.id, None);
        }
        assert_eq!(current, [4.0, 5.0, 6.0]);

        let mut validate = task("v");
        validate.name = "validate".to_owned();
        validate.arrays = Some(write(folder.path(), "model", &model(current)));
        let result = program.run(&validate, &mut |_| {}).unwrap();
        assert_eq!(result.metrics["accuracy"].to_bits(), 0.75_f64.to_bits());
        assert!(result.arrays.is_none());
        program.taken("v", None);

        let mut submit = task("s");
        submit.name = "submit_model".to_owned();
        let result = program.run(&submit, &mut |_| {}).unwrap();
        assert_eq!(numbers(result.arrays.unwrap().path()), [9.0; 3]);
        program.taken("s", None);

        assert_eq!(
            program.end("done", &mut |_| {}),
            Some(fedlink_trainer::Death::Exited(0))
        );
        let started = events
            .iter()
            .filter(|event| matches!(event, Event::Started { .. }));
        assert_eq!(started.count(), 1);
        let means: Vec<(f64, Option<i64>)> = events
            .iter()
            .filter_map(|event| match event {
                Event::Metrics { values, step } => Some((values["mean"], *step)),
                _ => None,
            })
            .collect();
        assert_eq!(means, [(2.0, Some(0)), (3.0, Some(1)), (4.0, Some(2))]);
    }
}

#[test]
fn a_trainer_of_ones_own_gets_and_gives_all_that_there_is() {
    let Some(launch) = python(&[&script("own.py")]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut job = job();
    job.config.insert("factor".to_owned(), 2.into());
    let mut program = Program::new(launch, job);
    let mut events = Vec::new();
    let mut train = task("1");
    train.arrays = Some(write(folder.path(), "model", &model([1.0, 2.0, 3.0])));
    let result = program
        .run(&train, &mut |event| events.push(event))
        .unwrap();
    assert_eq!(numbers(result.arrays.unwrap().path()), [2.0, 4.0, 6.0]);
    assert_eq!((result.kind, result.weight), (Kind::Diff, Some(7.0)));
    assert_eq!(result.headers["site"], "site-1");
    assert!(events.contains(&Event::Progress(0.5)));
    program.taken("1", None);

    // It dies in the first attempt, and has the arrays in the second.
    train.id = "2".to_owned();
    train.name = "die".to_owned();
    let result = program
        .run(&train, &mut |event| events.push(event))
        .unwrap();
    assert_eq!(numbers(result.arrays.unwrap().path()), [2.0, 4.0, 6.0]);
    assert!(events.iter().any(|event| matches!(event, Event::Again(_))));
    program.taken("2", None);

    train.id = "3".to_owned();
    train.name = "fail".to_owned();
    match program.run(&train, &mut |_| {}).unwrap_err() {
        Failure::Failed(text) => assert_eq!(text, "ValueError: patient 7 is missing"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_result_that_the_site_refuses_is_an_error_of_the_program() {
    let code = "from fedlink.client import tasks, Refused\n\
        said = {}\n\
        for task in tasks():\n\
        \x20   try: task.done(headers=said)\n\
        \x20   except Refused as refused: said = {'refused': str(refused)}";
    let Some(launch) = python(&["-c", code]) else {
        return;
    };
    let mut program = Program::new(launch, job());
    program.run(&task("1"), &mut |_| {}).unwrap();
    program.taken("1", Some("the array `w` is not finite"));
    let result = program.run(&task("2"), &mut |_| {}).unwrap();
    assert_eq!(result.headers["refused"], "the array `w` is not finite");
}

#[test]
fn a_program_sees_a_stop_between_batches_and_takes_the_next_task() {
    let code = "import time\n\
        from fedlink.client import tasks\n\
        for task in tasks():\n\
        \x20   task.progress(0)\n\
        \x20   while task.id == '1' and task.stopped is None: time.sleep(0.01)\n\
        \x20   task.done(headers={'count': '1'})";
    let Some(launch) = python(&["-c", code]) else {
        return;
    };
    let mut program = Program::new(launch, job());
    let stopper = program.stopper();
    let mut started = 0;
    let failure = program.run(&task("1"), &mut |event| match event {
        Event::Progress(_) => stopper.stop("1", "not wanted"),
        Event::Started { .. } => started += 1,
        _ => {}
    });
    assert!(matches!(failure, Err(Failure::Stopped(_))));
    let again = program.run(&task("2"), &mut |event| {
        started += u32::from(matches!(event, Event::Started { .. }));
    });
    again.unwrap();
    assert_eq!(started, 1);
}
