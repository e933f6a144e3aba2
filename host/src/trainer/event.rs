//! The events that a site with trainers tells its application.

use std::time::Duration;

use fedlink::ClientAction;
use fedlink::message::{JobId, TaskId};

/// Something that happened at a [`TrainingSite`](super::TrainingSite). Nothing has to be done about it.
#[derive(Debug)]
#[non_exhaustive]
pub enum SiteEvent {
    /// The client said so. What concerns jobs is done by the site; the rest, such as
    /// [`Rejected`](ClientAction::Rejected), is the application's. Tasks that are assigned
    /// come as [`Assigned`](Self::Assigned) instead.
    Action(ClientAction),
    /// A job runs here.
    JobStarted(JobId),
    /// A job could not be started: the machine has no thread for it, or the client no room.
    JobNotStarted {
        /// The job.
        job: JobId,
        /// Why.
        reason: String,
    },
    /// A job no longer runs here, and its trainer has stopped.
    JobEnded(JobId),
    /// There is a task, and its trainer begins.
    Assigned {
        /// The job.
        job: JobId,
        /// The task.
        task: TaskId,
        /// What to do, in the words of the job.
        name: String,
        /// See [`round`](super::round).
        round: Option<u64>,
        /// Bytes of the payload.
        bytes: usize,
    },
    /// A task is done, and its result on its way.
    Trained {
        /// The job.
        job: JobId,
        /// The task.
        task: TaskId,
        /// See [`round`](super::round).
        round: Option<u64>,
        /// Bytes of the result's payload.
        bytes: usize,
        /// How long the trainer took.
        elapsed: Duration,
    },
    /// A task was given up because the coordinator asked for that; its job goes on.
    GivenUp {
        /// The job.
        job: JobId,
        /// The task.
        task: TaskId,
        /// See [`round`](super::round).
        round: Option<u64>,
    },
    /// A task could not be done, and the coordinator is told.
    Failed {
        /// The job.
        job: JobId,
        /// The task.
        task: TaskId,
        /// See [`round`](super::round).
        round: Option<u64>,
        /// Why, in full.
        reason: String,
    },
}
