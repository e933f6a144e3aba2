//! The work driven by hand: no link, no server, and a store that confirms when told to.

mod job;
mod outbox;
mod pull;
mod restore;

use super::*;

use crate::Instant;
use crate::client::context::{Ask, Asks};
use crate::client::{ClientConfig, ClientCounters, RetryReason, Task};
use crate::entropy::Entropy;
use crate::identity::Name;
use crate::message::{
    FetchReply, Place, PullReply, PushReply, Request, Ssid, SubmitReply, TaskHead,
};
use crate::output_queue::OutputQueue;
use crate::timer::Timers;
use crate::transfer::{CHUNK, Layout, Reassembler, chunk};

const JOB: JobId = JobId::from_bytes([1; 16]);
const TASK: TaskId = TaskId::from_bytes([2; 16]);
const SSID: Ssid = Ssid::from_bytes([3; 16]);

/// The client around the work.
struct Rig {
    work: Work,
    config: ClientConfig,
    entropy: Entropy,
    actions: OutputQueue<ClientAction>,
    timers: Timers<Timer>,
    asks: Asks,
    counters: ClientCounters,
    ssid: Option<Ssid>,
    context: Properties,
    ready: bool,
    now: Instant,
    /// What the host has stored.
    log: Vec<Bytes>,
}

impl Rig {
    fn new() -> Self {
        Self {
            work: Work::default(),
            config: ClientConfig::new(Name::new("project").unwrap()),
            entropy: Entropy::new(&mut [1; 32]),
            actions: OutputQueue::default(),
            timers: Timers::default(),
            asks: Asks::default(),
            counters: ClientCounters::default(),
            ssid: Some(SSID),
            context: Properties::new().with("site", "one"),
            ready: true,
            now: Instant::from_micros(1_000_000),
            log: Vec::new(),
        }
    }

    /// One that runs a job and has asked for a task.
    fn pulling() -> Self {
        let mut rig = Self::new();
        rig.with(|work, cx| work.job_started(cx, JOB)).unwrap();
        rig.with(|work, cx| work.pull_task(cx, JOB)).unwrap();
        rig
    }

    /// One whose host works on a task.
    fn holding() -> Self {
        let mut rig = Self::pulling();
        let id = rig.ask().id;
        rig.reply_with(id, task(TASK, "weights"), "weights");
        assert_eq!(rig.store().len(), 1);
        rig
    }

    fn with<R>(&mut self, call: impl FnOnce(&mut Work, &mut WorkContext<'_>) -> R) -> R {
        let mut cx = WorkContext {
            now: self.now,
            config: &self.config,
            entropy: &mut self.entropy,
            actions: &mut self.actions,
            timers: &mut self.timers,
            asks: &mut self.asks,
            counters: &mut self.counters,
            ssid: self.ssid,
            context: &self.context,
            ready: self.ready,
        };
        call(&mut self.work, &mut cx)
    }

    fn reports(&self) -> Vec<JobReport> {
        self.work.reports(&self.config.binding)
    }

    fn asks(&mut self) -> Vec<Ask> {
        core::iter::from_fn(|| self.asks.pop()).collect()
    }

    /// The only request that is to go out.
    fn ask(&mut self) -> Ask {
        let mut asks = self.asks();
        assert_eq!(asks.len(), 1, "{asks:?}");
        asks.remove(0)
    }

    fn reply(&mut self, id: RequestId, reply: Reply) {
        self.reply_with(id, reply, "");
    }

    fn reply_with(&mut self, id: RequestId, reply: Reply, payload: impl Into<Bytes>) {
        let wish = self.with(|work, cx| work.on_reply(cx, id, reply, payload.into().into()));
        assert_eq!(wish, None);
    }

    fn fail(&mut self, id: RequestId, code: ReturnCode) -> Option<Wish> {
        self.with(|work, cx| work.on_failure(cx, id, code, None))
    }

    /// Lets time pass until the next timer, which must be `timer`, and says how much.
    fn pass(&mut self, timer: Timer) -> Duration {
        let (at, due) = self.timers.next().expect("a timer");
        assert_eq!(due, timer);
        let wait = at.since(self.now);
        self.now = at;
        self.timers.disarm(due);
        self.with(|work, cx| work.on_timer(cx, due));
        wait
    }

    /// Takes the actions but records, which stay unconfirmed.
    fn actions(&mut self) -> Vec<ClientAction> {
        let mut others = Vec::new();
        let mut actions = core::mem::take(&mut self.actions);
        while let Some(action) = actions.pop_front() {
            match action {
                ClientAction::Persist { .. } => self.actions.push_back(action),
                other => others.push(other),
            }
        }
        others
    }

    /// Stores all records and takes the actions.
    fn store(&mut self) -> Vec<ClientAction> {
        let mut others = Vec::new();
        while let Some(action) = self.actions.pop_front() {
            if let ClientAction::Persist {
                record,
                header,
                payload,
            } = action
            {
                self.log.push([&header[..], &payload].concat().into());
                self.with(|work, cx| work.persisted(cx, record)).unwrap();
            } else {
                others.push(action);
            }
        }
        others
    }

    fn submit(&mut self, outcome: Outcome, payload: &Payload) {
        let (headers, payload) = (Properties::new().with("loss", "0.5"), payload.clone());
        self.with(|work, cx| work.submit(cx, TASK, outcome, headers, payload))
            .unwrap();
    }

    /// Loses the process; another goes on from `records`.
    fn restart(&mut self, records: Vec<Bytes>) {
        let now = self.now;
        let config = self.config.clone();
        *self = Self::new();
        (self.now, self.config) = (now, config);
        self.log.clone_from(&records);
        (self.ready, self.ssid) = (false, None);
        self.work = self.with(|_, cx| Work::restore(records, cx)).unwrap();
        (self.ready, self.ssid) = (true, Some(SSID));
    }

    fn session(&mut self) {
        self.with(|work, cx| work.on_session(cx));
    }

    fn snapshot(&self) -> Vec<Bytes> {
        let records = self.work.snapshot().into_iter();
        records
            .map(|(header, payload)| [header, payload].concat().into())
            .collect()
    }

    /// What a snapshot holds.
    fn kept(&self) -> Vec<(Bytes, Bytes)> {
        let mut records = self.work.snapshot();
        let head = records.remove(0);
        let (_, head, _) = Record::decode(&head.0).unwrap();
        assert!(matches!(head, Record::Snapshot { .. }));
        records
    }
}

fn head(task: TaskId, payload: &Payload, inline_limit: usize) -> TaskHead {
    TaskHead {
        task,
        name: "train".to_owned(),
        ssid: SSID,
        headers: Properties::new().with("round", "1"),
        payload: payload.head(inline_limit),
        ticket: Vec::new(),
    }
}

/// The reply that brings a small task.
fn task(task: TaskId, payload: &'static str) -> Reply {
    let head = head(task, &Payload::new(payload), 1 << 20);
    Reply::PullTask(PullReply::Task(head))
}

/// The reply that announces a large task.
fn large_task(payload: &Payload) -> Reply {
    Reply::PullTask(PullReply::Task(head(TASK, payload, 0)))
}

fn try_again(after: u64, timeout: u64) -> Reply {
    Reply::PullTask(PullReply::TryAgain { after, timeout })
}

fn payload(len: usize) -> Payload {
    let bytes: Vec<u8> = (0..len).map(|i| (i * 7 % 251) as u8).collect();
    Payload::labelled(bytes, "application/x-npy", "zstd")
}

fn retry(rig: &Rig, wait: Duration, attempt: u32, reason: RetryReason) -> ClientAction {
    ClientAction::Retry {
        at: rig.now + wait,
        attempt,
        reason,
    }
}

/// The one task among actions.
fn assigned(actions: &[ClientAction]) -> &Task {
    let mut tasks = actions.iter().filter_map(|action| match action {
        ClientAction::TaskAssigned(task) => Some(task),
        _ => None,
    });
    let task = tasks.next().expect("a task");
    assert_eq!(tasks.next(), None);
    task
}

/// `done`, `resumed_at` and `sent_twice` of each progress among actions.
fn progress(actions: &[ClientAction]) -> Vec<(u64, u64, u64)> {
    actions
        .iter()
        .filter_map(|action| match action {
            ClientAction::TransferProgress {
                done,
                resumed_at,
                sent_twice,
                ..
            } => Some((*done, *resumed_at, *sent_twice)),
            _ => None,
        })
        .collect()
}
