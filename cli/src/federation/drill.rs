//! A job of the demo that is aborted on purpose.

use std::collections::BTreeSet;

use fedlink::error::Misuse;
use fedlink::identity::Name;
use fedlink::message::{JobId, Payload};
use fedlink::{Assignee, Instant, NewTask, Server, ServerAction, Sites};

use super::order::HOLD;

/// A job whose tasks last until it is aborted, on the coordinator's side.
#[derive(Clone, Debug)]
pub struct Drill {
    job: JobId,
    running: BTreeSet<Name>,
}

impl Drill {
    /// Starts the job on these sites.
    ///
    /// # Errors
    /// When the job exists, or the server has no room for it.
    pub fn start(
        server: &mut Server,
        now: Instant,
        job: JobId,
        sites: BTreeSet<Name>,
    ) -> Result<Self, Misuse> {
        server.start_job(now, job, Sites::Named(sites.clone()))?;
        for site in sites {
            let task = NewTask::new(HOLD, Payload::new(Vec::new()));
            server.assign(now, job, Assignee::Site(site), task)?;
        }
        Ok(Self {
            job,
            running: BTreeSet::new(),
        })
    }

    /// The job of this id on a restored server. `None` if it does not run there.
    #[must_use]
    pub fn resume(server: &Server, job: JobId) -> Option<Self> {
        let running = BTreeSet::new();
        server
            .jobs()
            .any(|known| known == job)
            .then_some(Self { job, running })
    }

    /// Learns from the server's actions which sites work on the job.
    pub fn handle(&mut self, action: &ServerAction) {
        if let ServerAction::HeartbeatReceived { client, jobs, .. } = action {
            let works = |report: &fedlink::message::JobReport| {
                report.job == self.job && report.progress.is_some()
            };
            if jobs.iter().any(works) {
                self.running.insert(client.clone());
            }
        }
    }

    /// The job.
    #[must_use]
    pub fn job(&self) -> JobId {
        self.job
    }

    /// Sites that have said that they work on it.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Aborts the job: sites learn of it with their next heartbeat.
    ///
    /// # Errors
    /// When it was aborted before.
    pub fn abort(&self, server: &mut Server, now: Instant) -> Result<(), Misuse> {
        server.end_job(now, self.job)
    }
}
