//! The worker of one job: a thread in which its trainer runs.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc as queue;
use std::thread;
use std::time::{Duration, Instant};

use fedlink::Task;
use fedlink::message::{JobId, TaskId};
use tokio::sync::mpsc;

use super::{Failure, Stop, Trainer, Trainers, Update};

/// A job that runs here. Dropping it lets the thread end after what it was given.
pub(super) struct Worker {
    orders: queue::Sender<Order>,
    /// Of the tasks that were given and are not done.
    stops: BTreeMap<TaskId, Stop>,
}

/// What a worker is told.
enum Order {
    Train(Task, Stop),
    /// What became of the update for this task.
    Taken(TaskId, Option<String>),
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
        let (orders, queue) = queue::channel();
        let thread = Thread {
            job,
            trainers,
            reports,
        };
        thread::Builder::new()
            .name("trainer".to_owned())
            .spawn(move || thread.work(&queue))?;
        Ok(Self {
            orders,
            stops: BTreeMap::new(),
        })
    }

    /// Has this done, after what was given before.
    pub(super) fn give(&mut self, task: Task) {
        let stop = Stop::default();
        self.stops.insert(task.id, stop.clone());
        // The thread ends only when this worker is gone.
        let _ = self.orders.send(Order::Train(task, stop));
    }

    /// Tells the trainer what became of its update for this task.
    pub(super) fn taken(&self, task: TaskId, refused: Option<String>) {
        let _ = self.orders.send(Order::Taken(task, refused));
    }

    /// Tells the trainer to give up all that it was given.
    pub(super) fn give_up(&self) {
        self.stops.values().for_each(Stop::set);
    }

    /// The task is done. Tells whether it was to be given up.
    pub(super) fn done(&mut self, task: TaskId) -> bool {
        self.stops.remove(&task).is_some_and(|stop| stop.is_set())
    }
}

struct Thread {
    job: JobId,
    trainers: Arc<dyn Trainers>,
    reports: mpsc::UnboundedSender<Report>,
}

impl Thread {
    fn work(self, orders: &queue::Receiver<Order>) {
        let mut trainer = None;
        for order in orders {
            let (task, stop) = match order {
                Order::Train(task, stop) => (task, stop),
                Order::Taken(task, refused) => {
                    taken(&mut trainer, task, refused.as_deref());
                    continue;
                }
            };
            let (id, round) = (task.id, super::round(&task.headers));
            let begun = Instant::now();
            let result = self.train(&mut trainer, task, &stop);
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

    fn train(
        &self,
        trainer: &mut Option<Box<dyn Trainer>>,
        task: Task,
        stop: &Stop,
    ) -> Result<Update, Failure> {
        if stop.is_set() {
            return Err("it was given up before it began".into());
        }
        let trained = catch_unwind(AssertUnwindSafe(|| {
            trainer
                .get_or_insert_with(|| (self.trainers)(self.job))
                .train(task, stop)
        }));
        trained.unwrap_or_else(|panic| {
            // What it knew may be half done.
            *trainer = None;
            Err(format!("the trainer has panicked: {}", words(panic.as_ref())).into())
        })
    }

    fn report(&self, report: Report) {
        // The site may be gone.
        let _ = self.reports.send(report);
    }
}

/// Tells the trainer, unless it has panicked since.
fn taken(trainer: &mut Option<Box<dyn Trainer>>, task: TaskId, refused: Option<&str>) {
    let Some(told) = trainer else {
        return;
    };
    let told = catch_unwind(AssertUnwindSafe(|| told.taken(task, refused)));
    if let Err(panic) = told {
        tracing::warn!("the trainer has panicked: {}", words(panic.as_ref()));
        *trainer = None;
    }
}

/// What a panic says, if it says anything.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied())
        .unwrap_or("it does not say why")
}
