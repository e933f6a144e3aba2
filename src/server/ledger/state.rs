//! The durable state, and the one place that changes it.

use alloc::boxed::Box;
use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use bytes::Bytes;

use super::job::Job;
use super::record::{Record, ResultHead};
use super::task::{self, Input, Owner, Phase, Task, TaskResult};
use super::task_inputs::{PayloadId, TaskInputs};
use super::upload::{Block, Uploads};
use crate::identity::Name;
use crate::message::{JobId, Place, Properties, RecordId, Ssid, TaskId};
use crate::records::{Damaged, Records};
use crate::transfer::Layout;

#[cfg_attr(any(test, fuzzing), derive(Clone, PartialEq))]
#[cfg_attr(test, derive(Hash))]
pub(super) struct State {
    pub(super) ssid: Ssid,
    /// The records that have led here.
    pub(super) records: Records,
    pub(super) disabled: BTreeSet<Name>,
    pub(super) jobs: BTreeMap<JobId, Job>,
    pub(super) tasks: BTreeMap<TaskId, Task>,
    pub(super) inputs: TaskInputs,
    pub(super) uploads: Uploads,
    /// The next place in the order of tasks.
    pub(super) next_order: u64,
}

impl State {
    pub(super) fn new(ssid: Ssid) -> Self {
        Self {
            ssid,
            records: Records::default(),
            disabled: BTreeSet::new(),
            jobs: BTreeMap::new(),
            tasks: BTreeMap::new(),
            inputs: TaskInputs::default(),
            uploads: Uploads::default(),
            next_order: 0,
        }
    }

    /// Applies a record as the next one; returns its number.
    ///
    /// # Errors
    /// When it contradicts those before it. If they were applied here too, nothing has
    /// changed.
    pub(super) fn append(&mut self, record: Record, payload: Bytes) -> Result<RecordId, Damaged> {
        let (records, id) = self.records.next()?;
        self.apply(record, payload)?;
        self.records = records;
        Ok(id)
    }

    /// Applies a record.
    ///
    /// # Errors
    /// As [`State::append`].
    pub(super) fn apply(&mut self, record: Record, payload: Bytes) -> Result<(), Damaged> {
        match record {
            Record::Ssid(ssid) => sure(ssid == self.ssid),
            // It begins a state: see the replay.
            Record::Snapshot { .. } => Err(Damaged),
            Record::JobStarted { job, sites } => match self.jobs.entry(job) {
                Entry::Vacant(free) => {
                    free.insert(Job::new(sites));
                    Ok(())
                }
                Entry::Occupied(_) => Err(Damaged),
            },
            Record::JobEnded { job } => self.end_job(job),
            Record::Disabled { client } => sure(self.disabled.insert(client)),
            Record::Enabled { client } => sure(self.disabled.remove(&client)),
            Record::Payload { id, labels } => {
                // A process that died before it recorded the first task has put it up too.
                self.inputs.put(id, labels.with(payload));
                Ok(())
            }
            Record::Task { entry, input } => self.add_open(entry, input),
            Record::Claimed { task, owner } => self.claim(task, owner),
            Record::Withdrawn { task } => self.withdraw(task),
            Record::Reassigned {
                old,
                new,
                created,
                owner,
            } => self.reassign(old, new, created, owner),
            Record::Block {
                task,
                size,
                digest,
                index,
                list,
            } => {
                let block = Block {
                    layout: Layout { size, digest },
                    index,
                    list: list.into(),
                    bytes: payload,
                };
                self.owned_open(task)?;
                self.uploads.record(task, block)
            }
            Record::UploadDropped { task } => self.uploads.drop_recorded(task),
            Record::Result { task, result } => self.finish(task, result, payload),
            Record::Taken { task } => self.take(task),
            Record::Closed { entry, taken } => self.add_closed(entry, taken),
        }
    }

    fn end_job(&mut self, job: JobId) -> Result<(), Damaged> {
        let ended = self.jobs.remove(&job).ok_or(Damaged)?;
        for id in ended.tasks() {
            if let Some(input) = self.tasks.remove(&id).as_ref().and_then(Task::input) {
                self.inputs.release(&input.id);
            }
            self.uploads.forget(id);
        }
        Ok(())
    }

    fn add_open(&mut self, entry: task::Entry, input: PayloadId) -> Result<(), Damaged> {
        let next_order = self.order_behind(&entry)?;
        let job = self.jobs.get_mut(&entry.job).ok_or(Damaged)?;
        sure(job.has_room_for(&entry) && !self.tasks.contains_key(&entry.task))?;
        let payload = self.inputs.hold(&input).ok_or(Damaged)?;
        job.add(&entry);
        job.open(&entry);
        self.next_order = next_order;
        let phase = Phase::Open(Input { id: input, payload });
        self.tasks.insert(entry.task, Task { entry, phase });
        Ok(())
    }

    fn add_closed(&mut self, entry: task::Entry, taken: bool) -> Result<(), Damaged> {
        let next_order = self.order_behind(&entry)?;
        let job = self.jobs.get_mut(&entry.job).ok_or(Damaged)?;
        sure(job.has_room_for(&entry) && !self.tasks.contains_key(&entry.task))?;
        job.add(&entry);
        self.next_order = next_order;
        let phase = if taken {
            Phase::Taken
        } else {
            Phase::Withdrawn
        };
        self.tasks.insert(entry.task, Task { entry, phase });
        Ok(())
    }

    fn claim(&mut self, id: TaskId, owner: Owner) -> Result<(), Damaged> {
        let task = self.tasks.get_mut(&id).ok_or(Damaged)?;
        sure(task.is_open() && task.entry.owner.is_none())?;
        let job = self.jobs.get_mut(&task.entry.job).ok_or(Damaged)?;
        sure(job.is_free(&owner))?;
        let behind = owner.order.checked_add(1).ok_or(Damaged)?;
        self.next_order = self.next_order.max(behind);
        job.close(&task.entry);
        task.entry.owner = Some(owner);
        job.open(&task.entry);
        Ok(())
    }

    fn withdraw(&mut self, id: TaskId) -> Result<(), Damaged> {
        let input = self.close(id).ok_or(Damaged)?;
        self.bury(id);
        self.inputs.release(&input.id);
        Ok(())
    }

    fn reassign(
        &mut self,
        old: TaskId,
        new: TaskId,
        created: u64,
        owner: Option<Owner>,
    ) -> Result<(), Damaged> {
        let task = self.tasks.get(&old).ok_or(Damaged)?;
        let Phase::Open(input) = &task.phase else {
            return Err(Damaged);
        };
        let input = input.id;
        let entry = task::Entry {
            task: new,
            created,
            owner,
            ..task.entry.clone()
        };
        // While the old task holds it, so that it stays.
        self.add_open(entry, input)?;
        self.withdraw(old)
    }

    /// Leaves of a withdrawn task just whose it was.
    fn bury(&mut self, id: TaskId) {
        if let Some(task) = self.tasks.get_mut(&id) {
            task.phase = Phase::Withdrawn;
            task.entry.name = String::new();
            task.entry.headers = Properties::default();
        }
    }

    fn finish(&mut self, id: TaskId, head: ResultHead, payload: Bytes) -> Result<(), Damaged> {
        self.owned_open(id)?;
        let labels = head.labels.clone();
        let payload = match labels.place {
            Place::Inline => labels.with(payload),
            Place::Apart { size, digest } => {
                sure(payload.is_empty())?;
                let layout = Layout { size, digest };
                let (blocks, list) = self.uploads.finish(id, layout).ok_or(Damaged)?;
                labels.with_blocks(blocks, list, digest)
            }
        };
        if let Some(input) = self.close(id)
            && let Some(task) = self.tasks.get_mut(&id)
        {
            task.phase = Phase::Done(input, Box::new(TaskResult { head, payload }));
        }
        Ok(())
    }

    fn take(&mut self, id: TaskId) -> Result<(), Damaged> {
        let task = self.tasks.get_mut(&id).ok_or(Damaged)?;
        let Phase::Done(input, _) = &task.phase else {
            return Err(Damaged);
        };
        self.inputs.release(&input.id);
        task.phase = Phase::Taken;
        Ok(())
    }

    /// A result may come for this task.
    fn owned_open(&self, id: TaskId) -> Result<(), Damaged> {
        let task = self.tasks.get(&id).ok_or(Damaged)?;
        sure(task.is_open() && task.entry.owner.is_some())
    }

    /// Ends the open phase of a task; returns what it was to be done with.
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

    /// The next place in the order of tasks, once there is this one.
    fn order_behind(&self, entry: &task::Entry) -> Result<u64, Damaged> {
        let owned = entry.owner.as_ref().map_or(0, |owner| owner.order);
        let behind = entry.created.max(owned).checked_add(1).ok_or(Damaged)?;
        Ok(self.next_order.max(behind))
    }
}

fn sure(fits: bool) -> Result<(), Damaged> {
    fits.then_some(()).ok_or(Damaged)
}
