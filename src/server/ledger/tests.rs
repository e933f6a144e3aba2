//! A ledger with its host: storage that confirms when it is told to.

mod crash;
mod jobs;
mod pull;
mod restore;
mod submit;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;

use bytes::Bytes;

use super::heartbeat::JobLists;
use super::{Answer, Assignee, Ledger, LedgerOutput, NewTask, ReplyTo, Sites, TaskState};
use crate::entropy::Entropy;
use crate::error::Misuse;
use crate::identity::Name;
use crate::link::native::server::Handle;
use crate::message::{
    Fetch, JobId, JobReport, Outcome, Payload, PeerId, Properties, PullReply, PullTask, Push,
    PushReply, RecordId, Reply, RequestId, Ssid, SubmitReply, SubmitResult, TaskId,
};
use crate::output_queue::OutputQueue;
use crate::server::{ResultReceived, ServerAction, ServerConfig};
use crate::transfer::{CHUNK, Layout, chunk};

const JOB: JobId = JobId::from_bytes([1; 16]);
const SSID: Ssid = Ssid::from_bytes([2; 16]);
/// Payloads above this travel apart.
const INLINE: usize = 64;

struct World {
    ledger: Ledger,
    entropy: Entropy,
    /// What the storage holds.
    log: Vec<Bytes>,
    /// What it has still to store.
    unstored: VecDeque<(RecordId, Bytes)>,
    /// All actions but `Persist`.
    actions: Vec<ServerAction>,
    answers: Vec<Answer>,
    requests: u64,
}

fn name(name: &str) -> Name {
    Name::new(name).unwrap()
}

fn config() -> ServerConfig {
    ServerConfig {
        inline_limit: INLINE,
        ..ServerConfig::new(name("project"))
    }
}

fn task(what: &str, payload: &Payload) -> NewTask {
    NewTask {
        name: what.to_owned(),
        headers: Properties::new().with("round", "1"),
        payload: payload.clone(),
    }
}

fn bytes(len: usize, seed: usize) -> Payload {
    Payload::new(
        (0..len)
            .map(|at| (at * 31 + seed) as u8)
            .collect::<Vec<_>>(),
    )
}

fn result_of(task: TaskId, payload: &Payload) -> SubmitResult {
    SubmitResult {
        job: JOB,
        task,
        ssid: SSID,
        outcome: Outcome::Ok,
        ticket: Vec::new(),
        headers: Properties::new().with("loss", "0.5"),
        payload: payload.head(INLINE),
        context: Properties::new(),
    }
}

impl World {
    /// With nothing but the service session, which is stored.
    fn empty(config: ServerConfig) -> Self {
        let mut world = Self::of(config, |config, out| Ledger::new(config, SSID, out));
        world.store();
        world
    }

    /// With one job for all sites, stored.
    fn new() -> Self {
        let mut world = Self::empty(config());
        world.start(JOB, Sites::All).unwrap();
        world.store();
        world
    }

    fn restored(log: Vec<Bytes>) -> Self {
        let mut world = Self::of(config(), |config, out| {
            Ledger::restore(config, SSID, log.clone(), out).unwrap()
        });
        world.log = log;
        // Each process has a seed of its own, or ids would come again.
        world.entropy = Entropy::new(&mut [world.log.len() as u8; 32]);
        world
    }

    fn of(
        config: ServerConfig,
        make: impl FnOnce(Arc<ServerConfig>, &mut LedgerOutput<'_>) -> Ledger,
    ) -> Self {
        let (mut actions, mut answers) = (OutputQueue::default(), Vec::new());
        let mut out = LedgerOutput {
            actions: &mut actions,
            answers: &mut answers,
        };
        let ledger = make(Arc::new(config), &mut out);
        let mut world = Self {
            ledger,
            entropy: Entropy::new(&mut [3; 32]),
            log: Vec::new(),
            unstored: VecDeque::new(),
            actions: Vec::new(),
            answers: Vec::new(),
            requests: 0,
        };
        world.sort(actions, answers);
        world
    }

    fn call<T>(
        &mut self,
        call: impl FnOnce(&mut Ledger, &mut Entropy, &mut LedgerOutput<'_>) -> T,
    ) -> T {
        let (mut actions, mut answers) = (OutputQueue::default(), Vec::new());
        let mut out = LedgerOutput {
            actions: &mut actions,
            answers: &mut answers,
        };
        let value = call(&mut self.ledger, &mut self.entropy, &mut out);
        self.sort(actions, answers);
        value
    }

    fn sort(&mut self, mut actions: OutputQueue<ServerAction>, answers: Vec<Answer>) {
        while let Some(action) = actions.pop_front() {
            if let ServerAction::Persist {
                record,
                header,
                payload,
            } = action
            {
                let stored = [&header[..], &payload].concat().into();
                self.unstored.push_back((record, stored));
            } else {
                self.actions.push(action);
            }
        }
        self.answers.extend(answers);
    }

    /// Stores the oldest record and confirms it.
    fn store_one(&mut self) {
        let (record, bytes) = self.unstored.pop_front().unwrap();
        self.log.push(bytes);
        self.call(|ledger, _, out| ledger.persisted(record, out))
            .unwrap();
    }

    fn store(&mut self) {
        while !self.unstored.is_empty() {
            self.store_one();
        }
    }

    fn start(&mut self, job: JobId, sites: Sites) -> Result<(), Misuse> {
        self.call(|ledger, _, out| ledger.start_job(job, sites, out))
    }

    fn end(&mut self, job: JobId) -> Result<(), Misuse> {
        self.call(|ledger, _, out| ledger.end_job(job, out))
    }

    fn try_assign(&mut self, to: Assignee, task: NewTask) -> Result<TaskId, Misuse> {
        self.call(|ledger, entropy, out| ledger.assign(entropy, JOB, to, task, out))
    }

    fn assign(&mut self, site: &str, payload: &Payload) -> TaskId {
        self.try_assign(Assignee::Site(name(site)), task("train", payload))
            .unwrap()
    }

    fn assign_anyone(&mut self, payload: &Payload) -> TaskId {
        self.try_assign(Assignee::Anyone, task("train", payload))
            .unwrap()
    }

    fn withdraw(&mut self, task: TaskId) -> Result<(), Misuse> {
        self.call(|ledger, _, out| ledger.withdraw(task, out))
    }

    fn reassign(&mut self, task: TaskId, site: &str) -> Result<TaskId, Misuse> {
        let to = Assignee::Site(name(site));
        self.call(|ledger, entropy, out| ledger.reassign(entropy, task, to, out))
    }

    fn taken(&mut self, task: TaskId) -> Result<(), Misuse> {
        self.call(|ledger, _, out| ledger.taken(task, out))
    }

    fn heartbeat(&mut self, site: &str, jobs: &[JobId]) -> JobLists {
        let report = |job: &JobId| JobReport {
            job: *job,
            progress: None,
        };
        let jobs: Vec<_> = jobs.iter().map(report).collect();
        self.call(|ledger, _, out| ledger.heartbeat(&name(site), &jobs, out))
    }

    fn next_request(&mut self) -> ReplyTo {
        self.requests += 1;
        ReplyTo {
            peer: PeerId(1),
            session: Handle::at(4),
            request: RequestId(self.requests),
        }
    }

    /// Asks for a task; the request, to find its answer.
    fn ask(&mut self, site: &str, job: JobId, last_task: Option<TaskId>) -> ReplyTo {
        let to = self.next_request();
        let request = PullTask {
            job,
            last_task,
            context: Properties::new().with("battery", "full"),
        };
        self.call(|ledger, _, out| ledger.pull(&name(site), request, to, out));
        to
    }

    fn pull(&mut self, site: &str, last: Option<TaskId>) -> Option<PullReply> {
        let to = self.ask(site, JOB, last);
        self.pull_answer(to)
    }

    fn pull_answer(&mut self, to: ReplyTo) -> Option<PullReply> {
        self.answer(to).map(|answer| match answer.reply {
            Reply::PullTask(reply) => reply,
            other => panic!("{other:?}"),
        })
    }

    /// The task that a pull brings.
    fn pull_task(&mut self, site: &str, last: Option<TaskId>) -> Option<TaskId> {
        let reply = self.pull(site, last);
        task_in(reply)
    }

    fn send(&mut self, site: &str, result: SubmitResult, payload: Bytes) -> ReplyTo {
        let to = self.next_request();
        self.call(|ledger, _, out| ledger.submit(&name(site), result, payload, to, out));
        to
    }

    fn submit_answer(&mut self, to: ReplyTo) -> Option<SubmitReply> {
        self.answer(to).map(|answer| match answer.reply {
            Reply::SubmitResult(reply) => reply,
            other => panic!("{other:?}"),
        })
    }

    /// Submits a result as a client does, the bytes inside if they are few.
    fn submit(&mut self, site: &str, task: TaskId, payload: &Payload) -> Option<SubmitReply> {
        self.submit_as(site, result_of(task, payload), payload)
    }

    fn submit_as(
        &mut self,
        site: &str,
        result: SubmitResult,
        payload: &Payload,
    ) -> Option<SubmitReply> {
        let inline = if payload.len() <= INLINE {
            payload.bytes().clone()
        } else {
            Bytes::new()
        };
        let to = self.send(site, result, inline);
        self.submit_answer(to)
    }

    fn push(&mut self, site: &str, task: TaskId, offset: u64, bytes: Bytes) -> Reply {
        let to = self.next_request();
        let request = Push {
            job: JOB,
            task,
            offset,
        };
        self.call(|ledger, _, out| ledger.push(&name(site), request, bytes, to, out));
        self.answer(to).unwrap().reply
    }

    /// Pushes chunks from `offset` on until `end` is reached; what is wanted then.
    fn upload(&mut self, task: TaskId, payload: &Payload, offset: u64, end: u64) -> u64 {
        let mut wanted = offset;
        while wanted < end.min(Layout::of(payload).total()) {
            let bytes = chunk(payload, wanted, CHUNK).unwrap();
            let Reply::Push(PushReply::Wanted(next)) = self.push("a", task, wanted, bytes) else {
                panic!("no upload");
            };
            wanted = next;
        }
        wanted
    }

    fn fetch(&mut self, site: &str, task: TaskId, offset: u64, len: u32) -> Answer {
        let to = self.next_request();
        let request = Fetch {
            job: JOB,
            task,
            offset,
            len,
        };
        self.call(|ledger, _, out| ledger.fetch(&name(site), request, to, out));
        self.answer(to).unwrap()
    }

    fn answer(&mut self, to: ReplyTo) -> Option<Answer> {
        let at = self.answers.iter().position(|answer| answer.to == to)?;
        Some(self.answers.remove(at))
    }

    fn results(&mut self) -> Vec<ResultReceived> {
        let is_result =
            |action: &mut ServerAction| matches!(action, ServerAction::ResultReceived(_));
        let results = self.actions.extract_if(.., is_result);
        results
            .filter_map(|action| match action {
                ServerAction::ResultReceived(result) => Some(result),
                _ => None,
            })
            .collect()
    }

    fn states(&self) -> BTreeMap<TaskId, TaskState> {
        let tasks = self.ledger.tasks(JOB);
        tasks.map(|view| (view.id, view.state)).collect()
    }

    fn snapshot(&self) -> Vec<Bytes> {
        let records = self.ledger.snapshot().into_iter();
        records
            .map(|(header, payload)| [&header[..], &payload].concat().into())
            .collect()
    }
}

fn task_in(reply: Option<PullReply>) -> Option<TaskId> {
    match reply {
        Some(PullReply::Task(head)) => Some(head.task),
        Some(PullReply::TryAgain { .. } | PullReply::RunEnded) | None => None,
    }
}
