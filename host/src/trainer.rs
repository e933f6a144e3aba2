//! Trainers: the interface between a site and the code that does its tasks.
//!
//! A [`Trainer`] takes a task and makes an [`Update`] of it, in its own time. A
//! [`TrainingSite`] does the rest: it starts jobs, asks for tasks, hands in results, and
//! stops what the coordinator aborts, over whichever binding its client was configured for.
//!
//! ```no_run
//! # use fedlink::{ClientAction, Task};
//! # use fedlink::message::{Payload, Properties};
//! # use fedlink_host::tokio::ClientHost;
//! # use fedlink_host::trainer::{Failure, SiteEvent, Stop, TrainingSite, Update};
//! fn train(task: Task, stop: &Stop) -> Result<Update, Failure> {
//!     let mut model = task.payload.bytes().to_vec();
//!     for epoch in 0..10 {
//!         if stop.is_set() {
//!             return Err("stopped".into());
//!         }
//!         model.rotate_left(epoch);
//!     }
//!     Ok(Update::new(Payload::new(model)))
//! }
//!
//! # async fn run(host: ClientHost) -> Result<(), Box<dyn std::error::Error>> {
//! let mut site = TrainingSite::start(host, |_job| Box::new(train)).await?;
//! while let Some(event) = site.next().await {
//!     match event {
//!         SiteEvent::Action(ClientAction::Rejected(_)) => site.client().quit("rejected").await?,
//!         SiteEvent::Trained { task, .. } => println!("task {task} is done"),
//!         _ => {}
//!     }
//! }
//! site.finish().await?;
//! # Ok(()) }
//! ```

mod driver;
mod event;
mod site;
mod stop;
mod worker;

use std::error::Error;

use fedlink::Task;
use fedlink::message::{JobId, Payload, Properties, TaskId};

pub use event::SiteEvent;
pub use site::TrainingSite;
pub use stop::Stop;

/// What a site does with the tasks of one job.
///
/// Each job has a trainer of its own, made when the job starts and dropped when it ends. It
/// lives in a thread of its own, so it may take its time, block, and keep what belongs to
/// that thread; its tasks come one after another.
pub trait Trainer {
    /// Does what the task asks for.
    ///
    /// Look at `stop` now and then, or wait on it: once it is set, the task or its job was
    /// aborted, or the site leaves. Return soon then; whatever is returned is not sent.
    ///
    /// # Errors
    /// Why there is no result. The coordinator is told so in place of it.
    fn train(&mut self, task: Task, stop: &Stop) -> Result<Update, Failure>;

    /// Hears what became of the update that it has returned for a task: the client has it and
    /// sends it for as long as it takes, or it was `refused` for this reason.
    fn taken(&mut self, task: TaskId, refused: Option<&str>) {
        let _ = (task, refused);
    }
}

impl<F: FnMut(Task, &Stop) -> Result<Update, Failure>> Trainer for F {
    fn train(&mut self, task: Task, stop: &Stop) -> Result<Update, Failure> {
        self(task, stop)
    }
}

/// Makes the trainer of a job. It is called in the thread of that job.
pub trait Trainers: Fn(JobId) -> Box<dyn Trainer> + Send + Sync + 'static {}

impl<F: Fn(JobId) -> Box<dyn Trainer> + Send + Sync + 'static> Trainers for F {}

/// What came of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// What the result says besides its payload. Which headers mean something is a matter
    /// of the binding and of the job.
    pub headers: Properties,
    /// The result itself.
    pub payload: Payload,
}

impl Update {
    /// An update without headers.
    #[must_use]
    pub fn new(payload: Payload) -> Self {
        Self {
            headers: Properties::new(),
            payload,
        }
    }
}

/// Why a task has no result. Its text goes to the coordinator, so it should hold nothing
/// that must stay at the site; it is cut at 1,024 bytes.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The round that a task belongs to, if its headers tell: `current_round` in an NVFlare
/// federation, which counts from 0, else `round`.
#[must_use]
pub fn round(headers: &Properties) -> Option<u64> {
    let round = headers.get("current_round").or(headers.get("round"))?;
    round.parse().ok()
}
