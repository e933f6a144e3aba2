//! The answer to a heartbeat: which jobs a site runs, and which it should start or abort.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Ledger, LedgerOutput};
use crate::identity::Name;
use crate::message::{JobId, JobReport};
use crate::server::ServerAction;

/// What the answer to a heartbeat says of jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobLists {
    pub(crate) generation: u64,
    pub(crate) abort: Vec<JobId>,
    pub(crate) start: Vec<JobId>,
}

/// What each site has reported. Not durable: after a restart a job that a site does not
/// run is started there again.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(super) struct Seen(BTreeMap<Name, Site>);

#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone, Hash))]
struct Site {
    /// Heartbeats that named a job so far.
    heartbeats: u64,
    /// Each job reported so far, and the last heartbeat that named it; none once it was
    /// missing.
    jobs: BTreeMap<JobId, Option<u64>>,
}

impl Ledger {
    /// A heartbeat brings the jobs that run on a site; what it should stop and start, and
    /// an action for each job that it ran and runs no more. A job is in `start` until the
    /// site has reported it once, and in neither list while its start or end is being
    /// stored.
    // spec: P-91
    pub(crate) fn heartbeat(
        &mut self,
        client: &Name,
        reported: &[JobReport],
        out: &mut LedgerOutput<'_>,
    ) -> JobLists {
        let mut lists = JobLists {
            generation: self.generation,
            abort: Vec::new(),
            start: Vec::new(),
        };
        let jobs = &self.state.jobs;
        let meant = |job: &JobId| jobs.get(job).is_some_and(|it| it.sites.contains(client));
        let mut site = self.seen.0.get_mut(client);
        if site.is_none() && reported.iter().any(|report| meant(&report.job)) {
            site = Some(self.seen.0.entry(client.clone()).or_default());
        }
        let mut heartbeat = 0;
        if let Some(site) = &mut site {
            site.heartbeats = site.heartbeats.saturating_add(1);
            heartbeat = site.heartbeats;
            site.jobs.retain(|job, _| jobs.contains_key(job));
        }
        let lasting = |report: &&JobReport| !self.ending.contains(&report.job);
        for report in reported.iter().filter(lasting) {
            match &mut site {
                Some(site) if meant(&report.job) => {
                    site.jobs.insert(report.job, Some(heartbeat));
                }
                Some(_) | None => lists.abort.push(report.job),
            }
        }
        for (id, job) in jobs {
            if !job.sites.contains(client) || self.starting.contains(id) {
                continue;
            }
            let last = site.as_mut().and_then(|site| site.jobs.get_mut(id));
            match last {
                None => lists.start.push(*id),
                Some(last) => {
                    if last.is_some_and(|last| last != heartbeat) {
                        *last = None;
                        out.actions.push_back(ServerAction::JobMissingOnClient {
                            client: client.clone(),
                            job: *id,
                        });
                    }
                }
            }
        }
        lists
    }

    /// Forgets what a site has reported; for one that left or died. When it comes back,
    /// its jobs are started again.
    pub(crate) fn forget_reports(&mut self, client: &Name) {
        self.seen.0.remove(client);
    }
}
