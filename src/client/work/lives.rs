//! Random lives of a client's work: bytes decide what its host and a server do, honest or not.
//!
//! After each step the work is restored in every way in which its records may have been
//! stored: all of them, a snapshot and those behind it, a snapshot with some behind it
//! whose effect it holds. Each time what is durable must be the same.

use alloc::collections::{BTreeMap, VecDeque};
use std::sync::OnceLock;

use bytes::Bytes;

use super::Work;
use super::record::{StoredResult, StoredTask};
use crate::Instant;
use crate::client::context::{Ask, Asks, WorkContext};
use crate::client::{ClientAction, ClientConfig, ClientCounters, Timer};
use crate::entropy::Entropy;
use crate::identity::Name;
use crate::message::{
    BLOCK, FetchReply, JobId, Outcome, Payload, Place, Properties, PullReply, PushReply, RecordId,
    Refusal, Reply, Request, ReturnCode, Ssid, SubmitReply, TaskHead, TaskId,
};
use crate::output_queue::OutputQueue;
use crate::testing::fuzzing::script::Script;
use crate::timer::Timers;
use crate::transfer::{Layout, chunk};

/// Enough for some tasks, their results, and a restart.
const MOST_STEPS: usize = 96;
/// Payloads above this travel apart.
const INLINE: usize = 64;
/// Above this, logs are replayed at some places only: each block is hashed each time.
const LIGHT: usize = 1 << 20;

const SSID: Ssid = Ssid::from_bytes([2; 16]);
const OTHER_SSID: Ssid = Ssid::from_bytes([3; 16]);

/// What a restart must not change.
#[derive(Clone, Debug, PartialEq)]
struct Durable {
    /// The number of the last record.
    records: u64,
    held: BTreeMap<TaskId, (StoredTask, Payload)>,
    last: BTreeMap<JobId, TaskId>,
    results: BTreeMap<TaskId, (StoredResult, Payload)>,
    /// The stored blocks of fetches under way.
    fetches: BTreeMap<JobId, (StoredTask, Vec<Bytes>)>,
}

impl Durable {
    fn of(work: &Work) -> Self {
        Self {
            records: work.store.last(),
            held: work.held.stored(),
            last: work.held.stored_last(),
            results: work.outbox.stored_results(),
            fetches: work.pulls.stored(),
        }
    }
}

struct Life {
    work: Work,
    around: Around,
    /// All records, from the first.
    log: Vec<Bytes>,
    /// Those of them that the host has not confirmed.
    unconfirmed: VecDeque<RecordId>,
    /// The latest snapshot, and how many records it holds the effect of.
    taken: Option<(usize, Vec<Bytes>, Durable)>,
    /// Requests that the server has not answered.
    asked: VecDeque<Ask>,
    /// Tasks that the host has got.
    given: VecDeque<TaskId>,
}

/// The client around the work.
struct Around {
    config: ClientConfig,
    entropy: Entropy,
    actions: OutputQueue<ClientAction>,
    timers: Timers<Timer>,
    asks: Asks,
    counters: ClientCounters,
    context: Properties,
    now: Instant,
    ready: bool,
}

/// Runs the life that these bytes tell.
pub fn client_lives(data: &[u8]) {
    Life::run(data);
}

impl Life {
    fn run(data: &[u8]) -> Self {
        let mut script = Script(data);
        let mut life = Life::new();
        let mut checked = 0;
        for step in 0..MOST_STEPS {
            let Some(next) = script.next() else { break };
            life.step(next, &mut script);
            let light = life.is_light();
            if light || step % 32 == 0 {
                life.check(checked);
                checked = life.log.len();
            }
        }
        life.check(checked);
        life
    }

    fn new() -> Self {
        Self {
            work: Work::default(),
            around: Around::new(),
            log: Vec::new(),
            unconfirmed: VecDeque::new(),
            taken: None,
            asked: VecDeque::new(),
            given: VecDeque::new(),
        }
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 16 {
            0 => {
                let job = job(script);
                // Many commands make no sense now, which is a misuse that changes nothing.
                let _ = self.with(|work, cx| work.job_started(cx, job));
            }
            1 => {
                let job = job(script);
                let _ = self.with(|work, cx| work.job_ended(cx, job));
            }
            2 | 3 => {
                let job = job(script);
                let _ = self.with(|work, cx| work.job_started(cx, job));
                let _ = self.with(|work, cx| work.pull_task(cx, job));
            }
            4 => {
                let job = job(script);
                self.with(|work, cx| work.lists(cx, &[job], &[]));
            }
            5 => {
                let job = job(script);
                let _ = self.with(|work, _| work.job_abort_failed(job));
            }
            6..=9 => self.answer(script),
            10 => self.submit(script),
            11 => {
                for _ in 0..=script.below(8) {
                    self.store_one();
                }
            }
            12 => {
                if let Some((at, timer)) = self.around.timers.next() {
                    self.around.now = self.around.now.max(at);
                    self.around.timers.disarm(timer);
                    self.with(|work, cx| work.on_timer(cx, timer));
                }
            }
            13 => {
                self.asked.clear();
                self.around.ready = script.below(4) > 0;
                match self.around.ready {
                    true => self.with(|work, cx| work.on_session(cx)),
                    false => self.with(|work, cx| work.on_disconnected(cx)),
                }
            }
            14 => self.restart(script),
            _ => {
                let durable = Durable::of(&self.work);
                self.taken = Some((self.log.len(), snapshot(&self.work), durable));
            }
        }
    }

    /// The server answers a request, honestly as often as not.
    fn answer(&mut self, script: &mut Script<'_>) {
        let place = script.below(self.asked.len());
        let Some(ask) = self.asked.remove(place) else {
            return;
        };
        let id = ask.id;
        if script.below(8) == 0 {
            let code = [ReturnCode::Timeout, ReturnCode::ProcessException][script.below(2)];
            self.with(|work, cx| work.on_failure(cx, id, code, None));
            return;
        }
        let (reply, payload) = match ask.request {
            Request::PullTask(_) => pull_reply(script),
            Request::Fetch(part) => {
                let head = self.fetched(part.task);
                let payload = head.unwrap_or(payload(script.below(PAYLOADS)));
                let bytes = chunk(payload, part.offset, part.len as usize).unwrap_or_default();
                let offset = part.offset;
                let reply = Reply::Fetch(FetchReply::Bytes { offset });
                match script.below(8) {
                    0 => (Reply::Fetch(FetchReply::Gone), Bytes::new()),
                    1 => {
                        let mut wrong = bytes.to_vec();
                        wrong.first_mut().into_iter().for_each(|byte| *byte ^= 1);
                        (reply, wrong.into())
                    }
                    _ => {
                        self.with(|work, cx| work.on_reply(cx, id, reply, bytes.into()));
                        self.serve();
                        return;
                    }
                }
            }
            Request::SubmitResult(_) => {
                let offset = [0, 1, u64::MAX][script.below(3)];
                let reply = match script.below(6) {
                    0 => SubmitReply::Refused(Refusal::Withdrawn),
                    1 => SubmitReply::Later(10),
                    2 | 3 => SubmitReply::SendFrom(offset),
                    _ => SubmitReply::Accepted,
                };
                (Reply::SubmitResult(reply), Bytes::new())
            }
            Request::Push(push) => {
                let reply = match script.below(4) {
                    0 => PushReply::Unknown,
                    _ => PushReply::Wanted(push.offset + script.below(256) as u64),
                };
                (Reply::Push(reply), Bytes::new())
            }
            Request::Heartbeat(_) | Request::Quit(_) => return,
        };
        self.with(|work, cx| work.on_reply(cx, id, reply, payload.into()));
    }

    /// Answers all requests for parts of payloads, as far as there are such payloads.
    fn serve(&mut self) {
        while let Some(at) = self
            .asked
            .iter()
            .position(|ask| matches!(ask.request, Request::Fetch(_)))
        {
            let Some(ask) = self.asked.remove(at) else {
                return;
            };
            let Request::Fetch(part) = ask.request else {
                return;
            };
            let payload = self.fetched(part.task);
            let bytes = payload.and_then(|it| chunk(it, part.offset, part.len as usize));
            let Some(bytes) = bytes else {
                return;
            };
            let offset = part.offset;
            let reply = Reply::Fetch(FetchReply::Bytes { offset });
            self.with(|work, cx| work.on_reply(cx, ask.id, reply, bytes.into()));
        }
    }

    /// The payload that the server has announced for this task, if it has one like it.
    fn fetched(&self, task: TaskId) -> Option<&'static Payload> {
        let place = self.work.pulls.place_of(task)?;
        let layout = |it: &Payload| {
            let Layout { size, digest } = Layout::of(it);
            Place::Apart { size, digest }
        };
        (0..PAYLOADS).map(payload).find(|it| layout(it) == place)
    }

    fn submit(&mut self, script: &mut Script<'_>) {
        let place = script.below(self.given.len());
        let Some(task) = self.given.remove(place) else {
            return;
        };
        let outcome = [Outcome::Ok, Outcome::Failed, Outcome::Aborted][script.below(3)];
        let result = payload(script.below(PAYLOADS)).clone();
        let headers = Properties::new().with("loss", "0.5");
        // It may have been dropped.
        let _ = self.with(|work, cx| work.submit(cx, task, outcome, headers, result));
    }

    /// The process dies. What was not confirmed may be stored, and what a snapshot holds
    /// may be stored behind it too.
    fn restart(&mut self, script: &mut Script<'_>) {
        let confirmed = self.log.len() - self.unconfirmed.len();
        let reached = confirmed + script.below(self.unconfirmed.len() + 1);
        let from_snapshot = script.below(2) == 0;
        let records = match &self.taken {
            Some((at, records, _)) if from_snapshot => {
                let from = script.below((*at).min(reached) + 1);
                let stored = [&records[..], &self.log[from..reached]].concat();
                self.log.truncate(reached.max(*at));
                stored
            }
            _ => {
                self.log.truncate(reached);
                self.log.clone()
            }
        };
        self.taken.take_if(|(at, ..)| *at > self.log.len());
        self.around = Around::new();
        self.work = restored(&mut self.around, &records);
        self.unconfirmed.clear();
        self.asked.clear();
        self.given.clear();
        self.receive();
    }

    fn store_one(&mut self) {
        if let Some(record) = self.unconfirmed.pop_front() {
            let stored = self.with(|work, cx| work.persisted(cx, record));
            assert_eq!(stored, Ok(()));
        }
    }

    fn with<T>(&mut self, run: impl FnOnce(&mut Work, &mut WorkContext<'_>) -> T) -> T {
        let value = run(&mut self.work, &mut self.around.cx());
        self.receive();
        value
    }

    fn receive(&mut self) {
        while let Some(action) = self.around.actions.pop_front() {
            match action {
                ClientAction::Persist {
                    record,
                    header,
                    payload,
                } => {
                    self.log.push([&header[..], &payload].concat().into());
                    self.unconfirmed.push_back(record);
                }
                ClientAction::TaskAssigned(task) => self.given.push_back(task.id),
                _ => {}
            }
        }
        for cancelled in self.around.asks.take_cancelled() {
            self.asked.retain(|ask| ask.id != cancelled);
        }
        while let Some(ask) = self.around.asks.pop() {
            self.asked.push_back(ask);
        }
    }

    fn is_light(&self) -> bool {
        self.log.iter().map(Bytes::len).sum::<usize>() < LIGHT
    }

    /// Restores the work in every way. All but the first `checked` records are new.
    fn check(&self, checked: usize) {
        let durable = Durable::of(&self.work);
        let same = |records: &[&[Bytes]], expected: &Durable, how: &str| {
            let restored = restored(&mut Around::new(), &records.concat());
            assert_eq!(
                Durable::of(&restored),
                *expected,
                "{how} restores something else"
            );
        };
        let log = &self.log;
        let stride = if self.is_light() { 1 } else { 16 };
        for cut in (checked..log.len()).step_by(stride) {
            restored(&mut Around::new(), &log[..cut]);
        }
        same(&[log], &durable, "the log");

        let now = snapshot(&self.work);
        same(&[&now], &durable, "a snapshot");
        same(&[log, &now], &durable, "a snapshot behind the log");
        let half = log.len() / 2;
        for (from, to) in [
            (0, log.len()),
            (half, log.len()),
            (0, half),
            (half, half + 1),
        ] {
            let behind = &log[from..to.min(log.len())];
            same(&[&now, behind], &durable, "a snapshot, then what it holds");
        }

        let Some((at, records, then)) = &self.taken else {
            return;
        };
        for from in [*at, at.saturating_sub(1), at / 2, 0] {
            same(
                &[records, &log[from..]],
                &durable,
                "an older snapshot and the log",
            );
            for to in (from..=*at).step_by(stride) {
                let behind = &log[from..to];
                same(
                    &[records, behind],
                    then,
                    "an older snapshot and what it holds",
                );
            }
        }
    }
}

impl Around {
    fn new() -> Self {
        let config = ClientConfig {
            inline_limit: INLINE,
            max_jobs: 2,
            max_held: 4,
            max_payload: 4 * BLOCK as u64,
            ..ClientConfig::new(Name::new("project").expect("it is one"))
        };
        Self {
            config,
            entropy: Entropy::new(&mut [1; 32]),
            actions: OutputQueue::default(),
            timers: Timers::default(),
            asks: Asks::default(),
            counters: ClientCounters::default(),
            context: Properties::new(),
            now: Instant::from_micros(1_000_000),
            ready: true,
        }
    }

    fn cx(&mut self) -> WorkContext<'_> {
        WorkContext {
            now: self.now,
            config: &self.config,
            entropy: &mut self.entropy,
            actions: &mut self.actions,
            timers: &mut self.timers,
            asks: &mut self.asks,
            counters: &mut self.counters,
            ssid: Some(SSID),
            context: &self.context,
            ready: self.ready,
        }
    }
}

fn restored(around: &mut Around, records: &[Bytes]) -> Work {
    match Work::restore(records.iter().cloned(), &mut around.cx()) {
        Ok(work) => work,
        Err(error) => panic!("{error}"),
    }
}

fn snapshot(work: &Work) -> Vec<Bytes> {
    let records = work.snapshot().into_iter();
    records
        .map(|(header, payload)| [header, payload].concat().into())
        .collect()
}

/// What the server says to a request for a task.
fn pull_reply(script: &mut Script<'_>) -> (Reply, Bytes) {
    let payload = payload(script.below(PAYLOADS));
    let mut head = TaskHead {
        // So few that some come again, or for two jobs.
        task: TaskId::from_bytes([1 + script.below(6) as u8; 16]),
        name: "train".to_owned(),
        ssid: SSID,
        headers: Properties::new().with("round", "1"),
        payload: payload.head(INLINE),
        ticket: Vec::new(),
    };
    let (size, digest) = (payload.len() as u64, payload.digest());
    match script.below(16) {
        0 => {
            let after = script.below(256) as u64;
            let reply = PullReply::TryAgain { after, timeout: 0 };
            return (Reply::PullTask(reply), Bytes::new());
        }
        1 => return (Reply::PullTask(PullReply::RunEnded), Bytes::new()),
        2 => head.payload.place = Place::Apart { size, digest },
        3 => {
            let sizes = [0, 1, size + 1, BLOCK as u64, 3 * BLOCK as u64, u64::MAX];
            let size = sizes[script.below(sizes.len())];
            head.payload.place = Place::Apart { size, digest };
        }
        4 => head.ssid = OTHER_SSID,
        5 => head.name = "n".repeat(script.below(256)),
        _ => {}
    }
    let bytes = match head.payload.place {
        Place::Inline => payload.bytes().clone(),
        Place::Apart { .. } => Bytes::new(),
    };
    (Reply::PullTask(PullReply::Task(head)), bytes)
}

/// More than may run.
fn job(script: &mut Script<'_>) -> JobId {
    JobId::from_bytes([1 + script.below(3) as u8; 16])
}

const PAYLOADS: usize = 6;

/// None, a few bytes, as many as travel inside a message, one more, and several blocks.
/// The digests are computed once.
fn payload(number: usize) -> &'static Payload {
    static ALL: OnceLock<[Payload; PAYLOADS]> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        [0, 5, INLINE, INLINE + 1, 1000, BLOCK + 3].map(|len| {
            let bytes: Vec<u8> = (0..len).map(|at| (at * 31 + len) as u8).collect();
            Payload::labelled(bytes, "application/x-npy", "")
        })
    });
    &all[number % PAYLOADS]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::work::record::Record;

    /// What the scripts of a property test do not reach, it does not show.
    #[test]
    fn lives_see_every_kind_of_record() {
        let mut dice = Entropy::new(&mut [5; 32]);
        let mut seen = BTreeMap::<String, u32>::new();
        for _ in 0..100 {
            let life = Life::run(&dice.bytes::<400>());
            let taken = life.taken.iter().flat_map(|(_, records, _)| records);
            for stored in life.log.iter().chain(taken) {
                let (_, record, _) = Record::decode(stored).unwrap();
                let shown = format!("{record:?}");
                let kind = shown.split([' ', '(']).next().unwrap();
                *seen.entry(kind.to_owned()).or_default() += 1;
            }
        }
        let kinds = [
            "Task", "Result", "Settled", "JobEnded", "Fetch", "Block", "Last", "Dropped",
            "Snapshot",
        ];
        for kind in kinds {
            let often = seen.get(kind).copied().unwrap_or_default();
            assert!(often > 0, "no {kind} among {seen:?}");
        }
    }
}
