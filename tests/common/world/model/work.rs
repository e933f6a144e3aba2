//! What really happened to jobs, tasks and results, whatever the machines believe; and
//! the promises of the protocol that can be checked against it at once.

use std::collections::{BTreeMap, BTreeSet};

use fedlink::message::{JobId, Outcome, Payload, Refusal, TaskId};
use fedlink::{Instant, ResultReceived, Task, TaskState};

use crate::world::plan::Plan;

/// All jobs and tasks that ever were.
#[derive(Default)]
pub struct Work {
    pub tasks: BTreeMap<TaskId, TaskTruth>,
    /// When the end of a job was stored.
    pub ended: BTreeMap<JobId, Instant>,
    /// Accepted results, until the server's host is known to have them.
    owed: BTreeSet<TaskId>,
    /// The server has lost its storage at some time.
    pub server_was_wiped: bool,
    /// Sites that were kept out at some time.
    pub disabled: BTreeSet<usize>,
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
    /// Processes whose hosts have it.
    pub given: BTreeSet<usize>,
    /// What hosts have handed in.
    results: Vec<(usize, Outcome, Payload)>,
    /// The server holds it, as far as its host knows.
    pub alive: bool,
    /// The result has reached the coordinator's host.
    pub received: bool,
    /// The host has said that it needs the result no more.
    pub taken: bool,
    /// Some process has died since a site was given it.
    pub survives: bool,
    /// Since when it may be that nobody works on it any more.
    pub given_up: Option<Instant>,
}

impl Work {
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
            alive: true,
            received: false,
            taken: false,
            survives: false,
            given_up: None,
        };
        let before = self.tasks.insert(task, truth);
        assert!(before.is_none(), "task ids repeat");
    }

    pub fn reassigned(&mut self, old: TaskId, new: TaskId, site: Option<usize>) {
        self.withdrawn(old);
        let it = &self.tasks[&old];
        let (job, name, input) = (it.job, it.name.clone(), it.input.clone());
        self.assigned(new, job, &name, input, site);
    }

    pub fn withdrawn(&mut self, task: TaskId) {
        let it = self.tasks.get_mut(&task).unwrap();
        (it.withdrawn, it.alive) = (true, false);
    }

    /// A task reaches a site's host at most once per assignment, unless it says that it
    /// comes again; it is the one that was assigned, and meant for the name that the process
    /// has.
    pub fn a_task_is_given_once(&mut self, site: usize, plan: &Plan, task: &Task) {
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
            it.site.is_none_or(|meant| meant == plan.person(site)),
            "task {} reached site-{site}, which it is not for",
            task.id
        );
        let first = it.given.insert(site);
        assert!(
            first || task.again,
            "task {} was given twice to site-{site}",
            task.id
        );
        let mut people = it.given.iter().map(|site| plan.person(*site));
        assert!(
            people.all(|person| person == plan.person(site)),
            "task {} was given to two sites",
            task.id
        );
    }

    /// A site's host has dropped these tasks of its own accord, and may get them anew.
    pub fn dropped(&mut self, site: usize, tasks: impl Iterator<Item = TaskId>) {
        for task in tasks {
            if let Some(it) = self.tasks.get_mut(&task) {
                it.given.remove(&site);
            }
        }
    }

    /// A site has lost all that it had stored: what it has not delivered, it gets anew.
    pub fn forgotten_by(&mut self, site: usize) {
        for it in self.tasks.values_mut().filter(|it| !it.received) {
            it.given.remove(&site);
        }
    }

    /// The server has lost all that it had stored: this job is gone, and its tasks with it.
    pub fn forgotten_by_server(&mut self, job: JobId, now: Instant) {
        self.ending.insert(job);
        self.ended.entry(job).or_insert(now);
    }

    /// The tasks of a job that this site has given up.
    pub fn given_up(&self, job: JobId) -> Vec<TaskId> {
        let given_up = |(_, it): &(&TaskId, &TaskTruth)| it.job == job && it.given_up.is_some();
        let tasks = self.tasks.iter().filter(given_up);
        tasks.map(|(task, _)| *task).collect()
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
    /// again; and it is one that the site handed in, or its client for a task that was
    /// larger than `max_payload`. True if it was the client.
    pub fn a_result_is_received_once(
        &mut self,
        site: usize,
        result: &ResultReceived,
        max_payload: u64,
    ) -> bool {
        let it = self.tasks.get_mut(&result.task).unwrap();
        let handed_in = it.results.iter().any(|(who, outcome, payload)| {
            (*who, *outcome, payload) == (site, result.outcome, &result.payload)
        });
        let unfit = it.input.len() as u64 > max_payload && result.outcome == Outcome::Failed;
        assert!(
            handed_in || unfit,
            "a result of task {} that site-{site} never handed in",
            result.task
        );
        assert!(
            it.alive,
            "a result of task {} that was withdrawn",
            result.task
        );
        assert!(
            !it.received || result.again,
            "the result of task {} was given twice",
            result.task
        );
        it.received = true;
        !handed_in
    }

    /// A client is told that its result is held for good. Then it is, and the host has it
    /// as soon as it has taken the server's outputs, perhaps those of its next process.
    pub fn accepted(&mut self, task: TaskId) {
        self.owed.insert(task);
    }

    pub fn an_accepted_result_is_received(&mut self) {
        for task in core::mem::take(&mut self.owed) {
            let it = &self.tasks[&task];
            assert!(
                it.received || self.ending.contains(&it.job),
                "the result of task {task} was accepted and is lost"
            );
        }
    }

    /// A result is refused only if the job or the assignment is gone.
    pub fn a_refusal_has_a_reason(&self, task: TaskId, refusal: Refusal) {
        let it = &self.tasks[&task];
        let reason = match refusal {
            Refusal::Withdrawn => it.withdrawn,
            Refusal::JobGone => self.ending.contains(&it.job),
            Refusal::OtherSsid => self.server_was_wiped,
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

    /// The host has used a result.
    pub fn taken(&mut self, task: TaskId) {
        self.tasks.get_mut(&task).unwrap().taken = true;
    }

    /// A process of the federation has died.
    pub fn somebody_dies(&mut self) {
        for it in self.tasks.values_mut() {
            it.survives |= !it.given.is_empty() && !it.received;
        }
    }

    /// A server has started with these tasks of a job, some of them taken: what else there
    /// was is lost, if it may be.
    pub fn restored(&mut self, job: JobId, held: &BTreeMap<TaskId, TaskState>) {
        self.nothing_promised_is_forgotten(job, held);
        for (task, it) in self.tasks.iter_mut().filter(|(_, it)| it.job == job) {
            let state = held.get(task);
            it.alive = state.is_some();
            it.taken &= state == Some(&TaskState::Taken);
        }
    }

    /// A job is over, and its tasks with it.
    pub fn over(&mut self, job: JobId) {
        for it in self.tasks.values_mut().filter(|it| it.job == job) {
            it.alive = false;
        }
    }

    /// What has left a server, or was shown to its host, survives it.
    fn nothing_promised_is_forgotten(&self, job: JobId, held: &BTreeMap<TaskId, TaskState>) {
        for (task, it) in &self.tasks {
            if it.job != job || it.withdrawn {
                continue;
            }
            let state = held.get(task);
            let done = matches!(state, Some(TaskState::Done | TaskState::Taken));
            assert!(
                state.is_some() || it.given.is_empty(),
                "task {task} was given and is forgotten"
            );
            assert!(
                done || !it.received,
                "the result of task {task} was received and is forgotten"
            );
        }
    }
}
