//! The durable state, and the one place that changes it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::job::Job;
use super::record::Record;
use super::shelf::{PayloadId, Shelf};
use super::task::{Entry, Input, Owner, Phase, Task, TaskResult};
use super::upload::{Block, Uploads};
use crate::identity::Name;
use crate::message::{JobId, Place, Properties, Ssid, TaskId};
use crate::transfer::Layout;

/// A record that contradicts those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

#[cfg_attr(test, derive(Clone, Hash))]
pub(super) struct State {
    pub(super) ssid: Ssid,
    pub(super) disabled: BTreeSet<Name>,
    pub(super) jobs: BTreeMap<JobId, Job>,
    pub(super) tasks: BTreeMap<TaskId, Task>,
    pub(super) shelf: Shelf,
    pub(super) uploads: Uploads,
    /// The next place in the order of tasks.
    pub(super) next_order: u64,
}

impl State {
    pub(super) fn new(ssid: Ssid) -> Self {
        Self {
            ssid,
            disabled: BTreeSet::new(),
            jobs: BTreeMap::new(),
            tasks: BTreeMap::new(),
            shelf: Shelf::default(),
            uploads: Uploads::default(),
            next_order: 0,
        }
    }

    /// Applies one record. What no longer fits, since a snapshot or a later record has
    /// overtaken it, changes nothing.
    pub(super) fn apply(&mut self, record: Record, payload: Bytes) -> Result<(), Damaged> {
        match record {
            Record::Ssid(ssid) => {
                if ssid != self.ssid {
                    return Err(Damaged);
                }
            }
            Record::JobStarted { job, sites } => {
                self.jobs.entry(job).or_insert_with(|| Job::new(sites));
            }
            Record::JobEnded { job } => self.end_job(job),
            Record::Disabled { client } => {
                self.disabled.insert(client);
            }
            Record::Enabled { client } => {
                self.disabled.remove(&client);
            }
            Record::Payload { id, labels } => {
                self.shelf.put(id, labels.with(payload));
            }
            Record::Task { entry, input } => self.add_open(entry, input)?,
            Record::Claimed { task, owner } => self.claim(task, owner),
            Record::Withdrawn { task } => self.withdraw(task),
            Record::Reassigned {
                old,
                new,
                created,
                owner,
            } => self.reassign(old, new, created, owner)?,
            Record::Block {
                task,
                size,
                digest,
                index,
                list,
            } => {
                if self.tasks.get(&task).is_some_and(Task::is_open) {
                    let block = Block {
                        layout: Layout { size, digest },
                        index,
                        list: list.into(),
                        bytes: payload,
                    };
                    self.uploads.restore(task, block)?;
                }
            }
            Record::Result { task, result } => {
                if self.tasks.get(&task).is_some_and(Task::is_open) {
                    let labels = result.labels.clone();
                    let payload = match labels.place {
                        Place::Apart { size, digest } if payload.is_empty() => {
                            let layout = Layout { size, digest };
                            let (blocks, list) =
                                self.uploads.finish(task, layout).ok_or(Damaged)?;
                            labels.with_blocks(blocks, list, digest)
                        }
                        Place::Apart { .. } | Place::Inline => labels.with(payload),
                    };
                    let head = result;
                    self.finish(task, TaskResult { head, payload });
                }
            }
            Record::Taken { task } => self.take(task),
            Record::Closed { entry, taken } => self.add_closed(entry, taken),
        }
        Ok(())
    }

    fn end_job(&mut self, job: JobId) {
        let Some(ended) = self.jobs.remove(&job) else {
            return;
        };
        for id in ended.tasks() {
            if let Some(input) = self.tasks.remove(&id).as_ref().and_then(Task::input) {
                self.shelf.release(&input.id);
            }
            self.uploads.forget(id);
        }
    }

    fn add_open(&mut self, entry: Entry, input: PayloadId) -> Result<(), Damaged> {
        self.reach(&entry);
        let Some(job) = self.jobs.get_mut(&entry.job) else {
            return Ok(());
        };
        if self.tasks.contains_key(&entry.task) {
            return Ok(());
        }
        let payload = self.shelf.hold(&input).ok_or(Damaged)?;
        job.add(&entry);
        job.open(&entry);
        let phase = Phase::Open(Input { id: input, payload });
        self.tasks.insert(entry.task, Task { entry, phase });
        Ok(())
    }

    fn add_closed(&mut self, entry: Entry, taken: bool) {
        self.reach(&entry);
        let Some(job) = self.jobs.get_mut(&entry.job) else {
            return;
        };
        if self.tasks.contains_key(&entry.task) {
            return;
        }
        job.add(&entry);
        let phase = if taken {
            Phase::Taken
        } else {
            Phase::Withdrawn
        };
        self.tasks.insert(entry.task, Task { entry, phase });
    }

    fn claim(&mut self, id: TaskId, owner: Owner) {
        self.next_order = self.next_order.max(owner.order.saturating_add(1));
        let Some(task) = self.tasks.get_mut(&id) else {
            return;
        };
        if !task.is_open() {
            return;
        }
        if let Some(job) = self.jobs.get_mut(&task.entry.job) {
            job.close(&task.entry);
            task.entry.owner = Some(owner);
            job.open(&task.entry);
        }
    }

    fn withdraw(&mut self, id: TaskId) {
        if let Some(input) = self.close(id) {
            self.bury(id);
            self.shelf.release(&input.id);
        }
    }

    fn reassign(
        &mut self,
        old: TaskId,
        new: TaskId,
        created: u64,
        owner: Option<Owner>,
    ) -> Result<(), Damaged> {
        let Some(input) = self.close(old) else {
            return Ok(());
        };
        if let Some(entry) = self.bury(old) {
            let entry = Entry {
                task: new,
                created,
                owner,
                ..entry
            };
            self.add_open(entry, input.id)?;
        }
        self.shelf.release(&input.id);
        Ok(())
    }

    /// Leaves of a withdrawn task just whose it was; gives what it was.
    fn bury(&mut self, id: TaskId) -> Option<Entry> {
        let task = self.tasks.get_mut(&id)?;
        let entry = task.entry.clone();
        task.phase = Phase::Withdrawn;
        task.entry.name = String::new();
        task.entry.headers = Properties::default();
        Some(entry)
    }

    fn finish(&mut self, id: TaskId, result: TaskResult) {
        let owned = |task: &Task| task.entry.owner.is_some();
        if !self.tasks.get(&id).is_some_and(owned) {
            return;
        }
        if let Some(input) = self.close(id)
            && let Some(task) = self.tasks.get_mut(&id)
        {
            task.phase = Phase::Done(input, Box::new(result));
        }
    }

    fn take(&mut self, id: TaskId) {
        if let Some(task) = self.tasks.get_mut(&id)
            && let Phase::Done(input, _) = &task.phase
        {
            self.shelf.release(&input.id);
            task.phase = Phase::Taken;
        }
    }

    /// Ends the open phase of a task; gives what it was to be done with.
    fn close(&mut self, id: TaskId) -> Option<Input> {
        let task = self.tasks.get_mut(&id)?;
        let Phase::Open(input) = &task.phase else {
            return None;
        };
        let input = input.clone();
        self.jobs.get_mut(&task.entry.job)?.close(&task.entry);
        self.uploads.forget(id);
        Some(input)
    }

    /// Keeps the order of tasks growing.
    fn reach(&mut self, entry: &Entry) {
        let owned = entry.owner.as_ref().map_or(0, |owner| owner.order);
        let reached = entry.created.max(owned).saturating_add(1);
        self.next_order = self.next_order.max(reached);
    }
}
