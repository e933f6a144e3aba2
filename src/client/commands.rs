//! The commands of a host to its client, and what a host may ask it.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::state::{State, Trigger};
use super::{Client, ClientCounters, Phase};
use crate::Instant;
use crate::error::{ConfigError, Misuse};
use crate::identity::{Identity, Name, Revoked, Roots};
use crate::link::event::JobEnd;
use crate::message::check::check_size;
use crate::message::limits::{
    MAX_PROPERTIES, MAX_STRANGER_PROPERTIES, MAX_SUSPENSION, MAX_TEXT, cut,
};
use crate::message::{
    JobId, Outcome, Payload, Progress, Properties, RecordId, SignatureId, Ssid, TaskId,
};
use crate::suite::Suite;
use crate::time::WallClock;

impl Client {
    /// Tells the wall clock, in Unix seconds, for the dates of certificates. Tell it at
    /// the start and whenever the clock was set.
    pub fn set_wall_clock(&mut self, now: Instant, unix_time: u64) {
        self.advance(now);
        self.wall = Some(WallClock::new(self.now, unix_time));
    }

    /// Starts to register, and goes on until the client is registered or rejected.
    ///
    /// # Errors
    /// When the client is registering or registered already, or is saying goodbye.
    pub fn register(&mut self, now: Instant) -> Result<(), Misuse> {
        self.advance(now);
        match self.state {
            State::Idle | State::Rejected | State::Closed => {
                self.state
                    .change(Trigger::Register, State::Registering(Box::default()));
                self.tell_of_ends();
                self.start_attempt();
                self.settle();
                Ok(())
            }
            State::Registering(_) | State::Active(_) | State::Quitting(_) => {
                Err(Misuse::AlreadyRegistering)
            }
        }
    }

    /// Says goodbye and closes: legal in every phase, ends any retry, drops no result
    /// that was not accepted. The reason is cut at 255 bytes.
    pub fn quit(&mut self, now: Instant, reason: &str) {
        self.advance(now);
        self.say_farewell(cut(reason));
        self.settle();
    }

    /// Releases the heartbeat that [`HeartbeatDue`](super::ClientAction::HeartbeatDue)
    /// announced, with a context of its own if there is one to give. One that is too long
    /// for a server that may have forgotten the session stays behind: on a connection on
    /// which nothing has come.
    ///
    /// # Errors
    /// When the context is larger than 64 KiB.
    pub fn heartbeat_ready(
        &mut self,
        now: Instant,
        context: Option<Properties>,
    ) -> Result<(), Misuse> {
        self.advance(now);
        if let Some(context) = &context {
            check_size("context", context.size(), MAX_PROPERTIES)?;
        }
        self.heartbeat_released(context);
        self.settle();
        Ok(())
    }

    /// Sends no heartbeats until they are resumed, in whatever phase, but for one with each
    /// new session, and on a new connection as long as much work waits for the server to
    /// know the session there. The server will count the client as dead when the pause
    /// outlasts its patience.
    pub fn pause_heartbeats(&mut self, now: Instant) {
        self.advance(now);
        self.set_heartbeats_paused(true);
        self.settle();
    }

    /// Ends a pause, or the sleep of [`suspend`](Self::suspend), with a heartbeat.
    pub fn resume_heartbeats(&mut self, now: Instant) {
        self.advance(now);
        self.set_heartbeats_paused(false);
        self.settle();
    }

    /// Tells the server that the device will be silent for `span`, at most 24 h, and
    /// keeps its place. The next heartbeat goes out after it.
    ///
    /// # Errors
    /// When the client is not registered, or the server cannot hear it.
    pub fn suspend(&mut self, now: Instant, span: Duration) -> Result<(), Misuse> {
        self.advance(now);
        if !self.is_active() {
            return Err(Misuse::NotRegistered);
        }
        if !self.connection.is_up() {
            return Err(Misuse::NotConnected);
        }
        self.send_heartbeat(None, Some(span.min(MAX_SUSPENSION)));
        self.settle();
        Ok(())
    }

    /// A job runs here from now on: heartbeats report it.
    ///
    /// # Errors
    /// When as many jobs run as the configuration allows.
    pub fn job_started(&mut self, now: Instant, job: JobId) -> Result<(), Misuse> {
        self.advance(now);
        self.work(|work, cx| work.job_started(cx, job))
    }

    /// A job has ended here, or could not be started. Its unfinished tasks are dropped;
    /// its results in the outbox are not.
    ///
    /// # Errors
    /// When nothing is known of such a job.
    pub fn job_ended(&mut self, now: Instant, job: JobId) -> Result<(), Misuse> {
        self.end_job(now, job, JobEnd::Over)
    }

    /// A job has failed here: as [`job_ended`](Self::job_ended), and a server of NVIDIA
    /// FLARE is told the reason, which is cut at 255 bytes. The native binding tells only
    /// that the job no longer runs.
    ///
    /// # Errors
    /// When nothing is known of such a job.
    pub fn job_failed(&mut self, now: Instant, job: JobId, reason: &str) -> Result<(), Misuse> {
        self.end_job(now, job, JobEnd::Failed(cut(reason).to_owned()))
    }

    fn end_job(&mut self, now: Instant, job: JobId, end: JobEnd) -> Result<(), Misuse> {
        self.advance(now);
        self.work(|work, cx| work.job_ended(cx, job))?;
        self.with_link(|link, cx| link.job_ended(cx, job, end));
        self.settle();
        Ok(())
    }

    /// A job that was to be aborted still runs: the client will be told again.
    ///
    /// # Errors
    /// When the job was not to be aborted.
    pub fn job_abort_failed(&mut self, now: Instant, job: JobId) -> Result<(), Misuse> {
        self.advance(now);
        self.work.job_abort_failed(job)
    }

    /// How far a job has come, for the next heartbeats.
    ///
    /// # Errors
    /// When the job does not run here.
    pub fn report_progress(
        &mut self,
        now: Instant,
        job: JobId,
        progress: Progress,
    ) -> Result<(), Misuse> {
        self.advance(now);
        self.work.report_progress(job, progress)
    }

    /// Asks for a task of this job, again and again, until there is one
    /// ([`TaskAssigned`](super::ClientAction::TaskAssigned)) or the run has ended.
    ///
    /// # Errors
    /// When the job does not run here, or too many tasks are held already.
    pub fn pull_task(&mut self, now: Instant, job: JobId) -> Result<(), Misuse> {
        self.advance(now);
        self.work(|work, cx| work.pull_task(cx, job))?;
        self.settle();
        Ok(())
    }

    /// Hands over the result of a task. It is stored, then sent until the server has it.
    ///
    /// # Errors
    /// When the task is not held here, or headers or labels are too large.
    pub fn submit(
        &mut self,
        now: Instant,
        task: TaskId,
        outcome: Outcome,
        headers: Properties,
        payload: Payload,
    ) -> Result<(), Misuse> {
        self.advance(now);
        self.work(|work, cx| work.submit(cx, task, outcome, headers, payload))?;
        self.settle();
        Ok(())
    }

    /// The record is stored durably: what waited for it goes on.
    ///
    /// # Errors
    /// When the record is not waiting.
    pub fn persisted(&mut self, now: Instant, record: RecordId) -> Result<(), Misuse> {
        self.advance(now);
        self.work(|work, cx| work.persisted(cx, record))?;
        self.settle();
        Ok(())
    }

    /// A signature that was asked for with [`Sign`](super::ClientAction::Sign).
    ///
    /// # Errors
    /// When it is not awaited (any more).
    pub fn signed(
        &mut self,
        now: Instant,
        request: SignatureId,
        signature: &[u8; 64],
    ) -> Result<(), Misuse> {
        self.advance(now);
        self.handshake_signed(request, signature)?;
        self.settle();
        Ok(())
    }

    /// The address that the server is told, such as the host's local one; at most 255
    /// bytes. Used from the next registration on.
    ///
    /// # Errors
    /// When it is too long.
    pub fn set_address(&mut self, address: &str) -> Result<(), Misuse> {
        check_size("address", address.len(), MAX_TEXT)?;
        address.clone_into(&mut self.address);
        Ok(())
    }

    /// Facts about the site, at most 16 KiB. Used from the next registration on.
    ///
    /// # Errors
    /// When they are too large.
    pub fn set_site_info(&mut self, site_info: Properties) -> Result<(), Misuse> {
        check_size(
            "site information",
            site_info.size(),
            MAX_STRANGER_PROPERTIES,
        )?;
        self.site_info = site_info;
        Ok(())
    }

    /// The context that rides on requests from now on, at most 16 KiB, since a
    /// registration carries it too. A heartbeat may have a larger one of its own.
    ///
    /// # Errors
    /// When it is too large.
    pub fn set_context(&mut self, context: Properties) -> Result<(), Misuse> {
        check_size("context", context.size(), MAX_STRANGER_PROPERTIES)?;
        self.context = context;
        Ok(())
    }

    /// A new certificate, key or both, of the same name. The next registration uses it;
    /// the running session goes on, and is renewed in time if it was to end with the
    /// certificate before. What was revoked stays revoked.
    ///
    /// # Errors
    /// When it cannot be used with the configuration, or carries another name.
    pub fn set_identity(
        &mut self,
        now: Instant,
        mut identity: Identity,
    ) -> Result<(), ConfigError> {
        if identity.name() != self.identity.name() {
            return Err(ConfigError::NameMismatch {
                certificate: identity.name().to_string(),
                configured: self.identity.name().clone(),
            });
        }
        self.config.check(&identity)?;
        self.advance(now);
        identity.revoked.extend(&self.identity.revoked);
        self.identity = identity;
        self.tell_of_ends();
        self.renew_with_another_certificate();
        Ok(())
    }

    /// Whom to trust from the next registration on.
    ///
    /// # Errors
    /// When the roots trust nobody.
    pub fn set_roots(&mut self, roots: Roots) -> Result<(), ConfigError> {
        if roots.is_empty() {
            return Err(ConfigError::NoRoots);
        }
        self.identity.roots = roots;
        Ok(())
    }

    /// Which certificates not to trust, from now on. If the server's is among them, the
    /// client registers anew, and finds out.
    pub fn set_revoked(&mut self, now: Instant, revoked: Revoked) {
        self.advance(now);
        let hit = self.link.server_is_revoked(&revoked);
        self.identity.revoked = revoked;
        if hit && self.is_active() {
            self.session_lost();
        }
        self.settle();
    }

    /// The shortest list of records that restores the same state, each in two parts to be
    /// written together. Replace the stored records with it at any time, at once or not
    /// at all; records that were handed out before are in it and count as stored when it
    /// is. Some or all of them may be stored behind it all the same.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(Bytes, Bytes)> {
        self.work.snapshot()
    }

    /// What the client is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Name {
        self.identity.name()
    }

    /// The server's service session, once it was registered.
    #[must_use]
    pub fn ssid(&self) -> Option<Ssid> {
        self.ssid
    }

    /// The suite of the session, if there is one.
    #[must_use]
    pub fn suite(&self) -> Option<Suite> {
        self.link.suite()
    }

    /// When the next heartbeat is due.
    #[must_use]
    pub fn heartbeat_at(&self) -> Option<Instant> {
        self.next_heartbeat()
    }

    /// Results that the server has not accepted yet.
    #[must_use]
    pub fn outbox_len(&self) -> usize {
        self.work.outbox_len()
    }

    /// Tasks that the host holds and has not answered.
    #[must_use]
    pub fn held_len(&self) -> usize {
        self.work.held_len()
    }

    /// Whether nothing is asked for, held, or to be sent.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.work.is_idle()
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> &ClientCounters {
        &self.counters
    }
}
