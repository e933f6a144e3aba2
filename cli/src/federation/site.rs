//! A site's application: it trains when it is asked to, and stops when it is told to.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use fedlink::error::Misuse;
use fedlink::message::{JobId, Outcome, Payload, Progress, Properties, Ssid, TaskId};
use fedlink::{Client, ClientAction, Instant, Task};

use super::Order;
use super::order::{HOLD, TRAIN};
use crate::training::{Checkpoint, EPOCHS, Share};

/// The application of a site. Give it every action of its client, carry out the
/// [`Training`] that it may return, wherever that does not hold up the client, and bring
/// what comes of it to [`finished`](Self::finished).
#[derive(Debug)]
pub struct Site {
    /// The site's own data, which never leaves it.
    share: Arc<Share>,
    jobs: BTreeMap<JobId, Begun>,
    news: VecDeque<SiteNews>,
}

/// What a site knows of a job that runs here.
#[derive(Debug)]
struct Begun {
    /// The service session that it belongs to. A server that has lost its state begins
    /// another one.
    ssid: Option<Ssid>,
    /// What the site was last asked to train.
    order: Option<Order>,
}

/// What people may want to know of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteNews {
    /// A job runs here.
    Started(JobId),
    /// The result of a round is on its way.
    Trained(Order),
    /// The coordinator has aborted a job, and it has stopped.
    Aborted(JobId),
    /// The coordinator has no more tasks of a job, although not all of its rounds are over.
    Ended(JobId),
    /// A job has ended after its last round.
    Finished(JobId),
}

/// A task to train, with all that it takes.
#[derive(Debug)]
pub struct Training {
    task: TaskId,
    job: JobId,
    payload: Payload,
    order: Order,
    share: Arc<Share>,
}

/// What came of a [`Training`].
#[derive(Debug)]
pub struct Trained {
    task: TaskId,
    job: JobId,
    order: Order,
    result: Result<Payload, String>,
}

impl Site {
    /// A site with this data and without jobs.
    #[must_use]
    pub fn new(share: Arc<Share>) -> Self {
        Self {
            share,
            jobs: BTreeMap::new(),
            news: VecDeque::new(),
        }
    }

    /// Takes an action of the client. Actions that are about the connection mean nothing
    /// here.
    ///
    /// # Errors
    /// When the client refuses a command: it is out of room.
    pub fn handle(
        &mut self,
        client: &mut Client,
        now: Instant,
        action: ClientAction,
    ) -> Result<Option<Training>, Misuse> {
        match action {
            ClientAction::HeartbeatDue => client.heartbeat_ready(now, None)?,
            ClientAction::StartJobs(jobs) => {
                for job in jobs {
                    self.start(client, now, job, client.ssid())?;
                    client.pull_task(now, job)?;
                }
            }
            ClientAction::TaskAssigned(task) => return self.assigned(client, now, task),
            ClientAction::AbortJobs(jobs) => {
                for job in jobs {
                    self.end(client, now, job, SiteNews::Aborted(job))?;
                }
            }
            ClientAction::RunEnded { job } => {
                self.end(client, now, job, SiteNews::Ended(job))?;
            }
            _ => {}
        }
        Ok(None)
    }

    /// Hands in what came of a training, and asks for more. Nothing happens if the job was
    /// stopped meanwhile.
    ///
    /// # Errors
    /// When the client refuses a command: it is out of room.
    pub fn finished(
        &mut self,
        client: &mut Client,
        now: Instant,
        trained: Trained,
    ) -> Result<(), Misuse> {
        let Trained {
            task,
            job,
            order,
            result,
        } = trained;
        if !self.jobs.contains_key(&job) {
            return Ok(());
        }
        match result {
            Ok(payload) => {
                client.submit(now, task, Outcome::Ok, Properties::new(), payload)?;
                self.news.push_back(SiteNews::Trained(order));
            }
            Err(error) => fail(client, now, task, &error)?,
        }
        client.pull_task(now, job)
    }

    /// Whether no job runs here.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    /// What has happened, the oldest first.
    pub fn poll_news(&mut self) -> Option<SiteNews> {
        self.news.pop_front()
    }

    fn start(
        &mut self,
        client: &mut Client,
        now: Instant,
        job: JobId,
        ssid: Option<Ssid>,
    ) -> Result<(), Misuse> {
        if let Entry::Vacant(vacant) = self.jobs.entry(job) {
            vacant.insert(Begun { ssid, order: None });
            client.job_started(now, job)?;
            self.news.push_back(SiteNews::Started(job));
        }
        Ok(())
    }

    fn end(
        &mut self,
        client: &mut Client,
        now: Instant,
        job: JobId,
        news: SiteNews,
    ) -> Result<(), Misuse> {
        if let Some(begun) = self.jobs.remove(&job) {
            let finished = begun.ssid == client.ssid()
                && begun.order.is_some_and(|order| order.round == order.rounds);
            self.news.push_back(match finished {
                true => SiteNews::Finished(job),
                false => news,
            });
        }
        match client.job_ended(now, job) {
            // Its end can be told in two ways at once.
            Ok(()) | Err(Misuse::UnknownJob(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn assigned(
        &mut self,
        client: &mut Client,
        now: Instant,
        task: Task,
    ) -> Result<Option<Training>, Misuse> {
        // After a restart a task comes before its job is started again.
        self.start(client, now, task.job, Some(task.ssid))?;
        match (task.name.as_str(), Order::parse(&task.headers)) {
            (TRAIN, Some(order)) => {
                if let Some(begun) = self.jobs.get_mut(&task.job) {
                    begun.order = Some(order);
                }
                client.report_progress(now, task.job, progress(order))?;
                Ok(Some(Training {
                    task: task.id,
                    job: task.job,
                    payload: task.payload,
                    order,
                    share: Arc::clone(&self.share),
                }))
            }
            (HOLD, _) => {
                client.report_progress(now, task.job, Progress::default())?;
                Ok(None)
            }
            _ => {
                fail(client, now, task.id, "this site knows no such task")?;
                client.pull_task(now, task.job)?;
                Ok(None)
            }
        }
    }
}

impl Training {
    /// What is to be trained.
    #[must_use]
    pub fn order(&self) -> Order {
        self.order
    }

    /// Trains. Takes a while.
    #[must_use]
    pub fn run(self) -> Trained {
        let result = Checkpoint::decode(self.payload.bytes()).map(|(before, padding)| {
            let after = Checkpoint {
                round: self.order.round,
                examples: u32::try_from(self.share.len()).unwrap_or(u32::MAX),
                model: before.model.train(&self.share, EPOCHS),
            };
            Payload::new(after.encode(padding))
        });
        Trained {
            task: self.task,
            job: self.job,
            order: self.order,
            result: result.map_err(|error| error.to_string()),
        }
    }
}

#[cfg(test)]
impl Trained {
    /// The same of a site that could not train.
    pub(super) fn failed(mut self, error: &str) -> Self {
        self.result = Err(error.to_owned());
        self
    }
}

fn progress(order: Order) -> Progress {
    let done = u64::from(order.round - 1) * 1000 / u64::from(order.rounds);
    Progress::from_permille(u16::try_from(done).unwrap_or(u16::MAX))
}

fn fail(client: &mut Client, now: Instant, task: TaskId, error: &str) -> Result<(), Misuse> {
    let headers = Properties::new().with("error", error);
    let nothing = Payload::new(Vec::new());
    client.submit(now, task, Outcome::Failed, headers, nothing)
}
