//! Tasks that the host works on, and the last one of each job.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::Instant;
use crate::client::cx::Cx;
use crate::client::{ClientAction, Task};
use crate::error::Misuse;
use crate::message::{JobId, Payload, Place, TaskId};
use crate::transfer::Layout;

use super::record::{Gate, Record, Store, StoredTask};

#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Held {
    tasks: BTreeMap<TaskId, HeldTask>,
    /// Lets the server tell a lost reply from a task that arrived.
    last: BTreeMap<JobId, TaskId>,
}

#[derive(Debug)]
#[cfg_attr(test, derive(Clone, Hash))]
struct HeldTask {
    stored: StoredTask,
    payload: Payload,
    /// When the host began to ask for it.
    since: Instant,
    /// The host has it, so it may submit a result.
    given: bool,
    /// The server gives it again after a restart, so it is not stored, and its payload is
    /// the host's alone.
    comes_again: bool,
}

impl Held {
    /// Takes a whole task; the host gets it when it is stored. Where the server gives it
    /// again to whoever asks, it is not stored: the host has it at once, and its job is
    /// the caller's.
    pub(crate) fn insert(
        &mut self,
        cx: &mut Cx<'_>,
        store: &mut Store,
        stored: StoredTask,
        payload: Payload,
        since: Instant,
    ) -> Option<JobId> {
        let task = stored.head.task;
        let comes_again = cx.config.binding.gives_tasks_again();
        let held = HeldTask {
            payload,
            stored,
            since,
            given: false,
            comes_again,
        };
        if !comes_again {
            let record = Record::Task(held.stored.clone());
            store.persist(cx, &record, held.whole(), Gate::Task(task));
        }
        self.tasks.insert(task, held);
        if comes_again {
            self.give(cx, task)
        } else {
            None
        }
    }

    /// The task is stored: gives it to the host, and its job to the caller. Nothing if it
    /// was dropped meanwhile.
    pub(crate) fn give(&mut self, cx: &mut Cx<'_>, task: TaskId) -> Option<JobId> {
        let held = self.tasks.get_mut(&task).filter(|held| !held.given)?;
        let job = held.stored.job;
        held.give(cx, false);
        self.set_last(job, task, cx.config.max_jobs);
        Some(job)
    }

    /// Gives every task to the host again, after a restore.
    pub(crate) fn give_again(&mut self, cx: &mut Cx<'_>) {
        for held in self.tasks.values_mut() {
            held.since = cx.now;
            held.give(cx, true);
        }
    }

    /// What the host may submit a result for.
    pub(crate) fn get(&self, task: TaskId) -> Result<&StoredTask, Misuse> {
        self.tasks
            .get(&task)
            .filter(|held| held.given)
            .map(|held| &held.stored)
            .ok_or(Misuse::UnknownTask(task))
    }

    pub(crate) fn remove(&mut self, task: TaskId) {
        self.tasks.remove(&task);
    }

    /// Drops the tasks of the job that the host has not seen.
    pub(crate) fn drop_unseen(&mut self, job: JobId) {
        self.tasks
            .retain(|_, held| held.given || held.stored.job != job);
    }

    /// Drops all that is known of the job.
    pub(crate) fn end(&mut self, job: JobId) {
        self.tasks.retain(|_, held| held.stored.job != job);
        self.last.remove(&job);
    }

    pub(crate) fn last(&self, job: JobId) -> Option<TaskId> {
        self.last.get(&job).copied()
    }

    /// Whether the task came before.
    pub(crate) fn knows(&self, job: JobId, task: TaskId) -> bool {
        self.tasks.contains_key(&task) || self.last(job) == Some(task)
    }

    /// Whether the host was given a task of the job, and has not said that it has ended.
    pub(crate) fn has_job(&self, job: JobId) -> bool {
        self.last.contains_key(&job)
    }

    /// The job of each task.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = JobId> {
        self.tasks.values().map(|held| held.stored.job)
    }

    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Takes a stored task over.
    pub(crate) fn restore(&mut self, stored: StoredTask, payload: Payload, limit: usize) {
        let (job, task) = (stored.job, stored.head.task);
        self.tasks.insert(
            task,
            HeldTask {
                payload,
                stored,
                since: Instant::default(),
                given: true,
                comes_again: false,
            },
        );
        self.set_last(job, task, limit);
    }

    /// Sets the last task of the job. Past `limit` jobs one is forgotten of which no task
    /// is left: nobody may ever say that it has ended.
    pub(crate) fn set_last(&mut self, job: JobId, task: TaskId, limit: usize) {
        self.last.insert(job, task);
        if self.last.len() > limit {
            let idle = self
                .last
                .keys()
                .copied()
                .find(|idle| *idle != job && !self.jobs().any(|held| held == *idle));
            if let Some(idle) = idle {
                self.last.remove(&idle);
            }
        }
    }

    pub(crate) fn snapshot(&self, records: &mut Vec<(Bytes, Bytes)>) {
        for held in self.tasks.values().filter(|held| !held.comes_again) {
            held.snapshot(records);
        }
        for (job, task) in &self.last {
            let (job, task) = (*job, *task);
            if self.tasks.get(&task).is_some_and(|held| held.comes_again) {
                continue;
            }
            records.push(Record::Last { job, task }.with(Bytes::new()));
        }
    }
}

impl HeldTask {
    /// Whether the payload came in blocks that are stored one by one.
    fn is_in_blocks(&self) -> bool {
        self.payload.parts().len() > 1
    }

    /// The payload, to be stored with the task.
    fn whole(&self) -> Bytes {
        if self.is_in_blocks() {
            Bytes::new()
        } else {
            self.payload.bytes().clone()
        }
    }

    fn snapshot(&self, records: &mut Vec<(Bytes, Bytes)>) {
        if self.is_in_blocks() {
            let list = self.payload.blocks().list.clone();
            let blocks = self.payload.parts().iter().cloned();
            self.stored.snapshot_blocks(list, blocks, records);
        }
        records.push(Record::Task(self.stored.clone()).with(self.whole()));
    }

    fn give(&mut self, cx: &mut Cx<'_>, again: bool) {
        self.given = true;
        let head = &self.stored.head;
        let bytes = match head.payload.place {
            Place::Inline => self.payload.len() as u64,
            Place::Apart { size, digest } => Layout { size, digest }.total(),
        };
        let payload = if self.comes_again {
            core::mem::replace(&mut self.payload, Payload::new(Bytes::new()))
        } else {
            self.payload.clone()
        };
        cx.act(ClientAction::TaskAssigned(Task {
            id: head.task,
            job: self.stored.job,
            name: head.name.clone(),
            ssid: head.ssid,
            headers: head.headers.clone(),
            payload,
            again,
            bytes,
            elapsed: cx.now.since(self.since),
        }));
    }
}
