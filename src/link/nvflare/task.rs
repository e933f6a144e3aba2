//! Tasks and results of an NVFlare job, as messages of cells.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::Link;
use super::call::{Answer, Call, Purpose};
use super::cell::{Origin, named};
use super::download::Download;
use super::job::{aux_body, aux_code};
use super::registration::ssid_of;
use super::send::{Target, peer_context};
use crate::Instant;
use crate::link::event::{LinkContext, NvflareEvent};
use crate::message::{
    JobId, Outcome, Parts, PayloadHead, Place, Properties, PullReply, Refusal, Reply, RequestId,
    ReturnCode, SubmitReply, SubmitResult, TaskHead, TaskId,
};
use crate::wire::nvflare::cell::{Headers, channel, key, topic};
use crate::wire::nvflare::fobs;
use crate::wire::nvflare::model::{self, Content, ModelError};
use crate::wire::nvflare::typed;
use crate::wire::nvflare::value::Value;

/// Names of tasks that are none.
const TRY_AGAIN: &str = "__try_again__";
const END_RUN: &str = "__end_run__";

/// What a ticket keeps of the task: the headers that go back, and the shape of its data.
const KEPT: [&str; 2] = ["__cookie_jar__", "__task_id__"];
const TASK_NAME: &str = "__task_name__";
const MSG_ROOT: &str = "__msg_root_id__";
const SHAPE: &str = "shape";

/// Wait before the next request for a task if the server names none.
const POLL_AFTER: f64 = 2.0;

/// Wait before the server is asked again whether it still wants a result.
const CHECK_AGAIN: u64 = 5_000;

/// A task whose arrays may have to be fetched.
pub(super) struct Incoming {
    head: TaskHead,
    ticket: Ticket,
    shareable: Value,
    sent_at: Instant,
}

/// A result while the server is asked whether it still wants it.
pub(super) struct Submission {
    result: SubmitResult,
    payload: Bytes,
    sent_at: Instant,
}

/// What a result has to bring back of its task.
struct Ticket(Value);

impl Link {
    /// Asks for a task of a job whose other half is there.
    pub(super) fn ask_task(&mut self, cx: &mut LinkContext<'_>, id: RequestId, job: JobId) {
        self.jobs.entry(job).or_default().asking = Some(id);
        let origin = Origin::Job(job);
        let headers = Headers::new().with(key::PROJECT_NAME, cx.config.project.as_str());
        let body = typed::shareable(vec![peer_context(cx, origin)], Vec::new());
        let target = Target::job(origin, channel::SERVER_COMMAND, topic::GET_TASK, true);
        self.stream_call(cx, Purpose::Pull(id), target, headers, &body);
    }

    pub(super) fn pulled(
        &mut self,
        cx: &mut LinkContext<'_>,
        call: &Call,
        id: RequestId,
        answer: Answer,
    ) {
        for job in self.jobs.values_mut() {
            job.cancel(id);
        }
        if answer.code != ReturnCode::Ok {
            self.fail_with(id, answer.code, answer.error);
            return;
        }
        let root = answer.headers.get(key::MSG_ROOT_ID).cloned();
        let Some(body) = answer.body else {
            self.fail(id, ReturnCode::ProcessException);
            return;
        };
        match read_task(&body.value, root) {
            Some(Read::TryAgain { after, timeout }) => {
                let reply = PullReply::TryAgain { after, timeout };
                self.reply(cx, call.sent_at, id, Reply::PullTask(reply));
            }
            Some(Read::RunEnded) => {
                self.end_run(cx, call.origin);
                self.run_ended(cx, id);
            }
            Some(Read::Task(head, ticket)) => {
                let task = Incoming {
                    head: TaskHead {
                        ssid: self.ssid(),
                        ..*head
                    },
                    ticket,
                    shareable: body.value,
                    sent_at: call.sent_at,
                };
                if body.sources.is_empty() {
                    self.task_came(cx, id, task, &BTreeMap::new());
                } else {
                    let download = Download::new(call.origin, body.sources, task);
                    self.start_download(cx, id, download);
                }
            }
            None => {
                tracing::warn!("a task makes no sense");
                self.fail(id, ReturnCode::ProcessException);
            }
        }
    }

    /// The task is here, with all its arrays.
    pub(super) fn task_came(
        &mut self,
        cx: &LinkContext<'_>,
        id: RequestId,
        mut task: Incoming,
        fetched: &BTreeMap<String, Bytes>,
    ) {
        let shareable = core::mem::replace(&mut task.shareable, Value::Nil);
        match model::to_host(shareable, fetched, cx.config.max_payload) {
            Ok(host) => {
                if let Some(shape) = host.shape {
                    task.ticket.keep(SHAPE, shape);
                }
                let head = TaskHead {
                    headers: host.headers,
                    ticket: task.ticket.encoded(),
                    ..task.head
                };
                let reply = Reply::PullTask(PullReply::Task(head));
                self.reply_with(cx, task.sent_at, id, reply, Parts::Many(host.parts));
            }
            Err(error) => self.task_unfit(id, task, &error),
        }
    }

    /// The host cannot be given the task, now or later: the server is told so.
    pub(super) fn task_unfit(&mut self, id: RequestId, task: Incoming, error: &ModelError) {
        let head = TaskHead {
            ticket: task.ticket.encoded(),
            ..task.head
        };
        let why = error.to_string();
        self.event(NvflareEvent::Unfit { id, head, why });
    }

    /// Asks whether a result is still wanted, then brings it. What was given up is brought
    /// at once, and only once.
    pub(super) fn submit(
        &mut self,
        cx: &mut LinkContext<'_>,
        id: RequestId,
        result: &SubmitResult,
        payload: &Bytes,
    ) {
        let submission = Submission {
            result: result.clone(),
            payload: payload.clone(),
            sent_at: cx.now,
        };
        if result.outcome == Outcome::Aborted {
            self.bring(cx, id, submission);
            return;
        }
        let origin = Origin::Job(result.job);
        let task = Ticket::read(&result.ticket).task_id(result.task);
        let target = Target::job(origin, channel::AUX, topic::TASK_CHECK, true);
        let body = aux_body(cx, origin, topic::TASK_CHECK, Some(&task));
        self.submissions.insert(id, submission);
        self.call(cx, Purpose::Check(id), target, Headers::new(), Some(&body));
    }

    pub(super) fn checked(&mut self, cx: &mut LinkContext<'_>, id: RequestId, answer: &Answer) {
        let Some(submission) = self.submissions.remove(&id) else {
            return;
        };
        let code = aux_code(answer).filter(|_| answer.code == ReturnCode::Ok);
        match code {
            Some("OK") => self.bring(cx, id, submission),
            Some("TASK_UNKNOWN") => {
                let refused = SubmitReply::Refused(Refusal::Withdrawn);
                self.reply(cx, submission.sent_at, id, Reply::SubmitResult(refused));
            }
            Some(_) => {
                let later = SubmitReply::Later(CHECK_AGAIN);
                self.reply(cx, submission.sent_at, id, Reply::SubmitResult(later));
            }
            None => self.fail_with(id, answer.code, answer.error.clone()),
        }
    }

    pub(super) fn submitted(
        &mut self,
        cx: &LinkContext<'_>,
        call: &Call,
        id: RequestId,
        answer: &Answer,
    ) {
        if answer.code == ReturnCode::Ok {
            let accepted = Reply::SubmitResult(SubmitReply::Accepted);
            self.reply(cx, call.sent_at, id, accepted);
        } else {
            self.fail_with(id, answer.code, answer.error.clone());
        }
    }

    fn bring(&mut self, cx: &mut LinkContext<'_>, id: RequestId, submission: Submission) {
        let Submission {
            result, payload, ..
        } = submission;
        let origin = Origin::Job(result.job);
        let ticket = Ticket::read(&result.ticket);
        let ok = result.outcome == Outcome::Ok;
        let shape = ticket.0.get(SHAPE);
        let content = model::from_host(&result.headers, &payload, ok, shape)
            .and_then(|content| self.dialect.admit(content));
        let (content, outcome) = match content {
            Ok(content) => (content, result.outcome),
            Err(error) => {
                tracing::warn!(%error, task = %result.task, "a result cannot be sent as it is");
                (Content::failed(&error), Outcome::Failed)
            }
        };
        let code = match outcome {
            Outcome::Ok => "OK",
            Outcome::Failed => "EXECUTION_EXCEPTION",
            Outcome::Aborted => "TASK_ABORTED",
        };
        let mut headers = content.headers;
        headers.push(("__rc__".into(), code.into()));
        headers.push(("__task_id__".into(), ticket.task_id(result.task).into()));
        for name in [KEPT[0], TASK_NAME, MSG_ROOT] {
            if let Some(value) = ticket.0.get(name) {
                headers.push((name.into(), value.clone()));
            }
        }
        headers.push(peer_context(cx, origin));
        let body = typed::shareable(headers, content.entries);

        let mut headers = Headers::new().with(key::PROJECT_NAME, cx.config.project.as_str());
        if let Some(root) = ticket.0.get(MSG_ROOT) {
            headers.set(key::MSG_ROOT_ID, root.clone());
        }
        let optional = outcome == Outcome::Aborted;
        let target = Target::job(
            origin,
            channel::SERVER_COMMAND,
            topic::SUBMIT_UPDATE,
            optional,
        );
        self.stream_call(cx, Purpose::Submit(id), target, headers, &body);
    }

    fn ssid(&self) -> crate::message::Ssid {
        let credentials = self.credentials.as_ref();
        ssid_of(credentials.map_or("", |it| it.ssid.as_str()))
    }
}

impl Ticket {
    /// Of a task under this Shareable, which came with this root message.
    fn of(headers: &Value, root: Option<Value>) -> Self {
        let kept = KEPT.iter().map(|name| (*name, headers.get(name).cloned()));
        let name = (TASK_NAME, headers.get("task_name").cloned());
        let mut ticket = Self(Value::Map(Vec::new()));
        for (name, value) in kept.chain([name, (MSG_ROOT, root)]) {
            if let Some(value) = value {
                ticket.keep(name, value);
            }
        }
        ticket
    }

    fn keep(&mut self, name: &str, value: Value) {
        if let Value::Map(kept) = &mut self.0 {
            kept.push((name.into(), value));
        }
    }

    fn encoded(&self) -> Vec<u8> {
        fobs::encode(&self.0).to_vec()
    }

    fn read(bytes: &[u8]) -> Self {
        let read = fobs::decode(Bytes::copy_from_slice(bytes));
        Self(read.map_or(Value::Nil, |decoded| decoded.value))
    }

    /// The task as the server calls it.
    fn task_id(&self, task: TaskId) -> String {
        let known = self.0.get("__task_id__").and_then(Value::as_str);
        known.map_or_else(|| task.to_string(), str::to_owned)
    }
}

/// What a request for a task brings.
enum Read {
    Task(Box<TaskHead>, Ticket),
    TryAgain { after: u64, timeout: u64 },
    RunEnded,
}

fn read_task(shareable: &Value, root: Option<Value>) -> Option<Read> {
    let headers = typed::headers(shareable)?;
    let name = headers.get("task_name").and_then(Value::as_str)?;
    let seconds = |key| headers.get(key).and_then(Value::as_f64);
    match name {
        TRY_AGAIN => Some(Read::TryAgain {
            after: millis(seconds("__wait_time__").unwrap_or(POLL_AFTER)),
            timeout: millis(seconds("min_get_task_timeout").unwrap_or_default()),
        }),
        END_RUN => Some(Read::RunEnded),
        name => {
            let head = TaskHead {
                task: task_id(headers.get("__task_id__").and_then(Value::as_str)?),
                name: name.to_owned(),
                ssid: ssid_of(""),
                headers: Properties::new(),
                payload: PayloadHead {
                    content_type: model::CONTENT_TYPE.to_owned(),
                    encoding: String::new(),
                    place: Place::Inline,
                },
                ticket: Vec::new(),
            };
            let ticket = Ticket::of(headers, root);
            Some(Read::Task(Box::new(head), ticket))
        }
    }
}

/// A task by NVFlare's name for it: a UUID, as far as anybody has seen.
fn task_id(text: &str) -> TaskId {
    let id = uuid::Uuid::try_parse(text).map(uuid::Uuid::into_bytes);
    TaskId::from_bytes(id.unwrap_or_else(|_| named(text)))
}

/// Milliseconds of a server's seconds; nonsense counts as none.
fn millis(seconds: f64) -> u64 {
    let seconds = if seconds.is_finite() { seconds } else { 0.0 };
    (seconds.clamp(0.0, 1e6) * 1000.0) as u64
}
