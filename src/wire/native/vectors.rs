//! Each variant of each body, and the messages that no session of `tests/vectors/` has, pinned
//! by `tests/vectors/bodies.txt` under the names of `docs/protocol.md`.

// The core may not touch files; its tests read theirs.
#![allow(clippy::disallowed_methods)]

use core::fmt::Write as _;
use std::path::PathBuf;

use super::{Denial, Denied, InvalidSession, TAG, encode, invalid_session, refusal, versions};
use crate::message::{
    Failure, Fetch, FetchReply, Goodbye, Heartbeat, HeartbeatReply, JobId, JobReport, Outcome,
    Payload, Progress, Properties, PullReply, PullTask, Push, PushReply, Quit, Refusal,
    RejectReason, Reply, Request, ReturnCode, SessionId, Ssid, SubmitReply, SubmitResult, TaskHead,
    TaskId,
};

const JOB: JobId = JobId::from_bytes([7; 16]);
const TASK: TaskId = TaskId::from_bytes([8; 16]);
const SSID: Ssid = Ssid::from_bytes([5; 16]);
const NONCE: [u8; 16] = [3; 16];

fn context() -> Properties {
    Properties::new().with("key", "value").with("l", "ü")
}

fn requests() -> Vec<(String, Request)> {
    let heartbeat = |jobs, suspending| {
        Request::Heartbeat(Heartbeat {
            jobs,
            suspending,
            context: context(),
        })
    };
    let report = |progress| JobReport { job: JOB, progress };
    let submit = |outcome, inline_limit| {
        Request::SubmitResult(SubmitResult {
            job: JOB,
            task: TASK,
            ssid: SSID,
            outcome,
            ticket: Vec::new(),
            headers: context(),
            payload: Payload::labelled("update", "text/plain", "zstd").head(inline_limit),
            context: Properties::new(),
        })
    };
    let pull = |last_task| {
        Request::PullTask(PullTask {
            job: JOB,
            last_task,
            context: Properties::new(),
        })
    };
    let (job, task, offset) = (JOB, TASK, 300);
    let most = Progress::from_permille(1000);
    let (reason, context) = ("done".to_owned(), context());
    let mut requests = vec![
        ("Heartbeat", heartbeat(Vec::new(), Some(u64::MAX))),
        (
            "Heartbeat",
            heartbeat(vec![report(None), report(Some(most))], None),
        ),
        ("PullTask", pull(None)),
        ("PullTask", pull(Some(TASK))),
        ("SubmitResult/Apart", submit(Outcome::Ok, 0)),
        (
            "Fetch",
            Request::Fetch(Fetch {
                job,
                task,
                offset,
                len: u32::MAX,
            }),
        ),
        ("Push", Request::Push(Push { job, task, offset })),
        ("Quit", Request::Quit(Quit { reason, context })),
    ]
    .into_iter()
    .map(|(name, request)| (name.to_owned(), request))
    .collect::<Vec<_>>();
    for outcome in [Outcome::Ok, Outcome::Failed, Outcome::Aborted] {
        let name = format!("SubmitResult/Inline/{}", outcome.name());
        requests.push((name, submit(outcome, 100)));
    }
    requests
}

fn replies() -> Vec<(String, Reply)> {
    let task = |inline_limit| {
        Reply::PullTask(PullReply::Task(TaskHead {
            task: TASK,
            name: "train".to_owned(),
            ssid: SSID,
            headers: context(),
            payload: Payload::labelled("model", "text/plain", "").head(inline_limit),
            ticket: Vec::new(),
        }))
    };
    let lists = Reply::Heartbeat(HeartbeatReply {
        generation: 128,
        abort: vec![JOB],
        start: vec![JobId::from_bytes([6; 16]), JOB],
        interval: 10_000,
    });
    let try_again = PullReply::TryAgain {
        after: 1000,
        timeout: 0,
    };
    let message = "goodbye".to_owned();
    let mut replies = vec![
        ("Heartbeat", lists),
        ("PullTask/Task/Inline", task(100)),
        ("PullTask/Task/Apart", task(0)),
        ("PullTask/TryAgain", Reply::PullTask(try_again)),
        ("PullTask/RunEnded", Reply::PullTask(PullReply::RunEnded)),
        (
            "SubmitResult/Accepted",
            Reply::SubmitResult(SubmitReply::Accepted),
        ),
        (
            "SubmitResult/SendFrom",
            Reply::SubmitResult(SubmitReply::SendFrom(1 << 40)),
        ),
        (
            "SubmitResult/Later",
            Reply::SubmitResult(SubmitReply::Later(127)),
        ),
        (
            "Fetch/Bytes",
            Reply::Fetch(FetchReply::Bytes { offset: 32 }),
        ),
        ("Fetch/Gone", Reply::Fetch(FetchReply::Gone)),
        ("Push/Wanted", Reply::Push(PushReply::Wanted(128))),
        ("Push/Unknown", Reply::Push(PushReply::Unknown)),
        ("Quit", Reply::Quit(Goodbye { message })),
    ]
    .into_iter()
    .map(|(name, reply)| (name.to_owned(), reply))
    .collect::<Vec<_>>();
    for refusal in all::<Refusal>(5) {
        let name = format!("SubmitResult/Refused/{}", refusal.name());
        replies.push((name, Reply::SubmitResult(SubmitReply::Refused(refusal))));
    }
    for code in all::<ReturnCode>(14) {
        let failure = Failure {
            code,
            message: "why".to_owned(),
            retry_after: (code == ReturnCode::ServiceUnavailable).then_some(5000),
        };
        replies.push((format!("Failed/{}", code.name()), Reply::Failed(failure)));
    }
    replies
}

fn denials() -> Vec<(String, Denied)> {
    let mut denials = vec![
        (
            "Busy".to_owned(),
            Denied::until(core::time::Duration::from_secs(30), "busy"),
        ),
        (
            "NoCommonSuite".to_owned(),
            Denied::new(Denial::NoCommonSuite, ""),
        ),
        (
            "TooShort".to_owned(),
            Denied::new(Denial::TooShort(4000), "longer"),
        ),
    ];
    for reason in all::<RejectReason>(4) {
        let name = format!("Rejected/{}", reason.name());
        denials.push((name, Denied::rejected(reason, "no")));
    }
    denials
}

/// The variants with the numbers below `count`, of which there is no other.
fn all<T: serde::Serialize + serde::de::DeserializeOwned>(count: u8) -> Vec<T> {
    assert!(super::decode_all::<T>(&[count]).is_none());
    let variants = (0..count).map(|number| super::decode_all(&[number]).unwrap());
    variants.collect()
}

/// What each line is, its name, and its bytes.
fn lines() -> String {
    let mut lines = String::new();
    let mut line = |kind: &str, name: &str, bytes: &[u8]| {
        write!(lines, "{kind} {name} ").unwrap();
        bytes
            .iter()
            .for_each(|byte| write!(lines, "{byte:02x}").unwrap());
        lines.push('\n');
    };
    for (name, request) in requests() {
        line("Request", &name, &encode(&request, Vec::new()));
    }
    for (name, reply) in replies() {
        line("Reply", &name, &encode(&reply, Vec::new()));
    }
    for (name, denied) in denials() {
        line(
            "message",
            &format!("Refusal/{name}"),
            &refusal(&NONCE, &denied),
        );
    }
    line("message", "Versions", &versions());
    for (number, tag) in [(300, [9; TAG]), (u64::MAX, [0; TAG])] {
        let session = SessionId::from_bytes([4; 16]);
        let echo = InvalidSession {
            session,
            number,
            tag,
        };
        line("message", "InvalidSession", &invalid_session(echo));
    }
    lines
}

// spec: P-129
#[test]
fn numbers_and_bodies_are_those_of_the_vectors() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/bodies.txt");
    let lines = lines();
    if std::env::var_os("FEDLINK_WRITE_VECTORS").is_some() {
        std::fs::write(&path, &lines).unwrap();
    }
    let pinned = std::fs::read_to_string(&path).unwrap();
    for (is, was) in lines.lines().zip(pinned.lines()) {
        assert_eq!(is, was);
    }
    assert_eq!(lines.lines().count(), pinned.lines().count());
}
