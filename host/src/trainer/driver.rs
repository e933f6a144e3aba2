//! The driver of a site with trainers: it reacts to each action of the client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fedlink::error::Misuse;
use fedlink::message::{JobId, Outcome, Payload, Properties, TaskId};
use fedlink::{ClientAction, Task};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::event::SiteEvent;
use super::worker::{Done, Report, Worker};
use super::{Trainers, Update, round};
use crate::tokio::{ClientHandle, Events};
use crate::{CallError, HostError};

/// How long trainers may take to stop when the site ends: longer than a program needs that
/// is first asked to stop and then made to.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// The most of a failure that the coordinator is told, in bytes: a sentence or two, and it
/// fits into the headers of any binding.
const MAX_REASON: usize = 1024;

pub(super) struct Driver {
    client: ClientHandle,
    trainers: Arc<dyn Trainers>,
    jobs: BTreeMap<JobId, Job>,
    sender: mpsc::UnboundedSender<Report>,
    reports: mpsc::UnboundedReceiver<Report>,
    out: mpsc::Sender<SiteEvent>,
}

enum Job {
    Running(Worker),
    /// Its trainer was told to stop and has not done so yet.
    Stopping,
}

impl Driver {
    pub(super) fn new(
        client: ClientHandle,
        trainers: Arc<dyn Trainers>,
        out: mpsc::Sender<SiteEvent>,
    ) -> Self {
        let (sender, reports) = mpsc::unbounded_channel();
        Self {
            client,
            trainers,
            jobs: BTreeMap::new(),
            sender,
            reports,
            out,
        }
    }

    /// Works until the host has stopped, or nobody listens any more.
    pub(super) async fn run(mut self, mut actions: Events<ClientAction>) -> Result<(), HostError> {
        let worked = self.work(&mut actions).await;
        self.stop_all().await;
        let refused = match worked {
            Err(CallError::Misuse(misuse)) => {
                // If it has stopped already, its end says why.
                let _ = self.client.stop().await;
                Err(HostError::Refused(misuse))
            }
            Err(CallError::Stopped(_)) | Ok(()) => Ok(()),
        };
        drop(self.client);
        actions.finish().await.and(refused)
    }

    async fn work(&mut self, actions: &mut Events<ClientAction>) -> Result<(), CallError> {
        loop {
            tokio::select! {
                action = actions.next() => match action {
                    Some(action) => self.action(action).await?,
                    None => return Ok(()),
                },
                Some(report) = self.reports.recv() => self.report(report).await?,
                () = self.out.closed() => return Ok(()),
            }
        }
    }

    async fn action(&mut self, action: ClientAction) -> Result<(), CallError> {
        let action = match action {
            ClientAction::TaskAssigned(task) => return self.assigned(task).await,
            action => action,
        };
        self.tell(SiteEvent::Action(action.clone())).await;
        match action {
            ClientAction::HeartbeatDue => self.client.heartbeat_ready(None).await?,
            ClientAction::StartJobs(jobs) => {
                for job in jobs {
                    if self.start(job).await? {
                        self.client.pull_task(job).await?;
                    }
                }
            }
            ClientAction::AbortJobs(jobs) => {
                for job in jobs {
                    self.stop(job).await?;
                }
            }
            ClientAction::RunEnded { job } => self.stop(job).await?,
            #[cfg(feature = "nvflare")]
            ClientAction::AbortTask { job } => {
                if let Some(Job::Running(worker)) = self.jobs.get(&job) {
                    worker.give_up();
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Starts the job, unless it was. False if it cannot run.
    async fn start(&mut self, job: JobId) -> Result<bool, CallError> {
        if let Some(known) = self.jobs.get(&job) {
            return Ok(matches!(known, Job::Running(_)));
        }
        let started = match self.client.job_started(job).await {
            Ok(()) => Worker::start(job, Arc::clone(&self.trainers), self.sender.clone())
                .map_err(|error| error.to_string()),
            Err(CallError::Misuse(misuse)) => Err(misuse.to_string()),
            Err(stopped) => return Err(stopped),
        };
        match started {
            Ok(worker) => {
                self.jobs.insert(job, Job::Running(worker));
                self.tell(SiteEvent::JobStarted(job)).await;
                Ok(true)
            }
            Err(reason) => {
                self.tell(SiteEvent::JobNotStarted { job, reason }).await;
                self.ended(job).await?;
                Ok(false)
            }
        }
    }

    async fn assigned(&mut self, task: Task) -> Result<(), CallError> {
        // After a restart a task comes before its job is started again.
        self.start(task.job).await?;
        self.tell(SiteEvent::Assigned {
            job: task.job,
            task: task.id,
            name: task.name.clone(),
            round: round(&task.headers),
            bytes: task.payload.len(),
        })
        .await;
        if let Some(Job::Running(worker)) = self.jobs.get_mut(&task.job) {
            worker.give(task);
        }
        Ok(())
    }

    /// Stops the job. Its end is told when its trainer has stopped.
    async fn stop(&mut self, job: JobId) -> Result<(), CallError> {
        match self.jobs.insert(job, Job::Stopping) {
            Some(Job::Running(worker)) => worker.give_up(),
            Some(Job::Stopping) => {}
            None => {
                self.jobs.remove(&job);
                self.ended(job).await?;
            }
        }
        Ok(())
    }

    async fn report(&mut self, report: Report) -> Result<(), CallError> {
        match report {
            Report::Done(done) => self.done(done).await,
            Report::Ended(job) => {
                self.jobs.remove(&job);
                self.tell(SiteEvent::JobEnded(job)).await;
                self.ended(job).await
            }
        }
    }

    async fn done(&mut self, done: Done) -> Result<(), CallError> {
        let Done {
            job,
            task,
            round,
            result,
            elapsed,
        } = done;
        let Some(Job::Running(worker)) = self.jobs.get_mut(&job) else {
            // Nobody wants the result of a job that is to stop.
            return Ok(());
        };
        let given_up = worker.done(task);
        let event = if given_up {
            if result.is_ok() {
                worker.taken(task, Some("its task was given up".to_owned()));
            }
            self.tell_failure(task, Outcome::Aborted, "given up")
                .await?;
            SiteEvent::GivenUp { job, task, round }
        } else {
            let handed_in = match result {
                Ok(update) => {
                    let submitted = self.submit(task, update).await?;
                    if let Some(Job::Running(worker)) = self.jobs.get(&job) {
                        worker.taken(task, submitted.as_ref().err().cloned());
                    }
                    submitted
                }
                Err(failure) => Err(failure.to_string()),
            };
            match handed_in {
                Ok(bytes) => SiteEvent::Trained {
                    job,
                    task,
                    round,
                    bytes,
                    elapsed,
                },
                Err(reason) => {
                    self.tell_failure(task, Outcome::Failed, &reason).await?;
                    SiteEvent::Failed {
                        job,
                        task,
                        round,
                        reason,
                    }
                }
            }
        };
        self.tell(event).await;
        match self.client.pull_task(job).await {
            Err(CallError::Misuse(Misuse::UnknownJob(_))) => Ok(()),
            asked => asked,
        }
    }

    /// Hands in an update and returns its size, or why the client cannot take it.
    async fn submit(
        &self,
        task: TaskId,
        update: Update,
    ) -> Result<Result<usize, String>, CallError> {
        let Update { headers, payload } = update;
        let bytes = payload.len();
        let submitted = self.client.submit(task, Outcome::Ok, headers, payload);
        match submitted.await {
            Ok(()) => Ok(Ok(bytes)),
            Err(CallError::Misuse(misuse)) => Ok(Err(misuse.to_string())),
            Err(stopped) => Err(stopped),
        }
    }

    async fn tell_failure(
        &self,
        task: TaskId,
        outcome: Outcome,
        reason: &str,
    ) -> Result<(), CallError> {
        let headers = Properties::new().with("error", shortened(reason));
        let nothing = Payload::new(Vec::new());
        let submitted = self.client.submit(task, outcome, headers, nothing);
        match submitted.await {
            // Its job was aborted, which is told soon.
            Err(CallError::Misuse(Misuse::UnknownTask(_))) => Ok(()),
            submitted => submitted,
        }
    }

    async fn ended(&self, job: JobId) -> Result<(), CallError> {
        match self.client.job_ended(job).await {
            // Its end can be told in two ways at once.
            Err(CallError::Misuse(Misuse::UnknownJob(_))) => Ok(()),
            ended => ended,
        }
    }

    async fn tell(&self, event: SiteEvent) {
        // Nobody may listen.
        let _ = self.out.send(event).await;
    }

    /// Stops every trainer and waits for them, within reason.
    async fn stop_all(&mut self) {
        for job in self.jobs.values_mut() {
            if let Job::Running(worker) = std::mem::replace(job, Job::Stopping) {
                worker.give_up();
            }
        }
        let stopped = timeout(STOP_PATIENCE, async {
            while !self.jobs.is_empty() {
                match self.reports.recv().await {
                    Some(Report::Ended(job)) => drop(self.jobs.remove(&job)),
                    Some(Report::Done(_)) => {}
                    None => return,
                }
            }
        });
        if stopped.await.is_err() {
            tracing::warn!(jobs = self.jobs.len(), "trainers do not stop: left behind");
        }
    }
}

/// The start of a reason, up to [`MAX_REASON`].
fn shortened(reason: &str) -> &str {
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_letters() {
        assert_eq!(shortened("too few wines"), "too few wines");
        let long = "é".repeat(MAX_REASON);
        let odd = format!("a{long}");
        assert_eq!(shortened(&long).len(), MAX_REASON);
        assert_eq!(shortened(&odd).len(), MAX_REASON - 1);
    }
}
