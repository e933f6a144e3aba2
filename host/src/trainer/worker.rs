//! The thread of one job, in which its trainer lives.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc as queue;
use std::thread;
use std::time::{Duration, Instant};

use fedlink::Task;
use fedlink::message::{JobId, TaskId};
use tokio::sync::mpsc;

use super::{Failure, Stop, Trainers, Update};

/// A job that runs here. Dropping it lets the thread end after what it does now.
pub(super) struct Worker {
    tasks: queue::Sender<Task>,
    stop: Stop,
}

/// What a worker has to say.
pub(super) enum Report {
    /// A task is done, or could not be.
    Done(Done),
    /// The thread of this job has ended.
    Ended(JobId),
}

/// The end of a task.
pub(super) struct Done {
    pub(super) job: JobId,
    pub(super) task: TaskId,
    pub(super) round: Option<u64>,
    pub(super) result: Result<Update, Failure>,
    pub(super) elapsed: Duration,
}

impl Worker {
    /// Starts the thread. Its last report is that it has ended.
    pub(super) fn start(
        job: JobId,
        trainers: Arc<dyn Trainers>,
        reports: mpsc::UnboundedSender<Report>,
    ) -> io::Result<Self> {
        let (tasks, queue) = queue::channel();
        let stop = Stop::default();
        let thread = Thread {
            job,
            trainers,
            stop: stop.clone(),
            reports,
        };
        thread::Builder::new()
            .name("trainer".to_owned())
            .spawn(move || thread.work(&queue))?;
        Ok(Self { tasks, stop })
    }

    /// Has this done, after what was given before.
    pub(super) fn give(&self, task: Task) {
        // A thread that has ended has said so.
        let _ = self.tasks.send(task);
    }

    /// Tells the trainer to stop, and the thread to end.
    pub(super) fn stop(self) {
        self.stop.set();
    }
}

struct Thread {
    job: JobId,
    trainers: Arc<dyn Trainers>,
    stop: Stop,
    reports: mpsc::UnboundedSender<Report>,
}

impl Thread {
    fn work(self, tasks: &queue::Receiver<Task>) {
        let mut trainer = None;
        while let Ok(task) = tasks.recv() {
            if self.stop.is_set() {
                break;
            }
            let (id, round) = (task.id, super::round(&task.headers));
            let begun = Instant::now();
            let trained = catch_unwind(AssertUnwindSafe(|| {
                trainer
                    .get_or_insert_with(|| (self.trainers)(self.job))
                    .train(task, &self.stop)
            }));
            let result = trained.unwrap_or_else(|panic| {
                // What it knew may be half done.
                trainer = None;
                Err(format!("the trainer has panicked: {}", words(panic.as_ref())).into())
            });
            self.report(Report::Done(Done {
                job: self.job,
                task: id,
                round,
                result,
                elapsed: begun.elapsed(),
            }));
        }
        drop(trainer);
        self.report(Report::Ended(self.job));
    }

    fn report(&self, report: Report) {
        // The site may be gone.
        let _ = self.reports.send(report);
    }
}

/// What a panic says, if it says anything.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied())
        .unwrap_or("it does not say why")
}
