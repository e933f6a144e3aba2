//! What a site does for a job: its program gets the task, and what it returns is checked before
//! anything leaves.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fedlink::Task;
use fedlink::message::{Payload, TaskId};
use fedlink_host::trainer::{Failure, Stop, Trainer, Update};
use fedlink_jobs::engine::TaskResult;
use fedlink_jobs::mean::{Kind, Weight, WeightError};
use fedlink_trainer::{self as program, Errors, Event, Launch, Output, Program};
use tempfile::TempDir;

use super::arrays::{ArrayFile, check_bytes};
use super::headers::{self, TaskHeaders};

/// What tasks ask for that needs arrays in the result.
const TRAIN: &str = "train";
const VALIDATE: &str = "validate";

/// The most of a program's log that may be told of a failure, in bytes: what a coordinator
/// takes of a reason.
const MAX_TAIL: u64 = 800;

/// The trainer of one job at a site: a program that lives as long as the job.
#[derive(Debug)]
pub struct SiteTrainer<E> {
    launch: Launch,
    site: String,
    errors: Errors,
    events: E,
    running: Option<Running>,
}

/// A program, and the folder through which its tasks go.
#[derive(Debug)]
struct Running {
    program: Program,
    exchange: TempDir,
}

impl<E: FnMut(Event)> SiteTrainer<E> {
    /// Runs a program for the site of this name. `errors` is what the coordinator hears of a
    /// failure, `events` what happens meanwhile.
    pub fn new(launch: Launch, site: impl Into<String>, errors: Errors, events: E) -> Self {
        Self {
            launch,
            site: site.into(),
            errors,
            events,
            running: None,
        }
    }
}

impl Running {
    /// It starts with its first task.
    fn new(launch: &Launch, site: &str, headers: &TaskHeaders) -> io::Result<Self> {
        let exchange = TempDir::with_prefix("fedlink-")?;
        let mut launch = launch.clone();
        exchange.path().clone_into(&mut launch.exchange);
        let job = program::Job {
            id: headers.job.clone(),
            kind: headers.kind.clone(),
            site: site.to_owned(),
            config: headers.config.clone(),
        };
        Ok(Self {
            program: Program::new(launch, job),
            exchange,
        })
    }
}

impl<E: FnMut(Event)> Trainer for SiteTrainer<E> {
    fn train(&mut self, task: Task, stop: &Stop) -> Result<Update, Failure> {
        let headers = TaskHeaders::read(&task.headers)?;
        let (id, name) = (task.id.to_string(), task.name);
        let Running { program, exchange } = match &mut self.running {
            Some(running) => running,
            none => none.insert(Running::new(&self.launch, &self.site, &headers)?),
        };
        let input = headers
            .has_model
            .then(|| Input::write(exchange.path(), &id, &task.payload))
            .transpose()?;
        // The file has it now.
        drop(task.payload);
        let stopper = program.stopper();
        stop.on_set({
            let id = id.clone();
            move || stopper.stop(&id, "the coordinator does not want it any more")
        });
        let given = program::Task {
            id: id.clone(),
            name: name.clone(),
            round: headers.round,
            rounds: headers.rounds,
            kind: headers.has_model.then_some(program::Kind::Full),
            arrays: input.as_ref().map(|it| it.0.clone()),
            ..program::Task::default()
        };
        let result = match program.run(&given, &mut self.events) {
            Ok(result) => result,
            Err(failure) => {
                let tail = match (self.errors, &self.launch.output) {
                    (Errors::Tail, Output::File(log)) => tail(log).unwrap_or_default(),
                    _ => String::new(),
                };
                return Err(self.errors.tell(&failure, &tail).into());
            }
        };
        let input = input.as_ref().map(|it| it.0.as_path());
        update(&name, &headers, input, &result).map_err(|reason| {
            program.taken(&id, Some(&reason));
            reason.into()
        })
    }

    fn taken(&mut self, task: TaskId, refused: Option<&str>) {
        if let Some(running) = &mut self.running {
            running.program.taken(&task.to_string(), refused);
        }
    }
}

impl<E> Drop for SiteTrainer<E> {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.program.end("the job is over", &mut |_| {});
        }
    }
}

/// The file of a task's model, which goes with the task.
struct Input(PathBuf);

impl Input {
    fn write(folder: &Path, task: &str, payload: &Payload) -> io::Result<Self> {
        let input = Self(folder.join(task));
        let mut file = File::create_new(&input.0)?;
        for part in payload.parts() {
            file.write_all(part)?;
        }
        Ok(input)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // It is in a folder that is removed with the job anyway.
        let _ = fs::remove_file(&self.0);
    }
}

/// What leaves the site of a result, or why nothing does: what the coordinator would refuse has
/// no business on the way to it.
fn update(
    task: &str,
    headers: &TaskHeaders,
    model: Option<&Path>,
    result: &program::TaskResult,
) -> Result<Update, String> {
    let form = match result.kind {
        program::Kind::Full => Kind::Full,
        program::Kind::Diff => Kind::Diff,
    };
    let weight = result.weight.map(Weight::new).transpose();
    let weight = weight.map_err(|error| error.to_string())?;
    if task == TRAIN && headers.weighted && weight.is_none() {
        return Err(WeightError::Missing.to_string());
    }
    let mut counts = TaskResult::new(weight, form);
    counts.metrics.clone_from(&result.metrics);
    let payload = if task == VALIDATE {
        Vec::new()
    } else {
        let arrays = result.arrays.as_ref().ok_or("no arrays came")?;
        // The program may still write into its file: what was read is checked, and sent.
        let bytes = read(arrays).map_err(|error| format!("its result cannot be read ({error})"))?;
        let model = model.map(ArrayFile::open).transpose();
        let model = model.map_err(|error| error.to_string())?;
        let model = model.as_ref().map(ArrayFile::header);
        check_bytes(&bytes, model, form, headers.partial).map_err(|error| error.to_string())?;
        bytes
    };
    Ok(Update {
        headers: headers::of_result(&counts),
        payload: Payload::new(payload),
    })
}

fn read(arrays: &program::Arrays) -> io::Result<Vec<u8>> {
    let size = usize::try_from(arrays.size()).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut bytes = Vec::with_capacity(size);
    arrays.file().take(arrays.size()).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The end of what the program has printed.
fn tail(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MAX_TAIL)))?;
    let mut bytes = Vec::new();
    file.take(MAX_TAIL).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
