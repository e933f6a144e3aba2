//! The jobs at this site: those that run, and those that the server wants stopped or started.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use crate::error::Misuse;
use crate::message::{JobId, Progress};

/// Running jobs, and what the host has been told about others.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone, Hash))]
pub(crate) struct Jobs {
    running: BTreeMap<JobId, Option<Progress>>,
    /// Those of them that run because an earlier process left a task of theirs, and that
    /// the host has not called started.
    resumed: BTreeSet<JobId>,
    /// Told to stop, not yet ended.
    stopping: BTreeSet<JobId>,
    /// Told to start, neither started nor ended.
    starting: BTreeSet<JobId>,
    /// The last jobs that ended: the server may list them until it has heard of it.
    ended: VecDeque<JobId>,
}

impl Jobs {
    pub(crate) fn start(&mut self, job: JobId, limit: usize) -> Result<(), Misuse> {
        if self.resumed.remove(&job) {
            return Ok(());
        }
        if self.running.contains_key(&job) {
            return Err(Misuse::JobExists(job));
        }
        if self.running.len() >= limit {
            return Err(Misuse::Full {
                what: "running jobs",
                limit,
            });
        }
        self.running.insert(job, None);
        self.starting.remove(&job);
        self.ended.retain(|ended| *ended != job);
        Ok(())
    }

    /// The job of a task that an earlier process has left runs here.
    pub(crate) fn resume(&mut self, job: JobId) {
        self.running.insert(job, None);
        self.resumed.insert(job);
    }

    /// Forgets the job and remembers that it ended, with at most `limit` others.
    pub(crate) fn end(&mut self, job: JobId, limit: usize) {
        self.running.remove(&job);
        self.resumed.remove(&job);
        self.starting.remove(&job);
        self.stopping.remove(&job);
        self.ended.retain(|ended| *ended != job);
        self.ended.push_back(job);
        while self.ended.len() > limit {
            self.ended.pop_front();
        }
    }

    /// The host could not stop the job: it is asked again.
    pub(crate) fn stop_failed(&mut self, job: JobId) -> Result<(), Misuse> {
        if self.stopping.remove(&job) {
            Ok(())
        } else {
            Err(Misuse::UnknownJob(job))
        }
    }

    pub(crate) fn set_progress(&mut self, job: JobId, progress: Progress) -> Result<(), Misuse> {
        let known = self.running.get_mut(&job).ok_or(Misuse::UnknownJob(job))?;
        *known = Some(progress);
        Ok(())
    }

    pub(crate) fn is_running(&self, job: JobId) -> bool {
        self.running.contains_key(&job)
    }

    pub(crate) fn is_stopping(&self, job: JobId) -> bool {
        self.stopping.contains(&job)
    }

    pub(crate) fn is_starting(&self, job: JobId) -> bool {
        self.starting.contains(&job)
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = (JobId, Option<Progress>)> {
        self.running.iter().map(|(job, progress)| (*job, *progress))
    }

    /// The jobs of `listed` that the host is to be told to stop now.
    pub(crate) fn stop_listed(&mut self, listed: impl Iterator<Item = JobId>) -> Vec<JobId> {
        listed.filter(|job| self.stopping.insert(*job)).collect()
    }

    /// The jobs of `listed` that the host is to be told to start now, as far as `limit`
    /// leaves room.
    pub(crate) fn start_listed(&mut self, listed: &[JobId], limit: usize) -> Vec<JobId> {
        self.starting.retain(|job| listed.contains(job));
        let mut new = Vec::new();
        for job in listed {
            let room = self.running.len() + self.starting.len() < limit;
            let known = self.running.contains_key(job) || self.ended.contains(job);
            if room && !known && self.starting.insert(*job) {
                new.push(*job);
            }
        }
        new
    }
}
