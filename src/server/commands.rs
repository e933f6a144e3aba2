//! The commands of a host to its server, and what a host may ask it.

use alloc::string::ToString;
use alloc::vec::Vec;

use bytes::Bytes;

use super::{Assignee, NewTask, Server, ServerCounters, Sites, TaskView};
use crate::Instant;
use crate::error::{ConfigError, Misuse};
use crate::identity::{Identity, Name, Revoked, Roots};
use crate::message::{JobId, PeerId, RecordId, SessionId, SignatureId, Ssid, TaskId};
use crate::time::WallClock;
use crate::wire::native;

/// Clocks, keys and storage.
impl Server {
    /// Tells the wall clock, in Unix seconds, for the dates of certificates and tokens.
    /// Tell it at the start and whenever the clock was set.
    pub fn set_wall_clock(&mut self, now: Instant, unix_time: u64) {
        self.advance(now);
        self.wall = Some(WallClock::new(self.now, unix_time));
        self.tell_of_own_end();
    }

    /// The record is stored durably: what waited for it goes on.
    ///
    /// # Errors
    /// When the record is not waiting.
    pub fn persisted(&mut self, now: Instant, record: RecordId) -> Result<(), Misuse> {
        self.advance(now);
        self.ledger(|ledger, _, out| ledger.persisted(record, out))?;
        self.send_answers();
        Ok(())
    }

    /// A signature that was asked for with [`Sign`](super::ServerAction::Sign).
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
        let (registry, config) = (&self.registry, &self.config);
        let (ledger, sessions) = (&self.ledger, &self.sessions);
        let (revoked, entropy) = (&self.identity.revoked, &mut self.entropy);
        let (peer, asked, outcome) = self
            .handshakes
            .signed(request, signature, |entered| {
                let (client, instance) = (&entered.client, entered.instance);
                let admitted = registry.admit(config, (ledger, sessions), client, instance);
                let trusted = !entered.certificates.iter().any(|it| revoked.contains(it));
                (admitted.is_ok() && trusted).then(|| sessions.draw_id(entropy))
            })
            .ok_or(Misuse::UnknownSignature(request))?;
        if let Err(reason) = self.handshake_outcome(peer, asked, outcome) {
            self.counters.count_drop(reason);
        }
        Ok(())
    }

    /// A new certificate, key or both, of the same name. Handshakes from now on use it;
    /// running sessions go on. What was revoked stays revoked.
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
        let before = core::mem::replace(&mut self.identity, identity);
        self.handshakes
            .identity_changed(&self.config, self.now, before);
        self.tell_of_own_end();
        self.await_window();
        Ok(())
    }

    /// Whom to trust in handshakes from now on.
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

    /// Which certificates not to trust, from now on. Sessions that rest on one of them
    /// end at once.
    pub fn set_revoked(&mut self, now: Instant, revoked: Revoked) {
        self.advance(now);
        self.end_revoked(&revoked);
        self.identity.revoked = revoked;
    }

    /// Records that the host has not confirmed yet.
    #[must_use]
    pub fn unconfirmed_records(&self) -> usize {
        self.ledger.unconfirmed_records()
    }

    /// The shortest list of records that restores the same state, each in two parts to be
    /// written together. Replace the stored records with it at any time, at once or not
    /// at all; records that were handed out before are in it and count as stored when it
    /// is. Some or all of them may be stored behind it all the same.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(Bytes, Bytes)> {
        self.ledger.snapshot()
    }
}

/// Jobs, tasks and results.
impl Server {
    /// Starts a job on all sites or on some. Once that is stored, they learn of it with
    /// their next heartbeat.
    ///
    /// # Errors
    /// When it exists already, or there are too many.
    pub fn start_job(&mut self, now: Instant, job: JobId, sites: Sites) -> Result<(), Misuse> {
        self.advance(now);
        self.ledger(|ledger, _, out| ledger.start_job(job, sites, out))
    }

    /// Ends a job: clients that run it are told to abort it, its tasks are gone.
    ///
    /// # Errors
    /// When it is not known.
    pub fn end_job(&mut self, now: Instant, job: JobId) -> Result<(), Misuse> {
        self.advance(now);
        self.ledger(|ledger, _, out| ledger.end_job(job, out))?;
        self.send_answers();
        Ok(())
    }

    /// The jobs that run, in the order of their ids.
    pub fn jobs(&self) -> impl Iterator<Item = JobId> {
        self.ledger.jobs()
    }

    /// The sites that a job is meant for. `None` if it does not run.
    #[must_use]
    pub fn sites(&self, job: JobId) -> Option<&Sites> {
        self.ledger.sites(job)
    }

    /// Gives a task to a site, registered or not, or to whoever asks first.
    ///
    /// # Errors
    /// When the job is not known or does not run there, the task is too large, or there
    /// are too many.
    pub fn assign(
        &mut self,
        now: Instant,
        job: JobId,
        to: Assignee,
        task: NewTask,
    ) -> Result<TaskId, Misuse> {
        self.advance(now);
        let task =
            self.ledger(|ledger, entropy, out| ledger.assign(entropy, job, to, task, out))?;
        self.send_answers();
        Ok(task)
    }

    /// Takes a task back. A result that comes all the same is refused.
    ///
    /// # Errors
    /// When it is not known, or has a result.
    pub fn withdraw(&mut self, now: Instant, task: TaskId) -> Result<(), Misuse> {
        self.advance(now);
        self.ledger(|ledger, _, out| ledger.withdraw(task, out))?;
        self.send_answers();
        Ok(())
    }

    /// Takes a task back and gives its work to another, in one step. Returns the new id.
    ///
    /// # Errors
    /// When it is not known, or has a result.
    pub fn reassign(&mut self, now: Instant, task: TaskId, to: Assignee) -> Result<TaskId, Misuse> {
        self.advance(now);
        let task = self.ledger(|ledger, entropy, out| ledger.reassign(entropy, task, to, out))?;
        self.send_answers();
        Ok(task)
    }

    /// The host has used the result of this task and needs it no more.
    ///
    /// # Errors
    /// When there is no such result.
    pub fn taken(&mut self, now: Instant, task: TaskId) -> Result<(), Misuse> {
        self.advance(now);
        self.ledger(|ledger, _, out| ledger.taken(task, out))
    }

    /// The tasks of a job in the order in which they were made, with their input until
    /// their result is taken: enough for a restored host to find where it was.
    pub fn tasks(&self, job: JobId) -> impl Iterator<Item = TaskView<'_>> {
        self.ledger.tasks(job)
    }
}

/// Clients.
impl Server {
    /// Refuses a name from now on and ends its sessions. False if it was disabled.
    pub fn disable(&mut self, now: Instant, client: &Name) -> bool {
        self.advance(now);
        let changed = self.ledger(|ledger, _, out| ledger.disable(client, out));
        self.end_sessions(client, "disabled");
        changed
    }

    /// Accepts a disabled name again. False if it was not disabled.
    pub fn enable(&mut self, now: Instant, client: &Name) -> bool {
        self.advance(now);
        self.ledger(|ledger, _, out| ledger.enable(client, out))
    }

    /// The disabled names in order.
    pub fn disabled(&self) -> impl Iterator<Item = &Name> {
        self.ledger.disabled()
    }

    /// The names that stand registered, in order.
    pub fn clients(&self) -> impl Iterator<Item = &Name> {
        let mut names: Vec<&Name> = self.sessions.names().collect();
        names.sort_unstable();
        names.into_iter()
    }

    /// Whether a name stands registered.
    #[must_use]
    pub fn is_registered(&self, client: &Name) -> bool {
        self.sessions.of(client).is_some()
    }

    /// Whether `peer` has proved itself: a session was heard on that connection last.
    #[must_use]
    pub fn has_session_on(&self, peer: PeerId) -> bool {
        self.sessions.is_heard_on(peer)
    }

    /// The session that a message names which begins so, of which 18 bytes suffice, if there
    /// is one that has not expired. That proves nothing until
    /// [`handle_message`](Self::handle_message) has taken the message: whoever has seen the
    /// id of a session can name it. A host that bounds what strangers may send can let one
    /// long message pass, as far as it bounds those messages all together and for each
    /// session.
    #[must_use]
    pub fn session_of(&self, start: &[u8]) -> Option<SessionId> {
        let session = native::session_of(start)?;
        self.sessions.lasts(self.now, session).then_some(session)
    }

    /// The service session.
    #[must_use]
    pub fn ssid(&self) -> Ssid {
        self.ledger.ssid()
    }

    /// The server's name.
    #[must_use]
    pub fn name(&self) -> &Name {
        self.identity.name()
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> &ServerCounters {
        &self.counters
    }
}
