//! The tasks that this site holds: given to the host and not yet answered, with the last one
//! of each job.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::Instant;
use crate::client::context::WorkContext;
use crate::client::{ClientAction, Task};
use crate::error::Misuse;
use crate::message::{JobId, Payload, Place, TaskId};
use crate::transfer::Layout;

use super::record::{Gate, Record, Store, StoredTask};

#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Held {
    tasks: BTreeMap<TaskId, HeldTask>,
    /// Lets the server tell a lost reply from a task that arrived. Each job of a task is
    /// there.
    last: BTreeMap<JobId, Last>,
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(test, derive(Hash))]
struct Last {
    task: TaskId,
    /// It is in the records.
    stored: bool,
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
        cx: &mut WorkContext<'_>,
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
        let job = held.stored.job;
        self.tasks.insert(task, held);
        let stored = !comes_again;
        self.put_last(job, Last { task, stored }, cx.config.max_jobs);
        if comes_again {
            self.give(cx, task)
        } else {
            None
        }
    }

    /// The task is stored: gives it to the host, and its job to the caller. Nothing if it
    /// was dropped meanwhile.
    pub(crate) fn give(&mut self, cx: &mut WorkContext<'_>, task: TaskId) -> Option<JobId> {
        let held = self.tasks.get_mut(&task).filter(|held| !held.given)?;
        let job = held.stored.job;
        held.give(cx, false);
        Some(job)
    }

    /// Gives every task to the host again, after a restore.
    pub(crate) fn give_again(&mut self, cx: &mut WorkContext<'_>) {
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
    pub(crate) fn drop_unseen(&mut self, cx: &mut WorkContext<'_>, store: &mut Store, job: JobId) {
        let of_job = self.tasks.iter().filter(|(_, held)| held.stored.job == job);
        let unseen = of_job.filter(|(_, held)| !held.given);
        let unseen: Vec<TaskId> = unseen.map(|(task, _)| *task).collect();
        for task in unseen {
            store.note(cx, &Record::Dropped { job, task });
            self.forget_task(job, task);
        }
    }

    /// The host does not get this task of the job; the last one is another.
    pub(crate) fn forget_task(&mut self, job: JobId, task: TaskId) {
        if self
            .tasks
            .get(&task)
            .is_none_or(|held| held.stored.job != job)
        {
            return;
        }
        self.tasks.remove(&task);
        if self.last(job) == Some(task) {
            self.last.remove(&job);
            let mut others = self.tasks.iter();
            if let Some((task, held)) = others.find(|(_, held)| held.stored.job == job) {
                let (task, stored) = (*task, !held.comes_again);
                self.last.insert(job, Last { task, stored });
            }
        }
    }

    /// Drops all that is known of the job.
    pub(crate) fn end(&mut self, job: JobId) {
        self.tasks.retain(|_, held| held.stored.job != job);
        self.last.remove(&job);
    }

    pub(crate) fn last(&self, job: JobId) -> Option<TaskId> {
        self.last.get(&job).map(|last| last.task)
    }

    /// Whether the task came before.
    pub(crate) fn knows(&self, job: JobId, task: TaskId) -> bool {
        self.tasks.contains_key(&task) || self.last(job) == Some(task)
    }

    /// Whether a task of the job came, and the host has not said that it has ended.
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

    /// Takes the last task of the job over.
    pub(crate) fn set_last(&mut self, job: JobId, task: TaskId, limit: usize) {
        self.put_last(job, Last { task, stored: true }, limit);
    }

    /// Sets the last task of the job. Past `limit` jobs one is forgotten of which no task
    /// is left: nobody may ever say that it has ended.
    fn put_last(&mut self, job: JobId, last: Last, limit: usize) {
        self.last.insert(job, last);
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

    /// The tasks that the records hold.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn stored(&self) -> BTreeMap<TaskId, (StoredTask, Payload)> {
        let stored = self.tasks.iter().filter(|(_, held)| !held.comes_again);
        stored
            .map(|(task, held)| (*task, (held.stored.clone(), held.payload.clone())))
            .collect()
    }

    /// The last task of each job that the records hold.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn stored_last(&self) -> BTreeMap<JobId, TaskId> {
        let stored = self.last.iter().filter(|(_, last)| last.stored);
        stored.map(|(job, last)| (*job, last.task)).collect()
    }

    pub(crate) fn snapshot(&self, records: &mut Vec<(Bytes, Bytes)>) {
        for held in self.tasks.values().filter(|held| !held.comes_again) {
            held.snapshot(records);
        }
        for (job, last) in self.last.iter().filter(|(_, last)| last.stored) {
            let (job, task) = (*job, last.task);
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

    fn give(&mut self, cx: &mut WorkContext<'_>, again: bool) {
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
