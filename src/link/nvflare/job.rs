//! The site's cell of one job: how it finds the server's cell, keeps in touch, and asks for
//! tasks.

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use super::call::{Answer, Purpose};
use super::cell::Origin;
use super::send::Target;
use super::{Link, Timer};
use crate::Instant;
use crate::link::event::{LinkContext, NvflareEvent};
use crate::message::{JobId, RequestId, ReturnCode};
use crate::wire::nvflare::cell::{Headers, channel, topic};
use crate::wire::nvflare::typed;
use crate::wire::nvflare::value::Value;

/// How long to wait before the server's half of a job is asked for again: it takes some
/// seconds to start.
const SYNC_AGAIN: Duration = Duration::from_millis(500);

/// How long an answer may take.
const SYNC_TIMEOUT: Duration = Duration::from_secs(5);

/// Time between signs of life of a job, as the Python client's.
const BEAT: Duration = Duration::from_secs(10);

/// What is known of a job.
#[derive(Default)]
pub(super) struct Job {
    state: JobState,
    /// The server wants it to run here.
    wanted: bool,
    /// The server wants it to stop.
    aborted: bool,
    /// The server's half was there once, and the run goes on: it hears that this half lives.
    beats: bool,
    /// A request for a task that waits for the server's half.
    waiting: Option<RequestId>,
    /// A request for a task that is under way.
    pub(super) asking: Option<RequestId>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum JobState {
    /// The server's half may not be there.
    #[default]
    Apart,
    Together,
    /// There will be no more tasks.
    Ended,
}

impl Job {
    pub(super) fn is_aborted(&self) -> bool {
        self.aborted
    }

    /// The connection is gone.
    pub(super) fn unsync(&mut self) {
        if self.state == JobState::Together {
            self.state = JobState::Apart;
        }
        self.cancel_all();
    }

    pub(super) fn cancel(&mut self, id: RequestId) {
        self.waiting.take_if(|waiting| *waiting == id);
        self.asking.take_if(|asking| *asking == id);
    }

    pub(super) fn cancel_all(&mut self) {
        (self.waiting, self.asking) = (None, None);
    }
}

impl Link {
    /// Asks for a task of the job, once its other half is there.
    pub(super) fn pull(&mut self, cx: &mut LinkContext<'_>, id: RequestId, job: JobId) {
        let known = self.jobs.entry(job).or_default();
        known.waiting = Some(id);
        match known.state {
            JobState::Apart => self.sync(cx, job),
            JobState::Together => self.ask_waiting(cx, job),
            JobState::Ended => {
                known.cancel_all();
                self.run_ended(cx, id);
            }
        }
    }

    /// Asks whether the server's half of the job is there.
    pub(super) fn sync(&mut self, cx: &mut LinkContext<'_>, job: JobId) {
        let purpose = Purpose::Sync(job);
        self.withdraw(|call| call.purpose == purpose);
        let wanted = self
            .jobs
            .get(&job)
            .is_some_and(|job| job.state == JobState::Apart && job.waiting.is_some());
        if !wanted {
            return;
        }
        let origin = Origin::Job(job);
        let target = Target::job(origin, channel::AUX, topic::SYNC_RUNNER, true);
        let body = aux_body(cx, origin, topic::SYNC_RUNNER, None);
        self.call(cx, purpose, target, Headers::new(), Some(&body));
        self.timers.arm(Timer::Sync(job), cx.now + SYNC_TIMEOUT);
    }

    pub(super) fn synced(&mut self, cx: &mut LinkContext<'_>, job: JobId, answer: &Answer) {
        let Some(known) = self.jobs.get_mut(&job) else {
            return;
        };
        if answer.code == ReturnCode::Ok && aux_code(answer) == Some("OK") {
            known.state = JobState::Together;
            known.beats = true;
            self.timers.disarm(Timer::Sync(job));
            self.beat(cx, job);
            self.ask_waiting(cx, job);
        } else {
            tracing::debug!(%job, code = %answer.code, "the server's half of the job is not there");
            self.timers.arm(Timer::Sync(job), cx.now + SYNC_AGAIN);
        }
    }

    /// Sends a sign of life of the job; nobody answers it.
    pub(super) fn beat(&mut self, cx: &LinkContext<'_>, job: JobId) {
        if self.jobs.get(&job).is_some_and(|job| job.beats) {
            let origin = Origin::Job(job);
            let target = Target::job(origin, channel::AUX, topic::JOB_HEARTBEAT, true);
            let body = aux_body(cx, origin, topic::JOB_HEARTBEAT, None);
            self.stream_notice(cx, &target, &body);
            self.timers.arm(Timer::Beat(job), cx.now + BEAT);
        }
    }

    /// Goes on with the signs of life of every job, on a new connection.
    pub(super) fn beat_on(&mut self, now: Instant) {
        for (job, _) in self.jobs.iter().filter(|(_, job)| job.beats) {
            self.timers.arm(Timer::Beat(*job), now + BEAT);
        }
    }

    /// The server says that the run is over.
    pub(super) fn end_run(&mut self, cx: &LinkContext<'_>, origin: Origin) {
        let Origin::Job(job) = origin else {
            return;
        };
        let Some(known) = self.jobs.get_mut(&job) else {
            return;
        };
        known.state = JobState::Ended;
        known.beats = false;
        let pulls = [known.waiting.take(), known.asking.take()];
        self.timers.disarm(Timer::Beat(job));
        for id in pulls.into_iter().flatten() {
            self.cancel(id);
            self.run_ended(cx, id);
        }
    }

    /// The server wants the job to run here. False if `limit` jobs are known already;
    /// those that were aborted, perhaps before the host started them, make room.
    pub(super) fn start_job(&mut self, job: JobId, limit: usize) -> bool {
        if self.jobs.len() >= limit {
            self.jobs.retain(|_, known| !known.aborted);
        }
        if self.jobs.len() >= limit && !self.jobs.contains_key(&job) {
            return false;
        }
        let known = self.jobs.entry(job).or_default();
        known.wanted = true;
        let start = self.wanted_jobs();
        self.event(NvflareEvent::Jobs {
            abort: Vec::new(),
            start,
        });
        true
    }

    /// The server wants the job to stop.
    pub(super) fn stop_job(&mut self, job: JobId) {
        self.job_aborted(job);
        let start = self.wanted_jobs();
        self.event(NvflareEvent::Jobs {
            abort: vec![job],
            start,
        });
    }

    pub(super) fn job_aborted(&mut self, job: JobId) {
        if let Some(known) = self.jobs.get_mut(&job) {
            known.aborted = true;
            known.wanted = false;
        }
    }

    /// The jobs that the server wants to run here.
    pub(super) fn wanted_jobs(&self) -> Vec<JobId> {
        let wanted = self.jobs.iter().filter(|(_, job)| job.wanted);
        wanted.map(|(id, _)| *id).collect()
    }

    fn ask_waiting(&mut self, cx: &mut LinkContext<'_>, job: JobId) {
        let waiting = self.jobs.get_mut(&job).and_then(|job| job.waiting.take());
        if let Some(id) = waiting {
            self.ask_task(cx, id, job);
        }
    }
}

/// The body of a request to the server's half of a job outside of its work, which may be
/// about a task.
pub(super) fn aux_body(
    cx: &LinkContext<'_>,
    origin: Origin,
    topic: &str,
    task: Option<&str>,
) -> Value {
    let site = cx.identity.name().as_str();
    let run = match origin {
        Origin::Site => String::new(),
        Origin::Job(job) => job.to_string(),
    };
    let properties = Value::map([
        ("__identity_name__", Value::from(site)),
        ("__run_num__", run.into()),
        ("__client_name__", site.into()),
    ]);
    let mut headers = vec![
        ("__topic__".into(), topic.into()),
        ("__peer_props__".into(), properties),
    ];
    if let Some(task) = task {
        headers.push(("__task_id__".into(), task.into()));
    }
    typed::shareable(headers, Vec::new())
}

/// The code in the answer to such a request; OK if it says nothing.
pub(super) fn aux_code(answer: &Answer) -> Option<&str> {
    let headers = typed::headers(&answer.body.as_ref()?.value)?;
    headers.get("__rc__").map_or(Some("OK"), Value::as_str)
}
