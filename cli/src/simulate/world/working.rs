//! The work of simulated clients: they ask for tasks and hand in results.

use std::time::Duration;

use bytes::Bytes;
use fedlink::message::{Ssid, TaskId};
use fedlink::stand_in::waits;

use super::World;
use crate::simulate::network::Kind;
use crate::simulate::plan::{Tick, ticks};
use crate::simulate::server::{JOB, PAYLOAD};
use crate::simulate::timer::{Timer, Track};
use crate::simulate::workers::WorkerState;

/// How long a task takes, in milliseconds: at least, and at most.
const WORK: (Tick, Tick) = (1_000, 5_000);

/// The shortest wait between two requests for a task.
const SHORTEST_WAIT: Tick = 10;

impl World<'_> {
    /// The timer of a worker.
    pub(super) fn work_due(&mut self, worker: u32, due: Tick) {
        let it = &mut self.clients.workers[worker as usize];
        if it.due != due {
            return;
        }
        let client = it.client;
        if !self.is_ready(client) {
            // What is done is handed in when there is a session.
            let it = &mut self.clients.workers[worker as usize];
            if let WorkerState::Working(task, ssid) = it.state {
                it.state = WorkerState::Holding(task, ssid);
            }
            return;
        }
        let it = &mut self.clients.workers[worker as usize];
        match it.state {
            WorkerState::Pausing => self.pull(worker),
            WorkerState::Asking => {
                it.state = WorkerState::Pausing;
                self.figures.repeated += 1;
                self.arm_work(worker, ticks(self.plan.client.failed_wait));
            }
            WorkerState::Working(task, ssid) | WorkerState::Holding(task, ssid) => {
                self.submit(worker, task, ssid);
            }
            WorkerState::Submitting(task, ssid) => {
                it.state = WorkerState::Holding(task, ssid);
                it.failures += 1;
                let failures = it.failures;
                self.figures.repeated += 1;
                let wait = self.draw(waits::retry(&self.plan.client, failures));
                self.arm_work(worker, wait);
            }
        }
    }

    /// There is a session, new or with a new connection.
    pub(super) fn resume_work(&mut self, client: u32) {
        let Some(worker) = self.plan.worker_of(client) else {
            return;
        };
        match self.clients.workers[worker as usize].state {
            WorkerState::Pausing | WorkerState::Asking => self.pull(worker),
            WorkerState::Working(..) => {}
            WorkerState::Holding(task, ssid) | WorkerState::Submitting(task, ssid) => {
                self.submit(worker, task, ssid);
            }
        }
    }

    /// The server has given a task.
    pub(super) fn task_received(&mut self, client: u32, (task, ssid): (TaskId, Ssid), len: usize) {
        let Some(worker) = self.plan.worker_of(client) else {
            return;
        };
        let it = &mut self.clients.workers[worker as usize];
        if !matches!(it.state, WorkerState::Asking) {
            self.figures.late += 1;
            return;
        }
        debug_assert_eq!(len, PAYLOAD);
        it.state = WorkerState::Working(task, ssid);
        it.last = Some(task);
        self.figures.tasks_received += 1;
        let wait = self.network.between(WORK.0, WORK.1);
        self.arm_work(worker, wait);
    }

    /// The server has no task now.
    pub(super) fn nothing_to_do(&mut self, client: u32, wait: Duration) {
        let Some(worker) = self.plan.worker_of(client) else {
            return;
        };
        let it = &mut self.clients.workers[worker as usize];
        if matches!(it.state, WorkerState::Asking) {
            it.state = WorkerState::Pausing;
            self.arm_work(worker, ticks(wait).max(SHORTEST_WAIT));
        }
    }

    /// The server holds a result.
    pub(super) fn result_accepted(&mut self, client: u32) {
        let Some(worker) = self.plan.worker_of(client) else {
            return;
        };
        let it = &mut self.clients.workers[worker as usize];
        if matches!(it.state, WorkerState::Submitting(..)) {
            it.failures = 0;
            self.pull(worker);
        }
    }

    fn pull(&mut self, worker: u32) {
        let it = &mut self.clients.workers[worker as usize];
        it.state = WorkerState::Asking;
        let (client, last) = (it.client, it.last);
        let stand_in = &mut self.clients.all[client as usize].stand_in;
        if let Some(message) = stand_in.pull(JOB, last, &mut self.buffer) {
            self.ask(worker, client, message);
        }
    }

    fn submit(&mut self, worker: u32, task: TaskId, ssid: Ssid) {
        let it = &mut self.clients.workers[worker as usize];
        it.state = WorkerState::Submitting(task, ssid);
        let client = it.client;
        let result = Bytes::from_static(&[8; PAYLOAD]);
        let stand_in = &mut self.clients.all[client as usize].stand_in;
        if let Some(message) = stand_in.submit((JOB, task, ssid), &result, &mut self.buffer) {
            self.ask(worker, client, message);
        }
    }

    fn ask(&mut self, worker: u32, client: u32, message: bytes::BytesMut) {
        self.arm_work(worker, ticks(self.plan.client.task_timeout));
        self.send(client, Kind::Request, message);
    }

    fn arm_work(&mut self, worker: u32, wait: Tick) {
        let due = self.now + wait;
        self.clients.workers[worker as usize].due = due;
        self.arm(Timer::new(Track::Work, worker, due));
    }
}
