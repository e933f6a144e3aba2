//! `fedlink-trainer [--model FILE] [--rounds N] [--keep FILE] -- PROGRAM ARGS`: a job of so many
//! training tasks for one program. Each result's arrays are the next task's.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use fedlink_trainer::{
    Death, Event, Job, Kind, Launch, Output, Program, SUPERVISE, Supervisor, Task, supervise,
};

const USAGE: &str =
    "usage: fedlink-trainer [--model FILE] [--rounds N] [--keep FILE] -- PROGRAM ARGS";

struct Options {
    model: Option<PathBuf>,
    rounds: u64,
    keep: Option<PathBuf>,
    command: Vec<OsString>,
}

pub(crate) fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    if words.next_if(|word| word == SUPERVISE).is_some() {
        return supervise(words);
    }
    match options(words)
        .ok_or_else(|| USAGE.into())
        .and_then(|options| run(&options))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fedlink-trainer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut words: impl Iterator<Item = OsString>) -> Option<Options> {
    let mut options = Options {
        model: None,
        rounds: 1,
        keep: None,
        command: Vec::new(),
    };
    while let Some(word) = words.next() {
        match word.to_str()? {
            "--model" => options.model = Some(words.next()?.into()),
            "--keep" => options.keep = Some(words.next()?.into()),
            "--rounds" => options.rounds = words.next()?.to_str()?.parse().ok()?,
            "--" => {
                options.command = words.collect();
                break;
            }
            _ => return None,
        }
    }
    (!options.command.is_empty()).then_some(options)
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut launch = Launch::new(Supervisor::own()?, options.command.clone());
    launch.output = Output::Inherited;
    let kept = tempfile::tempdir()?;
    let job = Job {
        id: "try-1".to_owned(),
        kind: "try".to_owned(),
        site: "site-1".to_owned(),
        ..Job::default()
    };
    let mut program = Program::new(launch, job);
    let mut model = options.model.clone();
    let events = &mut |event: Event| eprintln!("{event:?}");
    for round in 1..=options.rounds {
        let task = Task {
            id: round.to_string(),
            name: "train".to_owned(),
            round: Some(round),
            rounds: Some(options.rounds),
            kind: model.as_ref().map(|_| Kind::Full),
            arrays: model.clone(),
            ..Task::default()
        };
        let result = program.run(&task, events)?;
        println!(
            "{round}: {:?}, weight {:?}, metrics {:?}, headers {:?}",
            result.kind, result.weight, result.metrics, result.headers
        );
        if let Some(arrays) = result.arrays {
            let next = kept.path().join(round.to_string());
            arrays.keep(&next)?;
            model = Some(next);
        }
        program.taken(&task.id, None);
    }
    let death = program.end("the job is done", events);
    if let (Some(from), Some(to)) = (&model, &options.keep) {
        fs::copy(from, to)?;
    }
    match death {
        Some(Death::Exited(0)) => println!("the program ended well"),
        Some(death) => println!("the program {death}"),
        None => println!("the program does not end"),
    }
    Ok(())
}
