//! The server's orders to a site: deploying, starting and stopping jobs.
//!
//! The host may decide about resources and apps. One that does not, or not in time, has
//! enough of the former and accepts the latter.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use core::time::Duration;

use uuid::Uuid;

use super::cell::job_id;
use super::incoming::Asked;
use super::send::Asker;
use super::{Link, Timer};
use crate::link::event::{LinkContext, NvflareEvent};
use crate::message::{ControlId, JobId, Payload, ReturnCode};
use crate::wire::nvflare::as_json;
use crate::wire::nvflare::typed;
use crate::wire::nvflare::value::Value;

/// How long the host may think about resources or an app: the server waits some seconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// Decisions that may be outstanding: a few for each job that is about to start.
const MAX_OPEN: usize = 64;

/// What the host decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// There are enough resources; the app can run.
    Accept,
    /// Not so, for this reason. The job runs without this site.
    Refuse(String),
}

#[derive(Default)]
pub(super) struct Controls {
    last: u64,
    open: BTreeMap<ControlId, Order>,
}

impl Controls {
    /// The connection is gone, and whoever asked on it.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }
}

/// An order that waits for a decision.
struct Order {
    asker: Asker,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Resources,
    Deploy,
}

impl Link {
    /// Takes an order.
    pub(super) fn control(&mut self, cx: &mut LinkContext<'_>, asked: Asked<'_>) {
        let Asked { asker, body, .. } = asked;
        let Some(message) = body
            .as_ref()
            .and_then(|body| typed::message_attributes(&body.value))
        else {
            self.respond(
                cx,
                &asker,
                ReturnCode::InvalidRequest,
                "no admin message",
                None,
            );
            return;
        };
        let topic = message
            .get("topic")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let content = message.get("body").unwrap_or(&Value::Nil);
        let headers = message.get("headers").unwrap_or(&Value::Nil);
        let job = headers
            .get("job_id")
            .and_then(Value::as_str)
            .and_then(job_id);
        match (topic, job) {
            ("scheduler.check_resource", Some(job)) => {
                self.ask_host(cx, asker, Kind::Resources, |request| {
                    let spec = as_json(content);
                    NvflareEvent::ResourcesWanted { request, job, spec }
                });
            }
            ("train.deploy", Some(job)) => {
                let app = content.as_bytes().cloned().unwrap_or_default();
                let name = headers.get("app_name").and_then(Value::as_str);
                let name = name.unwrap_or_default().to_owned();
                self.ask_host(cx, asker, Kind::Deploy, |request| NvflareEvent::Deploy {
                    request,
                    job,
                    name,
                    app: Payload::labelled(app, "application/zip", ""),
                });
            }
            ("train.start_job", Some(job)) => {
                let words = if self.start_job(job, cx.config.max_jobs) {
                    "Start the client app..."
                } else {
                    "NVFLARE_ERROR: this site runs as many jobs as it can"
                };
                self.answer_order(cx, &asker, topic, words.into(), false);
            }
            ("train.abort", Some(job)) => {
                self.answer_order(cx, &asker, topic, "OK".into(), true);
                self.stop_job(job);
            }
            ("train.abort_task", Some(job)) => {
                self.answer_order(cx, &asker, topic, "OK".into(), true);
                self.event(NvflareEvent::AbortTask { job });
            }
            ("train.delete_run" | "scheduler.cancel_resource", _) => {
                self.answer_order(cx, &asker, topic, "OK".into(), true);
            }
            ("train.check_status", _) => {
                let status = self.status(cx);
                self.answer_order(cx, &asker, topic, status.into(), true);
            }
            ("train.get_scopes", _) => {
                let scopes = r#"{"scope_names": [], "default_scope": ""}"#;
                self.answer_order(cx, &asker, topic, scopes.into(), true);
            }
            _ => {
                tracing::debug!(topic, "nobody takes this order");
                let words = format!("{topic} is not supported by this site");
                self.refuse_order(cx, &asker, &words);
            }
        }
    }

    /// The host has decided; false if nobody waits for that.
    pub(crate) fn decide(
        &mut self,
        cx: &mut LinkContext<'_>,
        request: ControlId,
        decision: &Decision,
    ) -> bool {
        self.timers.disarm(Timer::Control(request));
        let Some(Order { asker, kind }) = self.controls.open.remove(&request) else {
            return false;
        };
        match (kind, decision) {
            (Kind::Resources, decision) => {
                let enough = *decision == Decision::Accept;
                let token = if enough {
                    Uuid::from_bytes(cx.entropy.uuid()).to_string()
                } else {
                    String::new()
                };
                let headers = vec![
                    ("_is_resource_enough".into(), enough.into()),
                    ("_resource_reserve_token".into(), token.into()),
                ];
                let body = typed::shareable(headers, Vec::new());
                self.answer_order(cx, &asker, "scheduler.check_resource", body, false);
            }
            (Kind::Deploy, Decision::Accept) => {
                self.answer_order(cx, &asker, "train.deploy", "deployed".into(), true);
            }
            (Kind::Deploy, Decision::Refuse(why)) => self.refuse_order(cx, &asker, why),
        }
        true
    }

    /// The host has not decided in time.
    pub(super) fn control_overdue(&mut self, cx: &mut LinkContext<'_>, request: ControlId) {
        self.decide(cx, request, &Decision::Accept);
    }

    fn ask_host(
        &mut self,
        cx: &mut LinkContext<'_>,
        asker: Asker,
        kind: Kind,
        action: impl FnOnce(ControlId) -> NvflareEvent,
    ) {
        self.controls.last += 1;
        let request = ControlId(self.controls.last);
        let wait = self.settings.host_decides && self.controls.open.len() < MAX_OPEN;
        self.controls.open.insert(request, Order { asker, kind });
        self.event(action(request));
        if wait {
            self.timers.arm(Timer::Control(request), cx.now + PATIENCE);
        } else {
            self.decide(cx, request, &Decision::Accept);
        }
    }

    /// What runs here, in the words of the Python client.
    fn status(&self, cx: &LinkContext<'_>) -> String {
        let running = self.jobs.keys().map(|job| running(*job)).collect();
        let status = Value::map([
            ("client_name", Value::from(cx.identity.name().as_str())),
            ("running_jobs", Value::List(running)),
        ]);
        as_json(&status)
    }

    /// Some topics want no code: the scheduler takes any for an error.
    fn answer_order(
        &mut self,
        cx: &mut LinkContext<'_>,
        asker: &Asker,
        topic: &str,
        body: Value,
        code: bool,
    ) {
        let headers = if code {
            code_header("_ok")
        } else {
            Value::Map(Vec::new())
        };
        self.send_order_reply(cx, asker, &format!("reply_{topic}"), body, headers);
    }

    fn refuse_order(&mut self, cx: &mut LinkContext<'_>, asker: &Asker, why: &str) {
        self.send_order_reply(cx, asker, "reply", why.into(), code_header("_error"));
    }

    fn send_order_reply(
        &mut self,
        cx: &mut LinkContext<'_>,
        asker: &Asker,
        topic: &str,
        body: Value,
        headers: Value,
    ) {
        let id = Uuid::from_bytes(cx.entropy.uuid()).to_string();
        let message = typed::message(&id, topic, body, headers);
        self.respond(cx, asker, ReturnCode::Ok, "", Some(&message));
    }
}

fn code_header(code: &str) -> Value {
    Value::map([("_rtnCode", Value::from(code))])
}

fn running(job: JobId) -> Value {
    Value::map([
        ("app_name", Value::from("app")),
        ("job_id", job.to_string().into()),
        ("status", "started".into()),
    ])
}
