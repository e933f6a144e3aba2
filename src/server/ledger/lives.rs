//! Random lives of a ledger: bytes decide what its host and its clients do, honest or not.
//!
//! After each step the ledger is restored in every way in which its records may have been
//! stored: all of them, a snapshot and those behind it, a snapshot with some behind it
//! whose effect it holds. Each time it must be the same.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use std::sync::OnceLock;

use bytes::Bytes;

use super::state::State;
use super::submit::UNFIT;
use super::{Answer, Assignee, Ledger, LedgerOutput, NewTask, ReplyTo, Sites};
use crate::entropy::Entropy;
use crate::error::Misuse;
use crate::identity::Name;
use crate::link::native::server::Handle;
use crate::message::{
    BLOCK, JobId, Outcome, Payload, PeerId, Place, Properties, PullTask, Push, PushReply, RecordId,
    Reply, RequestId, Ssid, SubmitResult, TaskId,
};
use crate::output_queue::OutputQueue;
use crate::server::{ServerAction, ServerConfig};
use crate::testing::fuzzing::script::Script;
use crate::transfer::{CHUNK, Layout, chunk};

/// Enough for a job with some tasks, their results, and a restart.
const MOST_STEPS: usize = 96;
/// Tasks that a script can name; the limit of the ledger too.
const MOST_TASKS: usize = 12;
/// Payloads above this travel apart.
const INLINE: usize = 64;
/// Above this, logs are replayed at some places only: each block is hashed each time.
const LIGHT: usize = 1 << 20;

const SSID: Ssid = Ssid::from_bytes([2; 16]);
const OTHER_SSID: Ssid = Ssid::from_bytes([3; 16]);

struct Life {
    config: Arc<ServerConfig>,
    ledger: Ledger,
    entropy: Entropy,
    seeds: u8,
    /// All records, from the first.
    log: Vec<Bytes>,
    /// Those of them that the host has not confirmed.
    unconfirmed: VecDeque<RecordId>,
    /// The latest snapshot.
    taken: Option<Taken>,
    tasks: VecDeque<(JobId, TaskId)>,
    answers: Vec<Answer>,
    requests: u64,
}

struct Taken {
    /// Records whose effect it holds.
    at: usize,
    records: Vec<Bytes>,
    state: State,
}

/// Runs the life that these bytes tell.
pub fn server_lives(data: &[u8]) {
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
        let config = Arc::new(ServerConfig {
            inline_limit: INLINE,
            max_jobs: 2,
            max_tasks: MOST_TASKS,
            max_payload: 4 * BLOCK as u64,
            max_upload_bytes: 5 * BLOCK as u64,
            ..ServerConfig::new(name("project"))
        });
        let (mut actions, mut answers) = (OutputQueue::default(), Vec::new());
        let mut out = LedgerOutput {
            actions: &mut actions,
            answers: &mut answers,
        };
        let ledger = Ledger::new(Arc::clone(&config), SSID, &mut out);
        let mut life = Self {
            config,
            ledger,
            entropy: Entropy::new(&mut [1; 32]),
            seeds: 1,
            log: Vec::new(),
            unconfirmed: VecDeque::new(),
            taken: None,
            tasks: VecDeque::new(),
            answers,
            requests: 0,
        };
        life.receive(actions);
        // Scripts need not find the way to a task.
        for number in 0..2 {
            let job = JobId::from_bytes([number + 1; 16]);
            life.command(|ledger, _, out| ledger.start_job(job, Sites::All, out));
            let (to, new) = (Assignee::Site(site(number.into())), new_task(number.into()));
            let task =
                life.command(|ledger, entropy, out| ledger.assign(entropy, job, to, new, out));
            life.remember(job, task);
        }
        life
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 16 {
            0 => {
                let sites = match script.below(4) {
                    0 => Sites::Named([site(0)].into()),
                    _ => Sites::All,
                };
                let job = job(script);
                self.command(|ledger, _, out| ledger.start_job(job, sites, out));
            }
            1 if script.below(4) == 0 => {
                let job = job(script);
                self.command(|ledger, _, out| ledger.end_job(job, out));
            }
            1..=3 => self.assign(script),
            4 => self.pull(script),
            5 => {
                let (_, task) = self.task(script);
                self.command(|ledger, _, out| ledger.withdraw(task, out));
            }
            6 => {
                let (job, task) = self.task(script);
                let to = assignee(script);
                let new =
                    self.command(|ledger, entropy, out| ledger.reassign(entropy, task, to, out));
                self.remember(job, new);
            }
            7 => {
                let (_, task) = self.task(script);
                self.command(|ledger, _, out| ledger.taken(task, out));
            }
            8 if script.below(4) == 0 => {
                let client = site(script.below(2));
                self.call(|ledger, _, out| match ledger.is_disabled(&client) {
                    true => ledger.enable(&client, out),
                    false => ledger.disable(&client, out),
                });
            }
            9 | 10 => self.submit(script),
            8 | 11 | 12 => self.push(script),
            13 => {
                for _ in 0..=script.below(8) {
                    self.store_one();
                }
            }
            14 => self.restart(script),
            _ => {
                self.taken = Some(Taken {
                    at: self.log.len(),
                    records: snapshot(&self.ledger),
                    state: self.ledger.state.clone(),
                });
            }
        }
    }

    fn assign(&mut self, script: &mut Script<'_>) {
        let (job, to) = (job(script), assignee(script));
        let new = new_task(script.below(PAYLOADS));
        let task = self.command(|ledger, entropy, out| ledger.assign(entropy, job, to, new, out));
        self.remember(job, task);
    }

    fn pull(&mut self, script: &mut Script<'_>) {
        let (client, job) = (site(script.below(2)), job(script));
        let last_task = match script.below(3) {
            0 => Some(self.task(script).1),
            _ => None,
        };
        let request = PullTask {
            job,
            last_task,
            context: Properties::new(),
        };
        let to = self.to();
        self.call(|ledger, _, out| ledger.pull(&client, request, to, out));
    }

    /// Honest as often as not.
    fn submit(&mut self, script: &mut Script<'_>) {
        let (mut job, task) = self.open_task(script);
        let client = self.client_of(task, script);
        let result = self.result_of(task, script);
        let (size, digest) = (result.len() as u64, result.digest());
        let mut head = result.head(INLINE);
        let mut ssid = SSID;
        let mut follows = None;
        match script.below(16) {
            0 => head.place = Place::Apart { size, digest },
            1 => head.place = Place::Inline,
            2 => {
                let sizes = [
                    0,
                    1,
                    63,
                    size + 1,
                    BLOCK as u64,
                    3 * BLOCK as u64 + 1,
                    u64::MAX,
                ];
                let size = sizes[script.below(sizes.len())];
                head.place = Place::Apart { size, digest };
            }
            3 => {
                let digest = payload(script.below(PAYLOADS)).digest();
                head.place = Place::Apart { size, digest };
            }
            4 => follows = Some(Bytes::copy_from_slice(script.bytes())),
            5 => ssid = OTHER_SSID,
            6 => job = JobId::from_bytes([99; 16]),
            7 => head.encoding = "e".repeat(script.below(256) + 128),
            _ => {}
        }
        let inline = match head.place {
            Place::Inline => result.bytes().clone(),
            Place::Apart { .. } => Bytes::new(),
        };
        let request = SubmitResult {
            job,
            task,
            ssid,
            outcome: [Outcome::Ok, Outcome::Failed, Outcome::Aborted][script.below(3)],
            ticket: Vec::new(),
            headers: properties(script),
            payload: head,
            context: properties(script),
        };
        let to = self.to();
        let payload = follows.unwrap_or(inline);
        self.call(|ledger, _, out| ledger.submit(&client, request, payload, to, out));
    }

    /// Honest as often as not: then all that is missing is sent.
    fn push(&mut self, script: &mut Script<'_>) {
        let (job, task) = self.open_task(script);
        let client = self.client_of(task, script);
        let payload = self.result_of(task, script);
        let request = |offset| Push { job, task, offset };
        let Some(wanted) = self.pushed(&client, request(0), Bytes::new()) else {
            return;
        };
        let part = |offset| chunk(payload, offset, CHUNK);
        match script.below(8) {
            0 => {
                // Early, or outside.
                let early = wanted + 32 * script.below(64) as u64;
                let bytes = part(early).unwrap_or_default();
                self.pushed(&client, request(early), bytes);
            }
            1 => {
                let mut wrong = part(wanted).unwrap_or_default().to_vec();
                let at = script.place(wrong.len());
                wrong.get_mut(at).into_iter().for_each(|byte| *byte ^= 1);
                self.pushed(&client, request(wanted), wrong.into());
            }
            2 => {
                let offset = [0, wanted, u64::MAX][script.below(3)];
                let any = Bytes::copy_from_slice(script.bytes());
                self.pushed(&client, request(offset), any);
            }
            3 => {
                // A few bytes of the chunk.
                let bytes = part(wanted).unwrap_or_default();
                let few = bytes.slice(..bytes.len().min(script.below(256)));
                self.pushed(&client, request(wanted), few);
            }
            _ => {
                let mut next = wanted;
                while let Some(bytes) = part(next) {
                    match self.pushed(&client, request(next), bytes) {
                        Some(wanted) if wanted > next => next = wanted,
                        _ => break,
                    }
                }
            }
        }
    }

    /// What is wanted next, if there is such an upload.
    fn pushed(&mut self, client: &Name, request: Push, bytes: Bytes) -> Option<u64> {
        let to = self.to();
        self.call(|ledger, _, out| ledger.push(client, request, bytes, to, out));
        let answer = self.answers.iter().find(|answer| answer.to == to)?;
        match answer.reply {
            Reply::Push(PushReply::Wanted(wanted)) => Some(wanted),
            _ => None,
        }
    }

    /// The process dies. What was not confirmed may be stored, and what a snapshot holds
    /// may be stored behind it too.
    fn restart(&mut self, script: &mut Script<'_>) {
        let confirmed = self.log.len() - self.unconfirmed.len();
        let reached = confirmed + script.below(self.unconfirmed.len() + 1);
        let from_snapshot = script.below(2) == 0;
        let records = match &self.taken {
            Some(taken) if from_snapshot => {
                let from = script.below(taken.at.min(reached) + 1);
                let stored = [&taken.records[..], &self.log[from..reached]].concat();
                self.log.truncate(reached.max(taken.at));
                stored
            }
            _ => {
                self.log.truncate(reached);
                self.log.clone()
            }
        };
        let holds = |taken: &mut Taken| taken.at > self.log.len();
        self.taken.take_if(holds);
        self.unconfirmed.clear();
        let mut actions = OutputQueue::default();
        self.ledger = restored(&self.config, &records, &mut actions);
        self.receive(actions);
        // A host may give the seed again, which is a fault of its own.
        self.seeds = self.seeds.wrapping_add(script.below(2) as u8);
        self.entropy = Entropy::new(&mut [self.seeds; 32]);
    }

    fn store_one(&mut self) {
        if let Some(record) = self.unconfirmed.pop_front() {
            self.command(|ledger, _, out| ledger.persisted(record, out));
        }
    }

    /// A job's task; now and then one that nobody knows.
    fn task(&self, script: &mut Script<'_>) -> (JobId, TaskId) {
        let nobodys = (JobId::from_bytes([0; 16]), TaskId::from_bytes([0; 16]));
        let place = script.below(self.tasks.len() + 1);
        self.tasks.get(place).copied().unwrap_or(nobodys)
    }

    /// The task of an upload, half of the time.
    fn open_task(&self, script: &mut Script<'_>) -> (JobId, TaskId) {
        let grows =
            |(_, task): &&(JobId, TaskId)| self.ledger.state.uploads.layout(*task).is_some();
        let growing = self.tasks.iter().find(grows);
        match script.below(2) {
            0 => self.task(script),
            _ => growing.copied().unwrap_or_else(|| self.task(script)),
        }
    }

    /// Whose task this is, more often than not.
    fn client_of(&self, task: TaskId, script: &mut Script<'_>) -> Name {
        let any = site(script.below(2));
        let task = self.ledger.state.tasks.get(&task);
        let owner = task.and_then(|task| task.client());
        match script.below(8) {
            0 => any,
            _ => owner.cloned().unwrap_or(any),
        }
    }

    /// What is being uploaded for this task, more often than not.
    fn result_of(&self, task: TaskId, script: &mut Script<'_>) -> &'static Payload {
        let any = payload(script.below(PAYLOADS));
        let announced = self.ledger.state.uploads.layout(task);
        let mut all = (0..PAYLOADS).map(payload);
        let same = all.find(|it| Some(Layout::of(it)) == announced);
        match script.below(4) {
            0 => any,
            _ => same.unwrap_or(any),
        }
    }

    /// The latest is number 0.
    fn remember(&mut self, job: JobId, task: Option<TaskId>) {
        self.tasks.extend(task.map(|task| (job, task)));
        self.tasks.rotate_right(usize::from(task.is_some()));
        self.tasks.truncate(MOST_TASKS);
    }

    fn to(&mut self) -> ReplyTo {
        self.requests += 1;
        ReplyTo {
            peer: PeerId(1),
            session: Handle::at(4),
            request: RequestId(self.requests),
        }
    }

    /// What makes no sense now is a misuse that changes nothing.
    fn command<T>(
        &mut self,
        run: impl FnOnce(&mut Ledger, &mut Entropy, &mut LedgerOutput<'_>) -> Result<T, Misuse>,
    ) -> Option<T> {
        let before = self.ledger.state.clone();
        match self.call(run) {
            Ok(value) => Some(value),
            Err(misuse) => {
                assert_ne!(misuse, Misuse::Unfit);
                assert!(
                    self.ledger.state == before,
                    "{misuse} has changed something"
                );
                None
            }
        }
    }

    fn call<T>(
        &mut self,
        run: impl FnOnce(&mut Ledger, &mut Entropy, &mut LedgerOutput<'_>) -> T,
    ) -> T {
        let mut actions = OutputQueue::default();
        self.answers.clear();
        let mut out = LedgerOutput {
            actions: &mut actions,
            answers: &mut self.answers,
        };
        let value = run(&mut self.ledger, &mut self.entropy, &mut out);
        for answer in &self.answers {
            if let Reply::Failed(failure) = &answer.reply {
                assert_ne!(failure.message, UNFIT);
            }
        }
        self.receive(actions);
        value
    }

    fn receive(&mut self, mut actions: OutputQueue<ServerAction>) {
        while let Some(action) = actions.pop_front() {
            if let ServerAction::Persist {
                record,
                header,
                payload,
            } = action
            {
                self.log.push(whole(&header, &payload));
                self.unconfirmed.push_back(record);
            }
        }
    }

    fn is_light(&self) -> bool {
        self.log.iter().map(Bytes::len).sum::<usize>() < LIGHT
    }

    /// Restores the ledger in every way. All but the first `checked` records are new.
    fn check(&self, checked: usize) {
        let state = &self.ledger.state;
        let same = |records: &[&[Bytes]], expected: &State, how: &str| {
            let restored = restored(&self.config, &records.concat(), &mut OutputQueue::default());
            assert!(restored.state == *expected, "{how} restores something else");
        };
        let log = &self.log;
        let stride = if self.is_light() { 1 } else { 16 };
        for cut in (checked.max(1)..log.len()).step_by(stride) {
            restored(&self.config, &log[..cut], &mut OutputQueue::default());
        }
        same(&[log], state, "the log");

        let now = snapshot(&self.ledger);
        same(&[&now], state, "a snapshot");
        same(&[log, &now], state, "a snapshot behind the log");
        let half = log.len() / 2;
        for (from, to) in [
            (0, log.len()),
            (half, log.len()),
            (0, half),
            (half, half + 1),
        ] {
            let behind = &log[from..to.min(log.len())];
            same(&[&now, behind], state, "a snapshot, then what it holds");
        }

        let Some(Taken {
            at,
            records,
            state: then,
        }) = &self.taken
        else {
            return;
        };
        for from in [*at, at.saturating_sub(1), at / 2, 0] {
            same(
                &[records, &log[from..]],
                state,
                "an older snapshot and the log",
            );
            for to in (from..=*at).step_by(stride) {
                same(
                    &[records, &log[from..to]],
                    then,
                    "an older snapshot and what it holds",
                );
            }
        }
    }
}

/// Without any record, a new one.
fn restored(
    config: &Arc<ServerConfig>,
    records: &[Bytes],
    actions: &mut OutputQueue<ServerAction>,
) -> Ledger {
    let mut out = LedgerOutput {
        actions,
        answers: &mut Vec::new(),
    };
    let records = records.iter().cloned();
    match Ledger::restore(Arc::clone(config), SSID, records, &mut out) {
        Ok(ledger) => ledger,
        Err(error) => panic!("{error}"),
    }
}

fn snapshot(ledger: &Ledger) -> Vec<Bytes> {
    let records = ledger.snapshot().into_iter();
    records
        .map(|(header, payload)| whole(&header, &payload))
        .collect()
}

fn whole(header: &[u8], payload: &Bytes) -> Bytes {
    [header, payload].concat().into()
}

fn name(name: &str) -> Name {
    Name::new(name).expect("it is one")
}

fn site(number: usize) -> Name {
    name(["a", "b"][number % 2])
}

fn new_task(number: usize) -> NewTask {
    NewTask {
        name: "train".to_owned(),
        headers: Properties::new().with("round", "1"),
        payload: payload(number).clone(),
    }
}

/// More than may run.
fn job(script: &mut Script<'_>) -> JobId {
    JobId::from_bytes([1 + script.below(3) as u8; 16])
}

fn assignee(script: &mut Script<'_>) -> Assignee {
    match script.below(3) {
        0 => Assignee::Anyone,
        number => Assignee::Site(site(number)),
    }
}

fn properties(script: &mut Script<'_>) -> Properties {
    match script.below(4) {
        0 => Properties::new().with("loss", "0.5").with("a", ""),
        _ => Properties::new(),
    }
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
    use alloc::collections::BTreeMap;

    use super::*;
    use crate::server::ledger::record::Record;

    /// What the scripts of a property test do not reach, it does not show.
    #[test]
    fn lives_see_every_kind_of_record() {
        let mut dice = Entropy::new(&mut [5; 32]);
        let mut seen = BTreeMap::<String, u32>::new();
        for _ in 0..100 {
            let life = Life::run(&dice.bytes::<400>());
            let taken = life.taken.iter().flat_map(|taken| &taken.records);
            for stored in life.log.iter().chain(taken) {
                let (_, record, _) = Record::decode(stored).unwrap();
                let shown = format!("{record:?}");
                let kind = shown.split([' ', '(']).next().unwrap();
                *seen.entry(kind.to_owned()).or_default() += 1;
            }
        }
        let kinds = [
            "Ssid",
            "Snapshot",
            "JobStarted",
            "JobEnded",
            "Disabled",
            "Enabled",
            "Payload",
            "Task",
            "Claimed",
            "Withdrawn",
            "Reassigned",
            "Block",
            "UploadDropped",
            "Result",
            "Taken",
            "Closed",
        ];
        for kind in kinds {
            let often = seen.get(kind).copied().unwrap_or_default();
            assert!(often > 0, "no {kind} among {seen:?}");
        }
    }
}
