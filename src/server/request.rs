//! The requests of registered clients, and their answers.

use alloc::borrow::ToOwned;
use core::time::Duration;

use bytes::{Buf, Bytes};

use super::registry::Ending;
use super::reply_to::ReplyTo;
use super::{Server, ServerAction};
use crate::error::Dropped;
use crate::link::native::server::Handle;
use crate::link::native::session::Opened;
use crate::message::limits::{MAX_PROPERTIES, MAX_SUSPENSION, cut};
use crate::message::{
    Failure, Goodbye, Heartbeat, HeartbeatReply, MessageKind, PeerId, Properties, Reply, Request,
    RequestId, ReturnCode,
};
use crate::time::millis;
use crate::wire::native;

impl Server {
    /// Takes an authentic message of a session.
    // spec: P-16
    pub(super) fn request(
        &mut self,
        peer: PeerId,
        session: Handle,
        opened: Opened,
    ) -> Result<MessageKind, Dropped> {
        let to = ReplyTo {
            peer,
            session,
            request: opened.request,
        };
        let mut body = opened.body;
        let (request, rest) = native::decode::<Request>(&body).ok_or(Dropped::Malformed)?;
        let kind = request.kind();
        if !rest.is_empty() && !request.carries_payload() {
            return Err(Dropped::Malformed);
        }
        body.advance(body.len() - rest.len());
        let Some(newest) = self.seen(session, to.request) else {
            return Err(Dropped::NoSession);
        };
        self.sessions.heard_on(peer, session);
        if self.is_behind() {
            self.overloaded(to)?;
            return Ok(kind);
        }
        // spec: P-86
        if request
            .context()
            .is_some_and(|context| context.size() > MAX_PROPERTIES)
        {
            self.fail(
                to,
                ReturnCode::MsgTooBig,
                "the context is larger than 64 KiB",
            );
            return Ok(kind);
        }
        match request {
            Request::Heartbeat(heartbeat) => self.heartbeat(to, heartbeat, newest)?,
            // spec: P-107
            Request::Quit(quit) => {
                self.reply(
                    to,
                    Reply::Quit(Goodbye {
                        message: "goodbye".to_owned(),
                    }),
                );
                self.send_answers();
                let ending = Ending::Left {
                    reason: cut(&quit.reason).to_owned(),
                    context: quit.context,
                };
                self.end_session(session, ending);
            }
            request => {
                let payload = match body.is_empty() {
                    true => Bytes::new(),
                    false => body.freeze(),
                };
                self.work(to, request, payload);
            }
        }
        Ok(kind)
    }

    /// Requests about tasks go to the ledger, in the proven name.
    fn work(&mut self, to: ReplyTo, request: Request, payload: Bytes) {
        let Some(client) = self.sessions.get(to.session).map(|it| it.client.clone()) else {
            return;
        };
        self.ledger(|ledger, _, out| match request {
            Request::PullTask(pull) => ledger.pull(&client, pull, to, out),
            Request::SubmitResult(submit) => ledger.submit(&client, submit, payload, to, out),
            Request::Fetch(fetch) => ledger.fetch(&client, fetch, to, out),
            Request::Push(push) => ledger.push(&client, push, payload, to, out),
            Request::Heartbeat(_) | Request::Quit(_) => {}
        });
    }

    // spec: P-89
    fn heartbeat(
        &mut self,
        to: ReplyTo,
        heartbeat: Heartbeat,
        newest: bool,
    ) -> Result<(), Dropped> {
        let awake = self.awake();
        let Some(standing) = self.sessions.get_mut(to.session) else {
            return Err(Dropped::NoSession);
        };
        if standing.has_newer_heartbeat(to.request) {
            return Err(Dropped::Repeated);
        }
        if heartbeat.jobs.len() > self.config.max_jobs_per_client {
            self.fail(
                to,
                ReturnCode::InvalidRequest,
                "too many jobs in one heartbeat",
            );
            return Ok(());
        }
        let first = standing.beats(to.request);
        // spec: P-90
        if newest && let Some(span) = heartbeat.suspending {
            let span = Duration::from_millis(span).min(MAX_SUSPENSION);
            standing.suspend(awake + span);
        }
        let client = standing.client.clone();
        let lists = self.ledger(|ledger, _, out| ledger.heartbeat(&client, &heartbeat.jobs, out));
        let interval = millis(self.config.heartbeat_interval);
        let reply = HeartbeatReply {
            generation: lists.generation,
            abort: lists.abort,
            start: lists.start,
            // Clients that registered together spread over one interval.
            interval: if first {
                self.entropy.between(interval / 2, interval)
            } else {
                interval
            },
        };
        self.reply(to, Reply::Heartbeat(reply));
        let telling = heartbeat
            .jobs
            .iter()
            .any(|report| report.progress.is_some());
        if telling || !heartbeat.context.is_empty() {
            self.actions.push_back(ServerAction::HeartbeatReceived {
                client,
                jobs: heartbeat.jobs,
                context: heartbeat.context,
            });
        }
        Ok(())
    }

    /// Marks that something authentic came in a session; returns whether no newer request
    /// came before. `None` when the session is gone.
    fn seen(&mut self, session: Handle, request: RequestId) -> Option<bool> {
        let awake = self.awake();
        let standing = self.sessions.get_mut(session)?;
        let seen = standing.sees(request, awake);
        if standing.is_provisional() {
            self.stand(session);
        } else if seen.woke {
            // The timer was set for a long silence.
            self.watch(session);
        }
        Some(seen.newest)
    }

    /// The host is behind: answer so, and when it is far behind, not even that.
    // spec: P-87
    fn overloaded(&mut self, to: ReplyTo) -> Result<(), Dropped> {
        if self.actions.len() + self.transmits.len() >= self.config.max_waiting.saturating_mul(2) {
            return Err(Dropped::OverBudget);
        }
        self.fail(
            to,
            ReturnCode::ServiceUnavailable,
            "the server is overloaded",
        );
        Ok(())
    }

    fn fail(&mut self, to: ReplyTo, code: ReturnCode, message: &str) {
        let failure = Failure {
            code,
            message: message.to_owned(),
            retry_after: None,
        };
        self.reply(to, Reply::Failed(failure));
    }

    fn reply(&mut self, to: ReplyTo, reply: Reply) {
        self.answers.push(super::Answer {
            to,
            reply,
            payload: Bytes::new(),
        });
    }
}

impl Request {
    fn carries_payload(&self) -> bool {
        match self {
            Self::SubmitResult(_) | Self::Push(_) => true,
            Self::Heartbeat(_) | Self::PullTask(_) | Self::Fetch(_) | Self::Quit(_) => false,
        }
    }

    fn context(&self) -> Option<&Properties> {
        match self {
            Self::Heartbeat(it) => Some(&it.context),
            Self::PullTask(it) => Some(&it.context),
            Self::SubmitResult(it) => Some(&it.context),
            Self::Quit(it) => Some(&it.context),
            Self::Fetch(_) | Self::Push(_) => None,
        }
    }
}
