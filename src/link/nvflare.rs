//! The client's end of a session with a server of NVIDIA FLARE 2.5 to 2.9.
//!
//! One connection carries several cells of the site: its own, which registers and takes
//! orders, and one for each job, which asks for tasks and brings results. Small messages
//! are requests and replies; values of a job travel as streams.

mod call;
mod cell;
mod connection;
mod control;
mod download;
mod heartbeat;
mod incoming;
mod job;
mod registration;
mod send;
mod stream;
mod task;
#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

pub use control::Decision;
#[cfg(any(test, fuzzing))]
pub use stream::fuzz::stream as fuzz_stream;

use crate::Instant;
use crate::config::nvflare::Settings;
use crate::error::Dropped;
use crate::identity::{CertificateId, Revoked};
use crate::link::event::{Event, LinkContext, NvflareEvent, Unsent};
use crate::message::{
    ControlId, Failure, JobId, MessageKind, Parts, PullReply, Reply, Request, RequestId, ReturnCode,
};
use crate::timer::Timers;
use crate::transmit::Transmit;
use crate::wire::nvflare::cell::Headers;
use crate::wire::nvflare::dialect::Dialect;
use call::{Answer, Call, Calls, Purpose};
use cell::Credentials;
use connection::{Connection, Heard};
use control::Controls;
use download::Download;
use heartbeat::{Report, Silence};
use job::Job;
use registration::{Handshake, Trial};
use send::{Abandoned, StreamHead};
use stream::{Inbox, Outbox};
use task::Submission;

/// The greatest number of a first stream: leaves room for all that follow.
const MAX_FIRST_STREAM: u64 = 1 << 52;

/// The link.
#[derive(Default)]
pub(crate) struct Link {
    settings: Settings,
    connection: Connection,
    /// How the server of the session writes values, and how they are written to it.
    dialect: Dialect,
    /// The same of the server that the handshakes reach: of the session once it grants one.
    trial: Trial,
    handshake: Handshake,
    credentials: Option<Credentials>,
    /// What the server of the registration proved itself with.
    server_certificates: Vec<CertificateId>,
    calls: Calls,
    inbox: Inbox<Headers>,
    outbox: Outbox<StreamHead>,
    /// Streams that were given up, until their receivers are told.
    abandoned: Vec<Abandoned>,
    /// Numbers the streams of this link.
    streams: u64,
    silence: Silence,
    jobs: BTreeMap<JobId, Job>,
    reports: BTreeMap<JobId, Report>,
    downloads: BTreeMap<RequestId, Download>,
    submissions: BTreeMap<RequestId, Submission>,
    controls: Controls,
    timers: Timers<Timer>,
    events: VecDeque<Event>,
}

/// What the link does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Asks again whether the server's half of a job is there.
    Sync(JobId),
    /// The next sign of life of a job.
    Beat(JobId),
    /// Asks for a part of a task's arrays again.
    Download(RequestId),
    /// Tells the outcome of a job again.
    Report(JobId),
    /// The host has not decided.
    Control(ControlId),
}

/// What every link has.
impl Link {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        self.connection
            .poll_transmit()
            .or_else(|| self.next_chunk())
    }

    pub(crate) fn has_session(&self) -> bool {
        self.credentials.is_some()
    }

    pub(crate) fn server_is_revoked(&self, revoked: &Revoked) -> bool {
        let mut certificates = self.server_certificates.iter();
        certificates.any(|certificate| revoked.contains(certificate))
    }

    pub(crate) fn drop_session(&mut self) {
        self.credentials = None;
        self.cancel_all();
    }

    pub(crate) fn drop_transmits(&mut self) {
        self.connection.disconnect();
        self.inbox.clear();
        for (id, head) in self.outbox.clear() {
            self.abandon(Abandoned::new(id, head));
        }
        self.controls.clear();
        let _ = self.calls.take_where(|_| true);
        self.timers.clear();
        for job in self.jobs.values_mut() {
            job.unsync();
        }
    }

    /// The request is given up. A heartbeat that is given up went unanswered.
    pub(crate) fn cancel(&mut self, id: RequestId) {
        for call in self.withdraw(|call| call.purpose.request() == Some(id)) {
            if matches!(call.purpose, Purpose::Heartbeat(_)) {
                self.heartbeat_unanswered();
            }
        }
        self.downloads.remove(&id);
        self.submissions.remove(&id);
        self.timers.disarm(Timer::Download(id));
        for job in self.jobs.values_mut() {
            job.cancel(id);
        }
    }

    pub(crate) fn cancel_all(&mut self) {
        self.withdraw(|call| call.purpose.request().is_some());
        self.downloads.clear();
        self.submissions.clear();
        self.timers
            .disarm_where(|timer| matches!(timer, Timer::Download(_)));
        for job in self.jobs.values_mut() {
            job.cancel_all();
        }
    }

    pub(crate) fn send_failed(&mut self, transmit: u64) -> Option<Unsent> {
        let failed = self
            .calls
            .take_where(|call| call.transmit == Some(transmit))
            .pop()?;
        match (failed.purpose, failed.purpose.request()) {
            (Purpose::Challenge | Purpose::Register, _) => Some(Unsent::Handshake),
            (_, request) => request.map(Unsent::Request),
        }
    }

    pub(crate) fn request(
        &mut self,
        cx: &mut LinkContext<'_>,
        id: RequestId,
        request: &Request,
        payload: &Bytes,
    ) -> bool {
        if self.credentials.is_none() {
            return false;
        }
        self.tell_abandoned(cx);
        match request {
            Request::Heartbeat(heartbeat) => self.send_heartbeat(cx, id, heartbeat),
            Request::PullTask(pull) => self.pull(cx, id, pull.job),
            Request::SubmitResult(result) => self.submit(cx, id, result, payload),
            Request::Quit(_) => self.send_quit(cx, id),
            // A payload is never apart here.
            Request::Fetch(_) | Request::Push(_) => self.fail(id, ReturnCode::InvalidRequest),
        }
        true
    }

    pub(crate) fn connected(&mut self, cx: &mut LinkContext<'_>) {
        if self.streams == 0 {
            // Streams of an earlier process may be remembered: start somewhere else.
            self.streams = cx.entropy.between(1, MAX_FIRST_STREAM);
        }
        let wall = send::wall(cx);
        self.connection
            .connect(cx.now, cx.identity.name().as_str(), wall);
        if self.credentials.is_some() {
            self.session_begins(cx);
        }
    }

    pub(crate) fn handle_message(
        &mut self,
        cx: &mut LinkContext<'_>,
        message: BytesMut,
    ) -> Result<MessageKind, Dropped> {
        if message.len() > self.settings.max_frame {
            return Err(Dropped::TooLong);
        }
        let ping_after = self.settings.ping_after;
        match self
            .connection
            .handle(cx.now, message.freeze(), ping_after)?
        {
            Heard::Own(kind) => Ok(kind),
            Heard::Message(headers, payload) => self.cell_message(cx, headers, payload),
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let own = self.timers.next().map(|(at, _)| at);
        [self.connection.next_timeout(), own]
            .into_iter()
            .flatten()
            .min()
    }

    pub(crate) fn handle_timeout(&mut self, cx: &mut LinkContext<'_>) {
        let ping_after = self.settings.ping_after;
        self.connection.handle_timeout(cx.now, ping_after);
        while let Some(timer) = self.timers.pop_due(cx.now) {
            match timer {
                Timer::Sync(job) => self.sync(cx, job),
                Timer::Beat(job) => self.beat(cx, job),
                Timer::Download(id) => self.download_again(cx, id),
                Timer::Report(job) => self.send_report(cx, job),
                Timer::Control(id) => self.control_overdue(cx, id),
            }
        }
    }
}

impl Link {
    /// A registration stands, or a connection for one that does: what is due to the server
    /// is sent again.
    fn session_begins(&mut self, cx: &LinkContext<'_>) {
        self.silence = Silence::default();
        self.tell_abandoned(cx);
        self.tell_reports(cx.now);
        self.beat_on(cx.now);
    }

    /// In which dialect a request for this is written and answered.
    fn dialect(&self, purpose: Purpose) -> Dialect {
        match purpose.is_handshake() {
            true => self.trial.dialect,
            false => self.dialect,
        }
    }

    /// What came back for a request.
    fn answered(&mut self, cx: &mut LinkContext<'_>, call: &Call, answer: Answer) {
        match call.purpose {
            Purpose::Challenge => self.challenge_answered(cx, &answer),
            Purpose::Register => self.register_answered(cx, &answer),
            Purpose::Heartbeat(id) => self.heartbeat_answered(cx, call, id, &answer),
            Purpose::Quit(id) => self.quit_answered(cx, call, id, &answer),
            Purpose::Report(job) => self.report_answered(job, &answer),
            Purpose::Sync(job) => self.synced(cx, job, &answer),
            Purpose::Pull(id) => self.pulled(cx, call, id, answer),
            Purpose::Download(id) => self.downloaded(cx, id, answer),
            Purpose::Check(id) => self.checked(cx, id, &answer),
            Purpose::Submit(id) => self.submitted(cx, call, id, &answer),
        }
    }

    fn reply(&mut self, cx: &LinkContext<'_>, sent_at: Instant, id: RequestId, reply: Reply) {
        self.reply_with(cx, sent_at, id, reply, Parts::One(Bytes::new()));
    }

    fn reply_with(
        &mut self,
        cx: &LinkContext<'_>,
        sent_at: Instant,
        id: RequestId,
        reply: Reply,
        payload: Parts,
    ) {
        self.events.push_back(Event::Reply {
            id,
            reply,
            payload,
            elapsed: cx.now.since(sent_at),
        });
    }

    fn run_ended(&mut self, cx: &LinkContext<'_>, id: RequestId) {
        self.reply(cx, cx.now, id, Reply::PullTask(PullReply::RunEnded));
    }

    /// The request has failed.
    fn fail(&mut self, id: RequestId, code: ReturnCode) {
        self.fail_with(id, code, String::new());
    }

    fn fail_with(&mut self, id: RequestId, code: ReturnCode, message: String) {
        let failure = Failure {
            code,
            message,
            retry_after: None,
        };
        self.events.push_back(Event::Reply {
            id,
            reply: Reply::Failed(failure),
            payload: Parts::One(Bytes::new()),
            elapsed: core::time::Duration::ZERO,
        });
    }

    fn event(&mut self, event: NvflareEvent) {
        self.events.push_back(Event::Nvflare(event));
    }

    /// Wait longer for the answer to this request.
    fn moving(&mut self, now: Instant, id: RequestId) {
        self.download_moves(now, id);
        self.event(NvflareEvent::Moving(id));
    }

    /// The request is given up, for this reason.
    fn give_up(&mut self, id: RequestId, code: ReturnCode, message: String) {
        self.cancel(id);
        self.fail_with(id, code, message);
    }
}
