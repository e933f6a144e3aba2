//! Heartbeats and goodbyes of a site, and the news of jobs that come with them.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::call::{Answer, Call, Purpose};
use super::cell::{Origin, job_id};
use super::send::{Target, peer_context};
use super::{Link, Timer};
use crate::Instant;
use crate::link::event::{JobEnd, LinkContext, NvflareEvent};
use crate::message::{Goodbye, Heartbeat, HeartbeatReply, JobId, Reply, RequestId, ReturnCode};
use crate::wire::nvflare::cell::{Headers, channel, key, topic};
use crate::wire::nvflare::typed;
use crate::wire::nvflare::value::Value;

/// Outcomes of jobs that are told again until the server has them; the next server hears
/// of the rest by silence.
const REPORTS: usize = 256;

/// Jobs that a heartbeat lists: with their names, its headers have to stay below 64 KiB.
const LISTED: usize = 1536;

/// How often an outcome is told, and how far apart.
const REPORT_COPIES: u32 = 10;
const REPORT_AGAIN: Duration = Duration::from_secs(5);

/// How many heartbeats in a row without an answer, while the server answers pings, mean
/// that it drops this site's messages: its filter does so without a word.
const UNANSWERED: u32 = 2;

/// How a job ended, in NVFlare's numbers.
const ENDED: i64 = 0;
const ABORTED: i64 = 9;
const FAILED: i64 = 101;

/// Heartbeats that were not answered.
#[derive(Default)]
pub(super) struct Silence {
    unanswered: u32,
}

/// The outcome of a job, until the server has it and no longer runs the job itself: as long
/// as it does, heartbeats that do not list the job make it say that the job is missing here.
pub(super) struct Report {
    code: i64,
    reason: Option<String>,
    told: u32,
    /// The server has it.
    known: bool,
}

impl Link {
    pub(super) fn send_heartbeat(
        &mut self,
        cx: &mut LinkContext<'_>,
        id: RequestId,
        heartbeat: &Heartbeat,
    ) {
        let running = heartbeat.jobs.iter().map(|report| &report.job);
        let jobs: BTreeSet<&JobId> = running.chain(self.reports.keys()).collect();
        let jobs = jobs.into_iter().take(LISTED);
        let jobs = jobs.map(|job| Value::from(job.to_string())).collect();
        let headers = Headers::new()
            .with(key::PROJECT_NAME, cx.config.project.as_str())
            .with(key::JOB_IDS, Value::List(jobs));
        let body = typed::shareable(vec![peer_context(cx, Origin::Site)], Vec::new());
        let target = Target::server(channel::TASK, topic::HEARTBEAT, false);
        self.call(cx, Purpose::Heartbeat(id), target, headers, Some(&body));
    }

    pub(super) fn heartbeat_answered(
        &mut self,
        cx: &LinkContext<'_>,
        call: &Call,
        id: RequestId,
        answer: &Answer,
    ) {
        self.silence = Silence::default();
        if answer.code == ReturnCode::CommError && answer.error.contains("already registered") {
            self.event(NvflareEvent::Replaced(answer.error.clone()));
            return;
        }
        if answer.code != ReturnCode::Ok {
            self.fail_with(id, answer.code, answer.error.clone());
            return;
        }
        let abort: Vec<JobId> = answer
            .headers
            .texts(key::ABORT_JOBS)
            .filter_map(job_id)
            .collect();
        for job in &abort {
            self.job_aborted(*job);
            self.forget_report(*job);
        }
        let interval = self.settings.heartbeat_interval;
        let reply = HeartbeatReply {
            generation: 0,
            abort,
            start: self.wanted_jobs(),
            interval: crate::time::millis(interval),
        };
        self.reply(cx, call.sent_at, id, Reply::Heartbeat(reply));
    }

    /// A heartbeat was given up. The next one is told apart from a dead connection by
    /// whether the server answers a ping.
    pub(super) fn heartbeat_unanswered(&mut self) {
        if !self.connection.is_alive() {
            self.silence = Silence::default();
        }
        self.silence.unanswered += 1;
        if self.silence.unanswered >= UNANSWERED {
            self.silence = Silence::default();
            self.event(NvflareEvent::AuthDropped);
        }
        self.connection.ask_for_life();
    }

    pub(super) fn send_quit(&mut self, cx: &mut LinkContext<'_>, id: RequestId) {
        let headers = Headers::new().with(key::PROJECT_NAME, cx.config.project.as_str());
        let body = typed::shareable(vec![peer_context(cx, Origin::Site)], Vec::new());
        let target = Target::server(channel::TASK, topic::QUIT, false);
        self.call(cx, Purpose::Quit(id), target, headers, Some(&body));
    }

    pub(super) fn quit_answered(
        &mut self,
        cx: &mut LinkContext<'_>,
        call: &Call,
        id: RequestId,
        answer: &Answer,
    ) {
        if answer.code != ReturnCode::Ok {
            self.fail_with(id, answer.code, answer.error.clone());
            return;
        }
        let message = answer.headers.text(key::MESSAGE).to_owned();
        self.reply(cx, call.sent_at, id, Reply::Quit(Goodbye { message }));
        self.say_bye(cx);
    }

    /// Takes the connection out of the server's tables. Nobody waits for the answer.
    fn say_bye(&mut self, cx: &mut LinkContext<'_>) {
        let target = Target::server(channel::CELLNET, topic::BYE, true);
        self.send(cx, &target);
    }

    /// A job has ended here: the server waits to hear how.
    pub(crate) fn job_ended(&mut self, cx: &mut LinkContext<'_>, job: JobId, end: JobEnd) {
        self.timers.disarm(Timer::Sync(job));
        self.timers.disarm(Timer::Beat(job));
        self.withdraw(|call| call.purpose == Purpose::Sync(job));
        let aborted = self.jobs.remove(&job).is_some_and(|job| job.is_aborted());
        let (code, reason) = match end {
            JobEnd::Over if aborted => (ABORTED, None),
            JobEnd::Over => (ENDED, None),
            JobEnd::Failed(reason) => (FAILED, Some(reason)),
        };
        if self.reports.len() >= REPORTS
            && let Some(oldest) = self.reports.keys().next().copied()
        {
            self.forget_report(oldest);
        }
        let report = Report {
            code,
            reason,
            told: 0,
            known: false,
        };
        self.reports.insert(job, report);
        self.send_report(cx, job);
    }

    pub(super) fn send_report(&mut self, cx: &mut LinkContext<'_>, job: JobId) {
        let Some(report) = self.reports.get_mut(&job) else {
            return;
        };
        if self.credentials.is_none() || !self.connection.is_up() || report.known {
            return;
        }
        if report.told >= REPORT_COPIES {
            self.forget_report(job);
            return;
        }
        report.told += 1;
        let reason = report.reason.as_deref().map_or(Value::Nil, Value::from);
        let body = Value::map([
            ("job_id", Value::from(job.to_string())),
            ("code", report.code.into()),
            ("reason", reason),
        ]);
        self.withdraw(|call| call.purpose == Purpose::Report(job));
        let target = Target::server(channel::TASK, topic::REPORT_JOB_FAILURE, true);
        self.call(
            cx,
            Purpose::Report(job),
            target,
            Headers::new(),
            Some(&body),
        );
        self.timers.arm(Timer::Report(job), cx.now + REPORT_AGAIN);
    }

    pub(super) fn report_answered(&mut self, job: JobId, answer: &Answer) {
        if answer.code == ReturnCode::Ok
            && let Some(report) = self.reports.get_mut(&job)
        {
            report.known = true;
            self.timers.disarm(Timer::Report(job));
        }
    }

    fn forget_report(&mut self, job: JobId) {
        self.reports.remove(&job);
        self.timers.disarm(Timer::Report(job));
        self.withdraw(|call| call.purpose == Purpose::Report(job));
    }

    /// What is due to the server is told again, a moment after a session begins.
    pub(super) fn tell_reports(&mut self, now: Instant) {
        /// Lets the first heartbeat go before.
        const MOMENT: Duration = Duration::from_millis(200);
        for (job, report) in self.reports.iter_mut().filter(|(_, it)| !it.known) {
            report.told = 0;
            self.timers.arm(Timer::Report(*job), now + MOMENT);
        }
    }
}
