//! The site's end of the trainer protocol: one program, its tasks one after another.

use std::ffi::OsString;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::inbox::{Inbox, Stop};
use crate::output::{Output, Tail};
use crate::process::{Death, Supervisor};
use crate::running::{Attempt, Running};
use crate::settings::Errors;
use crate::task::{Event, Failure, Job, Task, TaskResult};

/// The largest result, in bytes, by default: what a machine takes.
const MAX_RESULT: u64 = 4 << 30;

/// The longest identifier of a task, in bytes.
const MAX_ID: usize = 200;

/// How a program is started, and what it may do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Launch {
    /// Which executable watches over it.
    pub supervisor: Supervisor,
    /// The program, then its arguments.
    pub command: Vec<OsString>,
    /// Beside the site's own environment and the variables of the protocol.
    pub environment: Vec<(OsString, OsString)>,
    /// Where it runs. By default the folder of the site's own process.
    pub folder: PathBuf,
    /// What of a result may leave: `params`, `weight`, names of metrics, and `header:NAME`.
    /// None: all.
    pub leave: Option<Vec<String>>,
    /// A program that makes of the arrays of a result what may leave. Empty: none.
    pub filter: Vec<OsString>,
    /// What the coordinator hears of a failure. Default [`Errors::Type`].
    pub errors: Errors,
    /// Where what it prints goes. Default nowhere.
    pub output: Output,
    /// Where the folder for its socket and arrays is made. By default that for temporary files.
    pub exchange: PathBuf,
    /// How long a task may take. None: as long as it likes.
    pub limit: Option<Duration>,
    /// How often it is started again for one task. Default 1.
    pub restarts: u32,
    /// How long it may go on after `stop` and `end`, before it is made to. Default 10 s.
    pub grace: Duration,
    /// The largest result, in bytes. Default 4 GiB.
    pub max_result: u64,
}

impl Launch {
    /// With the defaults.
    pub fn new(supervisor: Supervisor, command: Vec<OsString>) -> Self {
        Self {
            supervisor,
            command,
            environment: Vec::new(),
            folder: ".".into(),
            leave: None,
            filter: Vec::new(),
            errors: Errors::Type,
            output: Output::Nowhere,
            exchange: std::env::temp_dir(),
            limit: None,
            restarts: 1,
            grace: Duration::from_secs(10),
            max_result: MAX_RESULT,
        }
    }

    /// A folder that only this user can read.
    pub(crate) fn private_folder(&self) -> io::Result<TempDir> {
        let mut builder = tempfile::Builder::new();
        let private = Permissions::from_mode(0o700);
        builder.prefix("fedlink-").permissions(private);
        builder.tempdir_in(&self.exchange)
    }

    /// Whether what has this name may leave.
    pub(crate) fn leaves(&self, name: &str) -> bool {
        let leave = self.leave.as_ref();
        leave.is_none_or(|leave| leave.iter().any(|left| left == name))
    }
}

/// A program that lives as long as its job. When dropped it is killed; [`Program::end`] lets
/// it finish.
#[derive(Debug)]
pub struct Program {
    launch: Launch,
    job: Job,
    running: Option<Running>,
    stopper: Stopper,
    tail: Tail,
}

impl Program {
    /// Nothing runs before the first task.
    #[must_use]
    pub fn new(launch: Launch, job: Job) -> Self {
        Self {
            launch,
            job,
            running: None,
            stopper: Stopper::default(),
            tail: Tail::default(),
        }
    }

    /// Stops tasks from another thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Gives a task to the program and waits for its result. The program is started if it does
    /// not run. After a result tell with [`Program::taken`] what became of it.
    ///
    /// If it dies it is started again and gets the task again, as often as [`Launch::restarts`]
    /// says. A program that breaks the protocol is killed and not started for this task again:
    /// it would do the same.
    ///
    /// # Errors
    /// Why there is no result. The next task can be tried in any case.
    pub fn run(
        &mut self,
        task: &Task,
        events: &mut dyn FnMut(Event),
    ) -> Result<TaskResult, Failure> {
        if !is_identifier(&task.id) {
            return Err(Failure::Site(format!(
                "`{}` is no identifier of a task: 1 to {MAX_ID} letters, digits, `-` and `_`",
                task.id
            )));
        }
        let limit = self.launch.limit;
        let until = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut deaths = 0;
        loop {
            match self.attempt(task, deaths > 0, until, events) {
                Attempt::Done(result) => return Ok(result),
                Attempt::Failed(failure) => return Err(failure),
                Attempt::Died(death) => {
                    self.running = None;
                    if deaths >= self.launch.restarts {
                        return Err(Failure::Died(death));
                    }
                    deaths += 1;
                    events(Event::Again(death));
                }
            }
        }
    }

    fn attempt(
        &mut self,
        task: &Task,
        again: bool,
        until: Option<Instant>,
        events: &mut dyn FnMut(Event),
    ) -> Attempt {
        // What died after its last task is not the fault of this one.
        if self
            .running
            .as_mut()
            .is_some_and(|running| running.is_over(events))
        {
            self.running = None;
        }
        let mut running = match self.running.take() {
            Some(running) => running,
            None => match self.start() {
                Ok(running) => running,
                Err(failure) => return Attempt::Failed(failure),
            },
        };
        let attempt = running.run(task, again, until, events);
        if running.is_usable() {
            self.running = Some(running);
        }
        attempt
    }

    /// True if nothing runs: before the first task, and after the program has died.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.running.as_ref().is_none_or(Running::is_dead)
    }

    fn start(&self) -> Result<Running, Failure> {
        let inbox = Arc::new(Inbox::default());
        self.stopper.hand_to(&inbox);
        Running::start(&self.launch, &self.job, inbox, &self.tail)
    }

    /// What the coordinator hears of a failure: what the operator lets it.
    #[must_use]
    pub fn tell(&self, failure: &Failure) -> String {
        self.launch.errors.tell(failure, &self.tail.text())
    }

    /// Tells the program that its last result is in the site's outbox for good, or why it was
    /// refused.
    pub fn taken(&mut self, task: &str, refused: Option<&str>) {
        if let Some(running) = &mut self.running {
            running.taken(task, refused);
        }
    }

    /// Tells the program that its job is over, and lets it finish: after [`Launch::grace`] it is
    /// asked to end with SIGTERM, and killed 5 s later with all that it has started. Returns how
    /// it ended, if it ran.
    pub fn end(mut self, why: &str, events: &mut dyn FnMut(Event)) -> Option<Death> {
        self.running.take()?.end(why, events)
    }
}

/// It is part of a file's name.
fn is_identifier(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(plain)
}

/// Stops the tasks of a program.
#[derive(Clone, Debug, Default)]
pub struct Stopper(Arc<Mutex<Stopping>>);

#[derive(Debug, Default)]
struct Stopping {
    inbox: Option<Arc<Inbox>>,
    stop: Option<Stop>,
}

impl Stopper {
    /// The task with this identifier is no longer wanted, whether it runs, is about to, or has
    /// ended already.
    pub fn stop(&self, task: &str, why: &str) {
        let stop = Stop {
            task: task.to_owned(),
            why: why.to_owned(),
        };
        let mut stopping = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inbox) = &stopping.inbox {
            inbox.stop(stop.clone());
        }
        stopping.stop = Some(stop);
    }

    /// A program that is started after a stop still has to hear of it.
    fn hand_to(&self, inbox: &Arc<Inbox>) {
        let mut stopping = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stop) = &stopping.stop {
            inbox.stop(stop.clone());
        }
        stopping.inbox = Some(Arc::clone(inbox));
    }
}
