//! The host's commands about tasks: they are assigned, withdrawn, reassigned, and their
//! results taken.

use bytes::Bytes;

use super::job::Job;
use super::record::Record;
use super::task::{Assignee, Entry, NewTask, Owner, Phase, Task, TaskView};
use super::{Awaited, Ledger, LedgerOutput, Unconfirmed, task_inputs};
use crate::entropy::Entropy;
use crate::error::Misuse;
use crate::message::check::{check_given, check_size};
use crate::message::limits::MAX_TEXT;
use crate::message::{BLOCK, JobId, Payload, PayloadHead, PullReply, Reply, TaskId};
use crate::transfer::MAX_BLOCKS;

impl Ledger {
    /// Gives a task to a site, or to the first that asks. It leaves when it is stored.
    ///
    /// # Errors
    /// When there is no such job, the site takes no part in it, something is too large,
    /// or there are too many tasks.
    pub(crate) fn assign(
        &mut self,
        entropy: &mut Entropy,
        job: JobId,
        to: Assignee,
        task: NewTask,
        out: &mut LedgerOutput<'_>,
    ) -> Result<TaskId, Misuse> {
        self.check_assignee(job, &to)?;
        self.check_room()?;
        self.check_size(&task)?;

        let input = task_inputs::id_of(&task.payload);
        if !self.state.inputs.contains(&input) {
            let record = Record::Payload {
                id: input,
                labels: labels(&task.payload),
            };
            let bytes = task.payload.bytes().clone();
            self.commit(record, bytes, Awaited::Nothing, out)?;
        }
        let id = self.new_task(entropy);
        let created = self.state.next_order;
        let entry = Entry {
            task: id,
            job,
            created,
            owner: owner(to, created),
            name: task.name,
            headers: task.headers,
        };
        let record = Record::Task { entry, input };
        self.commit_for(id, record, Bytes::new(), None, out)?;
        Ok(id)
    }

    /// Takes a task back. Its upload is dropped; a result that still comes is refused.
    ///
    /// # Errors
    /// When there is no such task, or it has a result.
    pub(crate) fn withdraw(
        &mut self,
        task: TaskId,
        out: &mut LedgerOutput<'_>,
    ) -> Result<(), Misuse> {
        self.open_task(task)?;
        let record = Record::Withdrawn { task };
        let record = self.commit(record, Bytes::new(), Awaited::Task(task), out)?;
        self.send_away(task, out);
        let entry = Unconfirmed { record, to: None };
        self.unconfirmed.insert(task, entry);
        Ok(())
    }

    /// Takes a task back and gives its work to another, under a new id.
    ///
    /// # Errors
    /// When there is no such task, it has a result, the site takes no part in its job, or
    /// there are too many tasks.
    pub(crate) fn reassign(
        &mut self,
        entropy: &mut Entropy,
        old: TaskId,
        to: Assignee,
        out: &mut LedgerOutput<'_>,
    ) -> Result<TaskId, Misuse> {
        let job = self.open_task(old)?.entry.job;
        self.check_assignee(job, &to)?;
        self.check_room()?;

        let new = self.new_task(entropy);
        let created = self.state.next_order;
        let record = Record::Reassigned {
            old,
            new,
            created,
            owner: owner(to, created),
        };
        let awaited = Awaited::Reassignment { old, new };
        let record = self.commit(record, Bytes::new(), awaited, out)?;
        self.send_away(old, out);
        for task in [old, new] {
            let entry = Unconfirmed { record, to: None };
            self.unconfirmed.insert(task, entry);
        }
        Ok(new)
    }

    /// The host needs the result no more: its bytes are dropped, and it is not given
    /// again after a restart.
    ///
    /// # Errors
    /// When no result of this task was given to the host, or it was taken before.
    pub(crate) fn taken(&mut self, task: TaskId, out: &mut LedgerOutput<'_>) -> Result<(), Misuse> {
        let given = |it: &Task| matches!(it.phase, Phase::Done(..));
        if !self.state.tasks.get(&task).is_some_and(given) || self.unconfirmed.contains_key(&task) {
            return Err(Misuse::UnknownTask(task));
        }
        let record = Record::Taken { task };
        self.commit(record, Bytes::new(), Awaited::Nothing, out)?;
        Ok(())
    }

    /// The tasks of a job that were not withdrawn, in the order of their creation.
    pub(crate) fn tasks(&self, job: JobId) -> impl Iterator<Item = TaskView<'_>> {
        let tasks = self.state.jobs.get(&job).into_iter().flat_map(Job::tasks);
        tasks.filter_map(|id| self.state.tasks.get(&id)?.view())
    }

    /// An id that no task has.
    fn new_task(&self, entropy: &mut Entropy) -> TaskId {
        // A host that gives each process the same seed draws what it drew before.
        loop {
            let id = TaskId::from_bytes(entropy.uuid());
            if !self.state.tasks.contains_key(&id) {
                return id;
            }
        }
    }

    /// The task, if it can still be withdrawn.
    fn open_task(&self, id: TaskId) -> Result<&Task, Misuse> {
        let task = self.state.tasks.get(&id);
        let task = task.ok_or(Misuse::UnknownTask(id))?;
        match task.phase {
            Phase::Open(_) => Ok(task),
            Phase::Done(..) | Phase::Taken => Err(Misuse::TaskDone(id)),
            Phase::Withdrawn => Err(Misuse::UnknownTask(id)),
        }
    }

    /// Whose task this is, and who waits for it, is to ask again.
    fn send_away(&mut self, task: TaskId, out: &mut LedgerOutput<'_>) {
        if let Some(it) = self.state.tasks.get(&task)
            && let Some(client) = it.client()
        {
            self.leaving.insert((it.entry.job, client.clone()), task);
        }
        let waiting = self.unconfirmed.remove(&task).and_then(|entry| entry.to);
        if let Some(to) = waiting {
            out.answer(to, Reply::PullTask(self.try_again()));
        }
    }

    fn check_assignee(&self, job: JobId, to: &Assignee) -> Result<(), Misuse> {
        let sites = &self
            .state
            .jobs
            .get(&job)
            .ok_or(Misuse::UnknownJob(job))?
            .sites;
        match to {
            Assignee::Site(client) if !sites.contains(client) => Err(Misuse::NotASite {
                job,
                client: client.clone(),
            }),
            Assignee::Site(_) | Assignee::Anyone => Ok(()),
        }
    }

    fn check_room(&self) -> Result<(), Misuse> {
        let limit = self.config.max_tasks;
        if self.state.tasks.len() >= limit {
            let what = "tasks";
            return Err(Misuse::Full { what, limit });
        }
        // Nobody gets there. It is looked at before the payload is recorded.
        if self.state.next_order == u64::MAX {
            return Err(Misuse::Unfit);
        }
        Ok(())
    }

    fn check_size(&self, task: &NewTask) -> Result<(), Misuse> {
        let max_payload = self.config.max_payload.min(MAX_BLOCKS * BLOCK as u64);
        check_size("the task's name", task.name.len(), MAX_TEXT)?;
        check_given(&task.headers, &task.payload, max_payload)
    }

    pub(super) fn try_again(&self) -> PullReply {
        PullReply::TryAgain {
            after: crate::time::millis(self.config.poll_interval),
            timeout: crate::time::millis(self.config.min_task_timeout),
        }
    }
}

/// The labels of a payload whose bytes follow.
pub(super) fn labels(payload: &Payload) -> PayloadHead {
    payload.head(usize::MAX)
}

fn owner(to: Assignee, order: u64) -> Option<Owner> {
    match to {
        Assignee::Site(client) => Some(Owner { client, order }),
        Assignee::Anyone => None,
    }
}
