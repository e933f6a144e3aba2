//! The state of the simulated clients that work on the job.

use fedlink::message::{Ssid, TaskId};

use super::plan::{NEVER, Plan, Tick};

/// A client that works.
pub(super) struct Worker {
    pub(super) client: u32,
    pub(super) state: WorkerState,
    pub(super) due: Tick,
    /// The task before.
    pub(super) last: Option<TaskId>,
    /// Tries to hand in the result that have failed.
    pub(super) failures: u32,
}

/// What it does.
#[derive(Clone, Copy)]
pub(super) enum WorkerState {
    /// It waits before it asks for a task.
    Pausing,
    Asking,
    Working(TaskId, Ssid),
    /// It waits before it hands in the result.
    Holding(TaskId, Ssid),
    Submitting(TaskId, Ssid),
}

impl Worker {
    pub(super) fn new(client: u32) -> Self {
        Self {
            client,
            state: WorkerState::Pausing,
            due: NEVER,
            last: None,
            failures: 0,
        }
    }
}

impl Plan {
    /// The clients that work, spread over all.
    pub(super) fn workers(&self) -> impl Iterator<Item = u32> {
        let step = self.clients.checked_div(self.workers).unwrap_or(1);
        (0..self.workers).map(move |worker| worker * step)
    }

    /// Which worker a client is.
    pub(super) fn worker_of(&self, client: u32) -> Option<u32> {
        let step = self.clients.checked_div(self.workers)?;
        let worker = client / step;
        (client.is_multiple_of(step) && worker < self.workers).then_some(worker)
    }
}
