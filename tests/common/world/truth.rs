//! What really happened to jobs, tasks and results, whatever the machines believe; and
//! the promises of the protocol that can be checked against it at once.

use std::collections::{BTreeMap, BTreeSet};

use fedlink::message::{JobId, Outcome, Payload, Refusal, TaskId};
use fedlink::{Instant, ResultReceived, Task};

/// All jobs and tasks that ever were.
#[derive(Default)]
pub struct Truth {
    pub tasks: BTreeMap<TaskId, TaskTruth>,
    /// When the end of a job was stored.
    pub ended: BTreeMap<JobId, Instant>,
    /// Accepted results that a dead server has not given to its host.
    owed: BTreeSet<TaskId>,
    /// Jobs that the coordinator has ended, stored or not, in any of its lives.
    pub ending: BTreeSet<JobId>,
}

pub struct TaskTruth {
    pub job: JobId,
    pub name: String,
    input: Payload,
    /// The site that it is for; none for whoever asks.
    site: Option<usize>,
    /// The coordinator took it back, perhaps in a life that forgot about it.
    pub withdrawn: bool,
    /// Sites whose hosts have it.
    pub given: BTreeSet<usize>,
    /// What hosts have handed in.
    results: Vec<(usize, Outcome, Payload)>,
    /// The result has reached the coordinator's host.
    pub received: bool,
    /// Since when it may be that nobody works on it any more.
    pub given_up: Option<Instant>,
}

impl Truth {
    pub fn assigned(
        &mut self,
        task: TaskId,
        job: JobId,
        name: &str,
        input: Payload,
        site: Option<usize>,
    ) {
        let truth = TaskTruth {
            job,
            name: name.to_owned(),
            input,
            site,
            withdrawn: false,
            given: BTreeSet::new(),
            results: Vec::new(),
            received: false,
            given_up: None,
        };
        let before = self.tasks.insert(task, truth);
        assert!(before.is_none(), "task ids repeat");
    }

    pub fn reassigned(&mut self, old: TaskId, new: TaskId, site: Option<usize>) {
        let it = self.tasks.get_mut(&old).unwrap();
        it.withdrawn = true;
        let (job, name, input) = (it.job, it.name.clone(), it.input.clone());
        self.assigned(new, job, &name, input, site);
    }

    pub fn withdrawn(&mut self, task: TaskId) {
        self.tasks.get_mut(&task).unwrap().withdrawn = true;
    }

    /// A task reaches a site's host at most once per assignment, unless it says that it
    /// comes again; it is the one that was assigned, and meant for that site.
    pub fn a_task_is_given_once(&mut self, site: usize, task: &Task) {
        let Some(it) = self.tasks.get_mut(&task.id) else {
            panic!(
                "site-{site} was given task {} that nobody assigned",
                task.id
            );
        };
        assert_eq!(
            (task.job, &task.name, &task.payload),
            (it.job, &it.name, &it.input),
            "the task is not the one that was assigned"
        );
        assert!(
            it.site.is_none_or(|meant| meant == site),
            "task {} reached site-{site}, which it is not for",
            task.id
        );
        let first = it.given.insert(site);
        assert!(
            first || task.again,
            "task {} was given twice to site-{site}",
            task.id
        );
        assert_eq!(it.given.len(), 1, "task {} was given to two sites", task.id);
    }

    pub fn submitted(
        &mut self,
        site: usize,
        task: TaskId,
        outcome: Outcome,
        payload: Payload,
        now: Instant,
    ) {
        let it = self.tasks.get_mut(&task).unwrap();
        it.results.push((site, outcome, payload));
        if outcome == Outcome::Aborted {
            it.given_up = Some(now);
        }
    }

    /// A result reaches the coordinator's host exactly once, unless it says that it comes
    /// again; and it is one that a site handed in.
    pub fn a_result_is_received_once(&mut self, site: usize, result: &ResultReceived) {
        let it = self.tasks.get_mut(&result.task).unwrap();
        let handed_in = it.results.iter().any(|(who, outcome, payload)| {
            (*who, *outcome, payload) == (site, result.outcome, &result.payload)
        });
        assert!(
            handed_in,
            "a result of task {} that site-{site} never handed in",
            result.task
        );
        assert!(
            !it.received || result.again,
            "the result of task {} was given twice",
            result.task
        );
        it.received = true;
    }

    /// A client is told that its result is held for good only if that is so. A server that
    /// died before its host could look gives it again when it is back.
    pub fn an_accepted_result_was_received(&mut self, task: TaskId, server_is_up: bool) {
        let it = &self.tasks[&task];
        if it.received || self.ending.contains(&it.job) {
            return;
        }
        assert!(
            !server_is_up,
            "the result of task {task} was accepted and is lost"
        );
        self.owed.insert(task);
    }

    /// Results that were accepted have come by now.
    pub fn nothing_is_owed(&mut self) {
        for task in core::mem::take(&mut self.owed) {
            self.an_accepted_result_was_received(task, true);
        }
    }

    /// A result is refused only if the job or the assignment is gone.
    pub fn a_refusal_has_a_reason(&self, task: TaskId, refusal: Refusal) {
        let it = &self.tasks[&task];
        let reason = match refusal {
            Refusal::Withdrawn => it.withdrawn,
            Refusal::JobGone => self.ending.contains(&it.job),
            _ => false,
        };
        assert!(reason, "the result of task {task} was refused: {refusal}");
    }

    /// A site is told that a job is over only when that is stored.
    pub fn an_end_is_stored_before_it_is_told(&self, job: JobId) {
        assert!(
            self.ended.contains_key(&job),
            "the end of job {job} was told before it was stored"
        );
    }

    /// What has left a server, or was shown to its host, survives it.
    pub fn nothing_promised_is_forgotten(&self, job: JobId, held: &BTreeMap<TaskId, bool>) {
        for (task, it) in &self.tasks {
            if it.job != job || it.withdrawn {
                continue;
            }
            let done = held.get(task);
            assert!(
                done.is_some() || it.given.is_empty(),
                "task {task} was given and is forgotten"
            );
            assert!(
                done == Some(&true) || !it.received,
                "the result of task {task} was received and is forgotten"
            );
        }
    }
}
