//! The answers to clients that ask for a task or fetch its payload.

use alloc::vec::Vec;

use bytes::Bytes;

use super::record::Record;
use super::submit::UNFIT;
use super::task::Owner;
use super::{Ledger, LedgerOutput, ReplyTo};
use crate::identity::Name;
use crate::message::{Fetch, FetchReply, PullReply, PullTask, Reply, TaskHead, TaskId};
use crate::server::ServerAction;
use crate::transfer;

impl Ledger {
    /// A client asks for a task: its own oldest open one that its last task is not
    /// beyond, else the oldest that waits for whoever asks. One that is not stored yet is
    /// answered when it is.
    // spec: P-96, P-97, P-98
    pub(crate) fn pull(
        &mut self,
        client: &Name,
        request: PullTask,
        to: ReplyTo,
        out: &mut LedgerOutput<'_>,
    ) {
        if self.ending.contains(&request.job) {
            return;
        }
        let Some(job) = self.state.jobs.get(&request.job) else {
            out.answer(to, Reply::PullTask(PullReply::RunEnded));
            return;
        };
        if !job.sites.contains(client) {
            out.answer(to, Reply::PullTask(PullReply::RunEnded));
            return;
        }
        if self.leaving.contains_key(&(request.job, client.clone())) {
            out.answer(to, Reply::PullTask(self.try_again()));
            return;
        }
        let last = request
            .last_task
            .and_then(|last| self.state.tasks.get(&last))
            .filter(|last| last.belongs_to(client, request.job))
            .and_then(|last| last.entry.owner.as_ref())
            .map(|owner| owner.order);
        if let Some(task) = job.next_of(client, last) {
            match self.unconfirmed.get_mut(&task) {
                Some(waiting) => waiting.to = Some(to),
                None => self.give(task, to, out),
            }
        } else if let Some(task) = job.first_queued() {
            let owner = Owner {
                client: client.clone(),
                order: self.state.next_order,
            };
            let record = Record::Claimed { task, owner };
            if self
                .commit_for(task, record, Bytes::new(), Some(to), out)
                .is_err()
            {
                out.invalid(to, UNFIT);
            }
        } else {
            out.actions.push_back(ServerAction::TaskWanted {
                client: client.clone(),
                job: request.job,
                context: request.context,
            });
            out.answer(to, Reply::PullTask(self.try_again()));
        }
    }

    /// A client fetches a part of its task's payload.
    // spec: P-113
    pub(crate) fn fetch(
        &self,
        client: &Name,
        request: Fetch,
        to: ReplyTo,
        out: &mut LedgerOutput<'_>,
    ) {
        let task = self.state.tasks.get(&request.task);
        let input = task
            .filter(|task| task.is_open() && task.belongs_to(client, request.job))
            .filter(|_| !self.unconfirmed.contains_key(&request.task))
            .and_then(|task| task.input());
        let Some(input) = input else {
            out.answer(to, Reply::Fetch(FetchReply::Gone));
            return;
        };
        let len = usize::try_from(request.len).unwrap_or(usize::MAX);
        match transfer::chunk(&input.payload, request.offset, len) {
            Some(bytes) => {
                let offset = request.offset;
                out.answer_with(to, Reply::Fetch(FetchReply::Bytes { offset }), bytes);
            }
            None => out.invalid(to, "the payload is shorter"),
        }
    }

    /// Answers a pull with an open, stored task.
    pub(super) fn give(&self, id: TaskId, to: ReplyTo, out: &mut LedgerOutput<'_>) {
        let task = self.state.tasks.get(&id).filter(|task| task.is_open());
        let Some((task, input)) = task.and_then(|task| Some((task, task.input()?))) else {
            return;
        };
        let inline = input.payload.len() <= self.config.inline_limit;
        let head = TaskHead {
            task: id,
            name: task.entry.name.clone(),
            ssid: self.state.ssid,
            headers: task.entry.headers.clone(),
            payload: input.payload.head(self.config.inline_limit),
            ticket: Vec::new(),
        };
        let bytes = if inline {
            input.payload.bytes().clone()
        } else {
            Bytes::new()
        };
        out.answer_with(to, Reply::PullTask(PullReply::Task(head)), bytes);
    }
}
